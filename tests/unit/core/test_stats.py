"""Counters that add, and rates from a clock."""

from dataclasses import fields

import pytest
from support.making import Clock

from rerank_cli.core.stats import Counters, StageCounters, Stats


def numbered(factor: int = 1, stages: int = 0) -> Counters:
    """Counters that all differ."""
    names = [field.name for field in fields(Counters) if field.name != "stages"]
    of_stages = [StageCounters(*[factor * n for n in range(10, 10 + len(fields(StageCounters)))])] * stages
    return Counters(**{name: factor * n for n, name in enumerate(names, 1)}, stages=tuple(of_stages))


@pytest.mark.parametrize("stages", [0, 1, 3])
def test_every_counter_adds(stages):
    assert numbered(stages=stages) + numbered(stages=stages) == numbered(2, stages)


@pytest.mark.parametrize("stages", [0, 1, 3])
def test_adding_nothing_changes_nothing(stages):
    assert numbered(1, stages) + Counters() == numbered(1, stages) == Counters() + numbered(1, stages)


@pytest.mark.parametrize("stages", [0, 1, 3])
def test_counters_survive_a_dictionary_and_ignore_other_keys(stages):
    made = numbered(1, stages)
    assert Counters.from_dict({**made.as_dict(), "unknown": 1}) == made
    assert ("stages" in made.as_dict()) == (stages > 0)
    assert Counters.from_dict({}) == Counters()


def test_padding_share_is_the_part_of_the_computed_tokens_that_is_padding():
    assert Counters(tokens=75, padded_tokens=100).padding_share == 0.25
    assert Counters().padding_share == 0.0


def test_counters_balance_when_each_record_was_scored_or_failed():
    assert Counters(records=3, scored=2, failed=1, blank=9).balanced
    assert not Counters(records=3, scored=2).balanced
    assert not Counters(records=3, scored=2, failed=2).balanced


def test_rates_start_with_the_first_batch_and_not_with_the_process():
    clock = Clock()
    stats = Stats(clock)
    assert stats.per_second(10) == 0.0
    clock.now += 100  # loading a model
    stats.batch_scored(pairs=10, tokens=80, padded=100, seconds=2.0)  # began two seconds ago
    assert stats.per_second(stats.live.pairs) == 5.0
    assert stats.wall_s == 100.0
    clock.now += 2
    assert stats.per_second(stats.live.pairs) == 2.5
    assert stats.busy_share == 0.5


def test_the_busy_share_is_never_above_one():
    clock = Clock()
    stats = Stats(clock)
    stats.batch_scored(1, 1, 1, seconds=1.0)
    stats.batch_scored(1, 1, 1, seconds=5.0)
    assert stats.busy_share == 1.0


def test_live_counters_add_up_over_batches():
    stats = Stats(Clock())
    stats.batch_scored(3, 30, 40, 0.5)
    stats.batch_scored(4, 50, 60, 0.25)
    assert stats.live == Counters(batches=2, pairs=7, tokens=80, padded_tokens=100, busy_s=0.75)


def test_the_total_holds_earlier_processes_too():
    stats = Stats(Clock())
    stats.earlier, stats.done = Counters(records=5, scored=5), Counters(records=2, failed=2)
    assert stats.total == Counters(records=7, scored=5, failed=2)


def test_time_left_follows_from_the_bytes_of_this_process():
    clock = Clock()
    stats = Stats(clock, bytes_total=1000, bytes_at_start=400, bytes_done=400)
    assert stats.eta_s is None
    stats.batch_scored(1, 1, 1, seconds=0.0)
    assert stats.eta_s is None  # nothing gained yet
    clock.now += 10
    stats.bytes_done = 600  # 200 bytes in 10 s, 400 left
    assert stats.eta_s == pytest.approx(20.0)


def test_time_left_follows_the_engine_within_a_window():
    clock = Clock()
    stats = Stats(clock, bytes_total=1000, bytes_at_start=400, bytes_done=400, bytes_scored=400)
    stats.batch_scored(1, 1, 1, seconds=0.0)
    clock.now += 10
    stats.advance(100, 1.5)  # 100 bytes in 10 s, 500 left
    assert stats.eta_s == pytest.approx(50.0)
    assert stats.share_done == 0.5
    stats.bytes_done = 600  # a commit of what the engine was not asked to score
    assert stats.share_done == 0.6


def test_a_limit_of_records_is_what_time_left_follows_where_it_ends_a_run_first():
    clock = Clock()
    stats = Stats(clock, earlier=Counters(records=20), records_scored=20, records_total=100, bytes_total=10**6)
    stats.batch_scored(1, 1, 1, seconds=0.0)
    clock.now += 10
    stats.advance(1000, 40)
    assert stats.share_done == 0.6
    assert stats.eta_s == pytest.approx(10.0)
    stats.records_total = 10**6  # more than there are
    stats.bytes_total = 2000
    assert stats.share_done == 0.5


def test_what_is_waited_for_is_over_with_the_first_batch():
    stats = Stats(Clock(), doing="loading the model")
    stats.batch_scored(1, 1, 1, 1.0)
    assert stats.doing == ""


def test_pairs_scored_run_ahead_of_those_committed():
    stats = Stats(Clock(), earlier=Counters(pairs=100))
    stats.batch_scored(7, 1, 1, 1.0)
    assert stats.pairs_scored == 107
    stats.done = Counters(pairs=9)  # two of them twice
    assert stats.pairs_scored == 109


def test_time_left_is_unknown_without_a_size():
    stats = Stats(Clock(), bytes_done=100)
    stats.batch_scored(1, 1, 1, 1.0)
    assert stats.eta_s is None


def test_time_left_is_never_negative():
    clock = Clock()
    stats = Stats(clock, bytes_total=10, bytes_done=25)
    stats.batch_scored(1, 1, 1, 1.0)
    assert stats.eta_s == 0.0


def test_the_summary_is_flat_and_rounded():
    clock = Clock()
    stats = Stats(clock, earlier=Counters(records=4, scored=4, pairs=40, tokens=10, padded_tokens=16))
    stats.batch_scored(pairs=3, tokens=7, padded=8, seconds=1.0)
    stats.done = Counters(records=1, scored=1, pairs=3, tokens=7, padded_tokens=8)
    clock.now += 1.5
    summary = stats.summary()
    assert summary["records"] == 5
    assert summary["resumed_records"] == 4
    assert (summary["pairs"] - summary["resumed_pairs"]) / summary["scoring_s"] == summary["pairs_per_s"] == 1.2
    assert summary["ms_per_pair"] == pytest.approx(833.333)
    assert summary["padding_share"] == round(1 - 17 / 24, 4)
    assert all(not isinstance(value, dict | list) for value in summary.values())


def test_the_summary_of_a_run_without_pairs_has_no_time_per_pair():
    assert Stats(Clock()).summary()["ms_per_pair"] is None
