"""Training data with a list of relevant texts and a list of others: flag-embedding and sentence-transformers.

    {"query", "pos": […], "neg": […]}                   with "pos_scores" and "neg_scores"
    {"query", "positive", "negative"}                   with "scores", of positives and then negatives

One side can be missing, and a single text can replace a list. In data of sentence-transformers the query can be named
`anchor` or `question`, the positive `answer`, and a tuple has `negative_1`, `negative_2`, … for `negative`. Scores are
logits, under the names that the trainers of FlagEmbedding and sentence-transformers read. Ids of texts are in `pos_ids`
and the like, in the order of the texts.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.ranking import Ranking
from rerank_cli.formats import in_place
from rerank_cli.formats.dropped import Dropped, note_rest, rest_of
from rerank_cli.formats.json_values import Malformed, id_field, is_id, kind, list_at, numbers_of
from rerank_cli.formats.record_format import RecordFormat, as_objects, json_line

HELD = frozenset({"text", "relevance", "logit", "id"})  # fields of a candidate that this format can hold


@dataclass(frozen=True, slots=True)
class Names:
    """The field names of a format. Of several names the first is written.

    `scores`: the name of one list for both sides; "" for two lists, such as `pos_scores`.
    """

    format: str
    positive: tuple[str, ...]
    negative: str
    query: tuple[str, ...] = ("query",)
    scores: str = ""
    numbered: bool = False  # whether each negative can have its own field, with a number after the name

    @property
    def sides(self) -> tuple[str, str]:
        """The field names of relevant and other texts."""
        return self.positive[0], self.negative

    @property
    def score_fields(self) -> tuple[str, ...]:
        """The field names of scores."""
        return (self.scores,) if self.scores else tuple(f"{side}_scores" for side in self.sides)


FLAG_EMBEDDING = Names("flag-embedding", ("pos",), "neg")
SENTENCE_TRANSFORMERS = Names(
    "sentence-transformers",
    ("positive", "answer"),
    "negative",
    ("query", "anchor", "question"),
    scores="scores",
    numbered=True,
)


class TwoSided(RecordFormat):
    """A format with two lists of texts."""

    titled = needs_candidates = False
    in_place = True

    def __init__(self, names: Names, read: ReadConfig, write: WriteConfig) -> None:
        """Raises ConfigError for options that would drop texts or scores."""
        in_place.refuse_choice(names.format, read, write)
        self.candidates_path = " and ".join(f"$.{side}" for side in names.sides)
        self._names = names
        self._scored = write.scored

    def to_native(self, body: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """The native record: positives first, each candidate with a `relevance` of 1 or 0."""
        query = in_place.field_of(body, self._names.query)
        text = in_place.query_at(body, query)
        fields = self._fields(body)
        sides = [[each for field in side for each in _texts(body, field)] for side in fields]
        self._refuse_labels(body, sides)
        ids = self._ids(body, sides)
        teacher = self._teacher(body, sides)
        candidates: list[dict[str, Any]] = [
            {"text": each, "relevance": 1 - number} for number, side in enumerate(sides) for each in side
        ]
        for place, each in enumerate(candidates):
            each |= id_field(ids[place]) if ids else {}
            each |= {"logit": teacher[place]} if teacher else {}
        moved = {query, *fields[0], *fields[1]}
        moved |= {f"{side}_ids" for side in self._names.sides} if ids else set()
        moved |= set(self._names.score_fields) if teacher else set()
        rest = rest_of(body, moved, {"candidates"}, dropped)
        return {**rest, "query": text, "candidates": candidates}

    def _fields(self, body: dict[str, Any]) -> tuple[list[str], list[str]]:
        """The fields of the texts of each side. Raises Malformed if there are none."""
        names = self._names
        positive = [in_place.field_of(body, names.positive)]
        negative = [names.negative, *(self._numbered(body) if names.numbered else [])]
        found = [[name for name in side if body.get(name) is not None] for side in (positive, negative)]
        if not found[0] and not found[1]:
            list_at(body, names.sides[0], "$")
        return found[0], found[1]

    def _numbered(self, body: dict[str, Any]) -> list[str]:
        """The numbered fields of negatives, in the order of their numbers."""
        name = re.compile(rf"{self._names.negative}_([0-9]{{1,9}})")
        numbers = {field: int(match[1]) for field in body if (match := name.fullmatch(field))}
        return sorted(numbers, key=numbers.__getitem__)

    def _refuse_labels(self, body: dict[str, Any], sides: list[list[str]]) -> None:
        """Raises Malformed for texts that have labels or scores in another field.

        `mine_hard_negatives` of sentence-transformers writes such records, with negatives in the field of positives.
        """
        names = self._names
        if not names.numbered or body.get(names.negative) is not None or sides[1]:
            return
        positive = in_place.field_of(body, names.positive)
        pair = isinstance(body[positive], str)
        for field in ("label", "score") if pair else ("labels", "scores"):
            value = body.get(field)
            if value is not None and (pair or (isinstance(value, list) and len(value) == len(sides[0]))):
                way = (
                    "name its fields query, text, label for --format pairs"
                    if pair
                    else "--format labeled-list reads it"
                )
                reason = f'"{field}" with "{positive}" alone: not every text is relevant; {way}'
                raise Malformed(reason, f"$.{field}")

    def _ids(self, body: dict[str, Any], sides: list[list[str]]) -> list[Any] | None:
        return self._of_sides(body, sides, "ids", lambda value: value is None or is_id(value))

    def _teacher(self, body: dict[str, Any], sides: list[list[str]]) -> list[Any] | None:
        """The logits of a teacher, one per text; None unless there are as many."""
        if self._names.scores:
            return in_place.parallel(body, self._names.scores, sum(map(len, sides)), in_place.is_number) or None
        return self._of_sides(body, sides, "scores", in_place.is_number)

    def _of_sides(
        self, body: dict[str, Any], sides: list[list[str]], suffix: str, fits: Callable[[Any], bool]
    ) -> list[Any] | None:
        """The values of two lists, one per text; None unless every text has one."""
        values: list[Any] = []
        for side, texts in zip(self._names.sides, sides, strict=True):
            field = f"{side}_{suffix}"
            given = in_place.parallel(body if field in body else {field: []}, field, len(texts), fits)
            if given is None:
                return None
            values += given
        return values or None

    def from_native(self, record: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """A record from a native one: candidates with a `relevance` above 0 are positives."""
        names = self._names
        candidates = as_objects(record)
        relevance = in_place.relevances(candidates, names.format)
        order = in_place.positives_first(relevance)
        ordered = [candidates[place] for place in order]
        positives = sum(grade > 0 for grade in relevance)
        computed = {*names.sides, *names.score_fields, *(f"{side}_ids" for side in names.sides)}
        computed |= set(self._numbered(record)) if names.numbered else set()
        rest = rest_of(record, {"query", "candidates"}, computed, dropped)
        converted = {
            "query": record["query"],
            **self._by_side("", [each["text"] for each in ordered], positives),
            **rest,
        }
        if any(each.get("id") is not None for each in candidates):
            converted |= self._by_side("_ids", [each.get("id") for each in ordered], positives)
        if teacher := None if self._scored else numbers_of(candidates, "logit"):
            converted |= self._scores([teacher[place] for place in order], positives)
        for each in candidates if dropped is not None else ():
            note_rest(each, HELD, dropped, "candidates[].")
        in_place.note_grades(relevance, dropped)
        return converted

    def _by_side(self, suffix: str, values: list[Any], positives: int) -> dict[str, list[Any]]:
        """The values of relevant and other texts, under the names of their lists."""
        positive, negative = self._names.sides
        return {f"{positive}{suffix}": values[:positives], f"{negative}{suffix}": values[positives:]}

    def _scores(self, logits: list[float], positives: int) -> dict[str, list[Any]]:
        return {self._names.scores: logits} if self._names.scores else self._by_side("_scores", logits, positives)

    def order(self, record: dict[str, Any]) -> list[int]:
        """The positions of the candidates in the order of the record: positives, then the others."""
        return in_place.positives_first(in_place.relevances(as_objects(record), self._names.format))

    def with_ranking(self, body: dict[str, Any], ranking: Ranking) -> dict[str, Any]:
        """The record with a logit for each text.

        A missing side is written as an empty list. Without it, the record would be read as a labelled list.
        """
        fields = self._fields(body)
        positives = sum(len(_texts(body, field)) for field in fields[0])
        scores = self._scores(in_place.logits_in_place(ranking), positives)
        alone = self._names.scores and not fields[1]
        return {**body, **({self._names.negative: []} if alone else {}), **scores}

    to_lines = staticmethod(json_line)


def _texts(body: dict[str, Any], field: str) -> list[str]:
    """The texts in a field. Raises Malformed."""
    if isinstance(body[field], str):
        return [body[field]]
    texts = list_at(body, field, "$")
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            place = f"$.{field}[{index}]"
            raise Malformed(f"{place} is {kind(text)}, not a string", place)
    return texts


Make = Callable[[ReadConfig, WriteConfig], TwoSided]
FlagEmbedding: Make = partial(TwoSided, FLAG_EMBEDDING)
SentenceTransformers: Make = partial(TwoSided, SENTENCE_TRANSFORMERS)
