"""Tiny whole rerankers with random weights that load in a tenth of a second, for tests that break one thing in them."""

import json
import struct
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz", "panda", "what", "is", "hi", "?"]
SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


def write_tokenizer(folder: Path, words: list[str], special: dict[str, str] | None = None) -> None:
    """A word-level tokenizer with BERT's template; `special` names its special tokens."""
    backend = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    inputs = ["input_ids", "token_type_ids", "attention_mask"]  # as BERT's own tokenizer has it
    tokens = SPECIAL if special is None else special
    PreTrainedTokenizerFast(tokenizer_object=backend, model_input_names=inputs, **tokens).save_pretrained(folder)


def tiny_config(**changes: Any) -> BertConfig:
    """Of a BERT with one label, two layers and 64 positions."""
    return BertConfig(vocab_size=len(WORDS), **{"num_labels": 1, "max_position_embeddings": 64, **SIZES, **changes})


def write_model(folder: Path, shard_size: str = "1GB", **changes: Any) -> None:
    """Config and weights, always the same for the same `changes` of the config."""
    torch.manual_seed(1)
    BertForSequenceClassification(tiny_config(**changes)).save_pretrained(folder, max_shard_size=shard_size)


def write_reranker(folder: Path) -> Path:
    """A whole reranker; returns its folder."""
    folder.mkdir(exist_ok=True)
    write_model(folder)
    write_tokenizer(folder, WORDS)
    return folder


def write_bi_encoder(folder: Path) -> Path:
    """A whole bi-encoder: the body of the reranker, and files that say how to pool; returns its folder."""
    write_reranker(folder)
    edit_json(folder / "config.json", architectures=["BertModel"])
    steps = [("Transformer", ""), ("Pooling", "1_Pooling")]
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    (folder / "modules.json").write_text(json.dumps([{"type": kind, "path": path} for kind, path in steps]))
    return folder


def write_larger_than_memory(folder: Path) -> Path:
    """A reranker whose token embeddings are larger than any memory; the file has a hole, and takes no room."""
    write_reranker(folder)
    path, rows = folder / "model.safetensors", 2**32
    header, data = split_safetensors(path.read_bytes())
    name = next(name for name in header if name.endswith("word_embeddings.weight"))
    size, end = rows * SIZES["hidden_size"] * 4, len(data)
    kept = {key: value for key, value in header.items() if key != name}
    grown = {**header[name], "shape": [rows, SIZES["hidden_size"]], "data_offsets": [end, end + size]}
    first, last = header[name]["data_offsets"]
    unused = {"dtype": "F32", "shape": [(last - first) // 4], "data_offsets": [first, last]}
    content = join_safetensors({**kept, "bert.unused": unused, name: grown}, data)
    path.write_bytes(content)
    with path.open("r+b") as file:
        file.truncate(len(content) + size)
    return folder


def edit_json(path: Path, **changes: Any) -> None:
    """Set some keys of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def split_safetensors(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the data of a safetensors file."""
    (size,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + size]), content[8 + size :]


def join_safetensors(header: Any, data: bytes) -> bytes:
    """A safetensors file of these, whether they go together or not."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data
