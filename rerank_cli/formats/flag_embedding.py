"""FlagEmbedding's training data: `{"query", "pos": […], "neg": […]}`, given `pos_scores` and `neg_scores`.

The scores are a teacher's, for distillation, so they are logits, as FlagEmbedding's own script writes them; the texts
keep their places. One side may be missing, and a single text may stand for a list. Ids of candidates stand in `pos_ids`
and `neg_ids`, in the order of the texts; FlagEmbedding passes over them.
"""

from collections.abc import Callable
from typing import Any

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.ranking import Ranking
from rerank_cli.formats.dropped import Dropped, note_rest, rest_of
from rerank_cli.formats.json_values import Malformed, id_field, is_id, kind, list_at, number_of, numbers_of, text_at
from rerank_cli.formats.record_format import as_objects, json_line

SIDES = ("pos", "neg")
COMPUTED = frozenset({"pos", "neg", "pos_scores", "neg_scores", "pos_ids", "neg_ids"})
HELD = frozenset({"text", "relevance", "logit", "id"})  # fields of a candidate that have a place


class FlagEmbedding:
    """Records of FlagEmbedding's training data."""

    candidates_path = "$.pos and $.neg"
    titled = needs_candidates = False

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        """Raises ConfigError for options that would leave texts without a score, or scores without a text."""
        mine = write.format == "flag-embedding" or (write.format == "same" and read.format == "flag-embedding")
        if mine and (write.top_k is not None or write.min_score is not None or write.no_text):
            raise ConfigError(
                "--top-k, --min-score and --no-text: in flag-embedding records every text keeps its place and score",
                "Leave them out, or write native records.",
            )
        self._scored = write.scored

    def to_native(self, body: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """A native record: positives first, each candidate with a `relevance` of 1 or 0."""
        query = text_at(body, "query", "$")
        sides = {name: _texts(body, name) for name in SIDES}
        ids = _of_texts(body, sides, "ids", lambda value: value is None or is_id(value))
        teacher = _of_texts(body, sides, "scores", lambda value: number_of(value) is not None)
        candidates: list[dict[str, Any]] = [
            {"text": text, "relevance": int(name == "pos")} for name in SIDES for text in sides[name]
        ]
        for place, each in enumerate(candidates):
            each |= id_field(ids[place]) if ids else {}
            each |= {"logit": teacher[place]} if teacher else {}
        moved = {*SIDES, *(f"{name}_ids" for name in SIDES if ids), *(f"{name}_scores" for name in SIDES if teacher)}
        rest = rest_of(body, moved, {"candidates"}, dropped)
        return {**rest, "query": query, "candidates": candidates}

    def from_native(self, record: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """A record: candidates of a `relevance` above 0 are positives."""
        candidates = as_objects(record)
        relevant = _relevant(candidates)
        rest = rest_of(record, {"query", "candidates"}, COMPUTED, dropped)
        made = {"query": record["query"], **_sides("", [each["text"] for each in candidates], relevant), **rest}
        if any(each.get("id") is not None for each in candidates):
            made |= _sides("_ids", [each.get("id") for each in candidates], relevant)
        if teacher := None if self._scored else numbers_of(candidates, "logit"):
            made |= _sides("_scores", teacher, relevant)
        for each in candidates if dropped is not None else ():
            note_rest(each, HELD, dropped, "candidates[].")
            graded = number_of(each["relevance"]) not in (None, 0, 1)
            note_rest({"relevance grade": graded or None}, (), dropped, "candidates[].")
        return made

    def order(self, record: dict[str, Any]) -> list[int]:
        """The former places of the candidates: positives stand before the others, so candidates change their places."""
        relevant = _relevant(as_objects(record))
        return sorted(range(len(relevant)), key=lambda index: not relevant[index])

    def with_ranking(self, body: dict[str, Any], ranking: Ranking) -> dict[str, Any]:
        """The record with a logit for each text."""
        logits = [logit for _, logit in sorted(zip(ranking.indices, ranking.logits, strict=True))]
        positives = len(_texts(body, "pos"))
        return {**body, "pos_scores": logits[:positives], "neg_scores": logits[positives:]}

    to_lines = staticmethod(json_line)


def _sides(suffix: str, values: list[Any], relevant: list[bool]) -> dict[str, list[Any]]:
    """The values of relevant texts and those of the others, under the names of their lists."""
    pairs = list(zip(values, relevant, strict=True))
    return {f"{name}{suffix}": [value for value, yes in pairs if yes == (name == "pos")] for name in SIDES}


def _relevant(candidates: list[dict[str, Any]]) -> list[bool]:
    """Which candidates are relevant. Raises Malformed for one that does not say."""
    found = []
    for index, each in enumerate(candidates):
        value = each.get("relevance")
        relevance = float(value) if isinstance(value, bool) else number_of(value)
        if relevance is None:
            path = f"$.candidates[{index}].relevance"
            raise Malformed('flag-embedding needs a "relevance" (a number)', path, content=True)
        found.append(relevance > 0)
    return found


def _of_texts(
    body: dict[str, Any], sides: dict[str, list[str]], suffix: str, fits: Callable[[Any], bool]
) -> list[Any] | None:
    """What `pos_<suffix>` and `neg_<suffix>` say of the texts, one value each; None unless they do of every text."""
    values: list[Any] = []
    for name, texts in sides.items():
        given = body.get(f"{name}_{suffix}", [] if not texts else None)
        if not isinstance(given, list) or len(given) != len(texts):
            return None
        values += given
    return values if values and all(map(fits, values)) else None


def _texts(body: dict[str, Any], name: str) -> list[str]:
    """The texts of one side. Raises Malformed."""
    if isinstance(body.get(name), str):
        return [body[name]]
    if body.get(name) is None and (name == "neg" or body.get("neg") is not None):
        return []
    texts = list_at(body, name, "$")
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            place = f"$.{name}[{index}]"
            raise Malformed(f"{place} is {kind(text)}, not a string", place)
    return texts
