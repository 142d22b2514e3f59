"""A tiny XLM-RoBERTa reranker with random weights, as a folder of transformers and as a GGUF file for llama.cpp.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, version 3. Tensors are float32. The first two
positions of XLM-RoBERTa are cut off, since llama.cpp counts from 0. The two separators of a pair need `add_sep_token`.
"""

import base64
import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from tokenizers.normalizers import Precompiled
from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaForSequenceClassification

MINI = Path(__file__).parents[2] / "rerank_cli" / "models" / "mini" / "tokenizer.json"
SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")
PIECES = ["▁", *"abcdefghijklmnopqrstuvwxyz0123456789.,?", "er", "in", "th", "▁the", "▁a", "on", "▁s", "st", "▁rose"]
POSITIONS = 514  # of which two are of padding
ALIGNMENT = 32
UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9  # types of values
PACKED = {UINT32: "<I", INT32: "<i", FLOAT32: "<f", BOOL: "<?"}
F32 = 0  # type of a tensor
NORMAL, UNKNOWN, CONTROL = 1, 2, 3  # types of tokens
NAMES = {  # of transformers, and of llama.cpp
    "roberta.embeddings.word_embeddings": "token_embd",
    "roberta.embeddings.position_embeddings": "position_embd",
    "roberta.embeddings.token_type_embeddings": "token_types",
    "roberta.embeddings.LayerNorm": "token_embd_norm",
    "classifier.dense": "cls",
    "classifier.out_proj": "cls.output",
}
LAYER_NAMES = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}


def write_xlm_roberta(folder: Path) -> Path:
    """The folder: config, weights, and a tokenizer of a few pieces with the normalizer of XLM-RoBERTa."""
    folder.mkdir(exist_ok=True)
    torch.manual_seed(3)
    config = XLMRobertaConfig(
        vocab_size=len(SPECIALS) + len(PIECES),
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=POSITIONS,
        type_vocab_size=1,
        num_labels=1,
        layer_norm_eps=1e-5,
        initializer_range=0.3,  # so that scores spread
    )
    XLMRobertaForSequenceClassification(config).save_pretrained(folder)
    scores = [0.0, 0.0, 0.0, -20.0, *(-1.0 - number / 10 for number in range(len(PIECES)))]
    backend = Tokenizer(models.Unigram(list(zip((*SPECIALS, *PIECES), scores, strict=True)), unk_id=3))
    charsmap = json.loads(MINI.read_text(encoding="utf-8"))["normalizer"]["normalizers"][0]["precompiled_charsmap"]
    backend.normalizer = Precompiled(base64.b64decode(charsmap))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = dict(zip(("bos_token", "pad_token", "eos_token", "unk_token"), SPECIALS, strict=True))
    PreTrainedTokenizerFast(
        tokenizer_object=backend,
        cls_token="<s>",
        sep_token="</s>",
        model_input_names=["input_ids", "attention_mask"],
        **names,
    ).save_pretrained(folder)
    return folder


def write_gguf(folder: Path, path: Path) -> Path:
    """The same model as a GGUF file."""
    config = json.loads((folder / "config.json").read_text())
    vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    kinds = [CONTROL, CONTROL, CONTROL, UNKNOWN, *[NORMAL] * (len(vocabulary) - len(SPECIALS))]
    fields: dict[str, tuple[int, Any]] = {
        "general.architecture": (STRING, "bert"),
        "general.name": (STRING, "tiny"),
        "general.alignment": (UINT32, ALIGNMENT),
        "bert.block_count": (UINT32, config["num_hidden_layers"]),
        "bert.context_length": (UINT32, POSITIONS - 2),
        "bert.embedding_length": (UINT32, config["hidden_size"]),
        "bert.feed_forward_length": (UINT32, config["intermediate_size"]),
        "bert.attention.head_count": (UINT32, config["num_attention_heads"]),
        "bert.attention.layer_norm_epsilon": (FLOAT32, config["layer_norm_eps"]),
        "bert.attention.causal": (BOOL, False),
        "bert.pooling_type": (UINT32, 4),  # of a reranker
        "tokenizer.ggml.model": (STRING, "t5"),
        "tokenizer.ggml.pre": (STRING, "default"),
        "tokenizer.ggml.tokens": (ARRAY, (STRING, [piece for piece, _ in vocabulary])),
        "tokenizer.ggml.scores": (ARRAY, (FLOAT32, [score for _, score in vocabulary])),
        "tokenizer.ggml.token_type": (ARRAY, (INT32, kinds)),
        "tokenizer.ggml.token_type_count": (UINT32, 1),
        "tokenizer.ggml.add_space_prefix": (BOOL, True),
        "tokenizer.ggml.remove_extra_whitespaces": (BOOL, False),
        "tokenizer.ggml.bos_token_id": (UINT32, 0),
        "tokenizer.ggml.eos_token_id": (UINT32, 2),
        "tokenizer.ggml.unknown_token_id": (UINT32, 3),
        "tokenizer.ggml.seperator_token_id": (UINT32, 2),  # so it is spelled there
        "tokenizer.ggml.padding_token_id": (UINT32, 1),
        "tokenizer.ggml.cls_token_id": (UINT32, 0),
        "tokenizer.ggml.add_bos_token": (BOOL, True),
        "tokenizer.ggml.add_eos_token": (BOOL, True),
        "tokenizer.ggml.add_sep_token": (BOOL, True),
    }
    tensors = dict(_tensors(load_file(folder / "model.safetensors")))
    content = bytearray(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(fields)))
    for name, (kind, value) in fields.items():
        content += _string(name) + struct.pack("<I", kind) + _value(kind, value)
    offset = 0
    for name, tensor in tensors.items():
        content += _string(name) + struct.pack(f"<I{tensor.ndim}Q", tensor.ndim, *reversed(tensor.shape))
        content += struct.pack("<IQ", F32, offset)
        offset += _padded(tensor.nbytes)
    content += bytes(_padded(len(content)) - len(content))
    for tensor in tensors.values():
        data = tensor.tobytes()
        content += data + bytes(_padded(len(data)) - len(data))
    path.write_bytes(content)
    return path


def _tensors(weights: Mapping[str, "np.ndarray[Any, Any]"]) -> Iterator[tuple[str, "np.ndarray[Any, Any]"]]:
    for name, tensor in weights.items():
        module, _, part = name.rpartition(".")
        if module.startswith("roberta.encoder.layer."):
            number, _, inner = module.removeprefix("roberta.encoder.layer.").partition(".")
            ours = f"blk.{number}.{LAYER_NAMES[inner]}.{part}"
        else:
            ours = f"{NAMES[module]}.{part}"
        kept = tensor[2:] if module.endswith("position_embeddings") else tensor
        yield ours, np.ascontiguousarray(kept, dtype=np.float32)


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(kind: int, value: Any) -> bytes:
    if kind == STRING:
        return _string(value)
    if kind == ARRAY:
        of, values = value
        return struct.pack("<IQ", of, len(values)) + b"".join(_value(of, each) for each in values)
    return struct.pack(PACKED[kind], value)


def _padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
