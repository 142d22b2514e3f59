"""Run one stage of a run ahead of the next, in a thread of its own, by a bounded number of steps.

An exception in the stage surfaces in its consumer, a sentinel ends it, and nothing sleeps or polls. The threads are
daemons: an interrupted run leaves without waiting for them, since all they could still add is not committed anyway.
"""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

_END = object()


class _Raised:
    """An exception on its way from a stage's thread to its consumer."""

    def __init__(self, fault: BaseException) -> None:
        self.fault = fault


def run_ahead(stage: Callable[[], Iterator[T]], depth: int, name: str) -> Iterator[T]:
    """Yield what `stage()` yields, computed up to `depth` steps ahead in a thread called `name`.

    Closing this generator stops the stage at its next step. Exceptions of the stage are raised here, traceback and all.
    """
    steps: queue.Queue[object] = queue.Queue(maxsize=depth)
    stopped = threading.Event()

    def work() -> None:
        try:
            for step in stage():
                steps.put(step)
                if stopped.is_set():
                    return
            steps.put(_END)
        except BaseException as fault:
            steps.put(_Raised(fault))

    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    try:
        while (step := steps.get()) is not _END:
            if isinstance(step, _Raised):
                raise step.fault
            yield step  # type: ignore[misc]
    finally:
        stopped.set()
        with suppress(queue.Empty):
            steps.get_nowait()  # lets a stage that waits for room see that it was stopped
