"""The head of a cross-encoder in modules of sentence-transformers, from what their files declare.

    Transformer, Pooling, Dense, …, LayerNorm, …, Dense       one vector a pair, then layers, then one score

The layers are computed by `models/modular`. Each has a folder with its settings and its weights.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rerank_cli.core.errors import ModelError
from rerank_cli.models.config_json import FETCH_AGAIN, refuse_labels, require_file
from rerank_cli.models.declared import LENGTHS, MODULES, SETTINGS, Declaration, Module
from rerank_cli.models.encoding import longest_of, pooling_of
from rerank_cli.models.families import WHAT_RUNS
from rerank_cli.models.weights import refuse_cut

ACTIVATIONS = ("Identity", "GELU", "ReLU", "SiLU", "Sigmoid", "Tanh")  # classes of torch.nn
ANY: tuple[Any, ...] = ()  # values that are read, or that change nothing
PLAIN: dict[str, dict[str, tuple[Any, ...]]] = {  # settings by file, with the values that the engine computes with
    "LayerNorm": {"dimension": ANY},
    "Dense": {
        **dict.fromkeys(("in_features", "out_features", "bias", "activation_function"), ANY),
        **dict.fromkeys(("module_input_name", "module_output_name"), ANY),
        "use_residual": (False, None),
    },
    "Transformer": {
        "max_seq_length": ANY,
        "do_lower_case": (False, None),
        "transformer_task": ("feature-extraction", None),
        "modality_config": ({"text": {"method": "forward", "method_output_name": "last_hidden_state"}}, None),
        "module_output_name": ("token_embeddings", None),
        "processing_kwargs": ({}, None),
    },
    "MultiVectorMask": {
        "skiplist_words": ANY,
        "skiplist_tasks": (["document"], None),
        "keep_only_token_ids": (None, []),
    },
    "LogitScore": {"true_token_id": ANY, "false_token_id": ANY, "module_input_name": ("causal_logits", None)},
    "Generator": {  # a Transformer before a LogitScore; how texts become a message is the prompt's matter
        "max_seq_length": ANY,
        "do_lower_case": (False, None),
        "transformer_task": ("text-generation", None),
        "modality_config": ANY,
        "module_output_name": ("causal_logits", None),
        "processing_kwargs": ANY,
        "unpad_inputs": ANY,
    },
}
LARGEST_WIDTH = 2**16
VECTOR, SCORES, TOKENS = "sentence_embedding", "scores", "token_embeddings"  # names of what a module computes
WEIGHTS = "model.safetensors"


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of a head: "Dense" (width to `width`, then `activation`) or "LayerNorm" of vectors of `width`.

    `name` is that of its weight, where the file has other weights as well.
    """

    type: str
    weights: Path
    width: int
    activation: str = "Identity"
    bias: bool = True
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ModularHead:
    """The pooling mode, the layers in the order of computation (the last gives one score), and the longest pair.

    `longest` counts tokens; None without a limit.
    """

    pooling: str
    layers: tuple[Layer, ...]
    longest: int | None = None

    @property
    def weights(self) -> tuple[Path, ...]:
        """The safetensors files of the layers."""
        return tuple(layer.weights for layer in self.layers)


def head_of(folder: Path, declaration: Declaration, label: int | None = None) -> ModularHead:
    """The head that a declaration of the kind MODULAR describes; of several scores, `label` is ranked by.

    Raises ModelError for layers that are not computed, ConfigError for a label that the head lacks.
    """
    transformer, pooling, *modules = declaration.modules
    refuse_other_settings(folder / LENGTHS, "Transformer", transformer.settings)
    if (name := declaration.settings.get("default_prompt_name")) is not None:
        raise ModelError(f"{folder / SETTINGS}: default_prompt_name {str(name)[:40]!r} is not supported", WHAT_RUNS)
    mode = pooling_of(pooling.folder / "config.json", pooling.settings)
    layers = tuple(
        layer_of(module, (VECTOR, SCORES if module is modules[-1] else VECTOR), VECTOR)
        for module in modules
        if module.type != "Normalize"
    )
    refuse_labels(modules[-1].folder / "config.json", [layers[-1].width], label)
    if len(layers) < len(modules):
        raise ModelError(f"{folder / MODULES}: Normalize in a head is not supported", WHAT_RUNS)
    return ModularHead(mode, layers, longest_of(folder / LENGTHS, transformer.settings))


def layer_of(module: Module, names: tuple[str, str], default: str) -> Layer:
    """A layer that computes what the second of the `names` says from the first; `default` stands for missing names.

    Raises ModelError for a layer that is not computed.
    """
    path = module.folder / "config.json"
    refuse_other_settings(path, module.type, module.settings)
    if module.type == "LayerNorm":
        return Layer("LayerNorm", module.folder / WEIGHTS, _width(path, module.settings, "dimension"))
    settings = module.settings
    named = str(settings.get("activation_function"))
    package, _, activation = named.rpartition(".")
    if activation not in ACTIVATIONS or not package.startswith("torch.nn"):
        raise ModelError(
            f"{path}: activation {named[:60]!r} is not supported", f"Supported: {', '.join(ACTIVATIONS)} of torch.nn."
        )
    found = settings.get("module_input_name", default), settings.get("module_output_name", default)
    if found != names:
        raise ModelError(f"{path}: computes {found[1]!r} from {found[0]!r}, which is not supported", WHAT_RUNS)
    width = _width(path, settings, "out_features")
    if names[1] == SCORES and activation != "Identity":
        raise ModelError(f"{path}: gives a score after {activation}, expected a logit", "Choose a reranker model.")
    return Layer("Dense", module.folder / WEIGHTS, width, activation, settings.get("bias", True) is True)


def refuse_other_settings(path: Path, kind: str, settings: dict[str, Any]) -> None:
    """Raises ModelError for a setting that the engine does not compute with: scores would be silently wrong."""
    for name, value in settings.items():
        allowed = PLAIN[kind].get(name)
        if allowed is None or (allowed and value not in allowed):
            raise ModelError(f"{path}: {name[:40]} {str(value)[:60]} is not supported", WHAT_RUNS)


def _width(path: Path, settings: dict[str, Any], name: str) -> int:
    width = settings.get(name)
    if type(width) is not int or not 1 <= width <= LARGEST_WIDTH:
        raise ModelError(f"{path}: {name} cannot be {str(width)[:40]}", FETCH_AGAIN)
    return width


def require_weights(files: Iterable[Path]) -> None:
    """Raises ModelError where the weights of a layer are missing or cut."""
    for path in files:
        if not path.exists() and (pickled := sorted(file.name for file in path.parent.glob("*.bin"))):
            raise ModelError(
                f"{path.parent}: only pickled weights ({', '.join(pickled)})",
                "Convert the weights to safetensors: pickles can run code.",
            )
        require_file(path)
        refuse_cut((path,))
