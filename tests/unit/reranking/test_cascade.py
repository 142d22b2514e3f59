"""A cascade: what fails, what is skipped, and what a stage sees of a record."""

from dataclasses import replace

import pytest
from support.making import Clock, entries_of, fake

from rerank_cli.core.config import WriteConfig
from rerank_cli.core.errors import DeviceError
from rerank_cli.core.plan import Budget, WindowLimits
from rerank_cli.core.records import Composed, Failure, Mark
from rerank_cli.core.scorer import NoScore
from rerank_cli.core.stats import StageProgress, Stats
from rerank_cli.reranking.cascade import Cascade, Keeping
from rerank_cli.reranking.reranker import WindowReranker


class Watched:
    """An engine whose prepared pairs are noted; a pair whose text is `refused` has no score."""

    def __init__(self, scorer, refused=None):
        self._scorer, self.refused, self.pairs = scorer, refused, []
        self.identity, self.traits, self.notes = scorer.identity, scorer.traits, scorer.notes

    def prepare(self, pairs):
        self.pairs += pairs
        prepared = self._scorer.prepare(pairs)
        marked = [text == self.refused for _, text in pairs]
        return [replace(pair, payload=(pair.payload, bad)) for pair, bad in zip(prepared, marked, strict=True)]

    def score(self, batches):
        for batch in batches:
            plain = replace(batch, pairs=tuple(replace(pair, payload=pair.payload[0]) for pair in batch.pairs))
            (logits,) = self._scorer.score(iter([plain]))
            bad = [pair.payload[1] for pair in batch.pairs]
            yield [NoScore("refused") if no else logit for logit, no in zip(logits, bad, strict=True)]


def cascade(*scorers, keep=(2,), limits=WindowLimits(10**6), **more):
    stats = Stats(Clock())
    made = [
        WindowReranker(
            scorer=scorer,
            limits=replace(limits, keep=min(keep)) if number == 0 else replace(limits, closes=False),
            budget=Budget(8192),
            write=WriteConfig(),
            progress=StageProgress(stats, number == 0, scorer is scorers[-1]),
            report=lambda _: None,
            **more,
        )
        for number, scorer in enumerate(scorers)
    ]
    return Cascade(tuple(made), Keeping(tuple(keep))), stats


def ranked(entries, *scorers, **more):
    made, _ = cascade(*scorers, **more)
    return [result for window in made.windows(iter(entries), Mark()) for result in window.results]


RECORD = {"query": "q", "candidates": ["a", "b", "c", "d", "e"]}


def first_kept(record=RECORD, keep=2):
    """The texts that the first stage keeps, in input order."""
    (entry,) = entries_of(record)
    watched = Watched(fake("seed=2"))
    ranked([entry], fake("seed=1"), watched, keep=(keep,))
    return [text for _, text in watched.pairs]


def test_a_later_stage_is_given_what_the_stage_before_kept_and_nothing_else():
    kept = first_kept()
    assert len(kept) == 2
    assert kept == sorted(kept)  # in input order


def test_a_record_that_a_later_stage_cannot_score_fails_at_the_place_of_the_input():
    text = first_kept()[1]
    (failure,) = ranked(entries_of(RECORD), Watched(fake("seed=1")), Watched(fake("seed=2"), text))
    assert isinstance(failure, Failure)
    assert (failure.reason, failure.path) == ("refused", f"$.candidates[{'abcde'.index(text)}]")


def test_a_record_that_the_first_stage_cannot_score_fails_and_is_not_given_to_the_next():
    second = Watched(fake("seed=2"))
    bad, good = ranked(
        entries_of(RECORD, {"query": "p", "candidates": ["x", "y", "z"]}), Watched(fake("seed=1"), "c"), second
    )
    assert (bad.reason, bad.path) == ("refused", "$.candidates[2]")
    assert good[0].query == "p"
    assert {query for query, _ in second.pairs} == {"p"}


@pytest.mark.parametrize("broken", [0, 1])
def test_a_stage_with_many_logits_that_are_no_numbers_ends_the_run(broken):
    faults = [f"seed={stage},nan={float(stage == broken)}" for stage in (0, 1)]
    with pytest.raises(DeviceError, match="finite"):
        ranked(entries_of(RECORD), *[fake(each) for each in faults])


def test_a_stage_that_would_keep_all_is_not_scored_but_counts_towards_its_window():
    first, second = Watched(fake("seed=1")), Watched(fake("seed=2"))
    short = {"query": "s", "candidates": ["x", "y"]}
    made, stats = cascade(first, second, limits=WindowLimits(tokens=20))
    windows = list(made.windows(iter(entries_of(*[short] * 12)), Mark()))
    assert len(windows) > 1
    assert [pair for window in windows for pair in [window.counters.stages[0].pairs]] == [0] * len(windows)
    assert stats.live.batches == len(windows)
    (_, ranking) = windows[0].results[0]
    assert [scores[0] for scores in ranking.stage_scores] == [None, None]


def test_a_middle_stage_is_skipped_where_the_first_left_it_nothing_to_do():
    middle = Watched(fake("seed=2"))
    records = [{"query": "q", "candidates": ["a", "b", "c"]}, {"query": "r", "candidates": list("abcdefgh")}]
    ranked(entries_of(*records), fake("seed=1"), middle, fake("seed=3"), keep=(5, 3))
    assert {query for query, _ in middle.pairs} == {"r"}
    assert len(middle.pairs) == 5


def test_each_stage_reads_the_texts_that_were_composed_for_it():
    (entry,) = entries_of(RECORD)
    composed = tuple([Composed(f"{n}", tuple([f"{n} {text}" for text in entry.texts])) for n in range(2)])
    first, second = Watched(fake("seed=1")), Watched(fake("seed=2"))
    ((request, _),) = ranked([replace(entry, composed=composed)], first, second)
    assert request.body == entry.body
    assert {query for query, _ in first.pairs} == {"0"}
    assert [text for _, text in first.pairs] == ["0 a", "0 b", "0 c", "0 d", "0 e"]
    assert {query for query, _ in second.pairs} == {"1"}
    assert all(text.startswith("1 ") for _, text in second.pairs)
    assert len(second.pairs) == 2


def test_texts_with_a_query_each_go_through_the_last_stage_alone():
    (entry,) = entries_of(RECORD)
    first = Watched(fake("seed=1"))
    ((_, ranking),) = ranked([replace(entry, queries=tuple("vwxyz"), query="")], first, fake("seed=2"))
    assert set(ranking.stages) == {2}
    assert len(ranking.indices) == 5


def test_texts_that_are_too_long_fail_only_in_the_stage_that_scores_them():
    long = {"query": "q", "candidates": ["a", "b " * 40]}
    more = {"refuse_cut": True, "keep": (2,)}
    ((_, ranking),) = ranked(entries_of(long), fake("seed=1", max_length=16), fake("seed=2"), **more)
    assert len(ranking.indices) == 2  # the first stage is skipped
    (failure,) = ranked(entries_of(long), fake("seed=1", max_length=16), fake("seed=2"), refuse_cut=True, keep=(1,))
    assert "longer than --max-length" in failure.reason


def test_progress_counts_pairs_once_and_the_input_when_its_last_stage_is_done():
    made, stats = cascade(fake("seed=1"), fake("seed=2"))
    entries = entries_of(*[RECORD] * 3)
    list(made.windows(iter(entries), Mark()))
    assert stats.live.pairs == 5  # identical records share their pairs
    assert stats.records_scored == pytest.approx(3)
    assert stats.bytes_scored == pytest.approx(entries[-1].end.disk)


def sizes(first, second, records, keep, tokens, kept=None):
    """How many records each window has."""
    made, _ = cascade(first, second, keep=(keep,), limits=WindowLimits(tokens=tokens))
    return [len(window.results) for window in made.windows(iter(entries_of(*records)), Mark())]


def test_a_window_holds_as_many_more_records_as_the_last_stage_scores_less_of_them():
    records = [{"query": f"q{n}", "candidates": [f"{n} {m}" for m in range(20)]} for n in range(40)]
    assert sizes(fake("seed=1"), fake("seed=2"), records, keep=20, tokens=400) == [5] * 8  # 80 tokens a record
    assert sizes(fake("seed=1"), fake("seed=2"), records, keep=5, tokens=400) == [20] * 2
    assert sizes(fake("seed=1"), fake("seed=2"), records, keep=1, tokens=400) == [40]


def test_a_window_that_holds_more_is_scored_in_slices():
    """So that the first stage needs no more memory than in a run without stages."""

    class Sliced(Watched):
        most = 0

        def score(self, batches):
            for batch in batches:
                self.most = max(self.most, batch.tokens)
                yield from super().score(iter([batch]))

    first, second = Sliced(fake("seed=1")), Sliced(fake("seed=2"))
    records = [{"query": f"q{n}", "candidates": [f"{n} {m}" for m in range(20)]} for n in range(40)]
    assert sizes(first, second, records, keep=5, tokens=400) == [20] * 2
    assert 320 <= first.most <= 400
    assert 320 <= second.most <= 400


def test_the_budgets_of_all_stages_are_given_with_each_window():
    made, _ = cascade(fake("seed=1,oom_above=4"), fake("seed=2,oom_above=7"))
    (window,) = made.windows(iter(entries_of(RECORD)), Mark())
    assert [budget.tokens for budget in window.budgets] == [made.stages[0].budget.tokens, made.stages[1].budget.tokens]
    assert window.budgets[0].tokens < 8192
    assert window.budgets[0] != window.budgets[1]
