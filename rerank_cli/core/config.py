"""What the user asked for, resolved once into frozen values; nothing reads options or the environment later.

Each group goes to the wing that needs it: reading and writing to formats, model to engines, batching to reranking,
files to the output protocol. `None` in batching means "decide by the device".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

DEFAULT_MODEL = "BAAI/bge-reranker-v2-m3"

ScoreKind = Literal["sigmoid", "logit"]
LongDocs = Literal["truncate", "chunk", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadConfig:
    """Which records are read, and where in them the texts are (fields are dotted paths)."""

    inputs: tuple[str, ...] = ("-",)
    format: str = "auto"
    query_field: str = "query"
    candidates_field: str = "candidates"
    text_field: str = "text"
    id_field: str = "id"
    columns: str | None = None  # the names of CSV's columns, with commas, where no header has them
    candidate_id_field: str = "id"
    limit: int | None = None
    sample: int | None = None  # so many of the records, drawn at random
    seed: int = 0  # of that
    max_line_bytes: int = 64 * 1024 * 1024
    max_candidates: int | None = None
    run: str | None = None  # a run, read instead of `inputs`, with the files that hold its texts
    run_columns: tuple[str, ...] = ()  # names of its columns, where nothing else tells them
    skip_self: bool = False  # the document whose id is the query's is left out
    queries: tuple[str, ...] = ()
    corpus: tuple[str, ...] = ()
    folder: str | None = None  # the BEIR folder that these were found in
    query_template: str | None = None
    doc_template: str | None = None
    need_texts: bool = True  # False: a candidate may lack its text, as after --no-text; only its id and place count

    @property
    def has_own_fields(self) -> bool:
        """Whether the fields of native records have other names than usual."""
        of_records = (self.query_field, self.candidates_field, self.id_field)
        of_candidates = (self.text_field, self.candidate_id_field)
        return (of_records, of_candidates) != (("query", "candidates", "id"), ("text", "id"))

    @property
    def sources(self) -> tuple[str, ...]:
        """What is read line by line."""
        return self.inputs if self.run is None else (self.run,)

    @property
    def files(self) -> tuple[str, ...]:
        """Everything that is read."""
        return (*self.sources, *self.queries, *self.corpus)


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteConfig:
    """What of a ranking is written, and in which units its score is."""

    format: str = "same"
    top_k: int | None = None
    min_score: float | None = None
    no_text: bool = False
    score: ScoreKind = "sigmoid"
    digits: int | None = None  # significant ones of scores and logits; None: as many as tell them apart
    tag: str = "rerank"  # last column of a run
    model: str = ""  # as the answers of APIs name it
    scored: bool = False  # a ranking will be written, so scores of the input decide nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Which model scores, on what, with how many tokens."""

    model: str = DEFAULT_MODEL
    revision: str | None = None
    offline: bool = False
    engine: str = "auto"
    device: str = "auto"
    dtype: str = "auto"
    max_length: int = 1024
    query_max_length: int = 256
    threads: int | None = None
    long_docs: LongDocs = "truncate"
    chunk_overlap: int = 64
    requested: tuple[str, ...] = ()  # names of fields that the user chose: what is done with these is worth a note


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchConfig:
    """Tokens a batch and tokens a window; None = by the device."""

    batch_tokens: int | None = None
    window_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class ErrorLimit:
    """How many failed records end the run: a count, a percentage of the records read, or no limit."""

    count: int | None = None
    percent: float | None = None

    PERCENT_FROM = 100  # a percentage says nothing about the first few records

    def exceeded(self, failed: int, read: int) -> bool:
        """Whether `failed` of `read` records are too many."""
        if self.count is not None:
            return failed > self.count
        if self.percent is not None and read >= self.PERCENT_FROM:
            return failed > read * self.percent / 100
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileConfig:
    """Where the output goes and what may happen to files found there."""

    output: str = "-"
    errors: str | None = None
    stats: str | None = None
    overwrite: bool = False
    resume: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """Where the values of a run came from. Two runs that differ in this alone are the same run."""

    config_file: str | None = None  # as named with --config
    config_file_sha256: str | None = None
    sources: Mapping[str, str] = field(default_factory=dict)  # flag, environment or file, of what is no default


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """One whole run of `rerank score`."""

    read: ReadConfig = field(default_factory=ReadConfig)
    write: WriteConfig = field(default_factory=WriteConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    files: FileConfig = field(default_factory=FileConfig)
    error_limit: ErrorLimit = field(default_factory=ErrorLimit)
    origins: Origins = field(default_factory=Origins)
