"""The statistics of a run: one document, for FILE.meta.json, for --stats and for the summary."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import orjson

from rerank_cli import __version__
from rerank_cli.core.config import RunConfig
from rerank_cli.core.errors import OutputError
from rerank_cli.core.records import Mark
from rerank_cli.core.scorer import BUDGETS, RemoteScorer, Scorer
from rerank_cli.core.stages import RRF_K
from rerank_cli.core.stats import StageCounters, Stats
from rerank_cli.engines.machine import peak_memory, python_version
from rerank_cli.files.durable import put_file
from rerank_cli.formats.record_format import GIVEN
from rerank_cli.jobs.fingerprint import readable
from rerank_cli.jobs.stages import Stages
from rerank_cli.jobs.stores import why_not_exact

NO_OPTIONS = ("files", "origins")


def document_of(
    config: RunConfig,
    stats: Stats,
    *,
    stages: Stages,
    end: Mark,
    fingerprint: dict[str, Any],
    warnings: Sequence[str] = (),
) -> dict[str, Any]:
    """The run statistics: flat values first, then their sources. Times are in UTC, of this process.

    `end` is the position reached in the input.
    """
    identity = stages.last.identity
    why = _why_not_exact(stages, stats)
    now = datetime.now(UTC)
    return {
        **stats.summary(),
        "started_at": (now - timedelta(seconds=stats.wall_s)).isoformat(timespec="seconds"),
        "finished_at": now.isoformat(timespec="seconds"),
        "deterministic": why is None,
        "deterministic_why": why,
        "warnings": [readable(warning) for warning in warnings],
        "peak_memory_bytes": peak_memory(),
        **_sums(stage.opened_stores.figures() for stage in stages.stages),
        **remote_figures(stages),
        **{name: stages.resolved[-1][name] for name in BUDGETS},
        **_stages(config, stages, stats),
        **readable({name: value for name, value in identity.as_dict().items() if name != "versions"}),
        "versions": {"rerank": __version__, "python": python_version(), **identity.versions},
        "input_source": end.source,
        "input_line": end.line,
        "input_offset": end.offset,
        "input_bytes": end.total,
        "input_sha256": end.sha256,
        "options": readable({name: value for name, value in asdict(config).items() if name not in NO_OPTIONS}),
        **asdict(config.origins),
        "fingerprint": fingerprint,
    }


def _why_not_exact(stages: Stages, stats: Stats) -> str | None:
    """Why another run of the same may give other last digits; None where it gives the same bytes."""
    resumed = stats.earlier.records > 0
    reasons = [
        why_not_exact(stats.total, stage.scorer.traits, stage.opened_stores.vectors_seen, resumed=resumed)
        for stage in stages.stages
    ]
    return "; ".join(dict.fromkeys(why for why in reasons if why is not None)) or None


def _stages(config: RunConfig, stages: Stages, stats: Stats) -> dict[str, Any]:
    """What each stage of a cascade is and took; nothing for a run with one."""
    if len(config.stages) < 2:
        return {}
    counts, opened = iter(stats.total.stages), iter(stages.stages)
    found = []
    for number, stage in enumerate(config.stages, 1):
        row: dict[str, Any] = {"stage": number, "keep": stage.keep}
        if stage.model is None:
            found.append(row | {"model": GIVEN})
            continue
        scorer, count = next(opened).scorer, next(counts, StageCounters())
        identity = scorer.identity
        named = {name: getattr(identity, name) for name in ("model", "engine", "dtype", "weights_sha256")}
        found.append(row | named | count.as_dict() | _sent(scorer))
    return {"stages": readable(found), "order": _order(config)}


def _order(config: RunConfig) -> str:
    """What gives the order of a cascade, in words."""
    fusion = config.write.fusion
    if fusion is None:
        return "the last stage that scored a candidate, then its score there"
    count = len(config.stages)
    k = f" (k = {RRF_K})" if fusion.weight is None else ""
    return f"{fusion}{k} of stages {count} and {count - 1}, then the last stage that scored a candidate"


def _sums(figures: Iterable[dict[str, int]]) -> dict[str, int]:
    """The sums of equal figures."""
    total: Counter[str] = Counter()
    for each in figures:
        total.update(each)
    return dict(total)


def remote_figures(stages: Stages) -> dict[str, Any]:
    """What was sent to servers, and what cannot be known of it; nothing for engines on this machine.

    Of several servers, what they billed is added up only if they bill the same unit: else each stage says its own.
    """
    figures = [found for stage in stages.stages if (found := _sent(stage.scorer))]
    if not figures:
        return {}
    sums = {name: sum(each[name] for each in figures) for name in ("requests", "retried_requests")}
    units = {each["billed_unit"] for each in figures}
    one_unit = len(units) == 1 and None not in units
    billed = {"billed": sum(each["billed"] for each in figures)} if one_unit else {"billed": None, "billed_unit": None}
    return {**figures[-1], **sums, **billed, "truncated": None}  # a server truncates, and does not say it


def _sent(scorer: Scorer) -> dict[str, Any]:
    """What was sent to the server of an engine; nothing for one on this machine."""
    return cast("RemoteScorer", scorer).figures() if scorer.traits.is_remote else {}


def write_stats(path: str, document: dict[str, Any]) -> None:
    """Write the run statistics as JSON, atomically. Raises OutputError."""
    try:
        put_file(path, orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    except OSError as fault:
        raise OutputError(
            f"--stats {path}: {fault.strerror}",
            "The output itself is final; the same command with --resume writes its statistics.",
        ) from None
