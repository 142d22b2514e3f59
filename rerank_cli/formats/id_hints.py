"""Hints for records that lack ids: the option that names their field, or the place where a format keeps them."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from rerank_cli.formats.dropped import Dropped
from rerank_cli.formats.json_values import Malformed, is_id
from rerank_cli.formats.record_format import as_objects

QUERY_IDS = ("qid", "query_id", "query-id", "queryid", "question_id", "topic_id")
RECORD_IDS = (*QUERY_IDS, "_id")
CANDIDATE_IDS = ("docid", "_id", "pid", "doc_id", "docno", "passage_id", "document_id", "corpus_id", "corpus-id")
NO_ID = re.compile(r"\$(?:\.candidates\[(\d+)\])?\.id")


class Places(NamedTuple):
    """JSON paths of ids in a format. {} stands for the position of a candidate, "" for a field of its object.

    None for a format without ids of candidates.
    """

    record: str = "$.id"
    candidate: str | None = ""


ROWS = Places("$[0].query_id", "$[{}].docid")
PLACES = {
    "pairs": ROWS,
    "csv": ROWS,
    "tsv": ROWS,
    "tevatron": ROWS,
    "rank-llm": Places("$.query.qid", "$.candidates[{}].docid"),
    "flag-embedding": Places(candidate="$.pos_ids and $.neg_ids"),
    "sentence-transformers": Places(candidate="$.positive_ids and $.negative_ids"),
    "labeled-list": Places(candidate="$.ids[{}]"),
    "tevatron-training": Places("$.query_id", "$.positive_passages[].docid"),
    "ms-marco": Places("$.query_id", "$.passages[{}].passage_id"),
    "tei": Places(candidate=None),
}
WITHOUT_IDS = ("openai-batch", "nvidia")
REQUESTS = ("rerank-api", "voyage", "mixedbread", "tei")
NAME = re.compile(r"\$.*?(\w+)(?:\[\d+\])?(?: and .*)?")  # the last name of a path


def with_hint(fault: Malformed, record: dict[str, Any], format_name: str, candidates_path: str) -> Malformed:
    """Restate a fault of a native record for the record that was read: where its format keeps ids.

    Other faults are returned unchanged. `candidates_path` is the path of the candidates in the format that was read.
    """
    place = NO_ID.fullmatch(fault.path)
    if place is None:
        return fault
    index = place[1]
    if format_name == "native":
        field = candidates_path.removeprefix("$.")
        hint = hint_of_record(record, field) if index is None else hint_of_candidate(as_objects(record)[int(index)])
        path, way = fault.path, hint and f"; {hint} names it"
    else:
        path = _place_of(format_name, index, candidates_path)
        name = NAME.fullmatch(path)
        way = f'; {format_name} records have it in "{name[1]}"' if name else ""
        if index is not None and PLACES.get(format_name, Places()).candidate is None:
            way = f"; {format_name} texts have none"
    return Malformed(f"{fault.reason}{way}", path, content=fault.content)


def _place_of(format_name: str, index: str | None, candidates_path: str) -> str:
    places = PLACES.get(format_name, Places())
    if index is None:
        return places.record
    if places.candidate is None:
        return f"{candidates_path}[{index}]"
    return places.candidate.format(index) or f"{candidates_path}[{index}].id"


def way_to_ids(format_name: str, lacking: Sequence[tuple[str, str]]) -> str:
    """What to do about a record without ids: advice. `lacking` is what `lacking_ids` returns."""
    if format_name == "native":
        return _way_to_native_ids(lacking)
    if format_name in WITHOUT_IDS:
        return (
            f"{format_name} candidates cannot have ids. Use native records: "
            '{"id", "query", "candidates": [{"id", "text"}]}.'
        )
    if format_name in REQUESTS:
        return (
            'Add "id" to each request, and write each document as {"id", "text"}. Then score with --output-format '
            "native, since answers have no ids."
        )
    if format_name == "langchain":
        return (
            'Add "id" to each record, and to each document or its metadata, before you score. Or name fields that hold '
            "ids: --candidates-field documents --text-field page_content --id-field query --candidate-id-field "
            "metadata.NAME."
        )
    paths = [_place_of(format_name, None if what == "the record" else "", "$.candidates") for what, _ in lacking]
    names = [f'"{found[1]}"' for path in paths if (found := NAME.fullmatch(path))]
    them = "them" if names[1:] else "it"
    return f"Add {' and '.join(names)} where {format_name} records have {them}, before you score." if names else ""


def _way_to_native_ids(lacking: Sequence[tuple[str, str]]) -> str:
    known = [option for _, option in lacking if option]
    adding = [f"Add {' and '.join(known)}, which may be the {'ids' if known[1:] else 'id'}."] if known else []
    parts = ["record" if what == "the record" else "candidate" for what, option in lacking if not option]
    if not parts:
        return adding[0]
    naming = " and ".join("--id-field" if part == "record" else "--candidate-id-field" for part in parts)
    fields = "fields that have them" if parts[1:] else "field that has it"
    each = " and each ".join(parts)
    way = f'Name the {fields} with {naming}, or add "id" to each {each} before you score: ids are kept.'
    return " ".join([*adding, way])


class UnusedIds:
    """The options that would have named the missing ids of native records, by the fields that hold them."""

    def __init__(self) -> None:
        self._options: dict[str, str] = {}

    def see(self, record: dict[str, Any], candidates_field: str) -> None:
        """Inspect a record, and the first of its candidates that is an object."""
        if not is_id(record.get("id")) and (option := hint_of_record(record, candidates_field)):
            inside = "candidates[]." if "." in option else ""
            self._options.setdefault(f"{inside}{option.rpartition(' ')[2].rpartition('.')[2]}", option)
        first = next((each for each in record["candidates"] if isinstance(each, dict)), {"id": ""})
        if not is_id(first.get("id")) and (option := hint_of_candidate(first)):
            self._options.setdefault(f"candidates[].{option.rpartition(' ')[2]}", option)

    def sentence(self, dropped: Dropped) -> str:
        """The end of a note on dropped fields: which options keep their ids; "" if no id was dropped."""
        options = [option for path, option in self._options.items() if path in dropped.names]
        return f"; {' and '.join(options)} keep{'' if options[1:] else 's'} the ids" if options else ""


def lacking_ids(record: dict[str, Any], candidates_field: str = "candidates") -> list[tuple[str, str]]:
    """The parts of a native record that lack an id, each with the option that names it ("" if unknown).

    The parts are the record and its first candidate without one; [] if all have ids.

    >>> lacking_ids({"id": "q1", "query": "w", "candidates": [{"id": 7, "text": "a"}, {"docid": "d9", "text": "b"}]})
    [('candidate 1', '--candidate-id-field docid')]
    """
    lacking = [] if is_id(record.get("id")) else [("the record", hint_of_record(record, candidates_field))]
    for place, each in enumerate(as_objects(record)):
        if not is_id(each.get("id")):
            return [*lacking, (f"candidate {place}", hint_of_candidate(each))]
    return lacking


def without_ids(lacking: Sequence[tuple[str, str]]) -> str:
    """What lacks ids, as the beginning of a message.

    >>> without_ids([("the record", ""), ("candidate 0", "")])
    'the record and candidate 0 have no id'
    """
    return f"{' and '.join(what for what, _ in lacking)} {'have' if lacking[1:] else 'has'} no id"


def hint_of_record(record: dict[str, Any], candidates_field: str) -> str:
    """The option that names the id of a record, possibly inside its candidates; "" without a known name.

    >>> hint_of_record({"query": "w", "candidates": [{"qid": "7", "text": "a"}]}, "hits")
    '--id-field hits.0.qid'
    """
    inside = as_objects(record)[0] if record["candidates"] else {}
    places = [(record, name, name) for name in RECORD_IDS]
    places += [(inside, name, f"{candidates_field}.0.{name}") for name in QUERY_IDS]
    return next((f"--id-field {path}" for body, name, path in places if is_id(body.get(name))), "")


def hint_of_candidate(candidate: dict[str, Any]) -> str:
    """The option that names the id of a candidate; "" without a known name."""
    return next((f"--candidate-id-field {name}" for name in CANDIDATE_IDS if is_id(candidate.get(name))), "")
