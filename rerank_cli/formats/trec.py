"""TREC runs and BEIR folders: a run names the candidates, queries and corpus give their texts.

    q1 Q0 d9 1 12.3 bm25        qid, "Q0", docid, rank, score, tag

Lines that follow each other with an equal qid are one record. Written back as a run. Evaluators ignore its ranks,
compare scores as float32 and break ties by docid, so each line's score is the logit, or the next smaller float32 where
the line before has that already: then our order survives.
"""

import math
import re
import struct
from typing import Any

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.ranking import Ranking, as_float32
from rerank_cli.files.inputs import Inputs
from rerank_cli.formats.columns import COMMENT, LARGEST_SCORE, is_comment, is_run, row_of_run, run_line
from rerank_cli.formats.dropped import Dropped, note_rest, rest_of
from rerank_cli.formats.json_values import BLANKS, Malformed, id_of
from rerank_cli.formats.lookup import Lookup
from rerank_cli.formats.record_format import as_objects, scores_of

FIRST = re.compile(rb"[^\t]+(?=\t)|\s*\S+(?=\s)")  # the first column of a line
HELD = ("id", "query", "candidates", "text", "score", "logit")  # fields that a run holds, or is never expected to


class TrecRun:
    """A record is `qid`, `rows` of docid and score, and the `query` and `docs` that were looked up."""

    candidates_path = "$"
    titled = needs_candidates = True

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        """Index queries and corpus where they are named. Raises ConfigError when a run is read without them."""
        self.hashes: dict[str, str] = {}
        self._scored = write.scored
        self._apart: frozenset[str] = frozenset()  # queries whose lines do not stand together
        self.repeated = 0  # lines that name a document again
        self._queries = self._corpus = None
        if read.run is not None:
            if read.queries is None or not read.corpus:
                raise ConfigError(
                    "--run: a run has no texts", "Name --queries and --corpus, or a BEIR folder as the INPUT."
                )
            self._apart = apart(read.run, read.max_line_bytes)
            self._queries = Lookup([read.queries], read.max_line_bytes, titled=False)
            self._corpus = Lookup(read.corpus, read.max_line_bytes)
            self.hashes = {"queries_sha256": self._queries.sha256, "corpus_sha256": self._corpus.sha256}

    @property
    def notes(self) -> list[str]:
        """What the user should know of the run and the files that are looked into."""
        files = (self._queries, self._corpus)
        notes = [note for file in files if file is not None for note in file.notes]
        if self.repeated:
            notes.append(f"{self.repeated:,} lines of the run name a document twice in a query: the first one counts")
        return notes

    def is_comment(self, raw: bytes) -> bool:
        """Whether a line is a comment, which counts as a blank one."""
        return is_comment(raw)

    def parse_line(self, raw: bytes) -> tuple[str, tuple[str, float]]:
        """A line's key, and what it says. Raises Malformed."""
        row = row_of_run(raw)
        return row.qid, (row.docid, row.score)

    def join_lines(self, key: str | int, rows: list[tuple[str, float]]) -> dict[str, Any]:
        """The record that the lines of one key make. A document counts where it comes first.

        Raises Malformed for what queries or corpus do not have.
        """
        qid = str(key)
        if self._queries is None or self._corpus is None:
            raise ConfigError("a TREC run is read with --run", "Name it so, with --queries and --corpus.")
        if qid in self._apart:
            reason = f"the lines of {qid[:40]!r} do not stand together in the run: sort it by query"
            raise Malformed(reason, content=True)
        query = self._queries.entries([qid]).get(qid)
        if query is None:
            raise self._queries.missing("query", qid)
        scores: dict[str, float] = {}
        for docid, score in rows:
            scores.setdefault(docid, score)
        docs = self._corpus.entries(list(scores))
        for docid in scores:
            if docid not in docs:
                raise self._corpus.missing("document", docid)
        self.repeated += len(rows) - len(scores)
        return {"qid": qid, "query": query["text"], "docs": docs, "rows": list(scores.items())}

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
        """A record: logits count before scores; candidates without either are taken to be best first."""
        candidates = as_objects(record)
        if not candidates:
            raise Malformed("no candidates: a run has no line for such a record", "$.candidates", content=True)
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
        """What a run orders them by. Raises Malformed where only some have a score, or one is beyond float32."""
        given = None
        if not self._scored:
            field, given = scores_of(candidates)
        if given is None:
            return [float(-index) for index in range(len(candidates))]
        for index, score in enumerate(given):
            if not abs(score) < LARGEST_SCORE:
                path = f"$.candidates[{index}].{field}"
                raise Malformed(f"the score {score} is beyond what a run can hold", path, content=True)
        return [float(score) for score in given]

    def key(self, body: dict[str, Any]) -> str:
        """The query's id: lines that follow each other and have the same are one record."""
        return str(body["qid"])

    def with_ranking(self, body: dict[str, Any], ranking: Ranking) -> dict[str, Any]:
        """The run of a record, best first, with the logits as scores."""
        rows = [(body["rows"][index][0], logit) for index, logit in zip(ranking.indices, ranking.logits, strict=True)]
        return {"qid": body["qid"], "rows": rows}

    def to_lines(self, value: dict[str, Any]) -> bytes:
        """The lines of a record. Of a document that is named twice the better score counts: evaluators refuse two."""
        rows = sorted(value["rows"], key=lambda row: row[1], reverse=True)
        best: dict[str, float] = {}
        for docid, score in rows:
            best.setdefault(docid, score)
        written, last = [], math.inf
        for rank, (docid, score) in enumerate(best.items(), 1):
            last = min(as_float32(score), below(last))
            written.append(run_line(value["qid"], docid, rank, last))
        return "".join(written).encode("utf-8")


def apart(run: str, max_line_bytes: int) -> frozenset[str]:
    """The queries of a run that come again behind another one: each of them would become several records.

    Written as a run again, their documents could stand twice in one query. A pipe is not looked at.
    """
    inputs = Inputs((run,))
    if run == "-" or inputs.sources[0].size is None:
        return frozenset()
    seen: set[int] = set()  # hashes: about 60 bytes a query
    again, last = set(), ""
    for line in inputs.lines(max_line_bytes):
        if is_comment(line.raw) or not (first := FIRST.match(line.raw)):
            continue
        qid = first[0].strip().decode("utf-8", "replace")
        if qid != last and is_run(line.raw):
            last = qid
            if hash(qid) in seen:
                again.add(qid)
            seen.add(hash(qid))
    return frozenset(again)


def column(name: str | int) -> str:
    """An id as a column of a run. Raises Malformed for one with ASCII white space, which would be two columns."""
    text = str(name)
    if not text or not set(BLANKS).isdisjoint(text):
        reason = f"the id {text[:40]!r} cannot stand in a TREC run: it is empty or has white space in it"
        raise Malformed(reason, content=True)
    if text == COMMENT.decode():
        raise Malformed(f"the id {text!r} cannot stand in a TREC run: it begins a comment", content=True)
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
