"""Compute measures with ir-measures: check which can be computed, and get their values per query.

ir-measures uses native code that trusts its input, so all input is checked: ids are replaced by numbers, grades below 0
by 0 (judged, not relevant), and parameters of measures are bounded. Its other exceptions become a ConfigError that
names the measure.
"""

import math
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from typing import Any

from rerank_cli.core.errors import ConfigError
from rerank_cli.core.installation import installation
from rerank_cli.evaluation.judgements import MAX_RELEVANCE, Qrels
from rerank_cli.evaluation.measure_names import (
    ADVICE,
    advice_for,
    names_in,
    refuse_odd_cutoff,
    usual_name,
    without_cutoff,
)

MEASURES = ("nDCG@10", "RR@10", "AP", "R@10", "R@100", "P@10", "Success@1", "Judged@10")
PROGRAM_ADVICE = "See https://ir-measur.es for the measures, and for those that need another program."
AT_ONCE = 1000  # queries per call of ir-measures
MAX_CUTOFF = 2**31 - 1
PLAIN = re.compile(r"[0-9]+(\.[0-9]+)?")  # pytrec_eval reads 1e-05 as 1
GDEVAL_GRADES = 4  # highest grade of the program that computes ERR and nDCG(dcg='exp-log2')

Run = dict[str, dict[str, float]]


def parse_measures(names: str | None) -> list[Any]:
    """The measures of ir-measures for names such as "nDCG@10 RR@10". Raises ConfigError."""
    for package in ("ir_measures", "scipy"):
        if find_spec(package) is None:
            raise ConfigError(f"{package} is not installed", installation("eval"))
    ir_measures: Any = import_module("ir_measures")
    registry, found = ir_measures.measures.registry, []
    wanted = names_in(names or " ".join(MEASURES))
    if not wanted:
        raise ConfigError(f"--measures {names!r}: no measure", ADVICE)
    for name in wanted:
        refuse_odd_cutoff(name)
        usual = usual_name({"MRR@10": "RR@10", "MAP": "AP"}.get(name, name), registry)
        if usual in registry and any(
            getattr(registry[usual].SUPPORTED_PARAMS.get(each), "required", False) for each in ("cutoff", "recall")
        ):
            raise without_cutoff(name, usual)
        try:
            measure = ir_measures.parse_measure(usual)
            able = any(each.is_available() and each.supports(measure) for each in ir_measures.DefaultPipeline.providers)
        except Exception as fault:  # its parser raises any exception
            raise ConfigError(f"--measures: {name!r} is not a measure ({fault})", advice_for(name, registry)) from None
        if not able:
            raise ConfigError(f"--measures: {name!r} cannot be computed here", PROGRAM_ADVICE)
        for parameter, value in measure.params.items():
            if not _is_sound(parameter, value):
                raise ConfigError(
                    f"--measures: {name!r} cannot be computed here ({parameter} must be {SOUND[parameter]})",
                    PROGRAM_ADVICE,
                )
        found.append(measure)
    return found


def is_measure(name: str) -> bool:
    """Whether a word could stand in a list of measures."""
    try:
        return bool(parse_measures(f"nDCG@10, {name}"))
    except ConfigError:
        return False


def refuse_measures_as_files(files: Iterable[str], measures: str | None) -> None:
    """Raises ConfigError for names of measures that were typed without quotes: no such file exists."""
    stray = [name for name in files if measures is not None and not os.path.exists(name) and is_measure(name)]
    if stray:
        together = shlex.quote(" ".join([measures or "", *stray]))
        raise ConfigError(
            f"{stray[0]} is read as a file: --measures takes one value", f"Use quotes: --measures {together}"
        )


SOUND = {
    "cutoff": f"from 1 to {MAX_CUTOFF:,}",
    "rel": f"from 1 to {MAX_RELEVANCE:,}",
    "recall": "from 0.0 to 1.0, with at most two decimals",
    "beta": "a plain decimal number",
    "p": "from 0.0 to 1.0",
    "gains": f"whole numbers from 0 to {MAX_RELEVANCE:,}",
}


def _is_sound(parameter: str, value: Any) -> bool:
    """Whether a parameter is valid for every library that computes the measure."""
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
    """Scores that give this order in every evaluator.

    They are above 0, which some evaluators use for missing documents.
    """
    return {docid: float(len(docids) - place) for place, docid in enumerate(docids)}


def values_per_query(measures: Sequence[Any], qrels: Qrels, runs: Run) -> dict[str, dict[str, float]]:
    """Each measure of each judged query, computed by ir-measures in groups of queries."""
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
    """Judgements and results with numbers in place of ids. Queries without results are left out of the results.

    The libraries truncate ids at a NUL, or write them to files separated by blanks.
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
    """Groups of measures to compute together: ir-measures would mix up their `gains` and `judged_only`."""
    alone = [measure for measure in measures if measure.params.keys() & {"gains", "judged_only"}]
    together = [measure for measure in measures if measure not in alone]
    if together:
        yield together
    yield from ([measure] for measure in alone)


def _without_gains(measure: Any) -> Any:
    return type(measure)(**{name: value for name, value in measure.params.items() if name != "gains"})


def _graded(judged: Qrels, gains: dict[int, int]) -> Qrels:
    """Judgements with the gains of their grades, at least 0: libraries allocate memory up to the highest."""
    return {
        qid: {docid: max(0, gains.get(grade, grade)) for docid, grade in grades.items()}
        for qid, grades in judged.items()
    }


def _calculate(names: dict[Any, str], judged: Qrels, run: Run) -> list[Any]:
    """Compute measures. Raises ConfigError with the name of a measure that cannot be computed."""
    _refuse_high_grades(names, judged)
    ir_measures: Any = import_module("ir_measures")
    try:
        metrics = list(ir_measures.iter_calc(list(names), judged, run))
    except Exception as fault:  # any library or program can compute a measure
        for measure, name in names.items() if len(names) > 1 else ():
            _calculate({measure: name}, judged, run)  # raises for the measure at fault
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
                raise _not_computable(name, f"grades up to {GDEVAL_GRADES} only, and there is one of {highest:,}")


def _not_computable(name: str, why: str) -> ConfigError:
    return ConfigError(f"--measures: {name} cannot be computed here ({why})", PROGRAM_ADVICE)


def means_of(measures: Sequence[Any], values: dict[str, dict[str, float]], qids: Sequence[str]) -> dict[str, float]:
    """Each measure over these queries, aggregated by its own definition."""
    means = {}
    for measure in measures:
        aggregator = measure.aggregator()
        for qid in qids:
            aggregator.add(values[str(measure)].get(qid, 0.0))
        means[str(measure)] = float(aggregator.result()) if qids else math.nan
    return means
