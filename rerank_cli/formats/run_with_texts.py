"""Read a run with the texts of its queries and documents."""

from typing import Any

from rerank_cli.core.config import ReadConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.files.inputs import Inputs
from rerank_cli.formats.apart import Apart
from rerank_cli.formats.columns import RunRow
from rerank_cli.formats.json_values import Malformed
from rerank_cli.formats.kinds import STDIN, refuse_misplaced
from rerank_cli.formats.lookup import Lookup
from rerank_cli.formats.run_layouts import NAME_COLUMNS, RunLayout, layout_of_run
from rerank_cli.formats.run_survey import GUESSED, Grades, is_guessed, survey

SELVES = "have the id of their query"


class RunWithTexts:
    """A scanned run with its indexed queries and corpus. Used by one thread at a time."""

    def __init__(self, read: ReadConfig) -> None:
        """Raises ConfigError for a run without texts, and for one that needs --run-columns."""
        if read.run is None or not read.queries or not read.corpus:
            raise ConfigError("--run needs texts", "Add --queries and --corpus, or a BEIR folder as the INPUT.")
        self._name = STDIN if read.run == "-" else read.run
        self._named = read.run_columns
        self._layout: RunLayout | None = None
        self._apart, self._grades = Apart(None, "run"), False
        if Inputs((read.run,)).resumable:
            self._layout, self._apart, self._grades = survey(read.run, read.run_columns, read.max_line_bytes)
        self._repeated = 0  # lines that repeat a document
        self._skip_self = read.skip_self
        self._records, self._selves = 0, 0  # queries, and those that are among their own documents
        self._queries = Lookup(read.queries, read.max_line_bytes, titled=False)
        self._corpus = Lookup(read.corpus, read.max_line_bytes)
        self.hashes = {"queries_sha256": self._queries.sha256, "corpus_sha256": self._corpus.sha256}

    @property
    def notes(self) -> list[str]:
        """Notes for the user on the run and its texts."""
        notes = [GUESSED] if self._layout is not None and is_guessed(self._layout) else []
        notes += [f"the run: {Grades.NOTE}"] if self._grades else []
        notes += [*self._queries.notes, *self._corpus.notes]
        if self._repeated:
            notes.append(f"{self._repeated:,} lines of the run repeat a document of their query: the first line counts")
        if self._selves and self._skip_self:
            notes.append(f"{self._selves:,} documents {SELVES} and were skipped (--skip-self)")
        elif self._selves * 2 > self._records:
            notes.append(f"{self._selves:,} documents {SELVES}: if they are the query itself, --skip-self skips them")
        return notes

    def is_header(self, raw: bytes) -> bool:
        """Whether a line is the header."""
        try:
            return raw == self._layout_by(raw).header
        except Malformed:
            return False

    def row(self, raw: bytes) -> RunRow:
        """Parse a line. Raises Malformed."""
        return self._layout_by(raw).row(raw)

    def _layout_by(self, raw: bytes) -> RunLayout:
        """The layout of the run; for a pipe it is detected from the first line."""
        if self._layout is None:
            try:
                layout = layout_of_run(raw, self._named)
            except Malformed:
                refuse_misplaced([raw], self._name, "a run")
                raise
            if is_guessed(layout):
                raise ConfigError(
                    "--run: three columns without a header, and a pipe cannot be scanned for ranks", NAME_COLUMNS
                )
            self._layout = layout
        return self._layout

    def record(self, qid: str, rows: list[tuple[str, float]]) -> dict[str, Any]:
        """The record of a query and its documents with their scores. Of a repeated document the first line counts.

        Raises Malformed for missing texts, and for a query whose lines are not adjacent.
        """
        self._apart.refuse(qid)
        rows = self._without_self(qid, rows)
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
        self._repeated += len(rows) - len(scores)
        return {"qid": qid, "query": query["text"], "docs": docs, "rows": list(scores.items())}

    def _without_self(self, qid: str, rows: list[tuple[str, float]]) -> list[tuple[str, float]]:
        """The documents of a query, without the query itself if --skip-self. Raises Malformed when none is left."""
        others = [row for row in rows if row[0] != qid]
        self._records, self._selves = self._records + 1, self._selves + (len(others) < len(rows))
        if not self._skip_self:
            return rows
        if not others:
            raise Malformed(f"no document but the query itself, {qid[:40]!r} (--skip-self)", content=True)
        return others
