"""Compute several batches at once, each with its own threads: on a CPU, synchronizing all cores costs a tenth.

A layer of a small model takes less than a millisecond, and all its threads synchronize after each layer. Separate
batches never synchronize (docs/experiments.md, E13). The threads are daemons, so an interrupted run exits without
waiting for them.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeVar

from rerank_cli.core.scorer import OutOfMemory

MOST = 4  # with more, a short input has too few batches; measured on two cores only

J = TypeVar("J")  # a batch
R = TypeVar("R")  # what is computed of it


def lanes_for(threads: int) -> int:
    """How many batches to compute at once with `threads` threads, so that each has the same number of them.

    >>> [lanes_for(threads) for threads in (1, 2, 3, 4, 6, 7, 64)]
    [1, 2, 3, 4, 3, 1, 4]
    """
    return max(count for count in range(1, MOST + 1) if threads % count == 0)


def side_by_side(
    compute: Callable[[J], R | None],
    lanes: int,
    batches: Iterator[J],
    refuse: Callable[[J], Exception] = OutOfMemory,  # type: ignore[assignment]
    *,
    ahead: int = 0,
    join: bool = True,
) -> Iterator[R]:
    """The logits of each batch, in order; `compute` is called in `lanes` threads at once.

    Raises what `refuse` makes of a batch for which it returned None, because that does not fit into memory, and what it
    raises, in the order of the batches. So many batches are taken `ahead` of the first that is not yielded: by default
    one more than lanes, so that no lane is idle. No computation is running when this ends, unless `join` is False.
    """
    waiting: SimpleQueue[tuple[J, Future[R | None]] | None] = SimpleQueue()
    threads: list[threading.Thread] = []
    begun: deque[tuple[J, Future[R | None]]] = deque()
    try:
        for _ in range(lanes):
            thread = threading.Thread(target=_lane, args=(compute, waiting), name="lane", daemon=True)
            thread.start()
            threads.append(thread)
        for batch in batches:
            begun.append((batch, Future()))
            waiting.put(begun[-1])
            if len(begun) > max(lanes, ahead):
                yield _fetch(*begun.popleft(), refuse)
        while begun:
            yield _fetch(*begun.popleft(), refuse)
    finally:
        for _, logits in begun:
            logits.cancel()
        for _ in threads:
            waiting.put(None)
        for thread in threads if join else ():
            thread.join()


def _lane(compute: Callable[[J], R | None], waiting: "SimpleQueue[tuple[J, Future[R | None]] | None]") -> None:
    while (job := waiting.get()) is not None:
        batch, logits = job
        if logits.set_running_or_notify_cancel():
            try:
                logits.set_result(compute(batch))
            except BaseException as fault:
                logits.set_exception(fault)


def _fetch(batch: J, logits: "Future[R | None]", refuse: Callable[[J], Exception]) -> R:
    computed = logits.result()
    if computed is None:
        raise refuse(batch)
    return computed
