"""Run a stage ahead of the next one, in its own thread, by a bounded number of steps.

An exception in the stage is raised in its consumer, a sentinel ends it, and nothing sleeps or polls. The threads are
daemons: an interrupted run exits without waiting for them, since their results are not committed.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")

_END, _NOTHING = object(), object()


class _Raised:
    """An exception of a stage's thread, passed to the consumer."""

    def __init__(self, fault: BaseException) -> None:
        self.fault = fault


class Ahead(Generic[T]):
    """An iterator over the results of `stage()`, computed up to `depth` steps ahead in a thread called `name`.

    Exceptions of the stage are raised here with their traceback. Closing it stops the stage at its next step.
    """

    def __init__(self, stage: Callable[[], Iterator[T]], depth: int, name: str) -> None:
        self._steps: queue.Queue[object] = queue.Queue(maxsize=depth)
        self._stopped = threading.Event()
        self._peeked: object = _NOTHING
        threading.Thread(target=self._work, args=(stage,), name=name, daemon=True).start()

    def _work(self, stage: Callable[[], Iterator[T]]) -> None:
        try:
            for step in stage():
                self._steps.put(step)
                if self._stopped.is_set():
                    return
            self._steps.put(_END)
        except BaseException as fault:
            self._steps.put(_Raised(fault))

    def __iter__(self) -> "Ahead[T]":
        return self

    def __next__(self) -> T:
        step = self._steps.get() if self._peeked is _NOTHING else self._peeked
        self._peeked = _NOTHING
        if step is _END:
            self._peeked = _END  # for the next call
            raise StopIteration
        if isinstance(step, _Raised):
            raise step.fault
        return step  # type: ignore[return-value]

    def is_ready(self) -> bool:
        """Whether the next result is available without waiting; False at the end and for an exception."""
        if self._peeked is _NOTHING:
            with suppress(queue.Empty):
                self._peeked = self._steps.get_nowait()
        return self._peeked is not _NOTHING and self._peeked is not _END and not isinstance(self._peeked, _Raised)

    def close(self) -> None:
        """Stop the stage at its next step."""
        self._stopped.set()
        with suppress(queue.Empty):
            self._steps.get_nowait()  # so that a stage blocked on the full queue sees the stop


def run_ahead(stage: Callable[[], Iterator[T]], depth: int, name: str) -> Iterator[T]:
    """`Ahead` as a generator that closes it at the end."""
    steps = Ahead(stage, depth, name)
    try:
        yield from steps
    finally:
        steps.close()
