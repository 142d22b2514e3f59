"""`rerank check`: validate input."""

import json
from typing import Annotated

import typer

from rerank_cli.cli import options as o
from rerank_cli.core.config import ReadConfig
from rerank_cli.core.printable import printable
from rerank_cli.core.records import Request
from rerank_cli.display.messages import print_json, print_line
from rerank_cli.jobs.check import Check, check_input

R = ReadConfig()
SHOWN = 72  # characters of a text
SHOWN_CANDIDATES = 3


def check(
    context: typer.Context,
    inputs: o.Inputs = None,
    format: o.Format = R.format,
    query_field: o.QueryField = R.query_field,
    candidates_field: o.CandidatesField = R.candidates_field,
    text_field: o.TextField = R.text_field,
    id_field: o.IdField = R.id_field,
    columns: o.ColumnNames = None,
    candidate_id_field: o.CandidateIdField = R.candidate_id_field,
    limit: o.Limit = None,
    max_line_bytes: o.MaxLineBytes = R.max_line_bytes,
    max_candidates: o.MaxCandidates = None,
    run_file: o.RunFile = None,
    run_columns: o.RunColumns = None,
    skip_self: o.SkipSelf = False,
    queries: o.Queries = None,
    corpus: o.Corpus = None,
    query_template: o.QueryTemplate = None,
    doc_template: o.DocTemplate = None,
    as_json: Annotated[bool, o.option("json", "Print one line of JSON instead.")] = False,
) -> int:
    """Validate input without a model: counts, first errors, and the first record as understood.

    \b
    rerank check input.jsonl
    """
    config = o.reading(context)
    result = check_input(config)
    if as_json:
        print_json(json.dumps(result.as_dict()))
        return result.status
    for line in check_lines(result):
        print_line(line)
    return result.status


def check_lines(check: Check) -> list[str]:
    """The lines to print, safe for a terminal."""
    lines = [f"{name:<28}{printable(str(value))}" for name, value in check.figures()]
    if check.first is not None:
        lines += ["", f"first record ({printable(str(check.first.origin))})", *_first_record(check.first)]
    if check.failures:
        lines += ["", f"bad records ({check.bad})", *_errors(check)]
    warnings = [f"warning: {printable(warning)}" for warning in check.warnings]
    return [*lines, *map(printable, check.notes), *warnings]


def _errors(check: Check) -> list[str]:
    """The first record with each error, and how many more have it."""
    lines = []
    for kind in check.kinds.values():
        lines.append(f"  {printable(str(kind.first))}")
        lines += [f"    {printable(kind.more)}"] if kind.more else []
    others = check.bad - sum(kind.count for kind in check.kinds.values())
    return [*lines, f"  … and {others} more with other errors"] if others else lines


def _first_record(first: Request) -> list[str]:
    """The query and the first texts; with its own query for each text if there are several."""
    lines = [] if first.queries else [f"  query: {_shown(first.query)}"]
    for index, (query, text) in enumerate(first.pairs(0, SHOWN_CANDIDATES)):
        lines += [f"  query {index}: {_shown(query)}"] if first.queries else []
        lines.append(f"  candidate {index}: {_shown(text)}")
    more = len(first.texts) - SHOWN_CANDIDATES
    return [*lines, f"  … and {more} more candidates"] if more > 0 else lines


def _shown(text: str) -> str:
    return printable(text if len(text) <= SHOWN else text[: SHOWN - 1] + "…")
