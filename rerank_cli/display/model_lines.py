"""The list of models that run, and the description of one, as lines for a terminal and as JSON."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from textwrap import wrap
from typing import Any

from rerank_cli.core.sizes import mebibytes
from rerank_cli.jobs.models import Description, Row
from rerank_cli.models.summary import Summary

TESTED = "random weights against sentence-transformers"
TESTED_GRAPHS = "graphs for OpenVINO and onnxruntime against torch"
WIDTH = 80  # columns of the list
LABEL = 12  # columns
COMMIT = 12  # shown characters of a commit
NAMES = {"F32": "fp32", "F16": "fp16", "BF16": "bf16", "F64": "fp64"}
HEAD = ("model", "size", "tokens", "lang", "licence", "refs")
NON_COMMERCIAL = "not for commercial use"


def listing(rows: Sequence[Row]) -> Iterator[str]:
    """The lines of the list, at most 80 columns wide where names allow."""
    table = [_cells(row) for row in rows]
    widths = [max(len(line[place]) for line in [HEAD, *table]) for place in range(len(HEAD))]
    yield _line(HEAD, widths)
    lines = iter(table)
    for family, members in groupby(rows, key=lambda row: row.family):
        of_family = list(members)
        yield ""
        yield from wrap(f"{family} (engine on this machine: {_engines(of_family)})", WIDTH)
        for _ in of_family:
            yield _line(next(lines), widths)
    yield ""
    yield "Other models of these families run, too, if they have one label, safetensors and"
    yield "a tokenizer.json: `rerank models MODEL` says how."
    yield "size: parameters. tokens: most tokens of a pair. lang: languages, or their"
    yield "number. refs: published scores, which `rerank doctor --model MODEL` compares"
    yield "with those computed here."
    yield "Each family is tested with random weights against sentence-transformers."
    graphs = dict.fromkeys(row.family for row in rows if row.graphs_tested)
    yield from wrap(f"Graphs are tested against torch, too: {', '.join(graphs)}.", WIDTH)
    yield "Licences are those of the cards on the hub in November 2026. The card counts."
    if any(row.model.non_commercial for row in rows):
        yield f"* {NON_COMMERCIAL}"


def listing_as_json(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The list as objects."""
    return [
        {
            "model": row.model.name,
            "family": row.family,
            "engine": row.engine,
            "parameters": round(row.model.parameters * 1e6),
            "max_length": row.model.tokens,
            "languages": row.model.languages,
            "licence": row.model.licence,
            "non_commercial": row.model.non_commercial,
            "published_scores": row.scores,
            "tested": [TESTED, *([TESTED_GRAPHS] if row.graphs_tested else [])],
        }
        for row in rows
    ]


def _cells(row: Row) -> tuple[str, ...]:
    model = row.model
    licence = f"{model.licence}{'*' if model.non_commercial else ''}"
    return (
        model.name,
        millions(model.parameters * 1e6),
        str(model.tokens),
        model.languages,
        licence,
        str(row.scores or "-"),
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Names, languages and licences to the left, numbers to the right."""
    sides = ("<", ">", ">", "<", "<", ">")
    return " ".join(f"{cell:{side}{width}}" for cell, side, width in zip(cells, sides, widths, strict=True)).rstrip()


def _engines(rows: Sequence[Row]) -> str:
    """The engines of a family; with several, each with its numbers of parameters."""
    by_engine: dict[str, list[str]] = {}
    for row in rows:
        by_engine.setdefault(row.engine, []).append(millions(row.model.parameters * 1e6))
    if len(by_engine) == 1:
        return next(iter(by_engine))
    return "; ".join(f"{engine} for {', '.join(sizes)}" for engine, sizes in by_engine.items())


def millions(count: float) -> str:
    """A number of parameters.

    >>> [millions(count) for count in (567_755_777, 22_713_729, 4_386_049, 12_000, 1.5e9)]
    ['568M', '22.7M', '4.4M', '0.01M', '1.5B']
    """
    if count >= 1e9:
        return f"{count / 1e9:.1f}B"
    value = count / 1e6
    digits = 0 if value >= 100 else 1 if value >= 0.1 else 2
    return f"{value:.{digits}f}".removesuffix(".0") + "M"


def description(found: Description, width: int | None = None) -> Iterator[str]:
    """The lines on a model: a label each and a text, folded to the `width` of a terminal."""
    for label, text in _described(found):
        head = f"{label:<{LABEL}} "
        if width is None:
            yield f"{head}{text}"
        else:
            blank = " " * len(head)
            yield from wrap(text, max(width, 2 * LABEL), initial_indent=head, subsequent_indent=blank) or [head]


def _described(found: Description) -> Iterator[tuple[str, str]]:
    """The lines on a model: a label and a text each."""
    files, summary = found.files, found.summary
    at = f" at {files.revision[:COMMIT]}" if files.revision else ""
    if files.origin == "folder":
        yield "model", f"{found.name} (a folder)"
    else:
        yield "model", f"{found.name}{at}, from the {files.origin}"
        if files.origin != "package":
            yield "files", str(files.path)
    if summary is not None:
        yield from _on_files(summary)
        yield "template", found.template or "not known from the files"
        yield "parameters", _parameters(found, summary)
        yield from _on_run(found, summary)
    licence = found.licence or "not stated in README.md"
    yield "licence", licence + (f" ({NON_COMMERCIAL})" if found.non_commercial else "")
    if found.refusal is not None:
        yield "REFUSED", found.refusal.message
        yield "", found.refusal.advice


def _on_files(summary: Summary) -> Iterator[tuple[str, str]]:
    yield "kind", summary.kind
    yield "architecture", summary.architecture
    if summary.modules:
        yield "modules", ", ".join(_modules(summary))
    if summary.similarity:
        yield "similarity", summary.similarity
    for name, text in summary.prompts.items():
        if text:
            yield "prompt", f"{name}: {text!r}"


def _modules(summary: Summary) -> Iterator[str]:
    dense = iter(summary.dense)
    for kind in summary.modules:
        if kind == "Dense":
            yield f"Dense to {next(dense) or '?'}"
        elif kind == "Pooling" and summary.pooling:
            yield f"Pooling ({summary.pooling})"
        else:
            yield kind


def _parameters(found: Description, summary: Summary) -> str:
    texts = [] if found.parameters is None else [millions(found.parameters)]
    if summary.stored:
        texts.append(f"stored in {' and '.join(NAMES[each] for each in summary.stored)}")
    if found.weight_bytes:
        texts.append(mebibytes(found.weight_bytes))
    if found.files.to_download:
        texts.append("to be downloaded")
    return ", ".join(texts) or "not known from the files"


def _lengths(found: Description, summary: Summary) -> str:
    if summary.positions is None or found.max_length is None:
        return "not stated in config.json"
    if found.run is not None and found.run.engine in ("bi-encoder", "late-interaction"):
        lengths = f"{found.max_length} tokens a document, {found.query_max_length} a query"
    else:
        lengths = f"{found.max_length} tokens a pair, {found.query_max_length} of them a query's"
    return f"{lengths}; the model has {summary.positions:,} positions"


def _on_run(found: Description, summary: Summary) -> Iterator[tuple[str, str]]:
    run = found.run
    if run is None:
        return
    yield "lengths", _lengths(found, summary)
    yield "engine", f"{run.engine} ({run.why})"
    yield "computes", f"{run.dtype} on {run.device}{'' if run.device == 'cpu' else ', if torch can use it'}"
    for note in found.notes:
        yield "note", note
    for place, text in enumerate(_memory(found)):
        yield "" if place else "memory", text
    scores = f"{found.scores} published: `rerank doctor --model {found.name}` compares them"
    yield "known scores", scores if found.scores else "none published for this model"


def _memory(found: Description) -> Iterator[str]:
    there = "" if found.there is None else f" of the {mebibytes(found.there)} of this machine"
    if found.needed is not None:
        yield f"about {mebibytes(found.needed)}{there}"
        there = ""
    if found.weights is not None and (found.needed is None or found.weights <= found.needed):
        yield f"{mebibytes(found.weights)} for the weights alone{there}"
    if found.needed_once is not None and found.needed_once != found.needed:
        yield f"{mebibytes(found.needed_once)} in a first run, which converts the model"


def description_as_json(found: Description) -> dict[str, Any]:
    """The description as an object with flat keys; null for what is not known."""
    summary, run, refusal = found.summary, found.run, found.refusal
    return {
        "model": found.name,
        "origin": found.files.origin,
        "path": str(found.files.path),
        "revision": found.files.revision,
        "bytes_to_download": found.files.to_download,
        **{name: getattr(summary, name, None) for name in OF_SUMMARY},
        "parameters": found.parameters,
        "template": found.template,
        "weight_bytes": found.weight_bytes,
        **{name: getattr(run, name, None) for name in OF_RUN},
        "max_length": found.max_length,
        "query_max_length": found.query_max_length,
        "memory_bytes_estimated": found.needed,
        "memory_bytes_estimated_once": found.needed_once,
        "memory_bytes_of_weights": found.weights,
        "memory_bytes_of_machine": found.there,
        "notes": list(found.notes),
        "published_scores": found.scores,
        "licence": found.licence,
        "non_commercial": found.non_commercial,
        "refused": None if refusal is None else {"message": refusal.message, "advice": refusal.advice},
        "status": 0 if refusal is None else int(refusal.status),
    }


OF_SUMMARY = (
    *("kind", "architecture", "model_type", "modules", "pooling", "dense", "activation", "similarity", "prompts"),
    *("positions", "declared_length", "stored"),
)
OF_RUN = ("engine", "why", "device", "dtype")
