"""Which models run, and how a given model would be run here: by its small files alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import RerankError
from rerank_cli.engines.bi_encoder import open_bi_encoder
from rerank_cli.engines.choice import Expected, engine_for, expected_run, refuse_options
from rerank_cli.engines.cross_encoder import open_cross_encoder
from rerank_cli.engines.known_scores import known_by_name, known_models
from rerank_cli.engines.machine import likely_device
from rerank_cli.engines.memory import estimated_memory, machine_memory, weights_in_memory
from rerank_cli.models.catalog import FAMILIES, Family, ListedModel, is_non_commercial, listed_model
from rerank_cli.models.declared import BI_ENCODER
from rerank_cli.models.find import SmallFiles, find_small_files
from rerank_cli.models.folder import LARGE, ModelFolder, inspect_folder
from rerank_cli.models.summary import Summary, summary_of

ORACLE = "random weights against sentence-transformers"


@dataclass(frozen=True, slots=True)
class Row:
    """A model of the list. `engine` is that of `--engine auto` here, `scores` the number of published scores."""

    family: str
    model: ListedModel
    engine: str
    scores: int
    tested: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """How a model would be run. `refusal` says why it would not, and what to do; then `run` is None.

    `max_length` and `query_max_length` are tokens. `needed` is the estimated memory in bytes, `needed_once` that of a
    first run, which may convert the model, `weights` that of the weights alone, `there` that of the machine; None where
    it is not known.
    """

    name: str
    files: SmallFiles
    summary: Summary | None
    weight_bytes: int | None
    run: Expected | None
    refusal: RerankError | None
    max_length: int | None = None
    query_max_length: int | None = None
    weights: int | None = None
    needed: int | None = None
    needed_once: int | None = None
    there: int | None = None
    notes: Sequence[str] = ()
    scores: int = 0
    licence: str | None = None

    @property
    def non_commercial(self) -> bool:
        """Whether the licence forbids commercial use."""
        return self.licence is not None and is_non_commercial(self.licence)


def rows() -> Iterator[Row]:
    """The list of models, by family."""
    published = known_models()
    for family in FAMILIES:
        for model in family.models:
            scores = len(published[model.name].scores) if model.name in published else 0
            yield Row(family.name, model, _engine(family, model), scores, ORACLE)


def _engine(family: Family, model: ListedModel) -> str:
    """The engine of `--engine auto` on this machine, for weights in float32 on disk."""
    if family.kind == BI_ENCODER:
        return "bi-encoder"
    config = ModelConfig(device=likely_device("auto"))
    large = model.parameters * 4e6 > LARGE
    return engine_for(config, family.model_type, large=large)[0]


def describe(config: ModelConfig) -> Description:
    """How a model would be run with these options. Raises what `find_model` raises for one that cannot be found."""
    refuse_options(config)
    files = find_small_files(config)
    summary, refusal = None, None
    folder: ModelFolder | None = None
    run: Expected | None = None
    try:
        summary = summary_of(files.path)
        folder = inspect_folder(
            config.model, files.path, files.revision, config.engine, to_download=files.to_download or 0
        )
        run = expected_run(config, folder)
    except RerankError as fault:
        refusal = fault
    published = known_by_name(config.model)
    listed = listed_model(config.model)
    return Description(
        name=config.model,
        files=files,
        summary=summary,
        weight_bytes=None if folder is None else folder.weight_bytes,
        run=run,
        refusal=refusal,
        there=machine_memory(),
        scores=len(published.scores) if published else 0,
        licence=(summary.licence if summary else None) or (listed.licence if listed else None),
        **(_sizes(config, folder, summary, run) if folder and summary and run else {}),
    )


def _sizes(config: ModelConfig, folder: ModelFolder, summary: Summary, run: Expected) -> dict[str, Any]:
    """The lengths and the memory of a run."""
    found: dict[str, Any] = {"weights": weights_in_memory(folder, run.dtype)}
    if run.device == "cpu" and summary.parameters is not None:
        found["needed"], found["needed_once"] = (
            estimated_memory(run.engine, run.dtype, summary.parameters, converts=converts)
            for converts in (False, folder.graph is None)
        )
    if summary.positions is not None:  # otherwise transformers would have to be asked
        open_model: Any = open_bi_encoder if run.engine == "bi-encoder" else open_cross_encoder
        model = open_model(config, folder)
        found |= {"max_length": model.lengths.pair, "query_max_length": model.lengths.query, "notes": model.notes}
    return found
