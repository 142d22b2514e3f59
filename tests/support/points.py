"""Fault points: what a sweep goes through, how many of them a test tries, and the count of those that held.

`make test` tries an even sample of each class, `make faults` (--exhaustive) every point. A point that does not hold
fails its test; the counts go to the table that `make faults` prints.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Points:
    """The points that one test goes through, by fault class."""

    exhaustive: bool
    tried: dict[str, int] = field(default_factory=dict)
    passed: dict[str, int] = field(default_factory=dict)

    def of(self, points: Sequence[T], sample: int) -> Sequence[T]:
        """All of them when exhaustive, else about `sample`, evenly spread with both ends; of one, the middle."""
        if self.exhaustive or len(points) <= sample:
            return points
        if sample == 1:
            return [points[len(points) // 2]]
        last = len(points) - 1
        return [points[index] for index in sorted({round(step * last / (sample - 1)) for step in range(sample)})]

    @contextmanager
    def trying(self, fault: str, count: int = 1) -> Iterator[None]:
        """Count `count` points of the class `fault`; they passed if the block raises nothing."""
        self.tried[fault] = self.tried.get(fault, 0) + count
        yield
        self.passed[fault] = self.passed.get(fault, 0) + count
