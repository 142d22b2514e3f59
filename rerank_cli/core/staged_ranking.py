"""The ranking of a record after the stages of a cascade."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rerank_cli.core.config import WriteConfig
from rerank_cli.core.decimals import short_score, with_digits
from rerank_cli.core.ranking import Ranking, rank
from rerank_cli.core.stages import StageScores


@dataclass(frozen=True, slots=True)
class _Part:
    """The candidates that a stage was the last to score, best first: positions, and places in the stage's scores."""

    number: int  # of the stage, from 1
    places: list[int]


def rank_stages(stages: Sequence[StageScores | None], write: WriteConfig) -> Ranking:
    """Rank the candidates of a record by what each stage gave them. The last stage is not None.

    Candidates of a later stage come first. With `write.min_score` or `write.drop`, those that the last stage did not
    score are left out. Raises ValueError for logits that are not finite.
    """
    last, final = len(stages), stages[-1]
    assert final is not None
    before = stages[-2] if last > 1 else None
    fused = write.fusion.fused(final, before) if write.fusion is not None and before is not None else None
    values = list(final.logits) if fused is None else fused
    order = sorted(range(len(values)), key=values.__getitem__, reverse=True)
    if write.min_score is not None:
        least = write.min_score
        exact = _scores(final, replace(write, digits=None)).scores if fused is None else fused
        order = [place for place in order if exact[place] >= least]
    parts = [_Part(last, order)]
    if not write.drop and write.min_score is None:
        parts += _dropped(stages)
    shown = [None if each is None else _scores(each, write) for each in stages]
    rows = [_row(part, place, stages, shown) for part in parts for place in part.places][: write.top_k]
    found = Ranking(
        tuple([row.index for row in rows]),
        tuple([row.logit for row in rows]),
        tuple([row.score if fused is None or row.stage < last else _fused(fused, row, write) for row in rows]),
        tokens=sum(each.tokens for each in stages if each is not None),
        stages=tuple([row.stage for row in rows]),
        fused=fused is not None,
    )
    return _with_stages(found, stages, shown)


@dataclass(frozen=True, slots=True)
class _Row:
    """A candidate: its position in the input, the last stage that scored it, its place there, and what it got."""

    index: int
    stage: int
    place: int
    logit: float
    score: float


def _row(part: _Part, place: int, stages: Sequence[StageScores | None], shown: Sequence[Ranking | None]) -> _Row:
    stage, known = stages[part.number - 1], shown[part.number - 1]
    assert stage is not None
    assert known is not None
    return _Row(stage.positions[place], part.number, place, known.logits[place], known.scores[place])


def _fused(fused: Sequence[float], row: _Row, write: WriteConfig) -> float:
    value = fused[row.place]
    return short_score(value) if write.digits is None else with_digits(value, write.digits)


def _scores(stage: StageScores, write: WriteConfig) -> Ranking:
    """The logits and scores of a stage as they are written, in its order of positions."""
    if stage.given:
        return Ranking(stage.positions, stage.logits, stage.logits)
    ranked = rank(stage.logits, score=write.score, digits=write.digits, has_logits=stage.has_logits)
    places = sorted(range(len(ranked.indices)), key=ranked.indices.__getitem__)
    return replace(
        ranked,
        logits=tuple([ranked.logits[place] for place in places]),
        scores=tuple([ranked.scores[place] for place in places]),
    )


def _dropped(stages: Sequence[StageScores | None]) -> list[_Part]:
    """What each stage before the last scored and no later one did, the last of those stages first."""
    parts = []
    later = set(stages[-1].positions if stages[-1] is not None else ())
    for number in range(len(stages) - 1, 0, -1):
        stage = stages[number - 1]
        if stage is not None:
            parts.append(_Part(number, [place for place in stage.order() if stage.positions[place] not in later]))
            later |= set(stage.positions)
    return parts


def _with_stages(ranking: Ranking, stages: Sequence[StageScores | None], shown: Sequence[Ranking | None]) -> Ranking:
    """The ranking with the scores of all stages, and what the stage of each candidate saw of it."""
    by_stage: list[dict[int, float]] = [
        {} if stage is None or known is None else dict(zip(stage.positions, known.scores, strict=True))
        for stage, known in zip(stages, shown, strict=True)
    ]
    of_stage = dict(zip(ranking.indices, ranking.stages, strict=True))
    truncated, chunks, without = set(), {}, set()
    for index, number in of_stage.items():
        stage = stages[number - 1]
        assert stage is not None
        if index in stage.truncated:
            truncated.add(index)
        if index in stage.chunks:
            chunks[index] = stage.chunks[index]
        if not stage.has_logits:
            without.add(index)
    return replace(
        ranking,
        stage_scores=tuple([tuple([known.get(index) for known in by_stage]) for index in ranking.indices]),
        truncated=frozenset(truncated),
        chunks=chunks,
        without_logit=frozenset(without),
        has_logits=any(each is not None and each.has_logits for each in stages),
    )
