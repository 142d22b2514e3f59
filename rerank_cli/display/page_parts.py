"""The parts of a page: a section for each result, with its table of queries."""

from dataclasses import dataclass, field

from rerank_cli.display.page_charts import Intervals
from rerank_cli.display.page_moved import Moved
from rerank_cli.evaluation.evaluate import Difference

QUERY = 110  # characters of a query in a table
TIP = 80  # characters of a query where it is pointed at
ID = 40  # characters of an id
MARKS = str.maketrans("", "", "\u200e\u200f\u061c")  # of direction, which each text has on its own in a page

WIDEST_ID = 20  # characters in a line: longer ids take several


@dataclass(frozen=True, slots=True)
class QueryRow:
    """A query in the table of all: its figures are text."""

    qid: str
    query: str
    figures: list[str]


@dataclass(frozen=True, slots=True)
class QueryTable:
    """All queries: rows ascend by the figure number `sorted_by`."""

    columns: list[str]
    rows: list[QueryRow]
    sorted_by: int
    title: str = "All queries"

    @property
    def has_texts(self) -> bool:
        """Whether a query has a text."""
        return any(row.query for row in self.rows)

    @property
    def id_width(self) -> int:
        """The width of the column of ids, in characters."""
        return max(4, min(WIDEST_ID, max((len(row.qid) for row in self.rows), default=0)))


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure of two rankings, and what it means."""

    name: str
    value: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing with what its two axes are."""

    title: str
    vertical: str
    horizontal: str
    drawing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What a page shows of a result. `result` are sentences, the most important first; `counts` come last.

    `sides` define the `names` of the two columns of means.
    """

    title: str
    result: list[str]
    queries: QueryTable
    names: tuple[str, str] = ("before", "after")
    sides: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    means: dict[str, float] = field(default_factory=dict)
    facts: list[Fact] = field(default_factory=list)
    chart: Chart | None = None
    moved: Moved | None = None
    counts: list[str] = field(default_factory=list)

    @property
    def lettered(self) -> bool:
        """Whether the result names the sides by letters, which are defined above it then."""
        return self.names != ("before", "after")

    @property
    def intervals(self) -> Intervals:
        """The intervals of the differences, on one scale."""
        return Intervals(self.differences)
