"""Read results: ranked documents by query, from a TREC run or records with ids.

A document with two scores in a run is an error.
"""

import os
from array import array
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple, NoReturn

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.decimals import as_float32
from rerank_cli.core.errors import InputError
from rerank_cli.core.records import Blank, Failure, Request
from rerank_cli.evaluation.column_files import MAX_LINE_BYTES, lines_with_columns, refused
from rerank_cli.evaluation.judgements import TWICE_ADVICE, add_judgements, carried_judgements
from rerank_cli.evaluation.rankings import QUERY, USUAL, Ranked, Results, places_of
from rerank_cli.evaluation.stages import after_stages
from rerank_cli.files.inputs import Inputs, Line
from rerank_cli.files.raw import UNREADABLE
from rerank_cli.formats import columns
from rerank_cli.formats.cells import DELIMITERS, format_of_header
from rerank_cli.formats.id_hints import lacking_ids, way_to_ids, without_ids
from rerank_cli.formats.json_rows import is_row_of_run
from rerank_cli.formats.json_values import Malformed, parse_object, without
from rerank_cli.formats.known import format_of
from rerank_cli.formats.record_format import are_staged, as_objects, scores_of
from rerank_cli.formats.registry import open_format, read_entries
from rerank_cli.formats.run_survey import GUESSED, Grades, find_layout, is_guessed, rows_of_run
from rerank_cli.formats.translated import Format

PARTIAL = ".partial"  # the suffix of the output of a run until it is complete
LOOK_AT_LINES = 100  # lines searched for a record among lines that cannot be read
RESULTS_ADVICE = "Name the ids of records and candidates with --id-field and --candidate-id-field, or use a TREC run."
NOTHING_ADVICE = "Expected a run, or records with ids. `rerank check FILE` shows how records are read."
PAIRS = ("pairs", *DELIMITERS)
UNSCORED_ADVICE = "Score them first: rerank score FILE -o SCORED, then rerank eval SCORED."
RUN_ADVICE = f"Expected one document per line: {columns.RUN}. Name other columns with a header or --run-columns."


def read_results(
    path: str, relevance_field: str | None = "relevance", read: ReadConfig = USUAL, *, by_text: bool = True
) -> Results:
    """Read the results in a file, and the judgements of its candidates in `relevance_field`.

    `read` has the format and the fields of JSON lines, and --run-columns. `by_text`: pairs without ids are identified
    by their texts, which is possible only without judgements of another file. Raises InputError when results have no
    ids, or the file cannot be read.
    """
    _refuse_unfinished(path)
    inputs = Inputs((path,), scores=True)
    if _holds_run(inputs, read):
        found = _results_of_run(path, inputs, read.run_columns)
    else:
        found = Results(path, read=replace(read, inputs=(path,), need_texts=False), scored=False)
        found.relevance_field = relevance_field or ""
        _add_records(found, inputs, relevance_field, by_text)
    if read.skip_self:
        found.leave_out_selves()
    if path.endswith(PARTIAL):
        found.notes.append(f"{path}: the output of an unfinished run, which lacks records that are still to be written")
    return found


def _refuse_unfinished(path: str) -> None:
    """Raises InputError for an output that does not exist yet, while its run is unfinished."""
    if not os.path.lexists(path) and os.path.isfile(path + PARTIAL) and os.path.isfile(f"{path}.journal"):
        raise InputError(
            f"{path}: the run that writes it is unfinished",
            f"Finish it: run the same command with --resume. {path}{PARTIAL} has the records so far.",
        )


def _add_records(found: Results, inputs: Inputs, relevance_field: str | None, by_text: bool) -> None:
    """Add the rankings of records."""
    format = open_format(found.read, WriteConfig(), inputs)
    found.format = format.name
    first = ""
    for entry in read_entries(format, inputs, found.read, None):
        if isinstance(entry, Failure):
            found.bad, first = found.bad + 1, first or f"; {entry}{columns.likeness(entry.raw)}"
        elif not isinstance(entry, Blank):
            _take(found, entry, _ranked_record(format, entry, by_text), relevance_field)
    if not found.queries:
        raise InputError(f"{found.name}: no results{first}", NOTHING_ADVICE)


def _holds_run(inputs: Inputs, read: ReadConfig) -> bool:
    """Whether an input is a run: its first line is a line of a run, or none of the first lines begins an object."""
    if read.format in DELIMITERS:
        inputs.join_quoted(DELIMITERS[read.format].encode())
    ahead = (line.raw for line in inputs.look_ahead(MAX_LINE_BYTES) if not columns.is_comment(line.raw))
    first = next(ahead, None)
    if first is None or format_of_header(first, read):  # a table is not read further, since rows may be quoted
        return False
    if read.format in DELIMITERS:
        return columns.is_run(first)
    some = [first, *islice(ahead, LOOK_AT_LINES)]
    some = [raw for raw in some if not raw.startswith(UNREADABLE)] or some
    try:
        body = parse_object(some[0])
    except Malformed:
        return columns.is_run(some[0]) or not any(raw.lstrip().startswith(b"{") for raw in some)
    return format_of(body) is None and not read.has_own_fields and is_row_of_run(body)


def _ranked_record(format: Format, entry: Request, by_text: bool) -> dict[str, Any]:
    """The native record of a request, its candidates best first.

    Records of training formats are ranked by their scores alone. Without ids, such a record is identified by its line,
    and a text by its content. Pairs without ids are identified by query and text. Raises InputError for a record
    without scores.
    """
    try:
        record = format.to_native(entry)
    except Malformed as fault:
        raise InputError(f"{entry.origin}: {fault.reason} (at {fault.path})", RESULTS_ADVICE) from None
    if format.in_place:
        return _by_scores(format, entry, record, f"line {entry.origin.line}")
    if not by_text or format.name not in PAIRS or not lacking_ids(record):
        return record
    has_text = any(each["text"] for each in as_objects(record))
    return _by_scores(format, entry, record, record["query"]) if has_text else record


def _by_scores(format: Format, entry: Request, record: dict[str, Any], name: str) -> dict[str, Any]:
    """A record with its candidates ordered by score, equal scores by id as in trec_eval; `name` is its default id.

    Raises InputError for one without scores.
    """
    candidates = as_objects(record)
    try:
        _, scores = scores_of(candidates, format.candidates_path)
    except Malformed as fault:
        raise InputError(f"{entry.origin}: {fault.reason} ({fault.path})", UNSCORED_ADVICE) from None
    if scores is None:
        raise InputError(
            f"{entry.origin}: no scores; the order of {format.name} texts is not a ranking", UNSCORED_ADVICE
        )
    named = [{"id": each["text"], **_known(without(each, "index"))} for each in candidates]
    order = sorted(range(len(named)), key=lambda place: (scores[place], str(named[place]["id"])), reverse=True)
    return {"id": name, **_known(record), "candidates": [named[place] for place in order]}


def _known(body: dict[str, Any]) -> dict[str, Any]:
    """A record or a candidate without a null id."""
    return without(body, "id") if body.get("id") is None else body


def _take(found: Results, entry: Request, record: dict[str, Any], relevance_field: str | None) -> None:
    if lacking := lacking_ids(record, found.read.candidates_field):
        reason = f"{entry.origin}: {without_ids(lacking)}"
        raise InputError(reason, way_to_ids(found.format, lacking) or RESULTS_ADVICE)
    qid, candidates = str(record["id"]), as_objects(record)
    docids = tuple([str(each["id"]) for each in candidates])
    if relevance_field is not None:
        judgements = carried_judgements(docids, candidates, relevance_field)
        add_judgements(found.relevance, qid, f"{entry.origin}: the {relevance_field}", judgements)
        if not found.relevance:
            found.see_fields(candidates)
    if qid in found.queries:
        found.repeated += 1
        return
    before = None if found.see_cut(record, candidates) else _input_order(docids, candidates)
    if len(set(docids)) < len(docids):
        before = None if before is None else tuple(dict.fromkeys(before))
        places = {docid: place for place, docid in reversed(list(enumerate(docids)))}
        found.repeated_documents += len(docids) - len(places)
        candidates = [candidates[place] for place in sorted(places.values())]
        docids = tuple([docids[place] for place in sorted(places.values())])
    logits: list[Any] = [each.get("logit", each.get("score")) for each in candidates]
    numbers = all(isinstance(logit, int | float) for logit in logits)
    falling = [float(place) for place in range(len(docids), 0, -1)]
    staged = are_staged(candidates)
    if staged:  # their scores are not compared
        numbers = False
    else:
        found.scored |= any("logit" in each for each in candidates)
    found.has_scores &= numbers
    ranked = Ranked(docids, array("d", logits if numbers else falling), before, record["query"][:QUERY])
    found.queries[qid] = replace(ranked, stages=after_stages(docids, candidates)) if staged else ranked


def _input_order(docids: tuple[str, ...], candidates: list[dict[str, Any]]) -> tuple[str, ...] | None:
    """The input order of all candidates by `index`; None if one has none."""
    places = places_of(candidates)
    if len(places) < len(docids):
        return None
    by_place = dict(zip(places, docids, strict=True))
    return tuple([by_place[place] for place in range(len(docids))])


def _results_of_run(path: str, inputs: Inputs, run_columns: Sequence[str]) -> Results:
    """Read a run, ordered as in trec_eval: by score as float32, then by docid, both descending. Ranks are ignored.

    A repeated line counts once; a document with two scores is an error.
    """
    rows: dict[str, dict[str, float]] = {}
    found = Results(path)
    layout, lines = find_layout(lines_with_columns(inputs, RUN_ADVICE), run_columns)
    grades = Grades(layout)
    found.has_scores = not getattr(layout, "is_rank", False)
    for line, row in rows_of_run(layout, lines, _refuse_line):
        grades.see(row)
        known = rows.setdefault(row.qid, {})
        if known.setdefault(row.docid, row.score) != row.score:
            raise InputError(f"{line.origin}: {row.qid} has {row.docid} twice, with different scores", TWICE_ADVICE)
        if row.tag != columns.TAG:
            found.scored, found.tag = False, found.tag or row.tag
        found.repeated_documents += 1
    for qid, scores in rows.items():
        order = sorted(scores, key=lambda docid: (as_float32(scores[docid]), docid), reverse=True)
        found.queries[qid] = Ranked(tuple(order), array("d", [scores[docid] for docid in order]))
        found.repeated_documents -= len(order)
    found.notes += [f"{path}: {GUESSED}"] if is_guessed(layout) else []
    found.notes += [f"{path}: {Grades.NOTE}"] if grades else []
    return found


def _refuse_line(line: Line, fault: Malformed) -> NoReturn:
    raise refused(line, fault, RUN_ADVICE) from None


class QueryTexts(NamedTuple):
    """A query and the texts of some of its documents, by id."""

    query: str
    documents: dict[str, str]


def texts_of(results: Results, wanted: dict[str, set[str]]) -> dict[str, QueryTexts]:
    """The queries and the texts of the `wanted` documents, by query id; reads the file again.

    {} for a TREC run, and for an input that cannot be read again.
    """
    if not os.path.isfile(results.name):
        return {}
    inputs = Inputs((results.name,), scores=True)
    if _holds_run(inputs, results.read):
        return {}
    format = open_format(results.read, WriteConfig(), inputs)
    found: dict[str, QueryTexts] = {}
    for entry in read_entries(format, inputs, results.read, None):
        if not isinstance(entry, Request):
            continue
        record = _ranked_record(format, entry, by_text=True)
        qid = str(record.get("id"))
        if qid in wanted and qid not in found:
            texts = {str(each.get("id")): str(each.get("text", "")) for each in as_objects(record)}
            chosen = {docid: text for docid, text in texts.items() if docid in wanted[qid]}
            found[qid] = QueryTexts(record["query"], chosen)
    return found
