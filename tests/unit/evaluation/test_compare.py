"""Two rankings of the same queries."""

import random
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rerank_cli.core.errors import InputError
from rerank_cli.evaluation.compare import compare, movement, rank_biased_overlap, side_by_side, tau_of_orders
from rerank_cli.evaluation.rankings import Ranked, Results

ORDERS = st.permutations("abcdefghij")


def results(name, scored=True, **orders):
    queries = {
        qid: Ranked(tuple(order), array("d", [float(-n) for n in range(len(order))])) for qid, order in orders.items()
    }
    return Results(name, queries=queries, scored=scored)


@given(ORDERS, ORDERS)
def test_rank_biased_overlap_is_symmetric_bounded_and_one_for_the_same(a, b):
    assert rank_biased_overlap(a, b) == pytest.approx(rank_biased_overlap(b, a))
    assert 0 <= rank_biased_overlap(a, b) <= 1 + 1e-12
    assert rank_biased_overlap(a, a) == pytest.approx(1)


@given(ORDERS, ORDERS)
def test_rank_biased_overlap_is_the_sum_of_its_definition(a, b):
    p, depth = 0.9, len(a)
    overlaps = [len(set(a[:d]) & set(b[:d])) / d for d in range(1, depth + 1)]
    expected = overlaps[-1] * p**depth + (1 - p) / p * sum(x * p**d for d, x in enumerate(overlaps, 1))
    assert rank_biased_overlap(a, b) == pytest.approx(expected)


def test_agreement_at_the_top_weighs_more():
    assert rank_biased_overlap("abcdef", "abcdfe") > rank_biased_overlap("abcdef", "bacdef")


@given(ORDERS, ORDERS, st.integers(0, 8))
def test_tau_is_scipys_on_the_documents_of_both(a, b, left_out):
    b = [docid for docid in b if docid not in a[:left_out]]
    common = [docid for docid in a if docid in b]
    expected = stats.kendalltau(range(len(common)), [b.index(docid) for docid in common]).statistic
    assert tau_of_orders(a, b) == pytest.approx(expected)


def test_rankings_without_a_common_document_have_no_tau():
    assert tau_of_orders("ab", "cd") is None
    assert rank_biased_overlap("", "") == 1.0
    assert rank_biased_overlap("a", "") == 0.0
    made = compare(results("A", q="ab"), results("B", q=""))
    assert (made.overlap, made.rbo, made.tau) == (0.0, 0.0, None)


def test_a_short_ranking_agrees_with_a_long_one_only_as_far_as_it_goes():
    made = compare(results("A", q="a"), results("B", q="abcdefghijkl"))
    assert made.overlap == pytest.approx(0.1)
    assert rank_biased_overlap("a", "abcdefghij") == pytest.approx(rank_biased_overlap("abcdefghij", "a"))
    assert rank_biased_overlap("a", "ab") == pytest.approx(1.0)  # nothing speaks against it
    assert rank_biased_overlap("b", "ab") < rank_biased_overlap("ba", "ab")


@given(st.permutations("abcdef"), st.permutations("abcdefgh"))
def test_rank_biased_overlap_of_uneven_rankings_is_the_sum_of_its_definition(a, b):
    p, s, long = 0.9, len(a), len(b)
    x = [len(set(a[:d]) & set(b[:d])) for d in range(long + 1)]
    sums = sum(x[d] / d * p**d for d in range(1, long + 1))
    sums += sum(x[s] * (d - s) / (s * d) * p**d for d in range(s + 1, long + 1))
    expected = (1 - p) / p * sums + ((x[long] - x[s]) / long + x[s] / s) * p**long
    assert rank_biased_overlap(a, b) == pytest.approx(expected)


@pytest.mark.parametrize(("before", "after", "word"), [(None, 3, "new"), (2, 2, "="), (5, 1, "↑4"), (0, 7, "↓7")])
def test_a_move_is_said_in_a_word(before, after, word):
    assert movement(before, after) == word


def test_the_tops_stand_side_by_side():
    rows = side_by_side(Ranked(("a", "b", "c"), array("d")), Ranked(("c", "x"), array("d")), 3)
    assert rows == [("a", "c", "↑2"), ("b", "x", "new"), ("c", "", "")]


def test_queries_that_moved_most_come_first():
    first = results("A", p="abcdef", q="abcdef", r="abcdef", only="a")
    other = results("B", p="abcdef", q="fedcba", r="bacdef", other="a", another="b")
    made = compare(first, other)
    assert [move.qid for move in made.moves] == ["q", "r", "p"]
    assert (made.queries, made.only_first, made.only_other) == (3, 1, 2)
    assert made.overlap == 1.0


def test_with_judgements_the_largest_gains_and_losses_come_first():
    first, other = results("A", p="abc", q="abc", r="abc"), results("B", p="cab", q="bca", r="abc")
    from rerank_cli.evaluation.measures import parse_measures

    qrels = {"p": {"a": 1}, "q": {"c": 1}, "r": {"a": 1}}
    made = compare(first, other, qrels, parse_measures("RR@10 AP"))
    assert [(move.qid, move.gain) for move in made.moves] == [
        ("p", pytest.approx(-0.5)),
        ("q", pytest.approx(1 / 6)),
        ("r", 0.0),
    ]
    assert [each.measure for each in made.differences] == ["RR@10", "AP"]


def test_drift_is_of_the_documents_of_both_and_only_of_scores():
    first, other = results("A", q="abc"), results("B", q="bac")
    made = compare(first, other)
    assert made.drift == pytest.approx(2 / 3)
    assert made.std == pytest.approx((2 / 3) ** 0.5)
    assert compare(first, results("B", scored=False, q="bac")).drift is None


def test_a_comparison_says_why_scores_are_not_compared_and_compares_them_when_asked():
    ours, bm25 = results("A", q="abc"), results("B", scored=False, q="bac")
    bm25.tag = "bm25"
    made = compare(ours, bm25)
    assert made.why_no_drift == "B has the tag 'bm25', not 'rerank'; --any-scores compares them"
    asked = compare(ours, bm25, any_scores=True)
    assert (asked.drift, asked.why_no_drift) == (pytest.approx(2 / 3), "")
    order = results("B", scored=False, q="bac")
    order.has_scores = False
    for any_scores in (False, True):
        assert compare(ours, order, any_scores=any_scores).why_no_drift == "B has no scores"
    assert compare(ours, results("B", q="xyz")).why_no_drift == "no common document has finite scores"


def test_files_of_different_queries_are_refused():
    with pytest.raises(InputError, match=r"A and B: .*'p', 'q'"):
        compare(results("A", p="a"), results("B", q="a"))


def test_random_orders_agree_by_chance_alone():
    chance = random.Random(3)
    docids = [f"d{n}" for n in range(100)]
    a = results("A", **{f"q{n}": docids for n in range(300)})
    b = results("B", **{f"q{n}": chance.sample(docids, 100) for n in range(300)})
    made = compare(a, b)
    assert abs(made.tau or 1) < 0.05
    assert 0.05 < made.overlap < 0.15


@pytest.mark.parametrize("scale", [1e160, 1e308])
def test_scores_at_the_end_of_what_a_float_holds_have_no_drift(scale):
    first = results("A", q="ab")
    first.queries["q"].scores[:] = array("d", [scale, -scale])
    other = results("B", q="ab")
    other.queries["q"].scores[:] = array("d", [-scale, scale])
    made = compare(first, other)
    assert (made.drift, made.std) == (None, None)
