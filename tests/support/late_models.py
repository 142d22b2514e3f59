"""Tiny late-interaction models with random weights, in the layouts of Stanford's ColBERT, PyLate and others."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import MultiVectorEncoder
from transformers import BertModel

from support.tiny import WORDS, edit_json, tiny_config, write_tokenizer

MARKED = [*WORDS, "[unused0]", "[unused1]", "[Q] ", ".", ",", "!", "-"]  # there is no "[D] "
WIDTH, HIDDEN = 16, 32
STANFORD = {
    "query_token_id": "[unused0]",
    "doc_token_id": "[unused1]",
    "query_maxlen": 24,
    "doc_maxlen": 60,
    "dim": WIDTH,
    "similarity": "cosine",
    "mask_punctuation": True,
    "attend_to_mask_tokens": False,
}
PYLATE = {
    "model_type": "ColBERT",
    "query_prefix": "[unused0]",
    "document_prefix": "[unused1]",
    "query_length": 24,
    "document_length": 60,
    "attend_to_expansion_tokens": False,
    "similarity_fn_name": "MaxSim",
}
DENSE = {"in_features": HIDDEN, "out_features": WIDTH, "bias": False}
IDENTITY = "torch.nn.modules.linear.Identity"


def write_body(folder: Path) -> Path:
    """A BERT without a head, whose vectors differ by more than rounding, with its tokenizer."""
    folder.mkdir(parents=True)
    write_tokenizer(folder, MARKED)
    torch.manual_seed(5)
    config = tiny_config()
    config.vocab_size, config.max_position_embeddings = len(MARKED), 96
    body = BertModel(config)
    with torch.no_grad():
        for weight in body.parameters():
            if weight.ndim > 1:
                weight.mul_(6)
    body.save_pretrained(folder)
    return folder


def write_stanford(folder: Path, **metadata: Any) -> Path:
    """As Stanford's ColBERT saves models: the projection is beside the weights of the body."""
    write_body(folder)
    weights = {f"bert.{name}": weight for name, weight in load_file(folder / "model.safetensors").items()}
    weights["linear.weight"] = torch.randn(WIDTH, HIDDEN)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    edit_json(folder / "config.json", architectures=["HF_ColBERT"])
    found = {name: value for name, value in {**STANFORD, **metadata}.items() if value is not None}
    (folder / "artifact.metadata").write_text(json.dumps(found))
    return folder


def write_pylate(folder: Path, *, dense: int = 1, longest: int = 59, **settings: Any) -> Path:
    """As PyLate saves models: Transformer and Dense, with the settings in one file."""
    write_body(folder)
    modules = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
    width = HIDDEN
    for number in range(1, dense + 1):
        path = f"{number}_Dense"
        (folder / path).mkdir()
        shape = {"in_features": width, "out_features": WIDTH, "bias": False, "activation_function": IDENTITY}
        (folder / path / "config.json").write_text(json.dumps(shape))
        save_file({"linear.weight": torch.randn(WIDTH, width)}, folder / path / "model.safetensors")
        modules.append({"idx": number, "name": str(number), "path": path, "type": "pylate.models.Dense.Dense"})
        width = WIDTH
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": longest, "do_lower_case": False}))
    found = {name: value for name, value in {**PYLATE, **settings}.items() if value is not None}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(found))
    return folder


def write_saved(folder: Path, **expansion: Any) -> Path:
    """As sentence-transformers saves what is read from Stanford's layout; `expansion` says how queries are filled."""
    source = write_stanford(folder.with_name(f"{folder.name}-source"))
    MultiVectorEncoder(str(source), device="cpu").save_pretrained(str(folder))
    shutil.rmtree(source)
    if expansion:
        path = folder / "sentence_bert_config.json"
        settings = json.loads(path.read_text())["query_expansion"]
        edit_json(path, query_expansion=None if expansion.get("off") else {**settings, **expansion})
    return folder


LATE_MODELS = {
    "stanford": write_stanford,
    "stanford, little said": lambda folder: write_stanford(
        folder, query_maxlen=None, doc_maxlen=50, query_token_id=None
    ),
    "stanford, punctuation": lambda folder: write_stanford(folder, mask_punctuation=False),
    "stanford, attends": lambda folder: write_stanford(folder, attend_to_mask_tokens=True),
    "pylate": write_pylate,
    "pylate, two layers": lambda folder: write_pylate(folder, dense=2),
    "pylate, no expansion": lambda folder: write_pylate(folder, do_query_expansion=False),
    "pylate, little said": lambda folder: write_pylate(folder, query_length=None, attend_to_expansion_tokens=None),
    "pylate, words": lambda folder: write_pylate(folder, skiplist_words=["a", "panda", "."]),
    "pylate, marker with a space": lambda folder: write_pylate(folder, query_prefix="[Q] "),
    "pylate, markers of two words": lambda folder: write_pylate(
        folder, query_prefix="[unused0] is", document_prefix="[D] "
    ),
    "pylate, lengths of the Transformer": lambda folder: write_pylate(
        folder, longest=20, document_length=None, query_length=None, do_query_expansion=False
    ),
    "pylate, as of 2025": lambda folder: write_pylate(folder, similarity_fn_name="cosine", document_length=30),
    "pylate, newer expansion": lambda folder: write_pylate(
        folder, query_expansion={"strategy": "min", "length": 12, "attend": True}
    ),
    "stanford, no longest": lambda folder: write_stanford(folder, doc_maxlen=None),
    "stanford, attends by number": lambda folder: write_stanford(folder, attend_to_mask_tokens=1),
    "saved": write_saved,
    "saved, no expansion": lambda folder: write_saved(folder, off=True),
    "saved, at least": lambda folder: write_saved(folder, strategy="min", attend=True),
    "saved, another token": lambda folder: write_saved(folder, token="panda"),
}
