"""Choose and open an engine: the requested one, or the one of `auto`.

Engines are imported only here, when they are opened, so that commands without scoring never import torch.
"""

from dataclasses import dataclass, replace
from importlib import import_module

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError, DeviceError
from rerank_cli.core.scorer import Scorer
from rerank_cli.engines.graphs import computed_dtype
from rerank_cli.engines.machine import default_device, has_no_gpu, lacks_bfloat16, likely_device
from rerank_cli.engines.memory import refuse_what_cannot_fit
from rerank_cli.engines.registry import DEVICES, ENGINE_DTYPES, ENGINES, OFFERED, not_installed
from rerank_cli.engines.remote_address import checked_target, is_remote
from rerank_cli.models.declared import BI_ENCODER, CROSS_ENCODER, LATE, YES_NO
from rerank_cli.models.find import find_model, is_local, refuse_empty
from rerank_cli.models.folder import ModelFolder
from rerank_cli.models.libraries import silence_libraries
from rerank_cli.models.question import refuse_question

ENGINE_OF_KIND = {  # kinds that one engine runs, and why it is that one
    BI_ENCODER: ("bi-encoder", "the model embeds texts one by one"),
    YES_NO: ("yes-no", "the model answers yes or no"),
    LATE: ("late-interaction", "the model compares the tokens of two texts"),
}
REMOTE = "http"
KINDS = {engine: kind for kind, (engine, _) in ENGINE_OF_KIND.items()}


def open_scorer(config: ModelConfig, found: ModelFolder | None = None) -> Scorer:
    """The engine that `config` requests, not yet loaded; `found` is the model's folder, if known.

    Raises ConfigError for an unknown engine or one that is not installed, ModelError when the model cannot be found.
    """
    refuse_options(config)
    silence_libraries(config.offline)
    if is_fake(config):
        _refuse_for_fake(config)
    elif found is None and config.engine == "auto" and not is_remote(config):
        found = find_model(config)
    name, _ = choose_engine(config, found)
    engine = ENGINES[name]
    if missing := not_installed(engine.packages):
        raise ConfigError(f"--engine {name}: {', '.join(missing)} is not installed", engine.installation)
    make_scorer = getattr(import_module(f"rerank_cli.engines.{engine.module}"), engine.scorer)
    scorer: Scorer = make_scorer(config) if found is None else make_scorer(config, found)
    if name == "torch" and config.dtype == "fp16" and scorer.identity.device == "cpu":
        scorer.notes.append("--dtype fp16 is slow on most CPUs, and only torch offers it there; fp32 is faster")
    return scorer


def expected_engine(config: ModelConfig) -> tuple[str, ...] | None:
    """The engine that `open_scorer` will take, with its dtype if it has one.

    None where a library or the network is needed to know. Raises what `open_scorer` raises for options and folders.
    """
    refuse_options(config)
    if is_fake(config):
        _refuse_for_fake(config)
        return "fake", "fp32"
    if is_remote(config):
        checked_target(config)
        return (REMOTE,)
    on_cpu = config.device == "cpu" or (config.device == "auto" and has_no_gpu())
    name, exported = config.engine, False
    if on_cpu and is_local(config.model):
        folder = find_model(config)
        exported = folder.graph is not None
        if name == "auto" and config.dtype != "bf16":  # which not every CPU computes: a library says
            name, _ = _fitting(replace(config, device="cpu"), folder)
    if name == "auto":
        return None
    if config.dtype != "auto":
        return name, config.dtype
    return (name, "fp32") if on_cpu and not exported else None


@dataclass(frozen=True, slots=True)
class Expected:
    """How a model would be run: the engine and why that one, the device, and the dtype of the computation."""

    engine: str
    why: str
    device: str
    dtype: str


def expected_run(config: ModelConfig, folder: ModelFolder) -> Expected:
    """How `open_scorer` would run a model, seen without torch: a GPU is seen by its files.

    Raises ConfigError for options that do not suit the engine or the model, DeviceError for a device that is not there
    and for weights that do not fit into memory.
    """
    refuse_options(config)
    device = likely_device(config.device)
    name, why = choose_engine(replace(config, device=device), folder)
    engine = ENGINES[name]
    if missing := not_installed(engine.packages):
        raise ConfigError(f"--engine {name}: {', '.join(missing)} is not installed", engine.installation)
    if device.partition(":")[0] not in engine.devices:
        if config.device != "auto":
            raise ConfigError(
                f"--device {config.device}: not supported by the {name} engine", f"Use {', '.join(engine.devices)}."
            )
        device = "cpu"
    if device != "cpu" and has_no_gpu():
        raise DeviceError(f"--device {device}: this machine has no GPU that could be seen", "Try --device cpu.")
    folder.refuse_other_kind(KINDS.get(name, CROSS_ENCODER))
    folder.refuse_graph(name)
    dtype = _expected_dtype(config, folder, name, device)
    if device == "cpu" and name != "onnx":
        refuse_what_cannot_fit(folder, dtype)
    return Expected(name, why, device, dtype)


def _expected_dtype(config: ModelConfig, folder: ModelFolder, name: str, device: str) -> str:
    engine = ENGINES[name]
    default = engine.default_dtype(device)
    if engine.graphs is not None:
        dtype = computed_dtype(folder, config.dtype, engine.graphs.stored, default)
    else:
        dtype = default if config.dtype == "auto" else config.dtype
    if dtype not in engine.dtypes:
        raise ConfigError(f"--dtype {dtype}: not supported by the {name} engine", f"Use {', '.join(engine.dtypes)}.")
    converts = folder.graph is None and (name == "onnx" or dtype == "int8")
    if converts and (missing := not_installed(engine.export_packages)):
        raise ConfigError(f"--dtype {dtype}: {', '.join(missing)} is not installed", engine.installation)
    if (name, dtype) == ("openvino", "bf16") and lacks_bfloat16():
        raise DeviceError(
            "--dtype bf16: this CPU has no bfloat16 instructions", "Use fp32 or int8; --engine torch emulates bf16."
        )
    return dtype


def _refuse_for_fake(config: ModelConfig) -> None:
    """Raises ConfigError for options of a model that the engine for tests has no use for."""
    refuse_question(config)
    if config.label is not None:
        raise ConfigError(f"--label {config.label}: the fake engine has no labels", "Leave --label out.")


def is_fake(config: ModelConfig) -> bool:
    """Whether the engine for tests is meant, which needs no model."""
    return config.engine == "fake" or (config.engine == "auto" and config.model.partition(":")[0] == "fake")


def choose_engine(config: ModelConfig, folder: ModelFolder | None) -> tuple[str, str]:
    """The engine for a model, and why it is that one. `auto` needs the model's folder."""
    if is_fake(config):
        return "fake", "for tests"
    if is_remote(config):
        return REMOTE, "a server gives the scores"
    if config.engine != "auto" or folder is None:
        return config.engine, f"--engine {config.engine}"
    return _fitting(config, folder)


def refuse_options(config: ModelConfig) -> None:
    """Raises ConfigError for an empty model, and for an unknown engine, dtype or device."""
    refuse_empty(config)
    if config.engine not in ("auto", *ENGINES):
        raise ConfigError(f"--engine {config.engine}: unknown", f"Use one of auto, {', '.join(sorted(OFFERED))}.")
    if config.dtype not in ENGINE_DTYPES:
        raise ConfigError(f"--dtype {config.dtype}: unknown", f"Use one of {', '.join(ENGINE_DTYPES)}.")
    is_remote(config)  # which refuses a scheme that is unknown
    if not DEVICES.fullmatch(config.device):
        raise ConfigError(f"--device {config.device}: unknown", "Use auto, cpu, cuda, cuda:1 or mps.")


def _fitting(config: ModelConfig, folder: ModelFolder) -> tuple[str, str]:
    """The engine of `auto`: that of an exported folder, of a bi-encoder, or of `engine_for`."""
    if folder.graph is not None:
        return folder.graph.format, "the model was exported for it"
    if folder.kind in ENGINE_OF_KIND:
        return ENGINE_OF_KIND[folder.kind]
    return engine_for(config, str(folder.config.get("model_type")), large=folder.is_large)


def engine_for(config: ModelConfig, model_type: str, *, large: bool) -> tuple[str, str]:
    """The engine of `auto` for a cross-encoder: on CPUs OpenVINO, if it supports the model; else torch.

    A `large` model in fp32 is torch's: as fast, in 0.6 of the memory, without a conversion (docs/experiments.md, E36).
    """
    openvino = ENGINES["openvino"]
    if config.device not in ("auto", "cpu") or (config.device == "auto" and default_device() != "cpu"):
        return "torch", "openvino is for CPUs"
    if missing := not_installed(openvino.export_packages):
        if config.dtype == "int8":
            raise ConfigError(f"--dtype int8: {', '.join(missing)} is not installed", openvino.installation)
        return "torch", f"openvino needs {', '.join(missing)}"
    if model_type not in openvino.compared_with_torch:
        return "torch", f"openvino is not tested with {model_type} models"
    if large and config.dtype in ("auto", "fp32"):
        return "torch", "openvino takes more memory for a large model in fp32"
    if config.dtype not in ("auto", *openvino.dtypes):
        return "torch", f"openvino does not compute in {config.dtype}"
    if config.dtype == "bf16" and not import_module("rerank_cli.engines.openvino_runtime").computes_bfloat16():
        return "torch", "openvino would emulate bf16 on this CPU"
    return "openvino", "the fastest on CPUs"
