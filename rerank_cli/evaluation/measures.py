"""Measures by ir-measures: which of them can be computed here, and their values for each query.

The libraries below it are partly native code that trusts its input, so nothing reaches them unchecked: ids are replaced
by numbers, grades below 0 by 0 (judged and not relevant), and the parameters of measures are bounded. What they raise
all the same is a ConfigError that names the measure.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from typing import Any

from rerank_cli.core.errors import ConfigError
from rerank_cli.core.installation import installation
from rerank_cli.evaluation.judgements import MAX_RELEVANCE, Qrels

MEASURES = ("nDCG@10", "RR@10", "AP", "R@10", "R@100", "P@10", "Success@1", "Judged@10")
BETWEEN = re.compile(r"[\s,]+(?![^(]*\))")  # white space and commas outside brackets
MEASURES_ADVICE = "See https://ir-measur.es for measures, and which of them need another program."
NAME = re.compile(r"[^(@]*")  # of a measure, without its parameters
AT_ONCE = 1000  # queries given to ir-measures together
MAX_CUTOFF = 2**31 - 1
PLAIN = re.compile(r"[0-9]+(\.[0-9]+)?")  # pytrec_eval reads 1e-05 as 1
GDEVAL_GRADES = 4  # the program that computes ERR and nDCG(dcg='exp-log2') takes no grade above

Run = dict[str, dict[str, float]]


def parse_measures(names: str | None) -> list[Any]:
    """The measures of ir-measures for names such as "nDCG@10 RR@10". Raises ConfigError."""
    for package in ("ir_measures", "scipy"):
        if find_spec(package) is None:
            raise ConfigError(f"{package} is not installed", installation("eval"))
    ir_measures: Any = import_module("ir_measures")
    registry, found = ir_measures.measures.registry, []
    wanted = list(filter(None, BETWEEN.split(names or " ".join(MEASURES))))
    if not wanted:
        raise ConfigError(f"--measures {names!r}: names none", MEASURES_ADVICE)
    for name in wanted:
        try:
            measure = ir_measures.parse_measure(_usual_name({"MRR@10": "RR@10", "MAP": "AP"}.get(name, name), registry))
            able = any(each.is_available() and each.supports(measure) for each in ir_measures.DefaultPipeline.providers)
        except Exception as fault:  # whatever its parser raises
            raise ConfigError(f"--measures: {name!r} is no measure ({fault})", MEASURES_ADVICE) from None
        if not able:
            raise ConfigError(f"--measures: {name!r} cannot be computed here", MEASURES_ADVICE)
        for parameter, value in measure.params.items():
            if not _is_sound(parameter, value):
                raise ConfigError(
                    f"--measures: {name!r} cannot be computed here ({parameter} must be {SOUND[parameter]})",
                    MEASURES_ADVICE,
                )
        found.append(measure)
    return found


def _usual_name(name: str, known: Mapping[str, Any]) -> str:
    """A measure's name in the letter case that ir-measures knows it by, where one measure alone has such a name.

    >>> _usual_name("ndcg@10", {"nDCG": 1, "NDCG": 1}), _usual_name("x", {"X": 1})
    ('nDCG@10', 'X')
    >>> _usual_name("bpm", {"Bpm": 1, "BPM": 2}), _usual_name("P@5", {"P": 1, "p": 2})
    ('bpm', 'P@5')
    """
    word = NAME.match(name)[0]  # type: ignore[index] # it matches every string
    same = {each: measure for each, measure in known.items() if each.lower() == word.lower()}
    if word in same or len(set(map(str, same.values()))) != 1:
        return name
    return next(iter(same)) + name[len(word) :]


SOUND = {
    "cutoff": f"from 1 to {MAX_CUTOFF:,}",
    "rel": f"from 1 to {MAX_RELEVANCE:,}",
    "recall": "from 0.0 to 1.0, with at most two decimals",
    "beta": "a plain decimal number",
    "p": "from 0.0 to 1.0",
    "gains": f"whole numbers from 0 to {MAX_RELEVANCE:,}",
}


def _is_sound(parameter: str, value: Any) -> bool:
    """Whether a parameter means what its name says to every library that may compute with it."""
    if parameter in ("cutoff", "rel"):
        return _is_whole(value, 1, MAX_CUTOFF if parameter == "cutoff" else MAX_RELEVANCE)
    if parameter == "recall":
        return bool(0 <= value <= 1 and round(value, 2) == value)
    if parameter == "beta":
        return PLAIN.fullmatch(str(value)) is not None
    if parameter == "p":
        return bool(0 <= value <= 1)
    if parameter == "gains":
        return all(_is_whole(each, 0, MAX_RELEVANCE) for pair in value.items() for each in pair)
    return True


def _is_whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def falling_scores(docids: Sequence[str]) -> dict[str, float]:
    """Scores that make every evaluator see this order; above 0, which some give to documents that are not there."""
    return {docid: float(len(docids) - place) for place, docid in enumerate(docids)}


def values_per_query(measures: Sequence[Any], qrels: Qrels, runs: Run) -> dict[str, dict[str, float]]:
    """Each measure of each judged query, by ir-measures, some queries at a time."""
    values: dict[str, dict[str, float]] = {str(measure): {} for measure in measures}
    waiting = iter(qrels)
    while qids := list(islice(waiting, AT_ONCE)):
        judged, run = _number_ids(qids, qrels, runs)
        for group in _groups(measures):
            gains = group[0].params.get("gains", {})
            names = {_without_gains(measure): str(measure) for measure in group}
            graded = _graded(judged, gains)
            for metric in _calculate(names, graded, run):
                values[names[metric.measure]][qids[int(metric.query_id)]] = float(metric.value)
    return values


def _number_ids(qids: Sequence[str], qrels: Qrels, runs: Run) -> tuple[Qrels, Run]:
    """Judgements and results with numbers for ids; queries without results are left out of the latter.

    The libraries cut ids at a NUL, or write them into files with blanks between them.
    """
    judged: Qrels = {}
    run: Run = {}
    for number, qid in enumerate(qids):
        names: dict[str, str] = {}
        judged[str(number)] = {names.setdefault(docid, str(len(names))): grade for docid, grade in qrels[qid].items()}
        scores = runs.get(qid)
        if scores:
            run[str(number)] = {names.setdefault(docid, str(len(names))): score for docid, score in scores.items()}
    return judged, run


def _groups(measures: Sequence[Any]) -> Iterator[list[Any]]:
    """Measures that may be computed together: ir-measures computes some with another's `gains` or `judged_only`."""
    alone = [measure for measure in measures if measure.params.keys() & {"gains", "judged_only"}]
    together = [measure for measure in measures if measure not in alone]
    if together:
        yield together
    yield from ([measure] for measure in alone)


def _without_gains(measure: Any) -> Any:
    return type(measure)(**{name: value for name, value in measure.params.items() if name != "gains"})


def _graded(judged: Qrels, gains: dict[int, int]) -> Qrels:
    """Judgements with the gains of their grades, none of them below 0: room is made for the highest grade + 1."""
    return {
        qid: {docid: max(0, gains.get(grade, grade)) for docid, grade in grades.items()}
        for qid, grades in judged.items()
    }


def _calculate(names: dict[Any, str], judged: Qrels, run: Run) -> list[Any]:
    """What ir-measures computes. Raises ConfigError that names the measure when it does not."""
    _refuse_high_grades(names, judged)
    ir_measures: Any = import_module("ir_measures")
    try:
        metrics = list(ir_measures.iter_calc(list(names), judged, run))
    except Exception as fault:  # of whatever library or program computes a measure
        for measure, name in names.items() if len(names) > 1 else ():
            _calculate({measure: name}, judged, run)  # raises for the one that cannot be computed
        (name, *_) = names.values()
        raise _not_computable(name, f"{type(fault).__name__}: {fault}") from None
    for metric in metrics:
        if not math.isfinite(metric.value):
            raise _not_computable(names[metric.measure], f"it gives {metric.value}")
    return metrics


def _refuse_high_grades(names: dict[Any, str], judged: Qrels) -> None:
    for measure, name in names.items():
        if measure.NAME == "ERR" or measure.params.get("dcg") == "exp-log2":
            highest = max((grade for grades in judged.values() for grade in grades.values()), default=0)
            if highest > GDEVAL_GRADES:
                raise _not_computable(name, f"for grades up to {GDEVAL_GRADES}, and there is one of {highest:,}")


def _not_computable(name: str, why: str) -> ConfigError:
    return ConfigError(f"--measures: {name} cannot be computed here ({why})", MEASURES_ADVICE)


def means_of(measures: Sequence[Any], values: dict[str, dict[str, float]], qids: Sequence[str]) -> dict[str, float]:
    """The mean of each measure over these queries, as its own definition aggregates it."""
    means = {}
    for measure in measures:
        aggregator = measure.aggregator()
        for qid in qids:
            aggregator.add(values[str(measure)].get(qid, 0.0))
        means[str(measure)] = float(aggregator.result()) if qids else math.nan
    return means
