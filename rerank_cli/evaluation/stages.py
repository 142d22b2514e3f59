"""The stages of a cascade in its results: the ranking after each, its measures, and the time that it took.

The ranking after a stage is what the cascade would have given without the later stages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rerank_cli.evaluation.made_by import meta_of
from rerank_cli.formats.record_format import STAGE_SCORES


def after_stages(docids: Sequence[str], candidates: Sequence[dict[str, Any]]) -> tuple[tuple[str, ...], ...]:
    """The documents of a record, best first, as each stage before the last left them; empty where that is not known.

    `candidates` have the scores of each stage. A document that no stage had scored is in the order of the input.
    """
    scores = [each.get(STAGE_SCORES) for each in candidates]
    counts = {len(each) for each in scores if isinstance(each, list)}
    places = [each.get("index") for each in candidates]
    if len(counts) != 1 or not all(type(place) is int for place in places):
        return ()
    known = [[value if isinstance(value, int | float) else None for value in each or ()] for each in scores]
    (count,) = counts
    if any(len(each) != count for each in known):
        return ()
    return tuple([tuple([docids[n] for n in _order(known, places, stage)]) for stage in range(1, count)])


def _order(known: list[list[float | None]], places: list[Any], stages: int) -> list[int]:
    """The numbers of candidates in the order after so many stages."""

    def key(number: int) -> tuple[int, float, int]:
        scored = [stage for stage in range(stages) if known[number][stage] is not None]
        if not scored:
            return 0, 0.0, places[number]
        score = known[number][scored[-1]]
        assert score is not None
        return -1 - scored[-1], -score, places[number]

    return sorted(range(len(known)), key=key)


@dataclass(frozen=True, slots=True)
class StageTime:
    """What a run says of one of its stages; `seconds` are those of its engine, None for the scores of the input."""

    stage: int
    model: str
    keep: int | None
    pairs: int
    seconds: float | None


def times_of(path: str) -> list[StageTime]:
    """What the run that wrote a file says of its stages; empty where there is no meta data of ours."""
    document = meta_of(path) or {}
    stages = document.get("stages")
    return [_time_of(each) for each in stages] if isinstance(stages, list) else []


def _time_of(each: Mapping[str, Any]) -> StageTime:
    return StageTime(each["stage"], each["model"], each["keep"], each.get("pairs", 0), each.get("busy_s"))


def seconds_alone(times: Sequence[StageTime]) -> float | None:
    """The time of the last stage if it had scored all pairs, by its time a pair; None where that is not known."""
    scoring = [each for each in times if each.seconds is not None]
    last = scoring[-1] if len(scoring) > 1 else None
    if last is None or last.seconds is None or not last.pairs:
        return None
    return last.seconds / last.pairs * max(each.pairs for each in scoring)
