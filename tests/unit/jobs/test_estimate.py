"""The time that a dry run reports."""

import pytest
from support.making import Clock, fake

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.plan import Budget, plan_batches
from rerank_cli.engines.fake import FakeScorer
from rerank_cli.jobs.estimate import ENOUGH_S, MOST_BATCHES, PlannedShapes, estimate


class TimedScorer(FakeScorer):
    """Takes so many seconds a padded token, by a clock that is set by hand."""

    def __init__(self, config, clock, seconds):
        super().__init__(config)
        self.clock, self.seconds, self.scored = clock, seconds, []

    def score(self, batches):
        def timed():
            for batch in batches:
                self.clock.now += self.seconds * batch.padded
                self.scored.append(batch)
                yield batch

        yield from super().score(timed())


def planned(lengths, budget=100):
    prepared = fake().prepare([("q", "word " * (length - 3)) for length in lengths])
    shapes = PlannedShapes()
    plans = plan_batches([pair.cost for pair in prepared], Budget(budget), 1)
    for plan in plans:
        shapes.add(plan, prepared)
    return shapes, plans


def estimated(lengths, seconds, faults="", budget=100):
    clock = Clock()
    shapes, plans = planned(lengths, budget)
    scorer = TimedScorer(ModelConfig(model=f"fake:{faults}"), clock, seconds)
    return estimate(scorer, shapes, clock), plans, scorer.scored


def test_the_estimate_is_the_padded_tokens_of_the_plan_at_the_pace_of_the_median():
    lengths = [5, 7, 9, 20, 20, 20, 20, 20, 20, 20, 20, 20, 50, 50]
    found, plans, scored = estimated(lengths, 0.001)
    assert found.seconds == pytest.approx(0.001 * sum(plan.padded for plan in plans))
    assert (found.rows, found.tokens) == (5, 20)
    assert {(len(batch.pairs), batch.padded) for batch in scored} == {(5, 100)}
    assert found.batches == len(scored) - 1 == len(plans), "one warms up"


def test_a_few_batches_are_enough():
    found, _, scored = estimated([10] * 1000, 0.001)
    assert found.batches == MOST_BATCHES == len(scored) - 1


def test_no_batch_is_begun_after_enough_time():
    found, plans, scored = estimated([10] * 1000, ENOUGH_S / 250)  # a batch takes 1.2 s
    assert len(scored) - 1 == found.batches == 3
    assert found.seconds == pytest.approx(1.2 * len(plans))


def test_where_the_first_batch_takes_long_it_is_enough():
    found, plans, scored = estimated([10] * 1000, ENOUGH_S / 50)
    assert (found.batches, len(scored)) == (1, 1)
    assert found.seconds == pytest.approx(6.0 * len(plans))


def test_one_batch_is_measured_by_itself():
    found, _, scored = estimated([10], 0.001)
    assert (found.batches, len(scored)) == (1, 1)
    assert found.seconds == pytest.approx(0.01)


def test_a_batch_that_memory_does_not_hold_gives_no_time():
    found, _, _ = estimated([10] * 20, 0.001, faults="oom_above=50")
    assert (found.seconds, found.rows, found.tokens) == (None, 10, 10)


def test_the_median_is_by_work():
    shapes, _ = planned([10] * 10 + [90] * 2, budget=100)
    assert shapes.median_batch().padded == 90
    shapes, _ = planned([10] * 30 + [90] * 2, budget=100)
    assert len(shapes.median_batch().pairs) == 10
