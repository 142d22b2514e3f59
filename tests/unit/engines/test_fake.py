"""The fake engine: deterministic scores and faults by name."""

import math
import time

import pytest
from support.making import fake, fake_logit, float32

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError, PassingFault
from rerank_cli.core.scorer import Batch, OutOfMemory
from rerank_cli.engines.choice import open_scorer
from rerank_cli.engines.fake import FAULTS, FakeScorer, parse_faults

PAIRS = [("question", "one"), ("question", "two words"), ("", ""), ("q", "漢 字 é"), ("question", "one")]


def batch(scorer, pairs):
    prepared = tuple(scorer.prepare(pairs))
    tokens = [pair.cost for pair in prepared]
    return Batch(prepared, sum(tokens), max(tokens) * len(tokens))


def scored(scorer, *batches):
    return list(scorer.score(iter([batch(scorer, pairs) for pairs in batches])))


def test_a_logit_is_a_hash_of_the_two_texts_as_a_float32():
    assert scored(fake(), PAIRS) == [[fake_logit(query, text) for query, text in PAIRS]]


def test_logits_are_float32_and_spread_over_16():
    (logits,) = scored(fake(), [("q", str(n)) for n in range(2000)])
    assert logits == [float32(logit) for logit in logits]
    assert -8 <= min(logits) < -7.9 < 7.9 < max(logits) < 8


def test_logits_do_not_depend_on_the_batch():
    apart = [logits[0] for logits in scored(fake(), *[[pair] for pair in PAIRS])]
    assert [apart] == scored(fake(), PAIRS)


def test_with_composition_logits_depend_on_the_batch_and_on_nothing_else():
    together = scored(fake("composition=1"), PAIRS)
    assert together == scored(fake("composition=1"), PAIRS)
    assert together[0][0] != scored(fake("composition=1"), PAIRS[:1])[0][0]
    assert together[0] != scored(fake(), PAIRS)[0]


def test_a_longer_pair_costs_more_up_to_the_maximum_and_is_then_truncated():
    scorer = fake(max_length=16)
    short, longer, cut = scorer.prepare([("q", "a"), ("q", "a b c"), ("q", "a " * 50)])
    assert short.cost < longer.cost < cut.cost == 16
    assert [pair.truncated for pair in (short, longer, cut)] == [False, False, True]


def test_prepare_gives_one_pair_each_in_order():
    assert fake().prepare([]) == []
    assert [pair.payload for pair in fake().prepare(PAIRS)] == [fake().prepare([pair])[0].payload for pair in PAIRS]


def test_about_the_share_asked_for_is_not_a_number():
    (logits,) = scored(fake("nan=0.02"), [("q", str(n)) for n in range(10_000)])
    assert 100 < sum(map(math.isnan, logits)) < 300
    assert [v for v in logits if not math.isnan(v)] == [
        fake_logit("q", str(n)) for n in range(10_000) if not math.isnan(logits[n])
    ]


def test_a_batch_above_the_limit_is_out_of_memory_and_those_before_it_are_given():
    scorer = fake("oom_above=6")
    small, large = batch(scorer, [("q", "a"), ("q", "b")]), batch(scorer, [("q", "a")] * 3)
    results = scorer.score(iter([small, large, small]))
    assert next(results) == [fake_logit("q", "a"), fake_logit("q", "b")]
    with pytest.raises(OutOfMemory) as fault:
        next(results)
    assert fault.value.batch is large
    assert list(results) == []


def test_memory_is_needed_for_the_padding_too():
    scorer = fake("oom_above=11")
    uneven = batch(scorer, [("q", "a b c d"), ("q", "a")])
    assert uneven.tokens < 11 < uneven.padded
    with pytest.raises(OutOfMemory):
        list(scorer.score(iter([uneven])))


def test_the_device_is_lost_at_the_batch_asked_for():
    scorer = fake("lose_at=3")
    results = scorer.score(iter([batch(scorer, [pair]) for pair in PAIRS]))
    assert [len(next(results)), len(next(results))] == [1, 1]
    with pytest.raises(PassingFault):
        next(results)


def test_a_fault_at_one_batch_happens_there_and_only_once():
    scorer = fake("oom_at=2,nan_at=3")
    batches = [batch(scorer, [pair, pair]) for pair in PAIRS[:3]]
    results = scorer.score(iter(batches))
    assert next(results) == [fake_logit(*PAIRS[0])] * 2
    with pytest.raises(OutOfMemory):
        next(results)
    [[first, second]] = scorer.score(iter(batches[1:2]))
    assert math.isnan(first)
    assert second == fake_logit(*PAIRS[1])
    assert list(scorer.score(iter(batches))) == [[fake_logit(*pair)] * 2 for pair in PAIRS[:3]]


def test_each_step_can_be_made_slow():
    scorer = fake("slow_load=0.02,slow_prepare=0.02")
    for step in (scorer.load, lambda: scorer.prepare([("q", "a")])):
        before = time.monotonic()
        step()
        assert time.monotonic() - before >= 0.02


def test_several_faults_are_joined_by_commas():
    faults = parse_faults("fake:nan=0.5,oom_above=512")
    assert (faults["nan"], faults["oom_above"], faults["slow"]) == (0.5, 512.0, 0.0)


@pytest.mark.parametrize("model", ["fake:typo=1", "fake:nan", "fake:nan=x", "fake:nan=0.1,x=2", "fake:nan=0.1,=3"])
def test_an_unknown_fault_is_refused(model):
    with pytest.raises(ConfigError, match="--model fake:"):
        FakeScorer(ModelConfig(model=model))


@pytest.mark.parametrize("model", ["fake", "fake:", "fake:composition=1"])
def test_auto_is_the_fake_engine_for_models_of_that_name(model):
    assert open_scorer(ModelConfig(model=model)).identity.engine == "fake"


def test_the_fake_engine_may_be_asked_for_by_name():
    assert open_scorer(ModelConfig(model="mini", engine="fake")).identity.model == "fake"


def test_an_unknown_engine_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match="--engine abacus") as fault:
        open_scorer(ModelConfig(engine="abacus"))
    assert fault.value.advice == "Use one of auto, bi-encoder, http, late-interaction, onnx, openvino, torch, yes-no."


def test_the_faults_are_part_of_the_identity():
    assert fake().identity != fake("composition=1").identity
    assert fake(max_length=32).identity != fake().identity


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("value", ["nan", "-nan", "-1", "-inf", "-1e400"])
def test_a_fault_out_of_its_range_is_refused(name, value):
    with pytest.raises(ConfigError, match="range"):
        parse_faults(f"fake:{name}={value}")


@pytest.mark.parametrize(("name", "most"), [(name, most) for name, (_, _, most) in FAULTS.items() if most < math.inf])
def test_a_fault_may_be_as_large_as_is_said_and_no_larger(name, most):
    assert parse_faults(f"fake:{name}={most}")[name] == most
    for value in (most * 1.01, "inf", "1e400"):
        with pytest.raises(ConfigError, match="range"):
            parse_faults(f"fake:{name}={value}")
