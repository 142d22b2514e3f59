"""Tiny language models with random weights that answer yes or no, saved by sentence-transformers' own code."""

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import CrossEncoder
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from rerank_cli.models.prompts import known_prompts

MARKERS = ("<|im_start|>", "<|im_end|>", "<bos>")
THOUGHTS = ("<think>", "</think>")  # added tokens that are not special, as in Qwen3's tokenizer
PAD = "<|endoftext|>"
TEXTS = [  # what the tokenizer is trained on, besides the prompts
    "the quick brown fox jumps over a lazy dog while what is a panda and where is the station",
    "a giant panda is a bear that lives in the mountains of central China and eats bamboo all day long",
    "search engines rank documents by how well they answer the question that a person has typed",
] * 3
TIED = {"qwen3": True, "qwen2": False, "gemma": True, "llama": False, "mistral": False}
OF_PROMPT = {  # architecture of the models that a prompt is for
    "qwen3-reranker": "qwen3",
    "mxbai-rerank-v2": "qwen2",
    "bge-reranker-v2-gemma": "gemma",
    "zerank": "qwen3",
    "ctxl-rerank-v2": "mistral",
}


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE of 1,200 tokens, with the answers of all prompts as single tokens."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    backend.decoder = decoders.ByteLevel()
    texts = [unit for prompt in known_prompts().values() for unit in prompt.frame]
    texts += ["yes", "no", "Yes", "No", "yes no Yes No"] * 20 + TEXTS
    trainer = trainers.BpeTrainer(
        vocab_size=1200, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    backend.train_from_iterator(texts, trainer)
    backend.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in (PAD, *MARKERS)])
    backend.add_tokens([AddedToken(text, normalized=False) for text in THOUGHTS])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token=PAD, eos_token="<|im_end|>", bos_token="<bos>", padding_side="left"
    )


def write_generator(folder: Path, model_type: str = "qwen3", template: str | None = None, **changes: Any) -> Path:
    """A language model of two layers with its tokenizer; returns its folder. Logits differ by more than rounding."""
    made = copy.deepcopy(tokenizer())
    made.chat_template = template
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = AutoConfig.for_model(
        model_type,
        **{
            **sizes,
            "vocab_size": len(made),
            "num_key_value_heads": 2,
            "head_dim": 8,
            "max_position_embeddings": 2048,
            "initializer_range": 0.3,
            "tie_word_embeddings": TIED[model_type],
            "pad_token_id": made.pad_token_id,
            "bos_token_id": made.bos_token_id,
            "eos_token_id": made.eos_token_id,
            **changes,
        },
    )
    torch.manual_seed(5)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    made.save_pretrained(folder)
    return folder


def jinja_of(prompt: str) -> str:
    """The frame of a prompt as a chat template with the roles of sentence-transformers."""
    known = known_prompts()[prompt]
    head = "".join(
        f"{{% set {role} = (messages | selectattr('role', 'equalto', '{role}') | list) %}}"
        for role in ("system", "query", "document")
    )
    before, _, after = (json.dumps(part) for part in known.instruction_as.partition("{instruction}"))
    default = json.dumps(known.instruction_as.replace("{instruction}", known.instruction) if known.instruction else "")
    written = f"{{{{ ({before} + system[0].content + {after}) if system else {default} }}}}"
    body = "".join(known.frame).replace("{instruction}", written)
    body = body.replace("{query}", "{{ query[0].content }}").replace("{document}", "{{ document[0].content }}")
    return head + body + "\n" * body.endswith("\n")  # one is dropped at the end


def write_yes_no(folder: Path, prompt: str = "qwen3-reranker", **changes: Any) -> Path:
    """A language model with a LogitScore and a chat template, as sentence-transformers saves it."""
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.cross_encoder.modules import LogitScore

    known = known_prompts()[prompt]
    source = write_generator(folder.with_name(f"{folder.name}-source"), OF_PROMPT[prompt], jinja_of(prompt), **changes)
    made = tokenizer()
    yes, no = (
        answer if answer is None or isinstance(answer, int) else made.encode(answer, add_special_tokens=False)[0]
        for answer in (known.yes, known.no)
    )
    transformer = Transformer(str(source), transformer_task="text-generation")
    CrossEncoder(modules=[transformer, LogitScore(yes, no)]).save_pretrained(str(folder))
    return folder
