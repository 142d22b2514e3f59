"""The statistics of a run: one document, for FILE.meta.json, for --stats and for the summary."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import orjson

from rerank_cli import __version__
from rerank_cli.core.config import RunConfig
from rerank_cli.core.errors import OutputError
from rerank_cli.core.records import Mark
from rerank_cli.core.scorer import RemoteScorer, Scorer
from rerank_cli.core.stats import Stats
from rerank_cli.engines.machine import peak_memory, python_version
from rerank_cli.files.durable import put_file
from rerank_cli.jobs.fingerprint import readable
from rerank_cli.jobs.stores import Stores, why_not_exact

NO_OPTIONS = ("files", "origins")


def document_of(
    config: RunConfig,
    stats: Stats,
    *,
    scorer: Scorer,
    stores: Stores,
    budgets: dict[str, int],
    end: Mark,
    fingerprint: dict[str, Any],
    warnings: Sequence[str] = (),
) -> dict[str, Any]:
    """The run statistics: flat values first, then their sources. Times are in UTC, of this process.

    `end` is the position reached in the input.
    """
    identity = scorer.identity
    resumed = stats.earlier.records > 0
    why = why_not_exact(stats.total, scorer.traits, stores.vectors_seen, resumed=resumed)
    now = datetime.now(UTC)
    return {
        **stats.summary(),
        "started_at": (now - timedelta(seconds=stats.wall_s)).isoformat(timespec="seconds"),
        "finished_at": now.isoformat(timespec="seconds"),
        "deterministic": why is None,
        "deterministic_why": why,
        "warnings": [readable(warning) for warning in warnings],
        "peak_memory_bytes": peak_memory(),
        **stores.figures(),
        **remote_figures(scorer),
        **budgets,
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


def remote_figures(scorer: Scorer) -> dict[str, Any]:
    """What was sent to a server, and what cannot be known of it; nothing for an engine on this machine."""
    if not scorer.traits.is_remote:
        return {}
    return {**cast("RemoteScorer", scorer).figures(), "truncated": None}  # a server truncates, and does not say it


def write_stats(path: str, document: dict[str, Any]) -> None:
    """Write the run statistics as JSON, atomically. Raises OutputError."""
    try:
        put_file(path, orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    except OSError as fault:
        raise OutputError(
            f"--stats {path}: {fault.strerror}",
            "The output itself is final; the same command with --resume writes its statistics.",
        ) from None
