"""`--sample N --seed S`: some records of an input, each as likely as any other, in the order of the input.

All of the input is read before the first of them is scored, in memory for N records; so pipes can be sampled too. The
same seed and input give the same sample, and a run is continued only on that same input, to its end.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from random import Random

from rerank_cli.core.config import ReadConfig
from rerank_cli.core.plan import WindowLimits
from rerank_cli.core.records import Blank, Entry, Failure, Mark, Request
from rerank_cli.files.inputs import Inputs
from rerank_cli.formats.registry import read_entries
from rerank_cli.formats.translated import Format
from rerank_cli.jobs.opening import records_of, sizes_of

BYTES = WindowLimits(0).bytes


@dataclass(frozen=True, slots=True)
class Whole:
    """All records of an input, read while they are scored."""

    format: Format
    inputs: Inputs
    read: ReadConfig
    window_bytes: int = BYTES
    note: str = ""

    @property
    def hashes(self) -> dict[str, str]:
        """Nothing: the input may grow."""
        return {}

    def after(self, place: Mark | None, skip: int) -> Iterator[Entry]:
        """The entries behind a place in the input, before which stand `skip` records."""
        return read_entries(self.format, self.inputs, self.read, place, skip)

    def end(self, reached: Mark) -> Mark:
        """The end of what was read, with all up to `reached` scored."""
        return reached

    def count(self) -> int | None:
        """How many there are; None where that is not known before they are read."""
        return records_of(self.inputs, self.format, self.read.limit)

    def sizes(self, count: int | None) -> tuple[int | None, int | None]:
        """What progress is a share of (`sizes_of`)."""
        return sizes_of(self.inputs, count, self.read.limit)


@dataclass(frozen=True, slots=True)
class Sample:
    """The records drawn, good and bad; `hashes` say of which input, and `records` of how many."""

    entries: tuple[Request | Failure, ...]
    records: int
    last: Mark
    window_bytes: int = sys.maxsize  # what lies between two records is not read again

    @property
    def hashes(self) -> dict[str, str]:
        """What makes it another sample: the input, all of it."""
        return {"sampled_input_sha256": self.last.sha256}

    @property
    def note(self) -> str:
        """What the user should know of it."""
        return f"a sample of {len(self.entries):,} of {self.records:,} records"

    def after(self, place: Mark | None, _skip: int) -> Iterator[Entry]:
        """The records behind a place in the input."""
        return (entry for entry in self.entries if place is None or entry.end.total > place.total)

    def end(self, _reached: Mark) -> Mark:
        """The end of what was read."""
        return self.last

    def count(self) -> int | None:
        """How many were drawn."""
        return len(self.entries)

    def sizes(self, count: int | None) -> tuple[int | None, int | None]:
        """What progress is a share of."""
        return None, count


def records_to_score(format: Format, inputs: Inputs, read: ReadConfig) -> Whole | Sample:
    """All records, or those of the sample that was asked for."""
    return Whole(format, inputs, read) if read.sample is None else draw_sample(format, inputs, read)


def draw_sample(format: Format, inputs: Inputs, read: ReadConfig) -> Sample:
    """A uniform sample of `read.sample` records, or all of fewer (Vitter's algorithm R). Raises what reading raises."""
    size, random = read.sample or 0, Random(read.seed)
    kept: list[tuple[int, Request | Failure]] = []
    records, end = 0, Mark()
    for entry in read_entries(format, inputs, read, None):
        end = entry.end
        if isinstance(entry, Blank):
            continue
        if records < size:
            kept.append((records, entry))
        elif (place := int(random.random() * (records + 1))) < size:  # random() is the same in all versions of Python
            kept[place] = records, entry
        records += 1
    kept.sort(key=lambda each: each[0])
    return Sample(tuple(_followed(entry for _, entry in kept)), records, end)


def _followed(entries: Iterator[Request | Failure]) -> Iterator[Request | Failure]:
    """The same entries; each that ends where the one before ends is said to follow the first that does."""
    for _, together in groupby(entries, key=lambda entry: entry.end.total):
        first, *others = together
        yield replace(first, followed=len(others))
        yield from (replace(each, followed=0) for each in others)
