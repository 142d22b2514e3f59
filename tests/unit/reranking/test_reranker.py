"""Entries in, rankings out: in input order, whatever happens on the way."""

import collections
import dataclasses
import itertools
import math
import random

import pytest
from support.making import Clock, entries_of, fake, fake_logit, written_logit

from rerank_cli.core.config import ModelConfig, WriteConfig
from rerank_cli.core.decimals import as_float32
from rerank_cli.core.errors import DeviceError, PassingFault
from rerank_cli.core.plan import Budget, WindowLimits
from rerank_cli.core.ranking import Ranking
from rerank_cli.core.records import Blank, Failure, Mark
from rerank_cli.core.scorer import Batch, NoScore, OutOfMemory
from rerank_cli.core.stats import Counters, Stats
from rerank_cli.engines.fake import FakeScorer
from rerank_cli.reranking.ahead import _NOTHING, Ahead
from rerank_cli.reranking.reranker import WindowReranker
from rerank_cli.reranking.windows import SLICE_PAIRS


def reranker(scorer=None, tokens=10**6, records=4096, budget=8192, write=None, **more):
    told = []
    made = WindowReranker(
        scorer=scorer or fake(),
        limits=WindowLimits(tokens, records),
        budget=Budget(budget),
        write=write or WriteConfig(),
        progress=Stats(Clock()),
        report=told.append,
        **more,
    )
    return made, told


def windows(entries, scorer=None, **options):
    made, _ = reranker(scorer, **options)
    return list(made.windows(iter(entries), Mark()))


def results(entries, scorer=None, **options):
    return [result for done in windows(entries, scorer, **options) for result in done.results]


def some(count, candidates=5):
    return [
        {
            "query": f"query {n}",
            "candidates": [f"text {n} " + "word " * (m * n % 17) + str(m) for m in range(candidates)],
        }
        for n in range(count)
    ]


def naive(record):
    """The ranking of a record, the plain way."""
    logits = [fake_logit(record["query"], text) for text in record["candidates"]]
    order = sorted(range(len(logits)), key=lambda index: (-logits[index], index))
    return tuple(order), tuple(written_logit(logits[index]) for index in order)


def test_no_entries_give_no_windows():
    assert windows([]) == []


@pytest.mark.parametrize("budget", [1, 20, 100, 8192])
@pytest.mark.parametrize("records", [1, 3, 4096])
def test_rankings_do_not_depend_on_budget_or_window(budget, records):
    got = results(entries_of(*some(12)), budget=budget, records=records)
    assert [(ranking.indices, ranking.logits) for _, ranking in got] == [naive(record) for record in some(12)]


def test_results_are_in_input_order_with_failures_where_they_stood():
    records = some(6)
    got = results(entries_of(records[0], b"{", records[1], b"", b"[]", records[2]), records=2, budget=10)
    places = [(r.origin if isinstance(r, Failure) else r[0].origin).line for r in got]
    assert places == [1, 2, 3, 5, 6]
    assert [isinstance(result, Failure) for result in got] == [False, True, False, True, False]


def test_counters_account_for_every_line_and_pair():
    records = [*some(2), {"query": "q", "candidates": ["", "a", "a"]}]
    entries = entries_of(*records, b"{", b"", b"")
    (done,) = windows(entries)
    counters = done.counters
    assert (counters.records, counters.scored, counters.failed, counters.blank) == (4, 3, 1, 2)
    assert (counters.pairs, counters.duplicate_pairs, counters.empty_texts) == (13, 1, 1)
    assert counters.windows == 1
    assert counters.balanced
    pairs = fake().prepare([(r["query"], text) for r in records for text in dict.fromkeys(r["candidates"])])
    assert counters.tokens == sum(pair.cost for pair in pairs)
    assert counters.padded_tokens >= counters.tokens
    assert done.end.line == 6


def test_the_counters_of_windows_add_up_to_those_of_one_window():
    entries = entries_of(*some(10), b"{", b"")
    (whole,) = windows(entries)
    parts = sum((done.counters for done in windows(entries, records=3)), Counters())
    for name in ("records", "scored", "failed", "blank", "pairs", "truncated", "tokens", "empty_texts"):
        assert getattr(parts, name) == getattr(whole.counters, name), name


def test_the_progress_counters_follow_the_batches():
    made, _ = reranker(budget=10)
    done = list(made.windows(iter(entries_of(*some(4))), Mark()))
    total = sum((d.counters for d in done), Counters())
    live = made.progress.live
    assert (live.batches, live.tokens, live.padded_tokens) == (total.batches, total.tokens, total.padded_tokens)
    assert live.pairs == total.pairs


class WatchedStats(Stats):
    """Keeps the share that is done after each step."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.shares = []

    def advance(self, bytes_, records):
        Stats.advance(self, bytes_, records)
        self.shares.append(self.share_done)


@pytest.mark.parametrize("faults", ["", "oom_above=60", "oom_at=2"])
@pytest.mark.parametrize("records", [1, 3, 4096])
def test_progress_goes_from_nothing_to_all_of_the_input_with_each_batch(faults, records):
    long = {"query": "q", "candidates": [f"{n} and more" for n in range(3 * SLICE_PAIRS)]}
    entries = entries_of(*some(4), b"{", long, b"", {"query": "q", "candidates": []}, *some(2), b"{")
    made, _ = reranker(fake(faults), budget=100, records=records)
    made.progress = stats = WatchedStats(Clock(), bytes_total=entries[-1].end.disk)
    list(made.windows(iter(entries), Mark()))
    shares = stats.shares
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    assert len({round(share, 4) for share in shares}) > 100, "it moves within the window of the long record, too"
    assert stats.records_scored == pytest.approx(sum(not isinstance(entry, Blank) for entry in entries))


def test_top_k_min_score_and_the_kind_of_score_are_passed_on():
    entries = entries_of(*some(5))
    for _, ranking in results(entries, write=WriteConfig(top_k=2, min_score=0.0, score="logit")):
        assert len(ranking.indices) <= 2
        assert ranking.scores == ranking.logits
        assert all(logit >= 0 for logit in ranking.logits)


def test_truncated_candidates_are_counted_and_marked():
    entries = entries_of({"query": "q", "candidates": ["short", "long " * 50]})
    (done,) = windows(entries, fake(max_length=16))
    assert done.counters.truncated == 1
    assert done.results[0][1].truncated == {1}


def test_a_record_without_candidates_has_an_empty_ranking():
    ((_, ranking),) = results(entries_of({"query": "q", "candidates": []}))
    assert ranking == Ranking((), (), ())


# out of memory


@pytest.mark.parametrize("limit", [25, 40, 100, 1000])
def test_out_of_memory_changes_no_ranking(limit):
    got = results(entries_of(*some(12)), fake(f"oom_above={limit}"))
    assert [(ranking.indices, ranking.logits) for _, ranking in got] == [naive(record) for record in some(12)]


def test_a_smaller_budget_is_learned_told_and_kept():
    made, told = reranker(fake("oom_above=50"), records=3)
    first, *later = made.windows(iter(entries_of(*some(12))), Mark())
    assert 1 < first.budgets[0].tokens <= 50
    assert first.counters.oom_splits == len(told) > 0
    assert [done.counters.oom_splits for done in later] == [0] * len(later)
    assert all(done.budgets == (made.budget,) for done in later)
    assert f"continuing with {made.budget.tokens}" in told[-1]


def test_every_pair_is_scored_once_however_often_memory_runs_out():
    (done,) = windows(entries_of(*some(12)), fake("oom_above=30"))
    assert done.counters.pairs == 60
    pairs = fake().prepare([(r["query"], text) for r in some(12) for text in r["candidates"]])
    assert done.counters.tokens == sum(pair.cost for pair in pairs)


def test_a_single_pair_that_does_not_fit_fails_its_record_and_no_other():
    records = some(4)
    records[2]["candidates"][3] = "word " * 60
    got = results(entries_of(*records), fake("oom_above=50"), candidates_path="$.docs")
    assert [isinstance(result, Failure) for result in got] == [False, False, True, False]
    assert got[2].reason == "out of memory with this single pair: lower --max-length"
    assert got[2].path == "$.docs[3]"


def test_records_around_one_that_does_not_fit_are_ranked_as_ever():
    records = some(4)
    records[2]["candidates"][3] = "word " * 60
    got = results(entries_of(*records), fake("oom_above=50"))
    for number in (0, 1, 3):
        assert (got[number][1].indices, got[number][1].logits) == naive(records[number])


def test_a_failed_record_is_not_counted_as_scored():
    (done,) = windows(entries_of({"query": "q", "candidates": ["word " * 60, "a"]}, *some(1)), fake("oom_above=50"))
    assert (done.counters.records, done.counters.scored, done.counters.failed) == (2, 1, 1)
    assert done.counters.pairs == 5


# logits that are not finite


def sick(share):
    """A record whose pairs are well but for one, and the position of that one."""
    for n in itertools.count():
        texts = [f"{n} {m}" for m in range(200)]
        pairs = tuple(fake().prepare([("q", text) for text in texts]))
        (logits,) = fake(f"nan={share}").score(iter([Batch(pairs, 1, 1)]))
        bad = [m for m, logit in enumerate(logits) if math.isnan(logit)]
        if len(bad) == 1:
            return {"query": "q", "candidates": texts}, bad[0]
    raise AssertionError


def test_a_logit_that_is_not_finite_fails_its_record_and_names_the_dtype_to_try():
    record, position = sick(0.005)
    good = {"query": "q", "candidates": [text for n, text in enumerate(record["candidates"]) if n != position]}
    bad, fine = results(entries_of(record, good), fake("nan=0.005"))
    assert isinstance(bad, Failure)
    assert bad.reason == "the logit is nan in fp32: try --dtype fp32 or bf16"
    assert bad.path == f"$.candidates[{position}]"
    assert (fine[1].indices, fine[1].logits) == naive(good)


def test_more_than_one_percent_of_a_window_not_finite_is_the_fault_of_the_device():
    with pytest.raises(DeviceError, match="finite"):
        results(entries_of(*some(30)), fake("nan=0.2"))


# faults


def test_a_lost_device_surfaces_after_the_windows_before_it():
    made, _ = reranker(fake("lose_at=3"), records=1)
    seen = []
    with pytest.raises(PassingFault):
        seen.extend(made.windows(iter(entries_of(*some(6, candidates=1))), Mark()))
    assert [done.end.line for done in seen] == [1, 2]


def test_an_error_of_the_reader_surfaces():
    def broken():
        yield from entries_of(*some(4))
        raise OSError("gone")

    made, _ = reranker(records=2)
    with pytest.raises(OSError, match="gone"):
        list(made.windows(broken(), Mark()))


def test_composition_is_the_same_from_any_window_on():
    entries = entries_of(*some(20))
    whole = windows(entries, fake("composition=1"), records=3, budget=60)
    for number, done in enumerate(whole):
        made, _ = reranker(fake("composition=1"), records=3, budget=60)
        rest = list(made.windows(iter(entries[done.end.line :]), done.end))
        assert [d.results for d in rest] == [d.results for d in whole[number + 1 :]]


def test_composition_shows_when_windows_shift():
    entries = entries_of(*some(20))
    whole = [r for d in windows(entries, fake("composition=1"), records=3, budget=60) for r in d.results]
    shifted = [r for d in windows(entries[1:], fake("composition=1"), records=3, budget=60) for r in d.results]
    assert whole[1:] != shifted


class InFlight(FakeScorer):
    """A fake engine that, like a GPU's, takes `depth` batches before it gives the first result; counts its calls."""

    def __init__(self, faults="", depth=2):
        super().__init__(ModelConfig(model=f"fake:{faults}"))
        self.depth, self.calls = depth, 0

    def score(self, batches):
        self.calls += 1
        flying = collections.deque()
        for batch in batches:
            try:
                flying.append(next(super().score(iter([batch]))))
            except OutOfMemory:
                yield from flying
                raise
            if len(flying) > self.depth:
                yield flying.popleft()
        yield from flying


@pytest.mark.parametrize("depth", [0, 1, 2, 5])
@pytest.mark.parametrize("faults", ["", "oom_above=60", "oom_above=30", "oom_at=3", "oom_at=7", "composition=1"])
def test_windows_do_not_depend_on_how_many_batches_are_in_flight(depth, faults):
    records = [*some(23), {"query": "long", "candidates": [f"text {n}" for n in range(3000)]}, *some(4)]
    options = {"tokens": 150, "budget": 80}
    expected = windows(entries_of(*records), fake(faults), **options)
    found = windows(entries_of(*records), InFlight(faults, depth), **options)
    assert [done.results for done in found] == [done.results for done in expected]
    assert [done.budgets for done in found] == [done.budgets for done in expected]
    assert [dataclasses.replace(done.counters, busy_s=0) for done in found] == [
        dataclasses.replace(done.counters, busy_s=0) for done in expected
    ]


class Knowing(FakeScorer):
    """Notices a batch that does not fit after it has taken more, and a cache knows the logits of every third pair.

    `scored` counts the others.
    """

    scored = 0

    def prepare(self, pairs):
        prepared = super().prepare(pairs)
        logits = self._logits(Batch.of(prepared)) if prepared else []
        return [
            dataclasses.replace(pair, logit=as_float32(logit)) if pair.payload.pair % 3 == 0 else pair
            for pair, logit in zip(prepared, logits, strict=True)
        ]

    def score(self, batches):
        taken = collections.deque()
        for batch in itertools.chain(batches, [None] * 5):
            taken.append(batch)
            if len(taken) > 5 and (first := taken.popleft()) is not None:
                logits = next(super().score(iter([first])))
                self.scored += len(logits)
                yield logits


class ByQuery(FakeScorer):
    """Takes batches of one query, and has no score for texts with the word bad. `queries` are those of its batches."""

    def __init__(self):
        super().__init__(ModelConfig(model="fake"))
        self.traits = dataclasses.replace(self.traits, per_query=True)
        self.queries = []

    def prepare(self, pairs):
        prepared = zip(super().prepare(pairs), pairs, strict=True)
        return [
            dataclasses.replace(each, query=query, payload=(each.payload, text)) for each, (query, text) in prepared
        ]

    def score(self, batches):
        for batch in batches:
            self.queries.append({pair.query for pair in batch.pairs})
            texts = [pair.payload[1] for pair in batch.pairs]
            plain = tuple([dataclasses.replace(pair, payload=pair.payload[0]) for pair in batch.pairs])
            logits = list(map(as_float32, self._logits(dataclasses.replace(batch, pairs=plain))))
            yield [NoScore("a bad text") if "bad" in text else logit for logit, text in zip(logits, texts, strict=True)]


@pytest.mark.parametrize("records", [1, 3, 4096])
def test_an_engine_that_is_asked_by_query_gets_one_query_a_batch(records):
    asked = [*some(7), some(1)[0], {"query": "query 2", "candidates": ["another text"]}]  # two queries come again
    scorer = ByQuery()
    assert results(entries_of(*asked), scorer, records=records) == results(entries_of(*asked), records=records)
    assert all(len(queries) == 1 for queries in scorer.queries)
    assert len(scorer.queries) == (7 if records == 4096 else 9)


def test_a_pair_without_a_score_fails_its_record_with_the_reason_of_the_engine():
    good, bad = some(1)[0], {"query": "q", "candidates": ["a", "bad", "b"]}
    first, second = results(entries_of(good, bad), ByQuery())
    assert first == results(entries_of(good))[0]
    assert isinstance(second, Failure)
    assert (second.reason, second.path) == ("a bad text", "$.candidates[1]")


class NeverBehind(Ahead):
    """Waits for the next step when asked for it, so that the engine always has several slices in flight."""

    def is_ready(self):
        if self._peeked is _NOTHING:
            self._peeked = self._steps.get()
        return super().is_ready()


@pytest.mark.parametrize("faults", ["", *(f"oom_at={number}" for number in (1, 2, 6, 9))])
def test_pairs_whose_logits_are_known_are_never_scored(faults, monkeypatch):
    monkeypatch.setattr("rerank_cli.reranking.reranker.Ahead", NeverBehind)
    records = [*some(23), {"query": "long", "candidates": [f"text {n}" for n in range(3000)]}, *some(4)]
    options = {"tokens": 150, "budget": 80}
    expected = windows(entries_of(*records), fake(), **options)
    scorer = Knowing(ModelConfig(model=f"fake:{faults}"))
    found = windows(entries_of(*records), scorer, **options)
    assert [done.results for done in found] == [done.results for done in expected]
    cached, alone = sum(done.counters.cached for done in found), sum(done.counters.oom_splits for done in found)
    distinct = sum(done.counters.pairs - done.counters.duplicate_pairs for done in expected)
    assert 0.2 * distinct < cached < 0.5 * distinct
    assert scorer.scored + cached == distinct
    assert alone == ("oom_at" in faults)


def test_one_call_of_the_engine_goes_on_over_windows_that_are_ready():
    scorer = InFlight("slow=0.02", depth=1)  # far slower than preparing: the next window is always at hand
    done = windows(entries_of(*some(12)), scorer, records=1)
    assert len(done) == 12
    assert scorer.calls < 12


@pytest.mark.parametrize("seed", range(8))
def test_windows_without_pairs_come_through_wherever_they_are(seed):
    rng = random.Random(seed)
    records = [rng.choice([some(1)[0], {"query": "q", "candidates": []}, b"{"]) for _ in range(40)]
    done = windows(entries_of(*records), InFlight("slow=0.001", depth=rng.randrange(3)), records=1)
    assert len(done) == 40


def test_an_engine_that_loses_a_batch_is_a_bug_and_no_endless_loop():
    class Forgetful(FakeScorer):
        def score(self, batches):
            yield from itertools.islice(super().score(batches), 1)

    with pytest.raises(RuntimeError, match="fewer"):
        windows(entries_of(*some(8)), Forgetful(ModelConfig(model="fake")), budget=40)


def test_a_record_of_which_no_candidate_is_kept_is_a_failure_where_it_would_leave_no_line():
    entries = entries_of({"query": "q", "candidates": ["a", "b"]})
    for refuse_empty in (False, True):
        (done,) = windows(entries, write=WriteConfig(min_score=1.1), refuse_empty=refuse_empty)
        assert isinstance(done.results[0], Failure) == refuse_empty
        counters = (done.counters.scored, done.counters.failed, done.counters.pairs)
        assert counters == ((0, 1, 0) if refuse_empty else (1, 0, 2))
