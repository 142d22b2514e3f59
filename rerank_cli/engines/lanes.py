"""Several batches at once, each on threads of its own: on a CPU, cores that wait for each other lose a tenth.

A layer of a small model is over in less than a millisecond, and after each of them all its threads meet; batches
computed apart never do (docs/experiments.md, E13). The threads are daemons: an interrupted run leaves without
waiting.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue

from rerank_cli.core.scorer import Batch, OutOfMemory

MOST = 4  # beyond, a short input has too few batches to go round; measured on two cores only

Compute = Callable[[Batch], "list[float] | None"]  # None for a batch that memory does not hold
Job = tuple[Batch, "Future[list[float] | None]"]


def lanes_for(threads: int) -> int:
    """How many batches to compute at once with `threads` threads, so that each has as many of them.

    >>> [lanes_for(threads) for threads in (1, 2, 3, 4, 6, 7, 64)]
    [1, 2, 3, 4, 3, 1, 4]
    """
    return max(count for count in range(1, MOST + 1) if threads % count == 0)


def side_by_side(compute: Compute, lanes: int, batches: Iterator[Batch]) -> Iterator[list[float]]:
    """The logits of each batch, in order; `compute` is called in `lanes` threads at once.

    Raises OutOfMemory in the turn of a batch for which it gave None, and what it raises. Nothing of ours is being
    computed any more when this ends.
    """
    waiting: SimpleQueue[Job | None] = SimpleQueue()
    threads: list[threading.Thread] = []
    begun: deque[Job] = deque()
    try:
        for _ in range(lanes):
            thread = threading.Thread(target=_lane, args=(compute, waiting), name="lane", daemon=True)
            thread.start()
            threads.append(thread)
        for batch in batches:
            begun.append((batch, Future()))
            waiting.put(begun[-1])
            if len(begun) > lanes:  # one more than can be computed: whoever is done first has something to do
                yield _fetch(*begun.popleft())
        while begun:
            yield _fetch(*begun.popleft())
    finally:
        for _, logits in begun:
            logits.cancel()
        for _ in threads:
            waiting.put(None)
        for thread in threads:
            thread.join()


def _lane(compute: Compute, waiting: "SimpleQueue[Job | None]") -> None:
    while (job := waiting.get()) is not None:
        batch, logits = job
        if logits.set_running_or_notify_cancel():
            try:
                logits.set_result(compute(batch))
            except BaseException as fault:
                logits.set_exception(fault)


def _fetch(batch: Batch, logits: "Future[list[float] | None]") -> list[float]:
    computed = logits.result()
    if computed is None:
        raise OutOfMemory(batch)
    return computed
