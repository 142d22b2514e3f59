"""Names of measures from other programs."""

import pytest

from rerank_cli.core.errors import ConfigError
from rerank_cli.evaluation.measures import falling_scores, parse_measures, values_per_query

pytest.importorskip("ir_measures")

SAME = {
    "ndcg_cut_10": "nDCG@10",
    "ndcg_cut.10": "nDCG@10",
    "NDCG@10": "nDCG@10",
    "ndcg_at_10": "nDCG@10",
    "ndcg": "nDCG",
    "map": "AP",
    "map_cut_100": "AP@100",
    "map_at_100": "AP@100",
    "P_10": "P@10",
    "P.10": "P@10",
    "precision_at_5": "P@5",
    "recip_rank": "RR",
    "MRR@10": "RR@10",
    "mrr_at_10": "RR@10",
    "recall@100": "R@100",
    "recall_100": "R@100",
    "success@5": "Success@5",
    "success_5": "Success@5",
    "hit@5": "Success@5",
    "hit_rate@5": "Success@5",
    "Hits@5": "Success@5",
    "Rprec": "Rprec",
    "R-prec": "Rprec",
    "set_P": "SetP",
    "set_F": "SetF",
    "num_rel_ret": "NumRet(rel=1)",
    "infAP": "infAP",
    "bpref": "Bpref",
    "iprec_at_recall_0.10": "IPrec@0.1",
}


@pytest.mark.parametrize(("name", "ours"), SAME.items())
def test_a_name_that_means_the_same_is_understood(name: str, ours: str) -> None:
    assert [str(each) for each in parse_measures(name)] == [ours]


@pytest.mark.parametrize(
    ("names", "ours"),
    [
        ("ndcg_cut_5,10", ["nDCG@5", "nDCG@10"]),
        ("ndcg_cut.5,10,RR", ["nDCG@5", "nDCG@10", "RR"]),
        ("recall@10, 100", ["R@10", "R@100"]),
        ("iprec_at_recall_0.10,0.20", ["IPrec@0.1", "IPrec@0.2"]),
        ("P(rel=2)@5,10 AP", ["P(rel=2)@5", "P(rel=2)@10", "AP"]),
    ],
)
def test_a_measure_may_have_several_cutoffs(names: str, ours: list[str]) -> None:
    assert [str(each) for each in parse_measures(names)] == ours


@pytest.mark.parametrize(
    ("name", "wrong", "instead"),
    [
        ("iprec_at_recall", "needs a level of recall", "IPrec@0.1"),
        ("IPrec", "needs a level of recall", "IPrec@0.1"),
        ("map_cut", "needs a cutoff", "AP@10"),
        ("nDCG@k", "what follows @ must be a number", "nDCG@10"),
        ("ndcg@", "what follows @ must be a number", "ndcg@10"),
        ("AP 10", "is a number without a measure", "nDCG@10"),
        ("ndcg10", "is not a measure", "The closest is nDCG@10."),
        ("nDGC@5", "is not a measure", "The closest is nDCG@5."),
    ],
)
def test_what_is_wrong_with_a_name_is_said_without_words_of_a_parser(name: str, wrong: str, instead: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_measures(name)
    assert wrong in caught.value.message
    assert "problem parsing" not in caught.value.message
    assert instead in (caught.value.advice or "")


def test_names_of_trec_eval_have_its_values() -> None:
    pytrec_eval = pytest.importorskip("pytrec_eval")
    qrels = {"q1": {"a": 2, "b": 0, "c": 1, "x": 1}, "q2": {"d": 1}}
    runs = {"q1": falling_scores(list("bacde")), "q2": falling_scores(list("abcd"))}
    asked = {"ndcg_cut.5", "map_cut.2", "P.2", "recall.3", "success.1", "recip_rank", "map", "ndcg", "Rprec", "set_F"}
    asked |= {"set_P", "set_recall", "set_map", "num_ret", "num_rel", "num_rel_ret", "iprec_at_recall.0.10"}
    theirs = pytrec_eval.RelevanceEvaluator(qrels, asked).evaluate(runs)
    for name in theirs["q1"]:
        (measure,) = parse_measures(name)
        ours = values_per_query([measure], qrels, runs)[str(measure)]
        assert ours == pytest.approx({qid: theirs[qid][name] for qid in qrels}), name


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("accuracy@1", "Success@1"),
        ("acc@1", "Success@1"),
        ("accuracy_at_3", "Success@3"),
        ("gm_map", "AP"),
        ("F1", "SetF"),
        ("f1@10", "R@10"),
        ("recall_cap@100", "R@100"),
        ("ndcg_cut", "nDCG@10"),
        ("P", "P@10"),
        ("recall", "Recall@10"),
        ("hit", "Success@10"),
        ("nonsense", "nDCG@10 RR@10"),
        ("100", "nDCG@10 RR@10"),
    ],
)
def test_a_name_that_means_something_else_is_an_error_that_names_ours(name: str, near: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_measures(name)
    assert repr(name) in str(caught.value)
    assert near in str(caught.value.advice)


def test_accuracy_of_ir_measures_keeps_its_name() -> None:
    assert [str(each) for each in parse_measures("Accuracy@5")] == ["Accuracy@5"]
