"""Check that every record read is written once, and stop a run with too many failed records."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rerank_cli.core.config import ErrorLimit
from rerank_cli.core.errors import AccountingError, InputError
from rerank_cli.core.records import Blank, Entry, Failure, Mark
from rerank_cli.core.stats import Counters, Stats


@dataclass(slots=True)
class Accounts:
    """Records read and written by this process, and the position in the input up to which all are committed."""

    stats: Stats
    limit: ErrorLimit
    end: Mark = field(default_factory=Mark)
    records_read: int = 0
    records_written: int = 0  # to the output or the errors file

    def begin(self, earlier: Counters, start: Mark, bytes_total: int | None, records_total: int | None = None) -> None:
        """Start at the position `start`, with the counters of earlier processes of this run."""
        self.end = start
        self.stats.earlier = earlier
        self.stats.bytes_total, self.stats.records_total = bytes_total, records_total
        self.stats.bytes_at_start = self.stats.bytes_done = start.disk
        self.stats.bytes_scored, self.stats.records_scored = start.disk, earlier.records

    def counted(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        """The same entries, with their records counted."""
        for entry in entries:
            if not isinstance(entry, Blank):
                self.records_read += 1
            yield entry

    def check_limit(self, failures: Sequence[Failure], counters: Counters) -> None:
        """Raises InputError when the failures of a window exceed the limit; `counters` are of that window."""
        records = (self.stats.total + counters).records
        for failed, failure in enumerate(failures, self.stats.total.failed + 1):
            if self.limit.exceeded(failed, records):
                raise InputError(
                    f"{failure}: {failed} failed, more than --max-errors allows",
                    "`rerank check` lists the bad records. Fix them, or raise --max-errors.",
                )

    def add(self, counters: Counters, end: Mark) -> None:
        """Add a window that was committed."""
        self.stats.done = self.stats.done + counters
        self.stats.bytes_done = end.disk
        self.end = end

    def check(self) -> None:
        """Raises AccountingError when a record was lost or written twice."""
        read, written, counted = self.records_read, self.records_written, self.stats.done.records
        if not self.stats.total.balanced or not read == written == counted:
            raise AccountingError(
                f"{read} records read, {written} written, {counted} counted. This is a bug.",
                "The partial output is kept. Report this bug with the statistics.",
            )
