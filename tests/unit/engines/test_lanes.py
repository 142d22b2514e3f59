"""Batches side by side: results in order, faults in their turn, nothing left running."""

import threading

import pytest
from support.running import HANG_S

from rerank_cli.core.scorer import Batch, OutOfMemory
from rerank_cli.engines.lanes import side_by_side


def batches(count):
    return [Batch((), tokens, tokens) for tokens in range(count)]


def logits(batch):
    return [float(batch.tokens)]


@pytest.mark.parametrize("lanes", [1, 2, 4])
@pytest.mark.parametrize("count", [0, 1, 3, 50])
def test_results_come_in_order(lanes, count):
    assert list(side_by_side(logits, lanes, iter(batches(count)))) == [[float(n)] for n in range(count)]


def test_as_many_batches_are_computed_at_once_as_there_are_lanes():
    together = threading.Barrier(3)

    def compute(batch):
        together.wait(HANG_S)  # breaks, and fails the test, unless three are here
        return logits(batch)

    assert len(list(side_by_side(compute, 3, iter(batches(9))))) == 9


def test_a_batch_is_drawn_only_when_a_lane_may_soon_want_it():
    drawn = []

    def drawing():
        for batch in batches(50):
            drawn.append(batch.tokens)
            yield batch

    results = side_by_side(logits, 2, drawing())
    for number in range(10):
        next(results)
        assert len(drawn) <= number + 3
    results.close()


@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_a_batch_that_does_not_fit_is_named_after_all_before_it(lanes):
    seen = []
    results = side_by_side(lambda b: None if b.tokens in (5, 6) else logits(b), lanes, iter(batches(9)))
    with pytest.raises(OutOfMemory) as caught:
        seen.extend(results)
    assert seen == [[0.0], [1.0], [2.0], [3.0], [4.0]]
    assert caught.value.batch.tokens == 5


def test_a_fault_is_raised_in_its_turn():
    def compute(batch):
        if batch.tokens == 2:
            raise RuntimeError("two")
        return logits(batch)

    results = side_by_side(compute, 2, iter(batches(9)))
    assert [next(results), next(results)] == [[0.0], [1.0]]
    with pytest.raises(RuntimeError, match="two"):
        next(results)


def test_nothing_is_computed_any_more_once_it_has_ended():
    slow, computing = threading.Event(), set()

    def compute(batch):
        computing.add(batch.tokens)
        if batch.tokens == 0:
            return None
        slow.wait(0.05)
        computing.discard(batch.tokens)
        return logits(batch)

    with pytest.raises(OutOfMemory):
        list(side_by_side(compute, 2, iter(batches(9))))
    assert computing == {0}
    assert "lane" not in {thread.name for thread in threading.enumerate()}
