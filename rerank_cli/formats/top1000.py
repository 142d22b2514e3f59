"""MS MARCO's top1000: the results of a first stage with their texts, one tab-separated passage per line.

    188714  1000052  foods that lower blood sugar  Watch portion sizes: …        qid, pid, query, passage

There is no header and no quoting: a double quote is part of a text. Adjacent lines with the same qid are one record. A
ranking is written as a TREC run, since this format has four columns and cannot hold a score.
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
from rerank_cli.formats.per_group import GroupedRecordFormat
from rerank_cli.formats.record_format import as_objects
from rerank_cli.formats.trec import TrecRun, column

COLUMNS = "qid pid query passage"


class Top(NamedTuple):
    """A query with the ids and texts of its passages."""

    qid: str
    query: str
    passages: list[tuple[str, str]]


class Top1000(GroupedRecordFormat):
    """Lines with four columns. A record is a `Top`; its ranking is a TREC run."""

    candidates_path = "$"
    titled, needs_candidates = False, True

    def __init__(self, read: ReadConfig, write: WriteConfig) -> None:
        self.hashes: dict[str, str] = {}
        self._run = TrecRun(ReadConfig(), write)
        self._apart = Apart(None, "input")

    def begin(self, inputs: Inputs, limit: int) -> None:
        """Scan the inputs for queries whose lines are not adjacent."""
        if inputs.resumable:
            paths = tuple([source.path for source in inputs.sources])
            self._apart = Apart(_qids(Inputs(paths), limit), "input")

    def parse_line(self, raw: bytes) -> tuple[str, tuple[str, str, str]]:
        """The query id of a line; its passage id, query and passage. Raises Malformed."""
        check_utf8(raw)
        columns = raw.decode("utf-8").removesuffix("\r").split("\t")
        if len(columns) != 4:
            raise Malformed(f"{len(columns)} columns separated by tabs, expected 4 ({COLUMNS})")
        qid, pid, query, passage = columns
        return column(qid), (column(pid), query, passage)

    def join_lines(self, key: str, rows: list[tuple[str, str, str]]) -> Top:
        """The record of the lines of one query. Raises Malformed if they are not adjacent or have two queries."""
        self._apart.refuse(key)
        refuse_two_queries(key, [query for _, query, _ in rows])
        return Top(key, rows[0][1], [(pid, passage) for pid, _, passage in rows])

    def to_native(self, body: Top, dropped: Dropped | None = None) -> dict[str, Any]:
        """The native record of a request."""
        candidates = [{"id": pid, "text": passage} for pid, passage in body.passages]
        return {"id": body.qid, "query": body.query, "candidates": candidates}

    def from_native(self, record: dict[str, Any], dropped: Dropped | None = None) -> Top:
        """A record of this format from a native one. Raises Malformed for texts with a tab or a newline."""
        candidates = as_objects(record)
        if not candidates:
            raise Malformed("no candidates: ms-marco-top1000 cannot hold such a record", "$.candidates", content=True)
        note_rest(record, ("id", "query", "candidates"), dropped)
        passages = []
        for index, each in enumerate(candidates):
            note_rest(each, ("id", "text"), dropped, "candidates[].")
            path = f"$.candidates[{index}]"
            passages.append((column(id_of(each, path, "ms-marco-top1000")), _cell(each["text"], f"{path}.text")))
        return Top(column(id_of(record, "$", "ms-marco-top1000")), _cell(record["query"], "$.query"), passages)

    def key(self, body: Top) -> str:
        """The id of the query. Adjacent records with the same id would be read as one."""
        return body.qid

    def with_ranking(self, body: Top, ranking: Ranking) -> dict[str, Any]:
        """The TREC run of a record, best first, with logits as scores."""
        return self._run.with_ranking({"qid": body.qid, "rows": body.passages}, ranking)

    def to_lines(self, value: Top | dict[str, Any]) -> bytes:
        """The lines of a record, or of a TREC run for a ranking."""
        if not isinstance(value, Top):
            return self._run.to_lines(value)
        lines = (f"{value.qid}\t{pid}\t{value.query}\t{passage}\n" for pid, passage in value.passages)
        return "".join(lines).encode("utf-8")


def _cell(text: str, path: str) -> str:
    """A text as a column. Raises Malformed for one with a tab or a line end, since there is no quoting."""
    if any(sign in text for sign in "\t\n\r"):
        raise Malformed("a tab or a line end in the text, which ms-marco-top1000 cannot hold", path, content=True)
    return text


def _qids(inputs: Inputs, limit: int) -> Iterator[str]:
    for line in inputs.lines(limit):
        if line.raw.count(b"\t") == 3 and not line.too_long:
            yield line.raw.partition(b"\t")[0].decode("utf-8", "replace")
