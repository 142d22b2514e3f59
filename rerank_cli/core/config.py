"""The options of a run, resolved once into frozen values. Nothing reads options or the environment later.

Each group goes to the wing that needs it: reading and writing to formats, model to engines, batching to reranking,
files to the output protocol. In batching, `None` means a default that depends on the device.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from rerank_cli.core.stages import Fusion

DEFAULT_MODEL = "BAAI/bge-reranker-v2-m3"

ScoreKind = Literal["sigmoid", "logit"]
LongDocs = Literal["truncate", "chunk", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadConfig:
    """Which records are read, and the fields that hold their texts (dotted paths)."""

    inputs: tuple[str, ...] = ("-",)
    input_named: bool = True  # False: standard input because no INPUT was named; it must not be empty
    format: str = "auto"
    query_field: str = "query"
    candidates_field: str = "candidates"
    text_field: str = "text"
    id_field: str = "id"
    columns: str | None = None  # names of CSV columns, separated by commas, for rows without a header
    candidate_id_field: str = "id"
    limit: int | None = None
    sample: int | None = None  # so many of the records, drawn at random
    seed: int = 0  # of that
    max_line_bytes: int = 64 * 1024 * 1024
    max_candidates: int | None = None
    run: str | None = None  # a run, read instead of `inputs`, with the files that hold its texts
    run_columns: tuple[str, ...] = ()  # names of its columns, for a run without a header
    skip_self: bool = False  # skip the document whose id is the query's
    queries: tuple[str, ...] = ()
    corpus: tuple[str, ...] = ()
    folder: str | None = None  # the BEIR folder that holds them
    query_template: str | None = None
    doc_template: str | None = None
    composed: tuple[tuple[str | None, str | None], ...] = ()  # templates of the stages, for query and document
    need_scores: bool = False  # every candidate must have a score in the input
    need_texts: bool = True  # False: candidates may lack their texts, as after --no-text; only id and position count

    @property
    def has_own_fields(self) -> bool:
        """Whether a field of native records has another name than the default."""
        of_records = (self.query_field, self.candidates_field, self.id_field)
        of_candidates = (self.text_field, self.candidate_id_field)
        return (of_records, of_candidates) != (("query", "candidates", "id"), ("text", "id"))

    @property
    def sources(self) -> tuple[str, ...]:
        """The files that are read line by line."""
        return self.inputs if self.run is None else (self.run,)

    @property
    def files(self) -> tuple[str, ...]:
        """All files that are read."""
        return (*self.sources, *self.queries, *self.corpus)


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteConfig:
    """What is written of a ranking, and the unit of its score."""

    format: str = "same"
    top_k: int | None = None
    min_score: float | None = None
    no_text: bool = False
    score: ScoreKind = "sigmoid"
    digits: int | None = None  # significant ones of scores and logits; None: as many as tell them apart
    tag: str = "rerank"  # last column of a run
    model: str = ""  # the model's name in API responses
    scored: bool = False  # a new ranking will be written, so scores of the input are ignored
    score_chosen: bool = False  # `score` is the user's choice, not a default
    fusion: Fusion | None = None  # of the last stage with the one before
    stages: int = 1
    keeps_all: bool = False  # no stage of a cascade drops a candidate
    drop: bool = False  # leave out what the last stage did not score


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Which model scores, on which device, with how many tokens."""

    model: str = DEFAULT_MODEL
    revision: str | None = None
    offline: bool = False
    verify: bool = False  # hash large files again, whatever was noted of them
    engine: str = "auto"
    device: str = "auto"
    dtype: str = "auto"
    max_length: int = 1024
    query_max_length: int = 256
    threads: int | None = None
    long_docs: LongDocs = "truncate"
    chunk_overlap: int = 64
    label: int | None = None  # that is ranked by, of a classifier with several
    prompt: str | None = None  # of a reranker that answers yes or no: a name, or a JSON file
    instruction: str | None = None  # that is written into the prompt
    vectors: bool = False  # vectors of documents are kept across runs, as float16
    api: str | None = None  # the profile of a server that gives the scores
    api_key_file: str | None = None
    concurrency: int = 8  # requests in flight
    requests_per_minute: float | None = None
    requested: tuple[str, ...] = ()  # names of fields that the user chose: what is done with these is worth a note


@dataclass(frozen=True, slots=True, kw_only=True)
class StageConfig:
    """A stage of a cascade: its model (None: the scores of the input), and how many candidates it keeps (None: all)."""

    model: ModelConfig | None
    keep: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchConfig:
    """Tokens per batch and tokens per window; None: the default of the device."""

    batch_tokens: int | None = None
    window_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class ErrorLimit:
    """How many failed records stop the run: a count, a percentage of the records read, or no limit."""

    count: int | None = None
    percent: float | None = None

    PERCENT_FROM = 100  # records read before a percentage is checked

    def exceeded(self, failed: int, read: int) -> bool:
        """Whether `failed` of `read` records are too many."""
        if self.count is not None:
            return failed > self.count
        if self.percent is not None and read >= self.PERCENT_FROM:
            return failed > read * self.percent / 100
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileConfig:
    """Where the output goes, whether existing files there may be replaced, and where scores and vectors are kept."""

    output: str = "-"
    errors: str | None = None
    stats: str | None = None
    overwrite: bool = False
    resume: bool = False
    score_cache: str | None = None  # the folder of scores that stay across runs
    vectors: str | None = None  # the folder of vectors of documents that stay across runs
    cache_gb: float = 10.0  # most of each, in 10^9 bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """Where the values of a run came from. Two runs that differ in this alone are the same run."""

    config_file: str | None = None  # as named with --config
    config_file_sha256: str | None = None
    sources: Mapping[str, str] = field(default_factory=dict)  # flag, environment or file, of what is no default


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """The complete configuration of a `rerank score` run."""

    read: ReadConfig = field(default_factory=ReadConfig)
    write: WriteConfig = field(default_factory=WriteConfig)
    model: ModelConfig = field(default_factory=ModelConfig)  # of a cascade, that of its last stage
    stages: tuple[StageConfig, ...] = ()  # of a cascade, the last one included
    batch: BatchConfig = field(default_factory=BatchConfig)
    files: FileConfig = field(default_factory=FileConfig)
    error_limit: ErrorLimit = field(default_factory=ErrorLimit)
    origins: Origins = field(default_factory=Origins)
