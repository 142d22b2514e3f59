"""Every record read is written once."""

import pytest
from support.making import Clock, entries_of

from rerank_cli.core.config import ErrorLimit
from rerank_cli.core.errors import AccountingError, InputError
from rerank_cli.core.records import Failure, Mark
from rerank_cli.core.stats import Counters, Stats
from rerank_cli.jobs.accounting import Accounts

GOOD = {"query": "q", "candidates": ["a"]}


def accounts(**limit):
    return Accounts(Stats(Clock()), ErrorLimit(**limit))


def test_blank_lines_are_no_records():
    made = accounts()
    entries = entries_of(GOOD, b"", b"{", GOOD)
    assert list(made.counted(iter(entries))) == list(entries)
    assert made.records_read == 3


@pytest.mark.parametrize(
    ("read", "written", "counters"),
    [
        (3, 2, Counters(records=3, scored=3)),
        (2, 3, Counters(records=3, scored=3)),
        (3, 3, Counters(records=2, scored=2)),
        (3, 3, Counters(records=3, scored=2)),
    ],
)
def test_a_record_that_is_lost_or_written_twice_is_a_bug(read, written, counters):
    made = accounts()
    made.add(Counters(records=3, scored=2, failed=1), Mark())
    made.stats.done = counters
    made.records_read, made.records_written = read, written
    with pytest.raises(AccountingError, match="bug"):
        made.check()


def test_records_that_are_all_written_balance():
    made = accounts()
    made.begin(Counters(records=5, scored=5), Mark(), None)
    made.add(Counters(records=3, scored=2, failed=1), Mark(0, 9, 90, 90))
    made.records_read = made.records_written = 3
    made.check()
    assert (made.stats.total.records, made.end.line) == (8, 9)


def test_failures_of_earlier_processes_count_for_the_limit():
    made = accounts(count=2)
    made.begin(Counters(records=5, scored=4, failed=1), Mark(), None)
    failures = [entry for entry in entries_of(b"{", b"[") if isinstance(entry, Failure)]
    made.check_limit(failures[:1], Counters(records=1, failed=1))
    with pytest.raises(InputError, match="--max-errors"):
        made.check_limit(failures, Counters(records=2, failed=2))
