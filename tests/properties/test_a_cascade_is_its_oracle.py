"""A cascade ranks as scoring and cutting each record by hand does, and its windows follow from the records alone."""

import itertools
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from support.making import Clock, after, entries_of, fake, fake_logit, written_logit

from rerank_cli.core.config import WriteConfig
from rerank_cli.core.plan import Budget, WindowLimits
from rerank_cli.core.records import Failure, Mark, Request
from rerank_cli.core.stages import Fusion
from rerank_cli.core.stats import Counters, StageProgress, Stats
from rerank_cli.reranking.cascade import Cascade, Keeping
from rerank_cli.reranking.reranker import WindowReranker
from rerank_cli.reranking.windows import SLICE_PAIRS

WORD = st.sampled_from(["a", "b b", "c c c c c", "d " * 20, "", "e", "f f f"])
CANDIDATES = st.lists(st.tuples(WORD, st.integers(0, 5)), max_size=9)
RECORD = st.tuples(WORD, CANDIDATES).map(
    lambda made: {"query": made[0], "candidates": [{"text": text, "score": score / 4} for text, score in made[1]]}
)
LINES = st.lists(st.one_of(RECORD, RECORD, RECORD, st.sampled_from([b"", b"{", b"[]"])), max_size=20)
LIMITS = st.builds(WindowLimits, st.integers(1, 200), st.integers(1, 10), st.integers(1, 2000))
KEEPS = st.lists(st.integers(1, 8), min_size=1, max_size=3, unique=True).map(lambda keeps: sorted(keeps, reverse=True))
FUSIONS = st.none() | st.just(Fusion()) | st.sampled_from([0.0, 0.3, 1.0]).map(Fusion)
WRITES = st.builds(
    WriteConfig, top_k=st.none() | st.integers(1, 8), min_score=st.none() | st.just(0.3), drop=st.booleans()
)


def scored(request):
    scores = tuple([float(each["score"]) for each in request.body["candidates"]])
    return replace(request, scores=scores)


def read(*lines):
    return [scored(entry) if isinstance(entry, Request) else entry for entry in entries_of(*lines)]


def cascade(keeping, limits, budget=Budget(60), write=None, faults=(), budgets=None):
    count = len(keeping.keep) + 1 - keeping.given
    stats = Stats(Clock())
    keep = [keep for keep in keeping.keep[keeping.given :] if keep is not None]
    made = []
    for number in range(count):
        first, last = number == 0, number == count - 1
        made.append(
            WindowReranker(
                scorer=fake(",".join([f"seed={number + 1}", *faults])),
                limits=replace(limits, keep=min(keep, default=None)) if first else replace(limits, closes=False),
                budget=budget if budgets is None else budgets[number],
                write=write or WriteConfig(),
                progress=StageProgress(stats, first, last),
                report=lambda _: None,
            )
        )
    return Cascade(tuple(made), keeping)


def ranked(entries, *args, start=None, **more):
    return list(cascade(*args, **more).windows(iter(entries), start or Mark()))


def oracle(request, keeping, write):
    """Each candidate with its stage, best first: by scoring and sorting, without windows and batches."""
    left, dropped, stages = list(range(len(request.texts))), [], []
    for number in range(len(keeping.keep) + 1):
        seed = number + 1 - keeping.given
        known = request.scores if not seed else [fake_logit(request.query, text, seed) for text in request.texts]
        order = sorted(left, key=lambda index: (-known[index], index))
        stages.append({index: known[index] for index in left})
        keep = None if number == len(keeping.keep) else keeping.keep[number]
        fused = keeping.fuses and number == len(keeping.keep) - 1
        if number < len(keeping.keep) and seed and not fused and (keep is None or keep >= len(left)):
            stages[-1] = {}  # the stage is skipped
        elif keep is not None:
            dropped = [(index, number + 1) for index in order[keep:]] + dropped
            left = sorted(order[:keep])
    if keeping.fuses:
        values = dict(zip(left, fused_values(left, stages[-1], stages[-2], write.fusion.weight), strict=True))
        order = sorted(left, key=lambda index: (-values[index], index))
    return [(index, len(keeping.keep) + 1) for index in order] + dropped, stages


def fused_values(left, last, before, weight):
    """Fused scores, as their definitions say."""
    if weight is None:
        ranks = [
            {n: rank for rank, n in enumerate(sorted(left, key=lambda n: (-of[n], n)), 1)} for of in (last, before)
        ]
        return [sum(1 / (60 + rank[n]) for rank in ranks) for n in left]
    ends = [(min(of[n] for n in left), max(of[n] for n in left)) for of in (last, before)] if left else []
    scaled = [
        {n: (of[n] - low) / (high - low) if high > low else 0.0 for n in left}
        for of, (low, high) in zip((last, before), ends, strict=False)
    ]
    return [weight * scaled[0][n] + (1 - weight) * scaled[1][n] for n in left]


def keepings(keeps, given_scores, fusion):
    return Keeping(tuple(keeps), given_scores, fusion is not None)


@given(LINES, LIMITS, KEEPS, st.booleans(), FUSIONS, WRITES)
def test_the_order_is_that_of_scoring_and_cutting_by_hand(lines, limits, keeps, given_scores, fusion, write):
    entries, keeping = read(*lines), keepings(keeps, given_scores, fusion)
    write = replace(write, fusion=fusion)
    results = [r for done in ranked(entries, keeping, limits, write=write) for r in done.results]
    wanted = [entry for entry in entries if isinstance(entry, Request | Failure)]
    assert len(results) == len(wanted)
    for entry, result in zip(wanted, results, strict=True):
        if isinstance(entry, Failure):
            assert result == entry
            continue
        request, ranking = result
        assert request == entry
        rows, stages = oracle(entry, keeping, write)
        if write.drop or write.min_score is not None:
            rows = [(index, stage) for index, stage in rows if stage == len(stages)]
        found = list(zip(ranking.indices, ranking.stages, strict=True))
        if write.min_score is not None:
            assert found == rows[: len(found)]
            assert all(score >= write.min_score for score in ranking.scores)
        else:
            assert found == rows[: write.top_k]
        for (index, stage), logit in zip(found, ranking.logits, strict=True):
            exact = stages[stage - 1][index]
            assert logit == (exact if given_scores and stage == 1 else written_logit(exact))
        for index, all_scores in zip(ranking.indices, ranking.stage_scores, strict=True):
            assert [score is not None for score in all_scores] == [index in stage for stage in stages]
        falling = ranking.falling()
        assert all(one >= other for one, other in itertools.pairwise(falling))


@given(LINES, LIMITS, KEEPS, st.booleans(), FUSIONS, st.integers(1, 200))
def test_scores_that_depend_on_the_batch_are_the_same_from_any_edge_on(
    lines, limits, keeps, given_scores, fusion, budget
):
    entries, keeping = read(*lines), keepings(keeps, given_scores, fusion)
    more = {"budget": Budget(budget), "faults": ("composition=1",), "write": WriteConfig(fusion=fusion)}
    whole = ranked(entries, keeping, limits, **more)
    for number, done in enumerate(whole):
        rest = ranked(after(entries, done.end), keeping, limits, start=done.end, **more)
        assert [(d.results, d.end) for d in rest] == [(d.results, d.end) for d in whole[number + 1 :]]


@given(LINES, LIMITS, KEEPS, st.booleans())
def test_windows_end_where_they_end_whatever_the_scores_are(lines, limits, keeps, given_scores):
    entries, keeping = read(*lines), keepings(keeps, given_scores, None)
    ends = [done.end for done in ranked(entries, keeping, limits)]
    assert ends == [done.end for done in ranked(entries, keeping, limits, faults=("composition=1",))]
    if entries:
        assert ends[-1] == entries[-1].end


@given(LINES, LIMITS, KEEPS, st.integers(30, 100), st.integers(1, 300))
def test_a_stop_after_out_of_memory_continues_with_the_budgets_of_all_stages(lines, limits, keeps, memory, budget):
    entries, keeping = read(*lines), keepings(keeps, False, None)
    more = {"faults": ("composition=1", f"oom_above={memory}")}
    whole = ranked(entries, keeping, limits, Budget(budget), **more)
    for number, done in enumerate(whole):
        made = cascade(keeping, limits, budgets=done.budgets, **more)
        rest = list(made.windows(iter(after(entries, done.end)), done.end))
        assert [d.results for d in rest] == [d.results for d in whole[number + 1 :]]


@given(LINES, LIMITS, KEEPS, st.booleans(), st.integers(1, 300), st.none() | st.integers(50, 300))
def test_each_stage_counts_what_it_scored(lines, limits, keeps, given_scores, budget, memory):
    entries, keeping = read(*lines), keepings(keeps, given_scores, None)
    faults = () if memory is None else (f"oom_above={memory}",)
    total = Counters()
    for done in ranked(entries, keeping, limits, Budget(budget), faults=faults):
        total = total + done.counters
    if not entries:
        return
    requests = [entry for entry in entries if isinstance(entry, Request)]
    failures = sum(isinstance(entry, Failure) for entry in entries)
    assert (total.records, total.scored, total.failed) == (len(requests) + failures, len(requests), failures)
    first = keeping.keep[0] if given_scores else None
    assert total.pairs == sum(len(entry.texts[:first]) for entry in requests)
    expected = []
    for number in range(len(keeping.keep) + 1):
        rows = [oracle(entry, keeping, WriteConfig())[1][number] for entry in requests]
        expected.append((sum(map(len, rows)), sum(map(bool, rows))))
    expected = expected[given_scores:]
    duplicates = sum(pairs for pairs, _ in expected) - sum(stage.pairs for stage in total.stages)
    assert duplicates == total.duplicate_pairs
    assert [stage.records for stage in total.stages] == [records for _, records in expected]
    assert sum(stage.tokens for stage in total.stages) == total.tokens
    assert sum(stage.batches for stage in total.stages) == total.batches


@settings(max_examples=5)
@given(st.sampled_from([SLICE_PAIRS + 1, 3000]), st.integers(1, 2000), st.integers(40, 400))
def test_a_record_with_very_many_candidates_goes_through_in_slices(count, keep, tokens):
    record = {"query": "long", "candidates": [{"text": f"text {n}", "score": 0} for n in range(count)]}
    entries = read({"query": "q", "candidates": [{"text": "a", "score": 1}]}, record, record)
    keeping, limits = Keeping((keep,)), WindowLimits(tokens)
    results = [r for done in ranked(entries, keeping, limits) for r in done.results]
    for entry, (request, ranking) in zip(entries, results, strict=True):
        assert request == entry
        assert list(zip(ranking.indices, ranking.stages, strict=True)) == oracle(entry, keeping, WriteConfig())[0]
