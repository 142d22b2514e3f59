"""The stages of a cascade in its results: the ranking after each, its measures, and the time that it took.

The ranking after a stage is what the cascade would have given without the later stages. Equal scores, as --digits may
give, are in the order of the input.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rerank_cli.evaluation.made_by import meta_of
from rerank_cli.formats.record_format import STAGE_SCORES


@dataclass(frozen=True, slots=True)
class AfterStages:
    """A record of a cascade: its documents, best first, as each stage left them.

    The last ranking is by the scores of the last stage, also where those were fused with others. `skipped` are the
    numbers of stages, from 1, that scored nothing of it.
    """

    rankings: tuple[tuple[str, ...], ...]
    skipped: tuple[int, ...]
    is_fused: bool


def after_stages(docids: Sequence[str], candidates: Sequence[dict[str, Any]]) -> AfterStages | None:
    """The rankings after the stages of a record; None where they are not known.

    `candidates` have the scores of each stage. A document that no stage had scored is in the order of the input.
    """
    scores = [each.get(STAGE_SCORES) for each in candidates]
    counts = {len(each) for each in scores if isinstance(each, list)}
    places = [each.get("index") for each in candidates]
    if len(counts) != 1 or not all(type(place) is int for place in places):
        return None
    known = [[value if isinstance(value, int | float) else None for value in each or ()] for each in scores]
    (count,) = counts
    if not count or any(len(each) != count for each in known):
        return None
    return AfterStages(
        tuple([tuple([docids[n] for n in _order(known, places, stage)]) for stage in range(1, count + 1)]),
        tuple([stage + 1 for stage in range(count) if all(each[stage] is None for each in known)]),
        any(each[-1] is not None and each[-1] != one.get("score") for each, one in zip(known, candidates, strict=True)),
    )


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
    pairs: int
    cached: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class RunTimes:
    """What a run says of its stages, of the pairs that some model scored, and of its fusion."""

    stages: tuple[StageTime, ...] = ()
    pairs: int = 0
    fusion: str = ""

    @property
    def seconds_alone(self) -> float | None:
        """The time of the last stage if it had scored all pairs, by its time a pair.

        None where that is not known, and where a cache had scores.
        """
        scoring = [each for each in self.stages if each.seconds is not None]
        last = scoring[-1] if len(scoring) > 1 else None
        if last is None or last.seconds is None or not last.pairs or last.cached:
            return None
        return last.seconds / last.pairs * self.pairs


def times_of(path: str) -> RunTimes:
    """What the run that wrote a file says of its stages; nothing where there is no meta data of ours."""
    document = meta_of(path) or {}
    stages = document.get("stages")
    if not isinstance(stages, list):
        return RunTimes()
    fusion = document.get("fingerprint", {}).get("fusion")
    return RunTimes(tuple(map(_time_of, stages)), document["pairs"], fusion or "")


def _time_of(each: Mapping[str, Any]) -> StageTime:
    return StageTime(each["stage"], each["model"], each.get("pairs", 0), each.get("cached", 0), each.get("busy_s"))
