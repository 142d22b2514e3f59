"""Which models run, and how a given model would be run here, without loading it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ModelError, RerankError
from rerank_cli.engines.choice import ENGINE_OF_KIND, Expected, engine_for, expected_run, refuse_options
from rerank_cli.engines.known_scores import known_by_name, known_models
from rerank_cli.engines.machine import likely_device
from rerank_cli.engines.memory import BYTES, estimated_memory, machine_memory, weights_in_memory
from rerank_cli.engines.registry import ENGINES
from rerank_cli.engines.text_models import open_text_model
from rerank_cli.models.catalog import FAMILIES, Family, ListedModel, is_non_commercial, listed_model
from rerank_cli.models.config_json import advice_on_architecture
from rerank_cli.models.declared import BI_ENCODER, YES_NO
from rerank_cli.models.find import SmallFiles, find_small_files
from rerank_cli.models.folder import LARGE, ModelFolder, inspect_folder
from rerank_cli.models.lengths import states_positions
from rerank_cli.models.libraries import has_architecture, version_of
from rerank_cli.models.prompt_tokens import refuse_other_tokenizer
from rerank_cli.models.prompts import prompt_of_model
from rerank_cli.models.summary import Summary, summary_of, template_of


@dataclass(frozen=True, slots=True)
class Row:
    """A model of the list. `engine` is that of `--engine auto` here, `scores` the number of published scores.

    `graphs_tested`: graphs of its architecture are compared with torch.
    """

    family: str
    model: ListedModel
    engine: str
    scores: int
    graphs_tested: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """How a model would be run. `refusal` says why it would not, and what to do; then `run` may be None.

    `template` is how texts are put together, with the tokens around them. `max_length` and `query_max_length` are
    tokens. `needed` is the estimated memory in bytes, `needed_once` that of a first run, which may convert the model,
    `weights` that of the weights alone, `there` that of the machine; None where it is not known.
    """

    name: str
    files: SmallFiles
    summary: Summary | None = None
    weight_bytes: int | None = None
    parameters: int | None = None
    template: str | None = None
    run: Expected | None = None
    refusal: RerankError | None = None
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
    def non_commercial(self) -> bool | None:
        """Whether the licence forbids commercial use; None if it is not known."""
        return None if self.licence is None else is_non_commercial(self.licence)


def rows() -> Iterator[Row]:
    """The list of models, by family."""
    published = known_models()
    for family in FAMILIES:
        compared = any(family.model_type in engine.compared_with_torch for engine in ENGINES.values())
        for model in family.models:
            scores = len(published[model.name].scores) if model.name in published else 0
            yield Row(family.name, model, _engine(family, model), scores, compared)


def _engine(family: Family, model: ListedModel) -> str:
    """The engine of `--engine auto` on this machine, for weights in float32 on disk."""
    if family.kind in ENGINE_OF_KIND:
        return ENGINE_OF_KIND[family.kind][0]
    config = ModelConfig(device=likely_device("auto"))
    large = model.parameters * 4e6 > LARGE
    return engine_for(config, family.model_type, large=large)[0]


def describe(config: ModelConfig) -> Description:
    """How a model would be run with these options. Raises what `find_model` raises for one that cannot be found."""
    refuse_options(config)
    files = find_small_files(config)
    listed = listed_model(config.model)
    found: dict[str, Any] = {"there": machine_memory(), "licence": listed.licence if listed else None}
    try:
        summary = summary_of(files.path)
        parameters = summary.parameters or (round(listed.parameters * 1e6) if listed else None)
        found |= {"summary": summary, "parameters": parameters, "licence": summary.licence or found["licence"]}
        found["template"], of_tokenizer = _template(files.path, _kind(summary.kind, config), summary.config)
        folder = inspect_folder(config, files.path, files.revision, files.to_download or 0)
        found["weight_bytes"] = folder.weight_bytes
        _refuse_unknown(folder)
        if of_tokenizer is not None:
            raise of_tokenizer
        if folder.question is not None:
            found["template"] = f"the prompt {folder.question.prompt.name}"
        found["run"] = run = expected_run(config, folder)
        found |= _memory(folder, parameters, run) | _lengths(config, folder)
        if run.engine != "bi-encoder" and (known := known_by_name(config.model)) is not None:
            found["scores"] = len(known.scores)
    except RerankError as fault:
        found["refusal"] = fault
    return Description(name=config.model, files=files, **found)


def _kind(kind: str, config: ModelConfig) -> str:
    """The kind that a model is used as."""
    if config.engine == BI_ENCODER:
        return BI_ENCODER
    return YES_NO if config.prompt is not None or prompt_of_model(config.model) is not None else kind


def _template(path: Path, kind: str, config: dict[str, Any]) -> tuple[str | None, ModelError | None]:
    """The template of a model, or what is wrong with its tokenizer: a start checks other files first."""
    try:
        return template_of(path, kind, config), None
    except ModelError as fault:
        return None, fault


def _refuse_unknown(folder: ModelFolder) -> None:
    """Raises ModelError for an architecture that transformers does not have, as a start does."""
    model_type = folder.config.get("model_type")
    if not has_architecture(str(model_type)):
        raise ModelError(
            f"{folder.path / 'config.json'}: transformers {version_of('transformers')} has no {model_type!r}",
            advice_on_architecture(model_type),
        )


def _memory(folder: ModelFolder, parameters: int | None, run: Expected) -> dict[str, Any]:
    """The memory of a run."""
    weights = weights_in_memory(folder, run.dtype)
    if weights is None and parameters is not None:
        weights = parameters * BYTES[run.dtype]
    needed = once = None
    if run.device == "cpu" and parameters is not None:
        needed = estimated_memory(run.engine, run.dtype, parameters)
        once = estimated_memory(run.engine, run.dtype, parameters, converts=folder.graph is None)
    return {"weights": weights, "needed": needed, "needed_once": once}


def _lengths(config: ModelConfig, folder: ModelFolder) -> dict[str, Any]:
    """The lengths of a run, and what it would say. Nothing where transformers would have to be asked."""
    if not states_positions(folder.config):
        return {}
    model = open_text_model(config, folder)
    if folder.question is not None:
        refuse_other_tokenizer(folder.path / "tokenizer.json", folder.question, model.lengths)
    return {"max_length": model.lengths.pair, "query_max_length": model.lengths.query, "notes": model.notes}
