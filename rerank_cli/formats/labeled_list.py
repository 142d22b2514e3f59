"""Labelled lists, as read by the listwise losses of sentence-transformers: `{"query", "docs": […], "labels": […]}`.

The texts can have another name of TEXTS, since `mine_hard_negatives` writes its own column names. `labels` are
judgements, `scores` the logits of a teacher, `ids` those of the texts: optional lists in the order of the texts.
Written back with our logits in `scores`.
"""

from typing import Any

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.ranking import Ranking
from rerank_cli.formats import in_place
from rerank_cli.formats.dropped import Dropped, note_rest, rest_of
from rerank_cli.formats.json_values import Malformed, id_field, is_id, kind, list_at, number_of, numbers_of
from rerank_cli.formats.record_format import RecordFormat, as_objects, json_line

QUERY = ("query", "anchor", "question")
TEXTS = ("docs", "documents", "passages", "positive", "answer")
BESIDE = ("labels", "scores", "ids")
HELD = frozenset({"text", "relevance", "logit", "id"})  # fields of a candidate that this format can hold


class LabeledList(RecordFormat):
    """Records of parallel lists."""

    candidates_path = "$.docs"
    titled = needs_candidates = False
    in_place = True

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        """Raises ConfigError for options that would drop texts or scores."""
        in_place.refuse_choice("labeled-list", read, write)
        self._scored = write.scored

    def to_native(self, body: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """The native record: a label becomes the `relevance` of a candidate, a score its `logit`."""
        query, docs = in_place.field_of(body, QUERY), _field_of_texts(body)
        text = in_place.query_at(body, query)
        texts = list_at(body, docs, "$")
        for index, each in enumerate(texts):
            if not isinstance(each, str):
                raise Malformed(f"$.{docs}[{index}] is {kind(each)}, not a string", f"$.{docs}[{index}]")
        labels = _labels(body, len(texts))
        teacher = in_place.parallel(body, "scores", len(texts), in_place.is_number)
        ids = in_place.parallel(body, "ids", len(texts), lambda value: value is None or is_id(value))
        candidates: list[dict[str, Any]] = [{"text": each} for each in texts]
        for place, candidate in enumerate(candidates):
            candidate |= id_field(ids[place]) if ids else {}
            candidate |= {"relevance": labels[place]} if labels else {}
            candidate |= {"logit": teacher[place]} if teacher else {}
        taken = (("labels", labels), ("scores", teacher), ("ids", ids))
        moved = {query, docs, *(name for name, values in taken if values is not None)}
        return {**rest_of(body, moved, {"candidates"}, dropped), "query": text, "candidates": candidates}

    def from_native(self, record: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """A record from a native one, without labels if no candidate is judged. Raises Malformed if only some are."""
        candidates = as_objects(record)
        relevance = [in_place.relevance_of(each, index, "labeled-list") for index, each in enumerate(candidates)]
        labels = numbers_of([{"relevance": each} for each in relevance], "relevance")
        rest = rest_of(record, {"query", "candidates"}, {*TEXTS, *BESIDE}, dropped)
        labeled = {"query": record["query"], "docs": [each["text"] for each in candidates], **rest}
        labeled |= {} if labels is None else {"labels": labels}
        if any(each.get("id") is not None for each in candidates):
            labeled["ids"] = [each.get("id") for each in candidates]
        if teacher := None if self._scored else numbers_of(candidates, "logit"):
            labeled["scores"] = teacher
        for each in candidates if dropped is not None else ():
            note_rest(each, HELD, dropped, "candidates[].")
        return labeled

    def with_ranking(self, body: dict[str, Any], ranking: Ranking) -> dict[str, Any]:
        """The record with a logit for each text."""
        return {**body, "scores": in_place.logits_in_place(ranking)}

    to_lines = staticmethod(json_line)


def _field_of_texts(body: dict[str, Any]) -> str:
    """The field of the texts: the first of TEXTS with a list, else `docs`."""
    return next((name for name in TEXTS if isinstance(body.get(name), list)), TEXTS[0])


def _labels(body: dict[str, Any], count: int) -> list[Any] | None:
    """The judgements of the texts; None without any. Raises Malformed unless each text has one."""
    if body.get("labels") is None:
        return None
    labels = list_at(body, "labels", "$")
    if len(labels) != count:
        raise Malformed(f"{len(labels)} labels for {count} texts", "$.labels", content=True)
    for index, label in enumerate(labels):
        if number_of(label) is None and not isinstance(label, bool):
            path = f"$.labels[{index}]"
            raise Malformed(f"{path} is {kind(label)}, not a number", path, content=True)
    return labels
