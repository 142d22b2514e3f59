"""The sentences of a page: what they claim depends on the interval and on p."""

from dataclasses import replace

import pytest

from rerank_cli.display.page_words import Kind, kind_of, method_of, of_p, queries_of, result_of, signed
from rerank_cli.evaluation.evaluate import Difference

CLEAR = Difference("nDCG@10", 0.52, 0.83, 0.07, 0.53, 0.02, 10, 3, 7)
OPEN = replace(CLEAR, low=-0.01)


def test_a_result_has_both_means_the_queries_and_the_interval_of_the_gain() -> None:
    means, interval = result_of(CLEAR).split("; ")
    assert means == "nDCG@10 rises from 0.5200 to 0.8300 over 20 judged queries"
    assert interval == "the 95 % interval of the gain is +0.0700 to +0.5300."
    assert "from 0.5200 (A) to 0.8300 (B)" in result_of(CLEAR, ("A", "B"))
    fallen = replace(CLEAR, before=0.83, after=0.52, low=-0.53, high=-0.07)
    assert "falls from 0.8300 to 0.5200" in result_of(fallen)
    assert queries_of(CLEAR) == "10 queries gained, 3 lost, 7 stayed the same."


def test_a_result_whose_interval_contains_0_may_be_chance() -> None:
    said = result_of(OPEN)
    assert "This may be chance: the 95 % interval of the gain, −0.0100 to +0.5300, contains 0." in said
    assert "may be chance" in result_of(replace(CLEAR, low=0.0))
    assert "may be chance" not in result_of(CLEAR)


def test_a_result_may_be_chance_by_its_p_alone_which_counts_the_comparisons() -> None:
    assert "p = 0.061." in result_of(replace(CLEAR, p_value=0.061))
    assert "p = 0.061 after correction." in result_of(replace(CLEAR, p_holm=0.061))


def test_one_query_has_no_interval_and_equal_means_stay() -> None:
    one = Difference("RR", 0.5, 1.0, None, None, None, 1, 0, 0)
    assert result_of(one) == "RR rises from 0.5000 to 1.0000 over 1 judged query."
    still = Difference("RR", 0.5, 0.5, None, None, None, 0, 0, 9)
    assert result_of(still) == "RR stays at 0.5000 over 9 judged queries."
    assert queries_of(still) == "RR is the same for each query."


@pytest.mark.parametrize(
    ("difference", "kind"),
    [
        (CLEAR, Kind.UP),
        (replace(CLEAR, before=0.83, after=0.52, low=-0.53, high=-0.07), Kind.DOWN),
        (OPEN, Kind.OPEN),
        (replace(CLEAR, low=0.0), Kind.OPEN),
        (replace(CLEAR, p_value=0.05), Kind.OPEN),
        (replace(CLEAR, p_holm=0.06), Kind.OPEN),
        (replace(CLEAR, low=None, high=None, p_value=None), Kind.OPEN),
        (replace(CLEAR, measure="Judged@10"), Kind.OPEN),
        (replace(CLEAR, measure="NumRet(rel=1)"), Kind.OPEN),
    ],
)
def test_a_difference_is_a_gain_only_if_interval_and_p_agree_and_more_is_better(
    difference: Difference, kind: Kind
) -> None:
    assert kind_of(difference) is kind


def test_the_method_says_whether_p_is_corrected_for_several_rankings() -> None:
    assert "p: paired t-test. " in method_of(1, corrected=True)
    assert "corrected by Holm for 2 comparisons" in method_of(2, corrected=True)
    assert "not corrected for several runs" in method_of(2, corrected=False)


def test_figures_have_a_minus_sign_and_0_has_none() -> None:
    assert [signed(value) for value in (0.5, -0.5, -0.00001)] == ["+0.5000", "−0.5000", "0.0000"]
    assert [of_p(value) for value in (None, 0.0001, 0.05)] == ["", "<0.001", "0.050"]
