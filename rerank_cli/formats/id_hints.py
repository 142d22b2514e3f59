"""Which option names the id that a native record or a candidate of one lacks, by the names that others give to ids."""

from typing import Any

from rerank_cli.formats.json_values import is_id
from rerank_cli.formats.record_format import as_objects

QUERY_IDS = ("qid", "query_id", "query-id", "queryid", "question_id", "topic_id")
RECORD_IDS = (*QUERY_IDS, "_id")
CANDIDATE_IDS = ("docid", "_id", "pid", "doc_id", "docno", "passage_id", "document_id", "corpus_id", "corpus-id")


def lacking_id(record: dict[str, Any], candidates_field: str = "candidates") -> tuple[str, str] | None:
    """What of a native record has no id, and the option that would name it, "" for none; None where all have one.

    >>> lacking_id({"id": "q1", "query": "w", "candidates": [{"id": 7, "text": "a"}, {"docid": "d9", "text": "b"}]})
    ('candidate 1', '--candidate-id-field docid')
    """
    if not is_id(record.get("id")):
        return "the record", hint_of_record(record, candidates_field)
    for place, each in enumerate(as_objects(record)):
        if not is_id(each.get("id")):
            return f"candidate {place}", hint_of_candidate(each)
    return None


def hint_of_record(record: dict[str, Any], candidates_field: str) -> str:
    """The option that names the id of a record, also one that its candidates hold; "" where no known name is there.

    >>> hint_of_record({"query": "w", "candidates": [{"qid": "7", "text": "a"}]}, "hits")
    '--id-field hits.0.qid'
    """
    inside = as_objects(record)[0] if record["candidates"] else {}
    places = [(record, name, name) for name in RECORD_IDS]
    places += [(inside, name, f"{candidates_field}.0.{name}") for name in QUERY_IDS]
    return next((f"--id-field {path}" for body, name, path in places if is_id(body.get(name))), "")


def hint_of_candidate(candidate: dict[str, Any]) -> str:
    """The option that names the id of a candidate; "" where no known name of one is there."""
    return next((f"--candidate-id-field {name}" for name in CANDIDATE_IDS if is_id(candidate.get(name))), "")
