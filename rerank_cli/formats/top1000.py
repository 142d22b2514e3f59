"""MS MARCO's top1000: what a first stage found, with its texts, one passage a line and tabs between the columns.

    188714  1000052  foods that lower blood sugar  Watch portion sizes: …        qid, pid, query, passage

There is no header and no quoting: a double quote is a part of a text. Lines that follow each other with an equal qid
are one record. What a ranking of it is written as is a TREC run, which evaluators take: readers of this format take
four columns and no more, so it has no place for a score.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.ranking import Ranking
from rerank_cli.files.inputs import Inputs
from rerank_cli.formats.apart import Apart
from rerank_cli.formats.dropped import Dropped, note_rest
from rerank_cli.formats.json_values import Malformed, check_utf8, id_of
from rerank_cli.formats.pair_rows import refuse_two_queries
from rerank_cli.formats.record_format import as_objects
from rerank_cli.formats.trec import TrecRun, column

COLUMNS = "qid pid query passage"


class Top(NamedTuple):
    """A query, and the ids and texts of its passages."""

    qid: str
    query: str
    passages: list[tuple[str, str]]


class Top1000:
    """Lines of four columns. A record is a `Top`; a ranking of it is one of TREC's."""

    candidates_path = "$"
    titled, needs_candidates = False, True

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        self.hashes: dict[str, str] = {}
        self._run = TrecRun(ReadConfig(), write)
        self._apart = Apart(None, "input")

    def begin(self, inputs: Inputs, limit: int) -> None:
        """Look over the inputs, for queries whose lines do not stand together."""
        if inputs.resumable:
            paths = tuple([source.path for source in inputs.sources])
            self._apart = Apart(_qids(Inputs(paths), limit), "input")

    def parse_line(self, raw: bytes) -> tuple[str, tuple[str, str, str]]:
        """A line's query id; and its passage id, query and passage. Raises Malformed."""
        check_utf8(raw)
        columns = raw.decode("utf-8").removesuffix("\r").split("\t")
        if len(columns) != 4:
            raise Malformed(f"{len(columns)} columns with tabs between them, expected 4 ({COLUMNS})")
        qid, pid, query, passage = columns
        return column(qid), (column(pid), query, passage)

    def join_lines(self, key: str, rows: list[tuple[str, str, str]]) -> Top:
        """The record that the lines of one query make. Raises Malformed for lines of it elsewhere, and two queries."""
        self._apart.refuse(key)
        refuse_two_queries(key, [query for _, query, _ in rows])
        return Top(key, rows[0][1], [(pid, passage) for pid, _, passage in rows])

    def to_native(self, body: Top, dropped: Dropped | None = None) -> dict[str, Any]:
        """The native record of a request."""
        candidates = [{"id": pid, "text": passage} for pid, passage in body.passages]
        return {"id": body.qid, "query": body.query, "candidates": candidates}

    def from_native(self, record: dict[str, Any], dropped: Dropped | None = None) -> Top:
        """A record from a native one. Raises Malformed for texts with a tab or a newline."""
        candidates = as_objects(record)
        if not candidates:
            raise Malformed(
                "no candidates: ms-marco-top1000 has no line for such a record", "$.candidates", content=True
            )
        note_rest(record, ("id", "query", "candidates"), dropped)
        passages = []
        for index, each in enumerate(candidates):
            note_rest(each, ("id", "text"), dropped, "candidates[].")
            path = f"$.candidates[{index}]"
            passages.append((column(id_of(each, path, "ms-marco-top1000")), _cell(each["text"], f"{path}.text")))
        return Top(column(id_of(record, "$", "ms-marco-top1000")), _cell(record["query"], "$.query"), passages)

    def key(self, body: Top) -> str:
        """The query's id: records of one id, one after the other, would be read as one."""
        return body.qid

    def with_ranking(self, body: Top, ranking: Ranking) -> dict[str, Any]:
        """The run of a record, best first, with the logits as scores."""
        return self._run.with_ranking({"qid": body.qid, "rows": body.passages}, ranking)

    def to_lines(self, value: Top | dict[str, Any]) -> bytes:
        """The lines of a record, or those of a run for a ranking."""
        if not isinstance(value, Top):
            return self._run.to_lines(value)
        lines = (f"{value.qid}\t{pid}\t{value.query}\t{passage}\n" for pid, passage in value.passages)
        return "".join(lines).encode("utf-8")


def _cell(text: str, path: str) -> str:
    """A text as a column. Raises Malformed for one with a tab or a line end in it, which nothing can quote."""
    if any(sign in text for sign in "\t\n\r"):
        raise Malformed("a tab or a line end in the text, which ms-marco-top1000 cannot hold", path, content=True)
    return text


def _qids(inputs: Inputs, limit: int) -> Iterator[str]:
    for line in inputs.lines(limit):
        if line.raw.count(b"\t") == 3 and not line.too_long:
            yield line.raw.partition(b"\t")[0].decode("utf-8", "replace")
