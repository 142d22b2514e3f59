"""Rankings against a naive oracle, sigmoid against decimal arithmetic, and scores in any order of completion."""

import itertools
import math
from decimal import Decimal, localcontext

from hypothesis import example, given
from hypothesis import strategies as st
from support.making import float32

from rerank_cli.core.decimals import as_float32, short_score, shortest_float32
from rerank_cli.core.ranking import rank, sigmoid
from rerank_cli.reranking.scoreboard import ScoreBoard

FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
LOGITS = st.lists(FLOAT32 | st.sampled_from([-1.0, 0.0, -0.0, 0.5, 2.0]), max_size=40)


def exact_sigmoid(logit):
    with localcontext() as context:
        context.prec = 60
        return 1 / (1 + (-Decimal(logit)).exp())


def naive_ranking(logits, top_k, min_score, kind):
    """Pick the best of what is left, the first of equals, until enough are picked."""
    left, picked = list(range(len(logits))), []
    while left and (top_k is None or len(picked) < top_k):
        best = left[0]
        for index in left[1:]:
            if logits[index] > logits[best]:
                best = index
        left.remove(best)
        picked.append(best)
    shown = shortest_float32 if kind == "logit" else lambda logit: short_score(sigmoid(logit))
    scores = {index: shown(logits[index]) for index in picked}
    return [index for index in picked if min_score is None or scores[index] >= min_score]


@given(LOGITS, st.none() | st.integers(0, 50), st.none() | st.floats(-3, 3), st.sampled_from(["sigmoid", "logit"]))
def test_a_ranking_is_that_of_picking_the_best_again_and_again(logits, top_k, min_score, kind):
    ranking = rank(logits, top_k=top_k, min_score=min_score, score=kind)
    assert list(ranking.indices) == naive_ranking(logits, top_k, min_score, kind)
    assert list(map(as_float32, ranking.logits)) == [logits[index] for index in ranking.indices]


@given(LOGITS)
def test_a_ranking_is_an_order_of_all_candidates_with_ties_by_position(logits):
    ranking = rank(logits)
    assert sorted(ranking.indices) == list(range(len(logits)))
    for first, second in zip(ranking.indices, ranking.indices[1:], strict=False):
        assert logits[first] > logits[second] or (logits[first] == logits[second] and first < second)


@given(LOGITS)
def test_scores_never_rise_along_a_ranking(logits):
    scores = rank(logits).scores
    assert list(scores) == sorted(scores, reverse=True)


@given(LOGITS, st.sets(st.integers(0, 40)))
def test_truncated_candidates_keep_their_input_positions(logits, truncated):
    ranking = rank(logits, top_k=5, truncated=frozenset(truncated))
    assert ranking.truncated == set(ranking.indices) & truncated


@given(FLOAT32.filter(lambda x: abs(x) < 700))
@example(0.0)
@example(-36.75)
@example(-699.0)
@example(1e-45)
def test_sigmoid_is_exact_to_a_few_units_in_the_last_place(logit):
    exact = exact_sigmoid(logit)
    assert abs(Decimal(sigmoid(logit)) - exact) <= exact * Decimal(4 * 2**-53)


@given(FLOAT32)
def test_sigmoid_lies_between_zero_and_one_and_is_symmetric(logit):
    assert 0 <= sigmoid(logit) <= 1
    assert abs(sigmoid(logit) + sigmoid(-logit) - 1) < 1e-15


@given(st.floats(-36, 16, width=32), st.floats(-36, 16, width=32))
def test_different_logits_of_the_usual_range_have_scores_in_the_same_order(one, other):
    low, high = sorted((one, other))
    assert sigmoid(low) <= sigmoid(high)
    if high - low > 1e-6 * max(1, abs(low)):
        assert sigmoid(low) < sigmoid(high)


@given(st.lists(st.floats(-3e38, 3e38), max_size=20))
def test_rounding_to_float32_is_that_of_the_hardware_format(values):
    rounded = [as_float32(value) for value in values]
    assert rounded == [float32(value) for value in values]
    assert [as_float32(value) for value in rounded] == rounded


@st.composite
def completions(draw):
    """The pairs of some records, and an order in which batches of them are completed."""
    sizes = draw(st.lists(st.integers(0, 6), max_size=12))
    arrival = draw(st.permutations(range(sum(sizes))))
    cuts = sorted(draw(st.lists(st.integers(0, len(arrival)), max_size=8)))
    edges = [0, *cuts, len(arrival)]
    return sizes, [arrival[a:b] for a, b in itertools.pairwise(edges)]


@given(completions())
def test_any_order_of_completion_gives_scores_in_input_order(sizes_and_batches):
    sizes, batches = sizes_and_batches
    board, records, start = ScoreBoard(), [], 0
    for size in sizes:
        assert board.expect(size) == start
        records.append(range(start, start + size))
        start += size
    for batch in batches:
        board.arrive(batch, [math.sqrt(pair) for pair in batch])
    assert [board.take(record) for record in records] == [[math.sqrt(p) for p in record] for record in records]
