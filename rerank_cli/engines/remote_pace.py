"""How many requests are in flight, and how often one begins.

The number in flight is halved when the server answers that there are too many, and grows by one after as many successes
as are in flight: additive increase, multiplicative decrease, as in TCP (RFC 5681).
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Now = Callable[[], float]  # seconds, never backwards


class Stopped(Exception):
    """The run ends, so nothing more is sent."""


class Pace:
    """Lets threads begin requests: at most `most` in flight, and at most `a_minute` in a minute (None: any)."""

    def __init__(self, most: int, a_minute: float | None, now: Now) -> None:
        self._most, self._now = most, now
        self._interval = 0.0 if a_minute is None else 60 / a_minute
        self._next = -float("inf")  # when the next request may begin
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._in_flight = 0
        self._slowed = 0  # times that the limit was halved
        self._successes = 0
        self.limit = most

    @contextmanager
    def turn(self) -> Iterator[int]:
        """Wait for a turn. Gives a number for `slow_down`. Raises Stopped."""
        with self._changed:
            while self._in_flight >= self.limit and not self._stopped.is_set():
                self._changed.wait()
            self._in_flight += 1
            begun = self._slowed
            start = max(self._next, self._now())
            self._next = start + self._interval
        try:
            self.wait(start - self._now())
            yield begun
        finally:
            with self._changed:
                self._in_flight -= 1
                self._changed.notify()

    def wait(self, seconds: float) -> None:
        """Wait, unless the run ends. Raises Stopped."""
        if self._stopped.wait(max(0.0, seconds)) if seconds > 0 else self._stopped.is_set():
            raise Stopped

    def slow_down(self, begun: int) -> None:
        """The server answered that there are too many requests. Those that were in flight together count once."""
        with self._changed:
            if begun == self._slowed:
                self._slowed += 1
                self._successes = 0
                self.limit = max(1, self.limit // 2)

    def succeeded(self) -> None:
        """A request was answered."""
        with self._changed:
            self._successes += 1
            if self.limit < self._most and self._successes >= self.limit:
                self._successes = 0
                self.limit += 1
                self._changed.notify()

    def stop(self) -> None:
        """End all waits."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()
