"""The keys of a score cache: the input as a model reads it, and who computes."""

from dataclasses import fields, replace

import pytest

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.scorer import Identity, Scorer
from rerank_cli.engines.choice import open_scorer
from rerank_cli.engines.fake import FakeScorer
from rerank_cli.files.score_store import ScoreStore
from rerank_cli.jobs.cached_scorer import CachedScorer
from rerank_cli.jobs.store_use import SCORES, StoreUse, View, made_by
from rerank_cli.models.find import find_model

PAIRS = [("what is tea?", "A drink."), ("what is tea?", "A drink of leaves, hot water and time. " * 8)]


@pytest.fixture
def store(tmp_path):
    made = ScoreStore(tmp_path, "")
    yield made
    made.close()


def keys(store, scorer: Scorer, pairs=PAIRS):
    """The keys of the parts of pairs."""
    cached = CachedScorer(scorer, StoreUse(SCORES, View(store, 0), None, [].append))
    return [[part.key for part in pair.parts] for pair in cached.prepare(pairs)]


def mini(**options):
    return open_scorer(ModelConfig(model="mini", engine="torch", device="cpu", threads=1, **options))


def test_a_key_is_the_input_after_truncation(store):
    short, long = keys(store, mini(max_length=64)), keys(store, mini(max_length=512))
    assert short[0] == long[0]
    assert short[1] != long[1]
    beyond = PAIRS[1][1] + "and what nobody reads"
    assert keys(store, mini(max_length=64), [(PAIRS[1][0], beyond)]) == short[1:]
    assert keys(store, mini(max_length=512), [(PAIRS[1][0], beyond)]) != long[1:]


def test_each_part_of_a_document_has_a_key(store):
    parts = keys(store, mini(max_length=32, long_docs="chunk", chunk_overlap=0))
    assert len(parts[1]) > 3
    assert len({key for each in parts for key in each}) == sum(map(len, parts))


def test_who_computes_is_in_the_key(store):
    found = [keys(store, mini()), keys(store, mini(dtype="bf16"))]
    found += [keys(store, FakeScorer(ModelConfig(model=f"fake:{faults}"))) for faults in ("", "composition=1")]
    assert len({key for each in found for parts in each for key in parts}) == 2 * len(found)


def test_query_and_document_are_told_apart(store):
    for scorer in (FakeScorer(ModelConfig(model="fake:")), mini()):
        for other in (("b", "a"), ("c", "b"), ("a", "c"), ("a b", ""), ("", "a b")):
            assert keys(store, scorer, [("a", "b")]) != keys(store, scorer, [other])


NOT_COUNTED = ("max_length", "query_max_length", "model", "revision")


@pytest.mark.parametrize("changed", [each.name for each in fields(Identity)])
def test_every_part_of_the_identity_counts_but_lengths_and_names(changed):
    identity = replace(FakeScorer(ModelConfig(model="fake:")).identity, weights_sha256="w")
    value = {"torch": "9"} if changed == "versions" else 7 if changed.endswith("length") else "other"
    assert (made_by(replace(identity, **{changed: value})) == made_by(identity)) == (changed in NOT_COUNTED)


def test_without_weights_the_name_counts():
    identity = FakeScorer(ModelConfig(model="fake:")).identity
    assert made_by(replace(identity, model="other")) != made_by(identity)


def test_a_model_is_the_same_by_whatever_name(store):
    folder = find_model(ModelConfig(model="mini")).path
    by_path = open_scorer(ModelConfig(model=str(folder), engine="torch", device="cpu", threads=1))
    assert keys(store, by_path) == keys(store, mini())
