"""TREC runs and BEIR folders: the run names the candidates, queries and corpus have the texts.

    q1 Q0 d9 1 12.3 bm25        qid, "Q0", docid, rank, score, tag

Adjacent lines with the same qid are one record. Written back as a run. Evaluators ignore ranks, compare scores as
float32 and break ties by docid. So the score of a line is its logit, or the next smaller float32 if the previous line
has that score: this keeps our order.
"""

import math
import struct
from typing import Any

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.decimals import as_float32
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.ranking import Ranking
from rerank_cli.formats.columns import COMMENT, LARGEST_SCORE, TAG, is_comment, row_of_run, run_line
from rerank_cli.formats.dropped import Dropped, note_rest, rest_of
from rerank_cli.formats.json_values import BLANKS, Malformed, id_of
from rerank_cli.formats.per_group import GroupedRecordFormat
from rerank_cli.formats.record_format import as_objects, scores_of
from rerank_cli.formats.run_with_texts import RunWithTexts

TAG_OF_STAGES = "rerank-stages"  # of a run whose scores are not the logits of one model
HELD = ("id", "query", "candidates", "text", "score", "logit")  # fields that are not reported as dropped


class TrecRun(GroupedRecordFormat):
    """The trec format. A record is `qid`, `rows` of docid and score, and the texts: `query` and `docs`."""

    candidates_path = "$"
    titled = needs_candidates = True
    staged = True

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        """Look over the run and index its texts where one is read.

        Raises ConfigError for a run without texts, and for a tag that is no column.
        """
        if not write.tag.isprintable() or " " in write.tag:
            raise ConfigError(f"--tag {write.tag!r}: a column of a run has no blanks in it", "Write it in one word.")
        self._scored = write.scored
        self._tag = TAG_OF_STAGES if write.stages > 1 and write.tag == TAG else write.tag
        self._run = None if read.run is None else RunWithTexts(read)
        self.hashes: dict[str, str] = {} if self._run is None else self._run.hashes

    @property
    def notes(self) -> list[str]:
        """Notes for the user on the run and its texts."""
        return [] if self._run is None else self._run.notes

    @property
    def first_notes(self) -> list[str]:
        """The notes without counts of lines, which are complete only at the end."""
        return [note for note in self.notes if not note[0].isdigit()]

    def is_comment(self, raw: bytes) -> bool:
        """Whether a line is a comment or a header: such lines count as blank."""
        return is_comment(raw) or (self._run is not None and self._run.is_header(raw))

    def parse_line(self, raw: bytes) -> tuple[str, tuple[str, float]]:
        """The key and the fields of a line. Raises Malformed."""
        row = row_of_run(raw) if self._run is None else self._run.row(raw)
        return row.qid, (row.docid, row.score)

    def join_lines(self, key: str | int, rows: list[tuple[str, float]]) -> dict[str, Any]:
        """The record of the lines with one key, with its texts. Raises Malformed, as `RunWithTexts.record` does."""
        if self._run is None:
            raise ConfigError(
                "a TREC run needs --run", "Name it with --run, and its texts with --queries and --corpus."
            )
        return self._run.record(str(key), rows)

    def to_native(self, body: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """The native record of a request."""
        docs = body["docs"]
        candidates = [
            {
                "id": docid,
                **rest_of(docs[docid], (), ("logit",), dropped, "candidates[]."),
                "title": docs[docid].get("title") or "",
                "score": score,
            }
            for docid, score in body["rows"]
        ]
        return {"id": body["qid"], "query": body["query"], "candidates": candidates}

    def from_native(self, record: dict[str, Any], dropped: Dropped | None = None) -> dict[str, Any]:
        """A record from a native one, ordered by logits, else scores, else the order of the candidates."""
        candidates = as_objects(record)
        if not candidates:
            raise Malformed("no candidates: a run cannot hold such a record", "$.candidates", content=True)
        note_rest(record, HELD, dropped)
        for each in candidates if dropped is not None else ():
            note_rest(each, HELD, dropped, "candidates[].")
        scores = self._scores(candidates)
        rows = [
            (column(id_of(each, f"$.candidates[{index}]", "trec")), scores[index])
            for index, each in enumerate(candidates)
        ]
        return {"qid": column(id_of(record, "$", "trec")), "rows": rows}

    def _scores(self, candidates: list[dict[str, Any]]) -> list[float]:
        """The scores of a run. Raises Malformed if only some candidates have a score, or for one beyond float32."""
        values = None
        if not self._scored:
            field, values = scores_of(candidates)
        if values is None:
            return [float(-index) for index in range(len(candidates))]
        for index, score in enumerate(values):
            if not abs(score) < LARGEST_SCORE:
                path = f"$.candidates[{index}].{field}"
                raise Malformed(f"the score {score} is beyond the range of float32", path, content=True)
        return [float(score) for score in values]

    def key(self, body: dict[str, Any]) -> str:
        """The id of the query. Adjacent records with the same id would be read as one."""
        return str(body["qid"])

    def with_ranking(self, body: dict[str, Any], ranking: Ranking) -> dict[str, Any]:
        """The run of a record, best first, with logits as scores; of a cascade, with falling ones."""
        scores = ranking.falling()
        rows = [(body["rows"][index][0], score) for index, score in zip(ranking.indices, scores, strict=True)]
        return {"qid": body["qid"], "rows": rows}

    def to_lines(self, value: dict[str, Any]) -> bytes:
        """The lines of a record. Of a repeated document the better score is kept, since evaluators refuse two."""
        rows = sorted(value["rows"], key=lambda row: row[1], reverse=True)
        best: dict[str, float] = {}
        for docid, score in rows:
            best.setdefault(docid, score)
        written, last = [], math.inf
        for rank, (docid, score) in enumerate(best.items(), 1):
            last = min(as_float32(score), below(last))
            written.append(run_line(value["qid"], docid, rank, last, self._tag))
        return "".join(written).encode("utf-8")


def column(name: str | int) -> str:
    """An id as a column of a run. Raises Malformed for an id that would not be one column."""
    text = str(name)
    if not text or not set(BLANKS).isdisjoint(text):
        reason = f"the id {text[:40]!r} cannot be written to a TREC run: it is empty or has white space"
        raise Malformed(reason, content=True)
    if text == COMMENT.decode():
        raise Malformed(f"the id {text!r} cannot be written to a TREC run: it begins a comment", content=True)
    return text


def below(value: float) -> float:
    """The next smaller float32 of a float32.

    >>> below(1.0), below(0.0), below(-1.0)
    (0.9999999403953552, -1.401298464324817e-45, -1.0000001192092896)
    """
    if value == math.inf:
        return value
    (bits,) = struct.unpack("<i", struct.pack("<f", value))
    if value == 0:
        bits = -0x7FFFFFFF  # the smallest negative one
    else:
        bits += -1 if value > 0 else 1
    (smaller,) = struct.unpack("<f", struct.pack("<i", bits))
    return float(smaller)
