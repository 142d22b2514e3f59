"""A stage in a thread of its own: bounded, ended by a sentinel, its faults raised here."""

import threading

import pytest
from support.running import HANG_S

from rerank_cli.reranking.ahead import Ahead, run_ahead


def ended(name):
    """Wait until no thread of that name is left."""
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(HANG_S)
            assert not thread.is_alive()


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_every_step_arrives_in_order(depth):
    assert list(run_ahead(lambda: iter(range(100)), depth, "t")) == list(range(100))


def test_a_stage_may_yield_anything_even_none():
    steps = [None, False, [], StopIteration, ValueError("a value and no fault")]
    assert list(run_ahead(lambda: iter(steps), 1, "t")) == steps


def test_an_empty_stage_ends():
    assert list(run_ahead(lambda: iter(()), 1, "t")) == []


class Stop(BaseException):
    """Not an Exception, as an interrupt is not."""


@pytest.mark.parametrize("fault", [ValueError("broken"), Stop("stop"), KeyboardInterrupt()])
def test_a_fault_of_the_stage_is_raised_here_after_what_came_before_it(fault):
    def stage():
        yield 1
        yield 2
        raise fault

    seen = []
    with pytest.raises(type(fault)) as caught:
        seen.extend(run_ahead(stage, 1, "t"))
    assert seen == [1, 2]
    assert caught.value is fault
    assert "stage" in [entry.name for entry in caught.traceback]


def test_a_stage_that_cannot_begin_raises_here():
    def stage():
        raise OSError("cannot begin")

    with pytest.raises(OSError, match="begin"):
        list(run_ahead(stage, 1, "t"))


def test_the_stage_runs_in_a_thread_of_the_name_given_that_does_not_keep_the_process():
    def stage():
        thread = threading.current_thread()
        yield thread.name, thread.daemon

    assert list(run_ahead(stage, 1, "stage of a test")) == [("stage of a test", True)]


@pytest.mark.parametrize("depth", [1, 3])
def test_the_stage_runs_ahead_by_no_more_than_the_depth(depth):
    begun = []
    reached = threading.Semaphore(0)

    def stage():
        for step in range(50):
            begun.append(step)
            reached.release()
            yield step

    steps = run_ahead(stage, depth, "bounded")
    for taken in range(1, 20):
        next(steps)
        assert reached.acquire(timeout=HANG_S)
        assert taken <= len(begun) <= taken + depth + 1  # in the queue, and one waiting for room
    steps.close()


def test_the_next_step_is_computed_while_this_one_is_used():
    second = threading.Event()

    def stage():
        yield 1
        second.set()
        yield 2

    steps = run_ahead(stage, 1, "t")
    assert next(steps) == 1
    assert second.wait(HANG_S)
    assert list(steps) == [2]


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("taken", [1, 2, 5])
def test_closing_stops_a_stage_that_waits_for_room(taken, depth):
    closed, full = threading.Event(), threading.Event()

    def stage():
        try:
            step = 0
            while True:
                if step == taken + depth:  # the queue is full of those before it
                    full.set()
                yield step
                step += 1
        finally:
            closed.set()

    steps = run_ahead(stage, depth, "endless")
    for _ in range(taken):
        next(steps)
    assert full.wait(HANG_S)
    steps.close()
    assert closed.wait(HANG_S)
    ended("endless")


def test_a_fault_of_the_consumer_stops_the_stage():
    closed = threading.Event()

    def stage():
        try:
            while True:
                yield 1
        finally:
            closed.set()

    def consume():
        for _ in run_ahead(stage, 1, "abandoned"):
            raise ValueError("consumer")

    with pytest.raises(ValueError, match="consumer"):
        consume()
    assert closed.wait(HANG_S)
    ended("abandoned")


def test_stages_can_be_chained_and_closing_the_last_stops_them_all():
    closed = threading.Event()

    def first():
        try:
            step = 0
            while True:
                yield step
                step += 1
        finally:
            closed.set()

    def second():
        for step in run_ahead(first, 1, "first"):
            yield step * 10

    steps = run_ahead(second, 1, "second")
    assert [next(steps), next(steps)] == [0, 10]
    steps.close()
    assert closed.wait(HANG_S)
    ended("second")
    ended("first")


def test_a_fault_after_closing_does_not_keep_the_thread():
    go_on = threading.Event()

    def stage():
        yield 1
        yield 2
        go_on.wait(HANG_S)
        raise ValueError("nobody listens")

    steps = run_ahead(stage, 1, "late")
    assert next(steps) == 1
    steps.close()
    go_on.set()
    ended("late")


def test_a_step_is_ready_once_it_was_computed_and_an_end_or_a_fault_never_is():
    gate, computed = threading.Event(), threading.Event()

    def stage():
        gate.wait(HANG_S)
        yield 1
        computed.set()
        raise ValueError("broken")

    steps = Ahead(stage, 2, "at hand")
    assert not steps.is_ready()
    gate.set()
    assert computed.wait(HANG_S)
    assert steps.is_ready()
    assert steps.is_ready()  # asking takes nothing away
    assert next(steps) == 1
    ended("at hand")
    assert not steps.is_ready()
    with pytest.raises(ValueError, match="broken"):
        next(steps)


def test_an_end_stays_an_end():
    steps = Ahead(lambda: iter(()), 1, "empty")
    ended("empty")
    assert not steps.is_ready()
    for _ in range(2):
        with pytest.raises(StopIteration):
            next(steps)
