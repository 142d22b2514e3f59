"""FlashRank requests: `{"query", "passages": [{"id", "text", "meta"?}]}`, written back best first with a `score`."""

from typing import Any

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.ranking import Ranking
from rerank_cli.formats.dropped import Dropped, rest_of
from rerank_cli.formats.json_values import check_id, list_at, object_at, text_at, without
from rerank_cli.formats.record_format import RecordFormat, as_objects, json_line, refuse_no_text, without_old_logits


class FlashRank(RecordFormat):
    """FlashRank requests."""

    candidates_path = "$.passages"
    titled = needs_candidates = False

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        """Raises ConfigError for --no-text: a passage is its text."""
        refuse_no_text(write, "flashrank", "passages have their text")

    def to_native(self, body: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """The native record of a request."""
        query = text_at(body, "query", "$")
        passages = list_at(body, "passages", "$")
        for index, passage in enumerate(passages):
            place = f"$.passages[{index}]"
            text_at(object_at(passage, place), "text", place)
            check_id(passage, "id", place)
        rest = rest_of(body, {"passages"}, {"candidates"}, dropped)
        return {**rest, "query": query, "candidates": without_old_logits(passages, dropped, "passages[].")}

    def from_native(self, record: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """A request from a native record."""
        return {**rest_of(record, {"candidates"}, {"passages"}, dropped), "passages": as_objects(record)}

    def with_ranking(self, body: dict[str, Any], ranking: Ranking) -> dict[str, Any]:
        """The request with its passages best first, without the logits of a previous ranking."""
        old = body["passages"]
        pairs = zip(ranking.indices, ranking.scores, strict=True)
        return {**body, "passages": [{**without(old[index], "logit"), "score": score} for index, score in pairs]}

    to_lines = staticmethod(json_line)
