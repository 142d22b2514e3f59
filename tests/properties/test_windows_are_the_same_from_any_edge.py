"""Windows follow from the records alone, so that a run continued at any edge composes the same batches."""

from hypothesis import given
from hypothesis import strategies as st
from support.making import Clock, after, entries_of, fake, fake_logit, written_logit

from rerank_cli.core.config import WriteConfig
from rerank_cli.core.plan import Budget, WindowLimits
from rerank_cli.core.records import Failure, Mark, Request
from rerank_cli.core.stats import Stats
from rerank_cli.reranking.reranker import WindowReranker
from rerank_cli.reranking.windows import SLICE_PAIRS, NumberedRequest, windows

WORD = st.sampled_from(["a", "b b", "c c c c c", "d " * 20, ""])
RECORD = st.fixed_dictionaries({"query": WORD, "candidates": st.lists(WORD, max_size=8)})
LINES = st.lists(st.one_of(RECORD, RECORD, RECORD, st.sampled_from([b"", b"{", b"[]"])), max_size=25)
LIMITS = st.builds(WindowLimits, st.integers(1, 200), st.integers(1, 10), st.integers(1, 2000))


def long(count):
    return {"query": "long", "candidates": [f"text {n % 1500}" for n in range(count)]}


LINES_WITH_LONG = st.lists(
    st.one_of(RECORD, st.just(b"{"), st.sampled_from([long(SLICE_PAIRS + 1), long(3000)])), max_size=5
)


def gathered(entries, limits, start=None):
    return list(windows(iter(entries), fake().prepare, limits, start or Mark()))


def described(slices):
    """All that later stages see of windows."""
    return [
        (s.pairs, s.closes and (s.closes.entries, s.closes.blank, s.closes.duplicates, s.closes.end)) for s in slices
    ]


@given(LINES | LINES_WITH_LONG, LIMITS)
def test_every_entry_is_in_exactly_one_window_in_input_order(lines, limits):
    entries = entries_of(*lines)
    closed = [s.closes for s in gathered(entries, limits) if s.closes]
    flat = [e.request if isinstance(e, NumberedRequest) else e for window in closed for e in window.entries]
    assert flat == [entry for entry in entries if isinstance(entry, Request | Failure)]
    assert sum(window.blank for window in closed) == len(entries) - len(flat)
    if entries:
        assert closed[-1].end == entries[-1].end


@given(LINES | LINES_WITH_LONG, LIMITS)
def test_windows_are_the_same_from_any_edge_on(lines, limits):
    entries = entries_of(*lines)
    whole = gathered(entries, limits)
    for number, slice_ in enumerate(whole):
        if slice_.closes:
            rest = gathered(after(entries, slice_.closes.end), limits, slice_.closes.end)
            assert described(rest) == described(whole[number + 1 :])


@given(LINES, LIMITS)
def test_no_window_is_larger_than_its_limits_unless_it_is_one_record(lines, limits):
    entries = entries_of(*lines)
    start = Mark()
    for slice_ in gathered(entries, limits):
        window = slice_.closes
        inside = [entry for entry in entries if start.total < entry.end.total <= window.end.total]
        pairs = [(e.query, text) for e in inside if isinstance(e, Request) for text in e.texts]
        tokens = sum(pair.cost for pair in fake().prepare(pairs))
        if len(inside) > 1:
            assert tokens <= limits.tokens
            assert len(inside) <= limits.records
            assert window.end.total - start.total <= limits.bytes
        start = window.end


@given(LINES | LINES_WITH_LONG, LIMITS)
def test_identical_pairs_of_a_window_are_scored_once_and_others_each(lines, limits):
    fresh, numbers = 0, {}
    for slice_ in gathered(entries_of(*lines), limits):
        fresh += len(slice_.pairs)
        if slice_.closes is None:
            continue
        total = 0
        for entry in slice_.closes.entries:
            if isinstance(entry, NumberedRequest):
                assert len(entry.pairs) == len(entry.request.texts)
                for number, text in zip(entry.pairs, entry.request.texts, strict=True):
                    assert numbers.setdefault((entry.request.query, text), number) == number
                    total += 1
        assert sorted(numbers.values()) == list(range(fresh))
        assert slice_.closes.duplicates == total - fresh
        fresh, numbers = 0, {}


def reranked(entries, limits, budget, start=None, faults="composition=1"):
    reranker = WindowReranker(
        scorer=fake(faults),
        limits=limits,
        budget=Budget(budget),
        write=WriteConfig(),
        progress=Stats(Clock()),
        report=lambda _: None,
    )
    return list(reranker.windows(iter(entries), start or Mark()))


@given(LINES, LIMITS, st.integers(1, 200))
def test_scores_that_depend_on_the_batch_are_the_same_from_any_edge_on(lines, limits, budget):
    entries = entries_of(*lines)
    whole = reranked(entries, limits, budget)
    for number, done in enumerate(whole):
        rest = reranked(after(entries, done.end), limits, budget, done.end)
        assert [(d.results, d.end) for d in rest] == [(d.results, d.end) for d in whole[number + 1 :]]


@given(LINES | LINES_WITH_LONG, LIMITS, st.integers(1, 300), st.none() | st.integers(30, 300))
def test_rankings_are_those_of_scoring_each_record_alone(lines, limits, budget, memory):
    entries = entries_of(*lines)
    faults = "" if memory is None else f"oom_above={memory}"
    results = [r for done in reranked(entries, limits, budget, faults=faults) for r in done.results]
    assert len(results) == sum(isinstance(entry, Request | Failure) for entry in entries)
    wanted = [entry for entry in entries if isinstance(entry, Request | Failure)]
    for entry, result in zip(wanted, results, strict=True):
        if isinstance(entry, Failure):
            assert result == entry
            continue
        costs = [pair.cost for pair in fake().prepare([(entry.query, text) for text in entry.texts])]
        if memory is not None and max(costs, default=0) > memory:
            assert isinstance(result, Failure)
            continue
        logits = [fake_logit(entry.query, text) for text in entry.texts]
        order = sorted(range(len(logits)), key=lambda index: (-logits[index], index))
        assert list(result[1].indices) == order
        assert list(result[1].logits) == [written_logit(logits[index]) for index in order]
