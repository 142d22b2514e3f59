"""A cross-encoder but for its arithmetic: files, lengths, tokenizer, the arrays of a batch, and who it is.

Every engine of the sequence-classification family has one of these and adds the device.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import transformers
from transformers import AutoConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError, DeviceError, ModelError, RerankError
from rerank_cli.core.scorer import Batch, Identity, OutOfMemory, PreparedPair, Scorer
from rerank_cli.engines.machine import has_vnni
from rerank_cli.engines.self_test import self_test
from rerank_cli.models.find import ModelFolder, find_model
from rerank_cli.models.graph_files import cache_folder, kept_path
from rerank_cli.models.libraries import in_short, version_of
from rerank_cli.models.tokens import PairTokenizer, load_tokenizer

RECIPE = 4  # counts our ways of computing: with another, graphs are made anew, and no run of the former is continued
LARGE = 2**28  # bytes of weights
POSITIONS_START_AFTER_PADDING = {
    "roberta",
    "xlm-roberta",
    "camembert",
    "xlm-roberta-xl",
    "roberta-prelayernorm",
    "xmod",
}


def usable_positions(config: dict[str, Any]) -> int:
    """How many tokens a model's position embeddings reach. The RoBERTa family loses padding_idx + 1 of them."""
    positions = int(config.get("max_position_embeddings") or 512)
    if config.get("model_type") in POSITIONS_START_AFTER_PADDING:
        positions -= int(config.get("pad_token_id", 1)) + 1  # 1 is what the family's configurations leave out
    return positions


def load_config(folder: ModelFolder) -> Any:
    """The configuration as transformers understands it.

    Raises ModelError for a model type that transformers itself does not have (code of repositories is never run), and
    for values that it cannot use.
    """
    model_type = folder.config.get("model_type")
    if model_type not in CONFIG_MAPPING_NAMES:
        raise ModelError(
            f"{folder.path / 'config.json'}: transformers {transformers.__version__} has no {model_type!r}",
            "Code from model repositories is never run. Choose a model of a built-in architecture.",
        )
    try:
        return AutoConfig.from_pretrained(str(folder.path), local_files_only=True, trust_remote_code=False)
    except Exception as fault:  # the library raises whatever odd values lead it to
        raise ModelError(
            f"{folder.path / 'config.json'}: cannot be used ({in_short(fault)})", "Fetch the file anew."
        ) from None


class CrossEncoder:
    """What a cross-encoder is before it computes. Raises ModelError when its files do not fit together."""

    kind = "cross-encoder"

    def __init__(self, config: ModelConfig) -> None:
        self.folder = find_model(config)
        if self.folder.kind != self.kind:
            raise ConfigError(
                f"{self.folder.name}: is a {self.folder.kind}, not a {self.kind}",
                "Bi-encoders score with --engine bi-encoder or auto, and serve `rerank mine`.",
            )
        self.config = load_config(self.folder)
        self.notes: list[str] = []
        self.max_length, self.query_max_length = self._lengths(config)
        self._tokenizer = self._made_tokenizer(config)
        self._check_vocabulary()
        self.inputs = ["input_ids", *["token_type_ids"] * self._has_types(), "attention_mask"]

    def _made_tokenizer(self, config: ModelConfig) -> Any:
        """What has `prepare`, `pad_id` and `size`."""
        tokenizer = load_tokenizer(self.folder.path, self.config)
        overlap = config.chunk_overlap if config.long_docs == "chunk" else None
        if overlap is not None and overlap > (most := (self.max_length - self.query_max_length) // 2):
            self.notes.append(f"chunk-overlap of {overlap}: parts share at most half of what they hold, {most} or so")
        return PairTokenizer(tokenizer, self.max_length, self.query_max_length, overlap)

    def _has_types(self) -> bool:
        """Whether the model tells a query's tokens from a document's by their type."""
        return bool(self._tokenizer.typed) and int(getattr(self.config, "type_vocab_size", 1) or 1) > 1

    def _lengths(self, config: ModelConfig) -> tuple[int, int]:
        """Tokens a pair and tokens a query, lowered to what the model has."""
        self._positions = usable = usable_positions(self.config.to_dict())
        max_length = min(config.max_length, usable)
        if max_length < config.max_length:
            self.notes.append(
                f"max-length lowered from {config.max_length} to {usable}: the model has no more positions"
            )
        query_max_length = min(config.query_max_length, max_length * 3 // 4)
        if query_max_length < config.query_max_length:
            self.notes.append(f"query-max-length lowered to {query_max_length}: three quarters of max-length")
        return max_length, query_max_length

    def _check_vocabulary(self) -> None:
        rows = int(getattr(self.config, "vocab_size", 0))
        if self._tokenizer.size > rows:
            raise ModelError(
                f"{self.folder.path / 'tokenizer.json'}: {self._tokenizer.size} tokens, the model embeds {rows} "
                "(vocab_size in config.json)",
                "The tokenizer belongs to another model: put the right one beside the weights.",
            )
        padding = self.folder.config.get("pad_token_id")
        if padding is not None and padding != self._tokenizer.pad_id:
            raise ModelError(
                f"{self.folder.path / 'tokenizer.json'}: pads with {self._tokenizer.pad_id}, "
                f"config.json says {padding}",
                "The tokenizer belongs to another model: put the right one beside the weights.",
            )

    def identity(self, engine: str, device: str, dtype: str, threads: int, libraries: Sequence[str]) -> Identity:
        """Who scores: this model, in `engine`, computed by `libraries`."""
        return Identity(
            engine=engine,
            model=self.folder.name,
            revision=self.folder.revision,
            weights_sha256=self.folder.weights_sha256,
            tokenizer_sha256=self.folder.tokenizer_sha256,
            config_sha256=self.folder.config_sha256,
            device=device,
            dtype=dtype,
            max_length=self.max_length,
            query_max_length=self.query_max_length,
            threads=threads,
            versions={name: version_of(name) for name in (*libraries, "transformers", "tokenizers")}
            | {"recipe": str(RECIPE)},
        )

    def graph_note(self, form: str, dtype: str, versions: dict[str, str]) -> dict[str, Any]:
        """What a graph of this model is made from: everything that can change it."""
        return {
            "recipe": RECIPE,
            "format": form,
            "dtype": dtype,
            "inputs": self.inputs,
            "weights_sha256": self.folder.weights_sha256,
            "config_sha256": self.folder.config_sha256,
            "versions": versions,
            **({"weights": "uint8"} if (form, dtype) == ("onnx", "int8") and not has_vnni() else {}),
        }

    def announce_graph(self, note: dict[str, Any]) -> None:
        """Say beforehand that the graph of a large model will be made: it takes minutes, once."""
        size = sum(path.stat().st_size for path in self.folder.weights)
        if self.folder.graph is None and size > LARGE and not kept_path(note).exists():
            self.notes.append(f"making the model's {note['format']} graph, once; it will be kept in {cache_folder()}")

    def computed_dtype(self, wanted: str, offered: Mapping[str, tuple[str, ...]], default: str) -> str:
        """What `--dtype` means for an engine that computes in the keys of `offered` on graphs holding their values.

        `auto` is `default`, or what fits an exported folder. Raises ConfigError for what the folder does not hold.
        """
        held = None if self.folder.graph is None else self.folder.graph.dtype
        if wanted == "auto":
            return default if held is None else next((name for name, fits in offered.items() if held in fits), default)
        if wanted not in offered:
            raise ConfigError(f"--dtype {wanted}: not offered by this engine", f"Use {', '.join(offered)} or auto.")
        if held is not None and held not in offered[wanted]:
            raise ConfigError(
                f"--dtype {wanted}: {self.folder.name} was exported as {held}",
                "Leave it out, or export anew.",
            )
        return wanted

    @property
    def pad_id(self) -> int:
        """What rows are filled up with."""
        return self._tokenizer.pad_id or 0

    def prepare(self, pairs: Sequence[tuple[str, str]]) -> list[PreparedPair]:
        """See Scorer.prepare."""
        prepared: list[PreparedPair] = self._tokenizer.prepare(pairs)
        return prepared

    def composed(self, query: list[int], document: list[int]) -> PreparedPair:
        """A pair of two encoded texts."""
        pair: PreparedPair = self._tokenizer.composed(query, document)
        return pair

    def arrays(
        self, batch: Batch, masked: bool, multiple: int = 1
    ) -> "tuple[list[str], np.ndarray[Any, np.dtype[np.int64]]]":
        """A batch as one int64 array (inputs × rows × longest), and the names of its inputs, padded on the right.

        Rows are as long as the longest, or the next `multiple` that the model has positions for. The mask comes last,
        and is left out when all rows are equally long, unless `masked`.
        """
        pairs = [pair.payload for pair in batch.pairs]
        lengths = np.array([len(pair.ids) for pair in pairs])
        longest = int(lengths.max())
        longest = max(longest, min(-(-longest // multiple) * multiple, self._positions))
        masked = masked or int(lengths.min()) < longest
        names = self.inputs if masked else self.inputs[:-1]
        packed = np.zeros((len(names), len(pairs), longest), dtype=np.int64)
        packed[0] = self.pad_id
        for row, pair in zip(packed[0], pairs, strict=True):
            row[: len(pair.ids)] = np.frombuffer(pair.ids, dtype=np.int32)
        columns = np.arange(longest)
        if "token_type_ids" in names:
            starts = np.array([[pair.document_at] for pair in pairs])
            packed[1] = (columns >= starts) & (columns < lengths[:, None])
        if masked:
            packed[-1] = columns < lengths[:, None]
        return names, packed

    def prove(self, scorer: Scorer, memory: DeviceError) -> None:
        """Self-test a model that was just loaded. Raises ModelError or DeviceError, `memory` when it does not fit."""
        try:
            self_test(scorer)
        except OutOfMemory:
            raise memory from None
        except RerankError:
            raise
        except Exception as fault:  # values that transformers takes, and then cannot compute with
            raise ModelError(
                f"{self.folder.path / 'config.json'}: the model it describes cannot score ({in_short(fault)})",
                "Fetch the file anew.",
            ) from fault
