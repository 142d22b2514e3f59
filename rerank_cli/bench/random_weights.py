"""Write a model with random weights in a real architecture, to measure speed only.

A tokenizer is required, since lengths, and so speed, depend on it. The scores are meaningless.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification

from rerank_cli.core.errors import ConfigError, ModelError
from rerank_cli.models.config_json import TOKENIZER_FILES
from rerank_cli.models.libraries import quietly

SHAPES: dict[str, dict[str, int]] = {  # layers, width, heads, width of the feed-forward layers
    "xlmr-large": {"layers": 24, "hidden": 1024, "heads": 16, "intermediate": 4096},  # as bge-reranker-v2-m3
    "xlmr-base": {"layers": 12, "hidden": 768, "heads": 12, "intermediate": 3072},
    "xlmr-mini": {"layers": 6, "hidden": 384, "heads": 12, "intermediate": 1536},
}
POSITIONS = 8194


def make_random_model(shape: str, tokenizer: Path, target: Path) -> None:
    """Write a model of `shape` and the tokenizer of the folder `tokenizer` to `target`; the weights are reproducible.

    Raises ConfigError for an unknown shape, ModelError without a tokenizer.
    """
    if shape not in SHAPES:
        raise ConfigError(f"--random-weights {shape}: unknown", f"Use {', '.join(SHAPES)}.")
    if not (tokenizer / "tokenizer.json").is_file():
        raise ModelError(f"{tokenizer / 'tokenizer.json'}: missing", "Name the folder of a tokenizer: --tokenizer DIR.")
    sizes = SHAPES[shape]
    config: Any = XLMRobertaConfig(
        vocab_size=_rows(tokenizer / "tokenizer.json"),
        num_hidden_layers=sizes["layers"],
        hidden_size=sizes["hidden"],
        num_attention_heads=sizes["heads"],
        intermediate_size=sizes["intermediate"],
        max_position_embeddings=POSITIONS,
        type_vocab_size=1,
        num_labels=1,
        layer_norm_eps=1e-5,
    )
    torch.manual_seed(0)
    with quietly():
        XLMRobertaForSequenceClassification(config).save_pretrained(target)
    for name in TOKENIZER_FILES:
        if (tokenizer / name).is_file():
            shutil.copyfile(tokenizer / name, target / name)


def _rows(tokenizer: Path) -> int:
    """The number of rows that the embeddings need, added tokens included."""
    content = json.loads(tokenizer.read_text(encoding="utf-8"))
    added = max((token["id"] + 1 for token in content.get("added_tokens", ())), default=0)
    return max(len(content["model"]["vocab"]), added)
