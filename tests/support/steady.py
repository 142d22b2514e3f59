"""A small cross-encoder with random weights that does not amplify rounding, for tests of engines with narrow bounds.

Random weights as transformers draws them make each pair nearly the same vector (small weights), or make attention so
sharp that a rounding changes it (large ones). Here the first layer mixes the words of a pair with large weights, and
the layers above it move each vector by about its own length. So a logit changes by what its words change.

Eight bits are made to matter, without a change in float. Queries are stretched in some channels and keys in the others,
which leaves their products as they are, but takes a scale per channel. One dimension is zero wherever the last layer
and the head read it, and meets large weights there. They add nothing, but a row of weights in eight bits has one scale,
so the others would lose their precision: these layers have to stay in float.
"""

import json
import re
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import nn
from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaForSequenceClassification

from support.running import ROOT

SPECIAL = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
WIDTH, LAYERS, ZERO = 128, 4, 5
MIXING, HEAD = 10.0, 4.0  # sizes in place of 1: what the first layer's attention adds, the logits
LARGE, STRETCH = 30.0, 8.0


def sample_queries() -> list[tuple[str, list[str]]]:
    """The queries of the quick start, with the texts of their candidates: 110 pairs."""
    lines = (ROOT / "sample_data" / "quickstart.jsonl").read_text(encoding="utf-8").splitlines()
    return [(record["query"], [each["text"] for each in record["candidates"]]) for record in map(json.loads, lines)]


def write_steady(folder: Path) -> Path:
    """Write the model, always the same; returns its folder."""
    folder.mkdir(exist_ok=True)
    size = write_tokenizer(folder)
    config = XLMRobertaConfig(
        vocab_size=size,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        intermediate_size=4 * WIDTH,
        max_position_embeddings=514,
        type_vocab_size=1,
        num_labels=1,
        layers_in_float=1,
    )
    model = XLMRobertaForSequenceClassification(config)
    with torch.no_grad():
        draw_weights(model, torch.Generator().manual_seed(2))
    model.save_pretrained(folder)
    return folder


def write_tokenizer(folder: Path) -> int:
    """Write a Unigram tokenizer with XLM-R's template, of the words of the quick start; returns its size."""
    text = " ".join(" ".join([query, *texts]) for query, texts in sample_queries()).lower()
    pieces = [*((token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>"))]
    pieces += [(f"▁{word}", -5.0) for word in sorted(set(re.findall(r"\w+", text)))]
    pieces += [(character, -12.0) for character in ["▁", *map(chr, range(33, 127))]]
    backend = Tokenizer(models.Unigram(pieces, unk_id=3))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = ["input_ids", "attention_mask"]
    PreTrainedTokenizerFast(tokenizer_object=backend, model_input_names=names, **SPECIAL).save_pretrained(folder)
    return len(pieces)


def draw_weights(model: Any, generator: torch.Generator) -> None:
    """Set all weights: a layer keeps the size of what it reads, except where a constant above says otherwise."""

    def draw(weight: torch.Tensor, size: float) -> None:
        weight.normal_(0, size, generator=generator)

    def draw_linear(linear: nn.Linear, gain: float = 1.0) -> None:
        draw(linear.weight, gain / linear.in_features**0.5)
        draw(linear.bias, 0.1)

    body = model.roberta
    draw(body.embeddings.word_embeddings.weight, 1)
    draw(body.embeddings.position_embeddings.weight, 1)
    draw(body.embeddings.token_type_embeddings.weight, 0.02)
    for number, layer in enumerate(body.encoder.layer):
        attention = layer.attention
        for linear in (attention.self.query, attention.self.key, attention.self.value):
            draw_linear(linear)
        draw_linear(attention.output.dense, MIXING if number == 0 else 1)
        draw_linear(layer.intermediate.dense)
        draw_linear(layer.output.dense)
    draw_linear(model.classifier.dense)
    draw_linear(model.classifier.out_proj, HEAD)
    for layer in body.encoder.layer:
        stretch(layer.attention.self)
    need_float_above(model)


def stretch(attention: Any) -> None:
    """Make every second channel of the queries large and the others small, and those of the keys the other way."""
    sizes = torch.tensor([STRETCH, 1 / STRETCH]).repeat(WIDTH // 2)
    for linear, factors in ((attention.query, sizes), (attention.key, 1 / sizes)):
        linear.weight *= factors[:, None]
        linear.bias *= factors


def need_float_above(model: Any) -> None:
    """Make a dimension zero where the last layer and the head read it, and the weights that meet it large."""
    *_, before, last = model.roberta.encoder.layer
    own = last.attention.self
    readers = {
        before.output.LayerNorm: (own.query, own.key, own.value),
        last.attention.output.LayerNorm: (last.intermediate.dense,),
        last.output.LayerNorm: (model.classifier.dense,),
    }
    for norm, linears in readers.items():
        norm.weight[ZERO] = norm.bias[ZERO] = 0
        for linear in linears:
            linear.weight[:, ZERO] = LARGE
