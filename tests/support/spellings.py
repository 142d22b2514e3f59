"""Other ways to write records of a format, as the tools of others do: built and read by plain functions.

`SPELLINGS` says of each the format that reads it, and with which options.
"""

import json
from typing import Any

OWN_FIELDS = {
    "query_field": "q.text",
    "candidates_field": "hits",
    "text_field": "content",
    "id_field": "qid",
    "candidate_id_field": "docid",
}
SPELLINGS: dict[str, tuple[str, dict[str, str]]] = {
    "own-fields": ("native", OWN_FIELDS),
    "langchain-dumps": ("langchain", {}),
    "langchain-js": ("langchain", {}),
}
DOCUMENT = ["langchain", "schema", "document", "Document"]


def json_line(body: Any) -> bytes:
    """A value as a line."""
    return json.dumps(body).encode() + b"\n"


def _own_fields(record: Any, noise: Any) -> bytes:
    hits = [
        noise.around("score", docid=d.id, content=d.text, relevance=d.relevance, logit=d.logit)
        for d in record.documents
    ]
    return json_line(noise.around(qid=record.id, q={"text": record.query}, hits=hits))


def _in_own_fields(body: dict[str, Any]) -> tuple[Any, Any, list[dict[str, Any]]]:
    listed = [{**hit, "id": hit["docid"], "text": hit["content"]} for hit in body["hits"]]
    return body["qid"], body["q"]["text"], listed


def _nvidia(record: Any, noise: Any) -> bytes:
    passages = [noise.around(text=d.text, id=d.id, relevance=d.relevance, logit=d.logit) for d in record.documents]
    return json_line(noise.around(id=record.id, query=noise.around(text=record.query), passages=passages))


def _in_nvidia(body: dict[str, Any]) -> tuple[Any, Any, list[dict[str, Any]]]:
    return body.get("id"), body["query"]["text"], body["passages"]


def _langchain_dumps(record: Any, noise: Any) -> bytes:
    documents = []
    for d in record.documents:
        metadata = noise.around("score", relevance=d.relevance, logit=d.logit)
        kwargs = noise.around(id=d.id, page_content=d.text, metadata=metadata)
        documents.append(noise.around(lc=1, type="constructor", id=DOCUMENT, kwargs=kwargs))
    return json_line(noise.around(id=record.id, query=record.query, documents=documents))


def _in_langchain_dumps(body: dict[str, Any]) -> tuple[Any, Any, list[dict[str, Any]]]:
    inner = [each["kwargs"] for each in body["documents"]]
    return body["id"], body["query"], [{**d["metadata"], "id": d["id"], "text": d["page_content"]} for d in inner]


def _langchain_js(record: Any, noise: Any) -> bytes:
    documents = []
    for d in record.documents:
        metadata = noise.around("score", relevance=d.relevance, logit=d.logit)
        documents.append(noise.around(pageContent=d.text, metadata=metadata, id=d.id))
    return json_line(noise.around(id=record.id, query=record.query, documents=documents))


def _in_langchain_js(body: dict[str, Any]) -> tuple[Any, Any, list[dict[str, Any]]]:
    listed = [{**d["metadata"], "id": d["id"], "text": d["pageContent"]} for d in body["documents"]]
    return body["id"], body["query"], listed


def _top1000(record: Any, noise: Any) -> bytes:
    return "".join(f"{record.id}\t{d.id}\t{record.query}\t{d.text}\n" for d in record.documents).encode()


# The line of a record, with fields beside the real ones; the id, the query and the documents of a line's object.
BUILT = {
    "own-fields": _own_fields,
    "nvidia": _nvidia,
    "langchain-dumps": _langchain_dumps,
    "langchain-js": _langchain_js,
    "ms-marco-top1000": _top1000,
}
UNDERSTOOD = {
    "own-fields": _in_own_fields,
    "nvidia": _in_nvidia,
    "langchain-dumps": _in_langchain_dumps,
    "langchain-js": _in_langchain_js,
}
