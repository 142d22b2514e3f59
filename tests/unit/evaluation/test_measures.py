"""Measures in a process of their own: nothing that a file or an option holds ends it, or changes another measure."""

import json
import subprocess
import sys
from typing import Any

import ir_measures
import pytest
from support.running import HANG_S, environment

from rerank_cli.core.errors import ConfigError
from rerank_cli.evaluation.measures import falling_scores, parse_measures, values_per_query

BEFORE = """
import itertools, json, sys
import ir_measures
from rerank_cli.core.errors import ConfigError
from rerank_cli.evaluation.measures import falling_scores, parse_measures, values_per_query

BRACKETS = "", "(rel=2)", "(judged_only=True)", "(dcg='exp-log2')", "(gains={1:3,0:1})", "(beta=2.0)", "(p=0.5)"

def measures():
    for name in sorted(ir_measures.measures.registry):
        for brackets in BRACKETS:
            for at in ("", "@1", "@5", "@0.3"):
                try:
                    yield parse_measures(name + brackets + at)[0]
                except ConfigError:
                    pass

def computed(measures, qrels, run):
    try:
        return values_per_query(measures, qrels, run)
    except ConfigError as fault:
        return str(fault)
"""

GRADES = """
PERL = ("ERR", "exp-log2")  # a process each: fewer of them
computable = list({str(measure): measure for measure in measures()}.values())
fast = [each for each in computable if not any(name in str(each) for name in PERL)]
alone = [each for each in fast if each.params.keys() & {"gains", "judged_only"}]
together = [each for each in fast if each not in alone]

def raised(measure, qrels):
    gains = measure.params.get("gains", {})
    return {qid: {d: max(0, gains.get(g, g)) for d, g in grades.items()} for qid, grades in qrels.items()}

def reference(measure, qrels, run):
    plain = type(measure)(**{name: value for name, value in measure.params.items() if name != "gains"})
    return {m.query_id: m.value for m in ir_measures.iter_calc([plain], raised(measure, qrels), run)}

def check(chosen, qrels, run):
    try:
        found = values_per_query(chosen, qrels, run)
    except ConfigError as fault:  # Accuracy where every document found is relevant; ERR of a high grade
        assert len(chosen) == 1 and chosen[0].NAME in ("Accuracy", "ERR", "nDCG"), fault
        return 0
    for measure in chosen:
        expected = reference(measure, qrels, run)
        for qid in qrels:
            (here, there) = (each.get(qid, 0.0) for each in (found[str(measure)], expected))
            assert abs(here - there) < 1e-9, (measure, qid, qrels, found, expected)
    return len(chosen)

def spread(grade, qids):
    qrels = {"1": {"a": 1, "b": 0, "x": 2}, "2": {"a": grade}, "3": {"a": grade, "b": 1, "c": grade}}
    run = {"1": falling_scores("abcx"), "2": falling_scores("ab"), "3": falling_scores("cabd")}
    return {qid: qrels[qid] for qid in qids}, {qid: run[qid] for qid in qids}

compared = 0
orders = ["2", "12", "21", "123", "321", "213"]
near = [*range(-12, 13), *(sign * each for each in (127, 128, 255, 256, 4096, 9999, 10_000) for sign in (1, -1))]
accuracy = [each for each in together if each.NAME == "Accuracy"]
for grade in near:
    for order in orders:
        compared += check([each for each in together if each not in accuracy], *spread(grade, order))
        for measure in [*alone, *accuracy]:
            compared += check([measure], *spread(grade, order))
for measure in computable:
    if measure not in fast:
        for grade in (-10_000, -2, -1, 0, 4, 5):
            compared += check([measure], *spread(grade, "213"))
every = [*range(-10_000, 20), *range(20, 10_001, 499)]  # high grades are slow: room is made for all below them
several = [each for each in together if each not in accuracy]
qrels = {str(grade + 20_000): {"a": grade, "b": -3} for grade in every}
run = {qid: falling_scores("zab") for qid in qrels}
raised_to_0 = {qid: {docid: max(0, grade) for docid, grade in grades.items()} for qid, grades in qrels.items()}
expected = {str(each): {} for each in several}
for metric in ir_measures.iter_calc(several, raised_to_0, run):
    expected[str(metric.measure)][metric.query_id] = metric.value
for order in (list(qrels), list(qrels)[::-1]):
    assert values_per_query(several, {qid: qrels[qid] for qid in order}, run) == expected
    compared += len(qrels) * len(several)
print(json.dumps([len(computable), compared]))
"""

SWEEP = """
chosen, refused, counts = [], 0, {}
qrels = {"q": {"a": 1, "b": 0, "c": 2}, "r": {"a": -2}, "s": {"a": 0}, "t": {"b": 1}}
runs = {"q": falling_scores("abz"), "r": falling_scores("ab"), "s": {}, "t": falling_scores("b")}
big = 10**20
brackets = ["", *("(rel=%s)" % each for each in (0, 1, 2, -1, big, "'x'", "True", 1.5))]
brackets += ["(gains={1:%s})" % each for each in (0, 5, -5, big, 0.5, "'x'")]
brackets += ["(gains={%s:1})" % each for each in (-1, big, "'x'", "[1]")] + ["(gains=3)", "(gains={})"]
brackets += ["(beta=%s)" % each for each in (0.0, 2.0, 1e-05, 1e300, -1.0, 1)]
brackets += ["(p=%s)" % each for each in (0.0, 1.0, 2.0, 1e300, "'x'")]
brackets += ["(judged_only=True)", "(judged_only=1)", "(max_rel=1)", "(nope=1)", "(dcg='exp-log2')", "(dcg='x')"]
for name in sorted(ir_measures.measures.registry):
    for bracket in brackets:
        for at in ("", "@0", "@1", "@5", "@%s" % big, "@2147483648", "@-1", "@0.5", "@1e18", "@0.123", "@True", "@'x'"):
            try:
                chosen += parse_measures(name + bracket + at)
            except ConfigError as fault:
                assert str(fault).startswith("--measures: ")
                refused += 1
for measure in {str(each): each for each in chosen}.values():
    made = computed([measure], qrels, runs)
    if isinstance(made, str):
        assert str(measure) in made, (measure, made)
    else:
        assert set(made[str(measure)]) <= set(qrels)
print(json.dumps([len(chosen), refused]))
"""

COMBINED = """
qrels = {"q": {"a": 1, "b": 0, "c": 2, "d": -2}, "r": {"a": 3}}
runs = {"q": falling_scores("bazd"), "r": falling_scores("zya")}
found = [each for each in {str(each): each for each in measures()}.values() if each.NAME not in ("Accuracy", "ERR")]
found = [each for each in found if "exp-log2" not in str(each)]
alone = {str(each): values_per_query([each], qrels, runs)[str(each)] for each in found}
assert values_per_query(found, qrels, runs) == alone
pairs = 0
for pair in itertools.permutations(found, 2):
    made = values_per_query(pair, qrels, runs)
    assert all(made[str(each)] == alone[str(each)] for each in pair), (pair, made)
    pairs += 1
print(json.dumps([len(found), pairs]))
"""


def in_a_child(program: str, **variables: str) -> Any:
    """What a program prints, as JSON; a process that dies fails the test."""
    command = [sys.executable, "-c", BEFORE + program]
    done = subprocess.run(command, env=environment(**variables), capture_output=True, timeout=HANG_S, check=False)
    assert done.returncode == 0, (done.returncode, done.stderr.decode()[-3000:])
    return json.loads(done.stdout)


@pytest.mark.slow
def test_every_grade_gives_the_measures_of_grades_that_are_raised_to_0() -> None:
    measures, compared = in_a_child(GRADES)
    print(f"\n{measures} measures, {compared} comparisons")
    assert measures > 60
    assert compared > 10_000


def test_every_measure_with_any_parameter_is_computed_or_refused() -> None:
    chosen, refused = in_a_child(SWEEP)
    print(f"\n{chosen} computed, {refused} refused")
    assert chosen > 100
    assert refused > 10_000


@pytest.mark.sampled(1)
@pytest.mark.parametrize("seed", ["1", "2", "3", "4"])
def test_a_measure_is_the_same_beside_any_other(seed: str) -> None:
    measures, pairs = in_a_child(COMBINED, PYTHONHASHSEED=seed)
    assert pairs == measures * (measures - 1)


def values(names: str, qrels: dict[str, dict[str, int]], runs: dict[str, str]) -> dict[str, dict[str, float]]:
    return values_per_query(parse_measures(names), qrels, {qid: falling_scores(docids) for qid, docids in runs.items()})


def test_a_document_of_grade_minus_2_is_judged_and_not_relevant() -> None:
    found = values("Judged@2 P@2 P(judged_only=True)@2 P(rel=2)@2 Bpref", {"q": {"a": -2, "b": 1}}, {"q": "zab"})
    assert {name: each["q"] for name, each in found.items()} == {
        "Judged@2": 0.5,
        "P@2": 0.0,
        "P(judged_only=True)@2": 0.5,
        "P(rel=2)@2": 0.0,
        "Bpref": 0.0,
    }


def test_gains_are_those_of_the_grade_that_the_file_has() -> None:
    found = values("nDCG(gains={0:1,1:2})@2", {"q": {"a": -2, "b": 1}}, {"q": "ab"})
    only = values("nDCG@2", {"q": {"a": 0, "b": 2}}, {"q": "ab"})
    assert found["nDCG(gains={0:1,1:2})@2"] == only["nDCG@2"]


def test_a_query_without_documents_has_no_results() -> None:
    made = values(
        " ".join(("Judged@10", "nDCG@10", "RR@10", "Judged")), {"q": {"a": 1}, "r": {"a": 1}}, {"q": "", "r": "a"}
    )
    assert {name: each["q"] for name, each in made.items()} == dict.fromkeys(made, 0.0)
    assert {name: each["r"] for name, each in made.items()} == dict.fromkeys(made, 1.0)


@pytest.mark.parametrize("ids", [("a\0b", "a\0c"), ("a b", "a"), ("é" * 9, "\N{NO-BREAK SPACE}"), ("q" * 100_000, "")])
@pytest.mark.parametrize("names", ["RR@2 P@1 AP", "ERR@2"])
def test_ids_reach_no_library(ids: tuple[str, str], names: str) -> None:
    first, second = ids
    odd = values_per_query(
        parse_measures(names), {first: {second: 1, first: 0}}, {first: falling_scores((first, second))}
    )
    plain = values(names, {"1": {"b": 1, "a": 0}}, {"1": "ab"})
    assert {name: each[first] for name, each in odd.items()} == {name: each["1"] for name, each in plain.items()}


def test_an_order_is_measured_as_its_scores_are_also_by_a_measure_that_looks_at_scores() -> None:
    qrels = {"q": {"b": 1, "a": 1}}
    (measure,) = parse_measures("Compat")
    (expected,) = ir_measures.iter_calc([measure], qrels, {"q": {"a": 12.5, "z": 3.0}})
    assert values("Compat", qrels, {"q": "az"})["Compat"]["q"] == expected.value


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("nDCG@10 Accuracy@1", "Accuracy@1 cannot be computed here (ZeroDivisionError"),
        ("P@5 ERR@5", "ERR@5 cannot be computed here (grades up to 4 only, and there is one of 7"),
    ],
)
def test_the_measure_that_cannot_be_computed_is_named(names: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        values(names, {"q": {"a": 7}}, {"q": "a"})
    assert said in caught.value.message


@pytest.mark.parametrize(
    "name",
    ["AP(rel=0)", "R(rel=0)@5", "nDCG@999999999999999999999", "IPrec@0.123", "IPrec@2.0", "SetF(beta=1e-05)", "P@True"],
)
def test_a_measure_whose_parameter_libraries_would_misread_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="--measures"):
        parse_measures(name)
