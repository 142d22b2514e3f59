"""The table after a run, as names and values."""

from collections.abc import Iterable
from typing import Any

from rerank_cli.core.printable import printable
from rerank_cli.core.sizes import mebibytes
from rerank_cli.display.messages import duration, three_digits


def summary_rows(document: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """Names and values of the table after a run."""
    yield "records", f"{document['records']:,} ({document['scored']:,} scored, {document['failed']:,} failed)"
    stages = document.get("stages", ())
    cached = f", {document['cached']:,} from the cache" if document["cached"] and not stages else ""
    truncated = "truncated: unknown" if document["truncated"] is None else f"{document['truncated']:,} truncated"
    yield "pairs", f"{document['pairs']:,} ({truncated}{cached})"
    if "requests" in document:
        yield "requests", requests_row(document)
    if "vectors_found" in document:
        found, computed = document["vectors_found"], document["vectors_computed"]
        yield "vectors", f"{found:,} found with --vectors, {computed:,} computed"
    for stage in stages:
        yield from stage_rows(stage)
    yield "wall time", f"{_seconds(document['wall_s'])} ({_seconds(document['scoring_s'])} of scoring)"
    per_pair = f" ({three_digits(document['ms_per_pair'])} ms a pair)" if document["ms_per_pair"] else ""
    yield "pairs/s", f"{document['pairs_per_s']:,}{per_pair}"
    if "requests" not in document or stages:
        yield "tokens/s", f"{document['tokens_per_s']:,.0f}"
        yield "padding", f"{document['padding_share']:.1%}"
        yield "device busy", f"{document['busy_share']:.1%}"
    yield "peak memory", mebibytes(document["peak_memory_bytes"])
    yield "model", printable(model_row(document))


def stage_rows(stage: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """What a stage of a cascade took."""
    keeps = "" if stage["keep"] is None else f", keeps {stage['keep']:,}"
    took = f": {stage['pairs']:,} pairs in {_seconds(stage['busy_s'])}" if "busy_s" in stage else ""
    cached = f", {stage['cached']:,} from the cache" if stage.get("cached") else ""
    sent = f"; {requests_row(stage)}" if "requests" in stage else ""
    yield f"stage {stage['stage']}", printable(f"{stage['model']}{keeps}{took}{cached}{sent}")


def requests_row(document: dict[str, Any]) -> str:
    """What was sent to a server, and what it billed."""
    billed = f"; {document['billed']:,} {document['billed_unit']} billed" if document["billed_unit"] else ""
    return f"{document['requests']:,} ({document['retried_requests']:,} sent again){billed}"


def model_row(document: dict[str, Any]) -> str:
    """The model, and what ran it."""
    if document.get("api"):
        return f"{document['model']} ({document['api']}; {document['remote_model']})"
    return f"{document['model']} on {document['device']}, {document['dtype']} ({document['engine']})"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else duration(seconds)
