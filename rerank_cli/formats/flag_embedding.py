"""FlagEmbedding's training data: `{"query", "pos": […], "neg": […]}`, given `pos_scores` and `neg_scores`.

The scores are a teacher's, for distillation, so they are logits, as FlagEmbedding's own script writes them; the texts
keep their places.
"""

from typing import Any

from rerank_cli.config import ReadConfig, WriteConfig
from rerank_cli.errors import ConfigError
from rerank_cli.formats.shape import Malformed, as_objects, json_line, kind, list_at, text_at, without
from rerank_cli.ranking import Ranking


class FlagEmbedding:
    """See the module."""

    candidates_path = "$.pos and $.neg"

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        """Raises ConfigError for options that would leave texts without a score, or scores without a text."""
        mine = write.format == "flag-embedding" or (write.format == "same" and read.format == "flag-embedding")
        if mine and (write.top_k is not None or write.min_score is not None or write.no_text):
            raise ConfigError(
                "--top-k, --min-score and --no-text: in flag-embedding records every text keeps its place and score",
                "Leave them out, or write native records.",
            )

    def native(self, body: dict[str, Any]) -> dict[str, Any]:
        """See Shape.native: positives first, each candidate with a `relevance` of 1 or 0."""
        query = text_at(body, "query", "$")
        candidates = [
            {"text": _text(text, f"$.{name}[{index}]"), "relevance": relevance}
            for name, relevance in (("pos", 1), ("neg", 0))
            for index, text in enumerate(list_at(body, name, "$"))
        ]
        rest = without(body, "pos", "neg")
        if (teacher := _teacher(body)) is not None:
            rest = without(rest, "pos_scores", "neg_scores")
            for each, logit in zip(candidates, teacher, strict=True):
                each["logit"] = logit
        return {**rest, "query": query, "candidates": candidates}

    def made(self, record: dict[str, Any]) -> dict[str, Any]:
        """See Shape.made: candidates of a `relevance` above 0 are positives."""
        texts: dict[bool, list[str]] = {True: [], False: []}
        scores: dict[bool, list[Any]] = {True: [], False: []}
        for index, each in enumerate(as_objects(record)):
            relevance = each.get("relevance")
            if not isinstance(relevance, int | float):
                raise Malformed('flag-embedding needs a "relevance" (a number)', f"$.candidates[{index}].relevance")
            texts[relevance > 0].append(each["text"])
            scores[relevance > 0].append(each.get("logit"))
        rest = without(record, "query", "candidates")
        made = {"query": record["query"], "pos": texts[True], "neg": texts[False], **rest}
        if any(scores.values()) and None not in [*scores[True], *scores[False]]:
            made |= {"pos_scores": scores[True], "neg_scores": scores[False]}
        return made

    def order(self, record: dict[str, Any]) -> list[int]:
        """See Shape.made: positives stand before the others, so candidates change their places."""
        relevant = [each.get("relevance", 0) > 0 for each in as_objects(record)]
        return sorted(range(len(relevant)), key=lambda index: not relevant[index])

    def ranked(self, body: dict[str, Any], ranking: Ranking) -> dict[str, Any]:
        """The record with a logit for each text."""
        logits = [logit for _, logit in sorted(zip(ranking.indices, ranking.logits, strict=True))]
        positives = len(body["pos"])
        return {**body, "pos_scores": logits[:positives], "neg_scores": logits[positives:]}

    dumped = staticmethod(json_line)


def _teacher(body: dict[str, Any]) -> list[float] | None:
    """The scores of positives, then of negatives, where every text has one."""
    pairs = [(body.get(f"{name}_scores"), body[name]) for name in ("pos", "neg")]
    if not all(isinstance(scores, list) and len(scores) == len(texts) for scores, texts in pairs):
        return None
    scores = [value for given, _ in pairs for value in given or []]
    return scores if all(isinstance(value, int | float) for value in scores) else None


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise Malformed(f"{place} is {kind(value)}, not a string", place)
    return value
