"""Recognise the kind of a file by its first lines, for messages when another kind is expected."""

import re
import shlex
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from rerank_cli.core.errors import ConfigError
from rerank_cli.files.raw import UNREADABLE
from rerank_cli.files.score_objects import HEAD, begins_scores
from rerank_cli.formats.cells import format_of_header
from rerank_cli.formats.column_names import (
    IDS,
    QUERY_IDS,
    QUERY_NAMES,
    TEXTS,
    Ambiguous,
    normal,
)
from rerank_cli.formats.columns import RUN, columns_of, is_run, whole_number
from rerank_cli.formats.json_rows import GRADES, RUN_VALUES, JsonRows, object_in
from rerank_cli.formats.json_values import Malformed, as_dict, is_id, number_of, parse_object
from rerank_cli.formats.judgement_layouts import layout_of_judgements
from rerank_cli.formats.known import FORMATS, format_of, marks
from rerank_cli.formats.run_layouts import layout_of_run

TOP1000 = "ms-marco-top1000"
LISTED = re.compile(rb'\s*\{\s*"([^"\\]+)"\s*:\s*\[\s*(?:"[^"\s\\]+"|-?[0-9]+)\s*[,\]]')
FIELDS = frozenset({*TEXTS, *IDS, "scores"}).union(*map(marks, FORMATS))
ANSWERED = ("results", "data", "rankings")
STDIN = "<stdin>"


class Kind(NamedTuple):
    """The kind of a file, and advice on the commands that read it, with {} for its name.

    `format` is that of records.
    """

    what: str
    advice: str
    format: str = ""

    def refusal(self, name: str, expected: str) -> ConfigError:
        """The error for a file of this kind where another kind is expected."""
        file = "-" if name == STDIN else shlex.quote(name)
        return ConfigError(f"{name}: looks like {self.what}, expected {expected}", self.advice.format(file))


OF_RUN = (
    "`rerank score --run {0}` reranks it and `rerank check --run {0}` checks it, with the texts in a BEIR folder as "
    "the INPUT or in --queries and --corpus; `rerank eval {0}` measures it."
)
TREC_RUN = Kind(f"a TREC run ({RUN})", OF_RUN)
RANKS = Kind("a run", OF_RUN)
RANKING = Kind(
    "a run (its third column counts 1, 2, 3, … within each query)",
    f"{OF_RUN} Grades need a header: qid docid relevance.",
)
JUDGEMENTS = Kind("judgements", "`rerank eval RUN --qrels {0}` measures a run by them.")
SCORES = Kind("a run or judgements", f"A run: {OF_RUN} Judgements: {JUDGEMENTS.advice}")
THREE = Kind("a run or judgements in three columns", SCORES.advice)  # or a corpus with numbers as texts
COMMAS = Kind(
    "a run or judgements, with commas between columns",
    f"Use tabs, or add a header: qid,docid,score. {SCORES.advice}",
)
LISTS = Kind(
    "ranked lists without scores ({qid: [docid, …]})",
    "Give each document a score: "
    "jq 'map_values(to_entries | reverse | map({{(.value | tostring): -.key}}) | add // {{}})' {0} > run.json",
)
ANSWERS = Kind(
    "answers of a rerank API",
    "They have no texts and no ids of documents. Score the requests with --output-format native, with ids in them: "
    '{{"id", "query", "documents": [{{"id", "text"}}]}}.',
)
TEXT = Kind("a corpus or queries", "`rerank score --run RUN` takes it as --corpus {0} or --queries {0}.")
EXPECTED = {"a run": (TREC_RUN, RANKS), "judgements": (JUDGEMENTS,)}
OF_RECORDS = "`rerank score {0} -o OUT` reranks them."


def kind_of(lines: Sequence[bytes]) -> Kind | None:
    """The kind of a file that begins with these lines (no blanks or comments); None if unknown."""
    if not lines or lines[0].startswith(UNREADABLE):
        return None
    if begins_scores(b"\n".join([line[:HEAD] for line in lines])[:HEAD]):
        return SCORES
    if _is_answer(lines[0]):
        return ANSWERS
    if _are_lists(b"\n".join(lines)):
        return LISTS
    try:
        body = object_in(lines[0])
        return _of_columns(lines[0]) if body is None else _of_object(body)
    except Malformed:
        return None


def refuse_misplaced(lines: Sequence[bytes], name: str, expected: str) -> None:
    """Raises ConfigError for a file of another kind than `expected`."""
    kind = kind_of(lines)
    if kind is not None and kind not in (SCORES, THREE, COMMAS, *EXPECTED[expected]):
        raise kind.refusal(name, expected)


def refuse_as_texts(first: bytes, name: str, expected: str, *, readable: bool = True) -> None:
    """Raises ConfigError for a run, judgements or records where texts are expected."""
    kind = kind_of([first])
    if (
        kind is None or kind in (TEXT, THREE, COMMAS) or kind.format == TOP1000
    ):  # four columns may be a corpus with extra columns
        return
    if kind in (TREC_RUN, RANKS, JUDGEMENTS, SCORES) or not readable:
        raise kind.refusal(name, expected)


def _is_answer(raw: bytes) -> bool:
    """Whether a line is the answer of a rerank API, as `formats.api`, `nvidia` and `openai_batch` write them.

    >>> _is_answer(b'{"results": [{"index": 1, "relevance_score": 0.9}]}'), _is_answer(b'[{"index": 1, "score": 0.9}]')
    (True, True)
    """
    if b'"index"' not in raw:
        return False
    try:
        body = parse_object(b'{"results": %b}' % raw if raw.lstrip().startswith(b"[") else raw)
    except Malformed:
        return False
    body = as_dict(as_dict(body.get("response")).get("body")) or body
    results: list[Any] = next((body[name] for name in ANSWERED if isinstance(body.get(name), list)), [])
    first = as_dict(results[0]) if results else {}
    scored = any(number_of(first.get(name)) is not None for name in ("relevance_score", "score", "logit"))
    return "query" not in body and type(first.get("index")) is int and scored


def _are_lists(head: bytes) -> bool:
    """Whether an object has lists of ids under names that are not fields of records."""
    match = LISTED.match(head)
    if match is None or match[1].decode("utf-8", "replace") in FIELDS:
        return False
    try:
        return all(isinstance(each, list) for each in parse_object(head).values())
    except Malformed:  # truncated, or on several lines
        return True


def _of_object(body: dict[str, Any]) -> Kind | None:
    """The kind of a file of JSON lines."""
    if (name := format_of(body)) is not None:
        return _records(name)
    if _is_text(body):
        return TEXT
    return _of_readings(lambda: JsonRows.of(body, RUN_VALUES), lambda: JsonRows.of(body, GRADES))


def _is_text(body: dict[str, Any]) -> bool:
    """Whether an object is a text with its id. A query can be one, and can also be a record without candidates."""
    name = next((name for name in IDS if body.get(name) is not None), "")
    text = next((name for name in TEXTS if isinstance(body.get(name), str)), "")
    return (
        is_id(body.get(name)) and bool(text) and (text != "query" or (name in {"_id", *QUERY_IDS} and len(body) == 2))
    )


def _of_readings(run: Callable[[], object], judgements: Callable[[], object]) -> Kind | None:
    """The kind of a file that can be read as a run, as judgements, or as both."""
    of_run, of_judgements = _can(run), _can(judgements)
    if of_run and of_judgements:
        return SCORES
    return RANKS if of_run else JUDGEMENTS if of_judgements else None


def _can(read: Callable[[], object]) -> bool:
    """Whether `read` succeeds, or fails only because of ambiguous names."""
    try:
        return bool(read())
    except Ambiguous:
        return True
    except Malformed:
        return False


def _of_columns(raw: bytes) -> Kind | None:
    """The kind of a file of columns."""
    if (separated := format_of_header(raw)) is not None:
        return _records(separated)
    if is_run(raw):
        return TREC_RUN
    columns = columns_of(raw)
    if (named := _of_header(raw, columns)) is not None:
        return named
    if _has_commas(raw, columns):
        return COMMAS
    if b"\t" not in raw.rstrip() and len(columns) not in (3, 4):
        return None
    grade = whole_number(columns[-1])
    if len(columns) == 4:
        is_trec = grade is not None and (columns[1].upper() == "Q0" or whole_number(columns[1]) is not None)
        return JUDGEMENTS if is_trec else _records(TOP1000) if is_top1000(raw) else None
    if len(columns) == 3 and number_of(columns[2]) is not None:
        return THREE
    return TEXT if b"\t" in raw.rstrip() and len(columns) in (2, 3) and " " not in columns[0] else None


def _of_header(raw: bytes, columns: Sequence[str]) -> Kind | None:
    if any(number_of(each) is not None for each in columns):
        return None
    return _of_readings(lambda: layout_of_run(raw).header, lambda: layout_of_judgements(raw).header)


def _has_commas(raw: bytes, columns: Sequence[str]) -> bool:
    """Whether a line would belong to a run or judgements if its commas were tabs."""
    return len(columns) == 1 and b"," in raw and _of_columns(raw.replace(b",", b"\t")) in (TREC_RUN, JUDGEMENTS, THREE)


def is_top1000(raw: bytes) -> bool:
    """Whether a line belongs to MS MARCO's top1000: two ids and two texts, separated by tabs.

    MS MARCO's documents have four columns too; their second one is a URL.

    >>> is_top1000(b"188714\\t1000052\\tfoods for you\\tWatch portion sizes"), is_top1000(b"q1\\t0\\td1\\t1")
    (True, False)
    """
    columns = raw.removesuffix(b"\r").split(b"\t")
    if len(columns) != 4 or b"://" in columns[1] or normal(columns[0].decode("utf-8", "replace")) in QUERY_NAMES:
        return False
    ids = all(len(each.split()) == 1 and each == each.strip() for each in columns[:2])
    return ids and bool(columns[2].strip()) and number_of(columns[3].decode("utf-8", "replace")) is None


def _records(name: str) -> Kind:
    return Kind(f"{name} records", OF_RECORDS, name)
