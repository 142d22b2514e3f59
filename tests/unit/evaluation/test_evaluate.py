"""Measures, their differences and their uncertainty; judgements and results as they are read."""

import gzip
import math
import random

import pytest
from scipy import stats
from support.making import jsonl
from support.running import rerank

from rerank_cli.core.errors import ConfigError, InputError
from rerank_cli.evaluation.evaluate import Means, difference, evaluate, histogram, uncertainty
from rerank_cli.evaluation.judgements import read_qrels
from rerank_cli.evaluation.measures import MEASURES, parse_measures
from rerank_cli.evaluation.results import read_results, texts_of

COLLECTIONS = ["noveleval", "scifact", "selqa-dev", "xquadr-en", "xquadr-de", "xquadr-zh", "xquadr-ar"]
COLLECTIONS += ["xquad-x-zh-en", "xquad-x-ar-en"]


def put(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def result(qid, docids, **more):
    candidates = [
        {"id": docid, "text": f"text of {docid}", "logit": -float(n), **more} for n, docid in enumerate(docids)
    ]
    return {"id": qid, "query": f"query {qid}", "candidates": candidates}


# judgements


def test_judgements_are_read_from_trec_and_from_beir(tmp_path):
    trec = put(tmp_path, "qrels.txt", "q1 0 d1 2\nq1 0 d2 0\n\nq2\t0\td1\t1\n")
    beir = put(tmp_path, "test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq2\td1\t1\n")
    assert read_qrels(trec) == read_qrels(beir) == {"q1": {"d1": 2, "d2": 0}, "q2": {"d1": 1}}


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("q1 d1\n", "qrels:1: 2 "),
        ("q1 0 d1 yes\n", "qrels:1: .*'yes'"),
        ("q1 0 d1 1\nq1 0 d1 2\n", "qrels:2: q1 d1 "),
        ("q1 0 d1 1.5\n", "qrels:1: .*'1.5'"),
    ],
)
def test_a_line_that_is_no_judgement_is_an_error_with_its_place(tmp_path, content, place):
    with pytest.raises(InputError, match=place):
        read_qrels(put(tmp_path, "qrels", content))


# results


def test_results_know_their_order_and_the_one_before(tmp_path):
    body = result("q1", ["a", "b", "c"])
    for candidate, index in zip(body["candidates"], (2, 0, 1), strict=True):
        candidate["index"] = index
    found = read_results(put(tmp_path, "out.jsonl", jsonl(body)))
    assert found.queries["q1"].docids == ("a", "b", "c")
    assert found.queries["q1"].before == ("b", "c", "a")
    assert found.has_before


def test_an_order_before_is_not_known_when_candidates_were_left_out(tmp_path):
    body = result("q1", ["a", "b"])
    body["candidates"][0]["index"], body["candidates"][1]["index"] = 4, 0
    assert not read_results(put(tmp_path, "out.jsonl", jsonl(body))).has_before


def test_a_run_is_ordered_as_trec_eval_does(tmp_path):
    run = "q Q0 a 1 1.0 t\nq Q0 c 2 2.0 t\nq Q0 b 3 2.0 t\nq Q0 d 4 2.00000001 t\n"
    assert read_results(put(tmp_path, "run", run)).queries["q"].docids == ("d", "c", "b", "a")


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"q Q0 a 1 1.0 t\nq Q0 a 2 0.5 t\n", "results:2: q .* a "),
        (b"q Q0 a 1 1.0 t\nnonsense\n", "results:2: 1 "),
        (jsonl({"query": "w", "candidates": [{"id": "a", "text": ""}]}), "results:1: .*record"),
        (jsonl({"id": "q", "query": "w", "candidates": ["a"]}), "results:1: candidate 0 "),
        (b"", "results: "),
        (b"{\n", "results: "),
    ],
)
def test_results_that_cannot_be_measured_say_why(tmp_path, content, place):
    with pytest.raises(InputError, match=place):
        read_results(put(tmp_path, "results", content))


def test_a_query_that_comes_twice_counts_once(tmp_path):
    found = read_results(put(tmp_path, "out", jsonl(result("q", ["a"]), result("q", ["b"]), b"{")))
    assert found.queries["q"].docids == ("a",)
    assert (found.repeated, found.bad) == (1, 1)


def test_candidates_may_carry_their_judgement(tmp_path):
    body = result("q", ["a", "b"])
    body["candidates"][1]["relevance"] = 2
    assert read_results(put(tmp_path, "out", jsonl(body))).relevance == {"q": {"b": 2}}


def test_texts_are_fetched_for_the_documents_asked_for(tmp_path):
    path = put(tmp_path, "out", jsonl(result("q", ["a", "b"]), result("r", ["a"])))
    assert texts_of(read_results(path), {"q": {"b"}}) == {"q": ("query q", {"b": "text of b"})}
    assert texts_of(read_results(put(tmp_path, "run", "q Q0 a 1 1.0 t\n")), {"q": {"a"}}) == {}


# measures


def test_three_queries_worked_by_hand_with_ties(tmp_path):
    run = (
        "q1 Q0 a 1 3.0 t\nq1 Q0 b 2 2.0 t\nq1 Q0 c 3 2.0 t\n"  # ties: c before b
        "q2 Q0 a 1 1.0 t\nq2 Q0 b 2 1.0 t\n"  # b before a
        "q3 Q0 x 1 1.0 t\n"
    )
    qrels = "q1 0 c 1\nq1 0 z 1\nq2 0 a 2\nq3 0 y 1\nq4 0 y 1\n"
    results, judged = read_results(put(tmp_path, "run", run)), read_qrels(put(tmp_path, "qrels", qrels))
    made = evaluate(results, judged, parse_measures("nDCG@10 RR@10 AP P@10 R@10 Success@1 Judged@10"))
    second = 1 / math.log2(3)  # the discount of rank 2
    assert made.values["nDCG@10"] == pytest.approx({"q1": second / (1 + second), "q2": second, "q3": 0, "q4": 0})
    assert made.values["RR@10"] == pytest.approx({"q1": 0.5, "q2": 0.5, "q3": 0, "q4": 0})
    assert made.values["AP"] == pytest.approx({"q1": 0.25, "q2": 0.5, "q3": 0, "q4": 0})
    assert made.values["P@10"] == pytest.approx({"q1": 0.1, "q2": 0.1, "q3": 0, "q4": 0})
    assert made.values["R@10"] == pytest.approx({"q1": 0.5, "q2": 1, "q3": 0, "q4": 0})
    assert made.values["Judged@10"] == pytest.approx({"q1": 1 / 3, "q2": 0.5, "q3": 0, "q4": 0})
    assert made.means["RR@10"] == pytest.approx(0.25)  # of four queries: one has no results
    assert made.counts["judged_queries_without_results"] == 1
    assert made.counts["unjudged_in_top_10"] == 4


SAME = {"nDCG@10": "ndcg_cut_10", "AP": "map", "P@10": "P_10", "R@10": "recall_10", "R@100": "recall_100"}
SAME |= {"Success@1": "success_1", "RR": "recip_rank"}


def assert_same_as_pytrec_eval(path, qrels):
    """Every query of a run has the measures that pytrec_eval gives it."""
    pytrec_eval = pytest.importorskip("pytrec_eval")
    run: dict = {}
    with (gzip.open if path.endswith(".gz") else open)(path, "rt") as file:
        for line in file:
            qid, _, docid, _, score, _ = line.split()
            run.setdefault(qid, {})[docid] = float(score)
    theirs = pytrec_eval.RelevanceEvaluator(qrels, set(SAME.values())).evaluate(run)
    made = evaluate(read_results(path), qrels, parse_measures(" ".join(SAME)))
    for ours, there in SAME.items():
        expected = {qid: values[there] for qid, values in theirs.items()}
        assert {qid: made.values[ours][qid] for qid in expected} == pytest.approx(expected, abs=1e-6), ours


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", COLLECTIONS)
def test_measures_of_a_first_stage_and_of_our_run_are_those_of_pytrec_eval(shared, tmp_path, name):
    folder = shared / "data" / name
    qrels = read_qrels(str(folder / "qrels.txt"))
    first = folder / "first-stage.run.gz"
    assert_same_as_pytrec_eval(str(first), qrels)
    beir = (folder / "queries.jsonl").is_file()
    source = [folder, "--run", first] if beir else [folder / "candidates.jsonl.gz", "--output-format", "trec"]
    done = rerank("score", *source, "-o", tmp_path / "out.run", "--engine", "fake", "-q")
    assert done.code == 0, done.said
    assert_same_as_pytrec_eval(str(tmp_path / "out.run"), qrels)


@pytest.mark.parametrize("name", ["nDCG", "nDCG@", "X@10", "P@ten"])
def test_a_measure_that_is_none_is_refused_or_known_to_ir_measures(name):
    if name == "nDCG":
        assert [str(each) for each in parse_measures(name)] == ["nDCG"]
    else:
        with pytest.raises(ConfigError, match="--measures"):
            parse_measures(name)


def test_the_usual_names_of_two_measures_are_understood():
    assert [str(each) for each in parse_measures("MRR@10, MAP")] == ["RR@10", "AP"]
    assert [str(each) for each in parse_measures(None)] == list(MEASURES)


# differences


def test_an_interval_and_a_p_value_are_those_of_scipy_and_always_the_same():
    chance = random.Random(1)
    before = [chance.random() for _ in range(200)]
    after = [min(1.0, value + chance.gauss(0.02, 0.1)) for value in before]
    gains = [b - a for a, b in zip(before, after, strict=True)]
    low, high, p_value = uncertainty(gains)
    assert p_value == pytest.approx(stats.ttest_rel(after, before).pvalue)
    mean = sum(gains) / len(gains)
    half = stats.t.ppf(0.975, len(gains) - 1) * stats.sem(gains)
    assert (low, high) == pytest.approx((mean - half, mean + half), abs=0.003)
    assert uncertainty(gains) == (low, high, p_value)


@pytest.mark.parametrize("gains", [[], [0.5], [0.25, 0.25, 0.25], [0.0] * 9])
def test_where_nothing_varies_there_is_no_uncertainty_to_state(gains):
    assert uncertainty(gains) == (None, None, None)


def test_queries_that_got_better_and_worse_are_counted():
    found = difference(
        "m",
        {"a": 0.1, "b": 0.5, "c": 0.3},
        {"a": 0.4, "b": 0.2, "c": 0.3, "x": 1.0},
        ["a", "b", "c", "d"],
        Means(0.225, 0.225),
    )
    assert (found.better, found.worse, found.same) == (1, 1, 2)
    assert found.gain == pytest.approx(0.0)
    assert (found.before, found.after) == pytest.approx((0.225, 0.225))


def test_a_histogram_counts_every_query_once_and_has_nothing_in_the_middle_alone():
    bins = histogram([-1.0, -0.2, 0.0, 0.05, 1.0, 1.0])
    assert sum(count for _, _, count in bins) == 6
    assert bins[0][2] == 1
    assert bins[-1][2] == 2
    assert bins[4][2] == 2


def test_results_of_other_queries_are_refused(tmp_path):
    results = read_results(put(tmp_path, "out", jsonl(result("q", ["a"]))))
    with pytest.raises(InputError, match="none"):
        evaluate(results, {"other": {"a": 1}}, parse_measures("AP"))
    with pytest.raises(InputError, match="judgements"):
        evaluate(results, {}, parse_measures("AP"))


# what a review found


def test_a_first_stage_of_other_queries_is_refused_and_missing_ones_are_counted(tmp_path):
    results = read_results(put(tmp_path, "out", jsonl(result("q1", ["a"]), result("q2", ["a"]))))
    qrels = {"q1": {"a": 1}, "q2": {"a": 1}}
    other = read_results(put(tmp_path, "other", jsonl(result("x", ["a"]))))
    with pytest.raises(InputError, match="none"):
        evaluate(results, qrels, parse_measures("AP"), other)
    half = read_results(put(tmp_path, "half", jsonl(result("q1", ["a"]))))
    made = evaluate(results, qrels, parse_measures("AP"), half)
    assert made.counts["judged_queries_without_results_before"] == 1


def test_a_document_that_comes_twice_counts_where_it_came_first(tmp_path):
    found = read_results(put(tmp_path, "out", jsonl(result("q", ["a", "b", "a", "c", "b"]))))
    assert found.queries["q"].docids == ("a", "b", "c")
    assert found.repeated_documents == 2


def test_queries_that_were_cut_are_counted(tmp_path):
    whole, cut = result("q1", ["a", "b"]), result("q2", ["a"])
    for body, indices in ((whole, (1, 0)), (cut, (4,))):
        for candidate, index in zip(body["candidates"], indices, strict=True):
            candidate["index"] = index
    found = read_results(put(tmp_path, "out", jsonl(whole, cut)))
    assert (found.cut, found.has_before) == (1, False)


@pytest.mark.parametrize("value", ["one", "0.5", "1_0", 0.9, [], 10**6, -(10**9), "20000"])
def test_a_judgement_in_a_candidate_must_be_a_whole_number_of_reason(tmp_path, value):
    with pytest.raises(InputError, match=r"out:1: .* of a "):
        read_results(put(tmp_path, "out", jsonl(result("q", ["a"], relevance=value))))


@pytest.mark.parametrize("value", [3_000_000_000, -20_000, 10**30])
def test_a_judgement_that_evaluators_cannot_hold_is_an_error(tmp_path, value):
    with pytest.raises(InputError, match=r"qrels:1: .* 10,000"):
        read_qrels(put(tmp_path, "qrels", f"q 0 d {value}\n"))


@pytest.mark.parametrize("name", ["P@0", "RBP", "alpha_nDCG@10", "INSQ", "nDCG(dcg='exp-log2')@0"])
def test_a_measure_that_nobody_here_computes_is_refused(name):
    with pytest.raises(ConfigError, match="--measures"):
        parse_measures(name)


def test_commas_inside_brackets_belong_to_a_measure():
    found = [str(each) for each in parse_measures("P(rel=2,judged_only=True)@5,nDCG@3  RR")]
    assert found == ["P(rel=2,judged_only=True)@5", "nDCG@3", "RR"]


def test_a_measure_that_adds_up_has_its_sum_and_no_interval(tmp_path):
    results = read_results(put(tmp_path, "out", jsonl(result("q1", ["a", "b"]), result("q2", ["a"]))))
    before = read_results(put(tmp_path, "before", jsonl(result("q1", ["a"]), result("q2", ["a"]))))
    made = evaluate(results, {"q1": {"a": 1}, "q2": {"a": 1}}, parse_measures("NumRet"), before)
    (only,) = made.differences
    assert (only.before, only.after, only.low) == (2, 3, None)
    assert made.means["NumRet"] == 3


@pytest.mark.parametrize("score", ["nan", "inf", "x"])
def test_a_run_with_a_score_that_orders_nothing_is_an_error(tmp_path, score):
    with pytest.raises(InputError, match=f"run:1: .*'{score}'"):
        read_results(put(tmp_path, "run", f"q Q0 a 1 {score} t\n"))


def test_scores_are_compared_only_where_they_are_logits(tmp_path):
    assert not read_results(put(tmp_path, "bm25", "q Q0 a 1 12.5 bm25\n")).scored
    assert read_results(put(tmp_path, "ours", "q Q0 a 1 12.5 rerank\n")).scored
    assert read_results(put(tmp_path, "json", jsonl(result("q", ["a"])))).scored


def test_an_order_before_is_known_also_where_a_document_came_twice(tmp_path):
    body = result("q", ["a", "b", "a"])
    for candidate, index in zip(body["candidates"], (2, 0, 1), strict=True):
        candidate["index"] = index
    found = read_results(put(tmp_path, "out", jsonl(body)))
    assert found.queries["q"].before == ("b", "a")
    assert found.cut == 0
