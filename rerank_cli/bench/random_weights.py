"""Write a model with random weights in a real architecture, to measure speed only.

A tokenizer is required, since lengths, and so speed, depend on it. The scores are meaningless.
"""

import json
import shutil
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken
from transformers import (
    BertConfig,
    BertModel,
    ModernBertConfig,
    ModernBertForSequenceClassification,
    ModernBertModel,
    Qwen3Config,
    Qwen3ForCausalLM,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

from rerank_cli.core.errors import ConfigError, ModelError
from rerank_cli.models.config_json import TOKENIZER_FILES
from rerank_cli.models.declared import LENGTHS, MODULES, SETTINGS
from rerank_cli.models.libraries import quietly
from rerank_cli.models.prompts import Prompt, known_prompts
from rerank_cli.models.through_transformers import load_tokenizer

SHAPES: dict[str, dict[str, Any]] = {  # layers, width, heads, width of the feed-forward layers
    "xlmr-large": {"layers": 24, "hidden": 1024, "heads": 16, "intermediate": 4096},  # as bge-reranker-v2-m3
    "xlmr-base": {"layers": 12, "hidden": 768, "heads": 12, "intermediate": 3072},
    "xlmr-mini": {"layers": 6, "hidden": 384, "heads": 12, "intermediate": 1536},
    "modernbert": {"layers": 22, "hidden": 768, "heads": 12, "intermediate": 1152},  # as gte-reranker-modernbert-base
    "ettin-17m": {"layers": 7, "hidden": 256, "heads": 4, "intermediate": 384},  # with a head in modules
    "colbert": {"layers": 12, "hidden": 768, "heads": 12, "intermediate": 3072},  # as ColBERTv2: late interaction
    "qwen3-0.6b": {"layers": 28, "hidden": 1024, "heads": 16, "intermediate": 3072},  # as Qwen3-Reranker-0.6B
}
PROMPT = "qwen3-reranker"  # of the language models among them
Module = tuple[str, dict[str, Any], dict[str, torch.Tensor]]  # its type, settings and weights
CLASSES = {  # of sentence-transformers
    "Transformer": "sentence_transformers.base.modules.transformer.Transformer",
    "Pooling": "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
    "Dense": "sentence_transformers.base.modules.dense.Dense",
    "LayerNorm": "sentence_transformers.sentence_transformer.modules.layer_norm.LayerNorm",
    "MultiVectorMask": "sentence_transformers.multi_vector_encoder.modules.multi_vector_mask.MultiVectorMask",
    "Normalize": "sentence_transformers.base.modules.normalize.Normalize",
    "LogitScore": "sentence_transformers.cross_encoder.modules.logit_score.LogitScore",
}
FEATURES = {  # a Transformer that gives the vectors of tokens
    "transformer_task": "feature-extraction",
    "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
    "module_output_name": "token_embeddings",
}
PROJECTED = 128  # width of a token in late interaction
POSITIONS = {"colbert": 512, "xlmr": 8194, "modernbert": 8192, "ettin": 8192, "qwen3": 40960}


def make_random_model(shape: str, tokenizer: Path, target: Path) -> None:
    """Write a model of `shape` and the tokenizer of the folder `tokenizer` to `target`; the weights are reproducible.

    Raises ConfigError for an unknown shape, ModelError without a tokenizer.
    """
    if shape not in SHAPES:
        raise ConfigError(f"--random-weights {shape}: unknown", f"Use {', '.join(SHAPES)}.")
    if not (tokenizer / "tokenizer.json").is_file():
        raise ModelError(f"{tokenizer / 'tokenizer.json'}: missing", "Name the folder of a tokenizer: --tokenizer DIR.")
    sizes, family = SHAPES[shape], shape.partition("-")[0]
    arguments = {
        "vocab_size": _rows(tokenizer / "tokenizer.json"),
        "num_hidden_layers": sizes["layers"],
        "hidden_size": sizes["hidden"],
        "num_attention_heads": sizes["heads"],
        "intermediate_size": sizes["intermediate"],
        "max_position_embeddings": POSITIONS[family],
        "num_labels": 1,
    }
    torch.manual_seed(0)
    with quietly():
        if family == "xlmr":
            types = 2 if "token_type_ids" in load_tokenizer(tokenizer).model_input_names else 1
            config: Any = XLMRobertaConfig(
                **arguments, **_special_tokens(tokenizer), type_vocab_size=types, layer_norm_eps=1e-5
            )
            XLMRobertaForSequenceClassification(config).save_pretrained(target)
        elif family == "colbert":
            BertModel(BertConfig(**arguments, **_special_tokens(tokenizer))).save_pretrained(target)
        elif family == "qwen3":
            _write_qwen3(tokenizer, target, arguments)
        else:
            config = ModernBertConfig(**arguments, **_special_tokens(tokenizer))
            family_class = ModernBertForSequenceClassification if family == "modernbert" else ModernBertModel
            family_class(config).save_pretrained(target)
    if family == "ettin":
        _write_head(target, sizes["hidden"])
    if family == "colbert":
        _write_projection(target, sizes["hidden"], load_tokenizer(tokenizer))
    for name in TOKENIZER_FILES if family != "qwen3" else ():
        if (tokenizer / name).is_file():
            shutil.copyfile(tokenizer / name, target / name)


def _write_qwen3(tokenizer: Path, target: Path, arguments: dict[str, Any]) -> None:
    """A reranker that answers yes or no, with the markers of its prompt in the tokenizer."""
    prompt = known_prompts()[PROMPT]
    made = load_tokenizer(tokenizer)
    made.add_tokens([AddedToken(marker, normalized=False, special=True) for marker in prompt.markers])
    answers = [str(prompt.yes), str(prompt.no)]
    made.add_tokens([word for word in answers if len(made.tokenize(word)) > 1])
    made.chat_template = chat_template(prompt)
    made.save_pretrained(target)
    config = Qwen3Config(
        **{**arguments, "vocab_size": len(made)},
        num_key_value_heads=arguments["num_attention_heads"] // 2,
        head_dim=128,
        tie_word_embeddings=True,
        max_window_layers=arguments["num_hidden_layers"],
        pad_token_id=made.pad_token_id,
    )
    Qwen3ForCausalLM(config).save_pretrained(target)
    ids = made.convert_tokens_to_ids([made.tokenize(answer)[0] for answer in answers])
    settings: dict[str, Any] = dict(zip(("true_token_id", "false_token_id"), ids, strict=True))
    plain = {"method": "forward", "method_output_name": "logits"}
    task = {
        "transformer_task": "text-generation",
        "modality_config": {"text": plain, "message": plain | {"format": "flat"}},
        "module_output_name": "causal_logits",
    }
    _write_modules(target, [("LogitScore", settings | {"module_input_name": "causal_logits"}, {})], task)


def chat_template(prompt: Prompt) -> str:
    """A prompt with its own instruction as a Jinja template of sentence-transformers' roles."""
    roles = {
        name: f"{{{{ (messages | selectattr('role', 'equalto', '{name}') | list)[0].content }}}}"
        for name in ("query", "document")
    }
    frame = "".join(prompt.frame).replace("{instruction}", prompt.instruction or "")
    for name, expression in roles.items():
        frame = frame.replace(f"{{{name}}}", expression)
    return frame + "\n" * frame.endswith("\n")  # Jinja drops one at the end


def _special_tokens(tokenizer: Path) -> dict[str, int | None]:
    """The ids of special tokens, in the names of a configuration: the padding must be that of the tokenizer."""
    made = load_tokenizer(tokenizer)
    return {
        "pad_token_id": made.pad_token_id,
        **dict.fromkeys(("bos_token_id", "cls_token_id"), made.cls_token_id),
        **dict.fromkeys(("eos_token_id", "sep_token_id"), made.sep_token_id),
    }


def _write_head(target: Path, width: int) -> None:
    """The modules of an ettin reranker, as sentence-transformers writes them."""
    activation, identity = "torch.nn.modules.activation.GELU", "torch.nn.modules.linear.Identity"
    vector, dense = {"module_input_name": "sentence_embedding"}, {"in_features": width}
    modules: list[Module] = [
        ("Pooling", {"embedding_dimension": width, "pooling_mode": "cls"}, {}),
        (
            "Dense",
            {**dense, **vector, "out_features": width, "bias": False, "activation_function": activation},
            {"linear.weight": torch.randn(width, width) / width**0.5},
        ),
        ("LayerNorm", {"dimension": width}, {"norm.weight": torch.ones(width), "norm.bias": torch.zeros(width)}),
        (
            "Dense",
            {
                **dense,
                **vector,
                "out_features": 1,
                "bias": True,
                "activation_function": identity,
                "module_output_name": "scores",
            },
            {"linear.weight": torch.randn(1, width) / width**0.5, "linear.bias": torch.zeros(1)},
        ),
    ]
    _write_modules(target, modules, FEATURES)


def _write_projection(target: Path, width: int, tokenizer: Any) -> None:
    """The modules of a late-interaction model, as sentence-transformers writes them: ColBERTv2's, without markers.

    Queries are filled up with the token that masks, or with another one where the tokenizer has none.
    """
    tokens, identity = {"module_input_name": "token_embeddings"}, "torch.nn.modules.linear.Identity"
    dense = {"in_features": width, "out_features": PROJECTED, "bias": False, "activation_function": identity, **tokens}
    modules: list[Module] = [
        ("Dense", dense, {"linear.weight": torch.randn(PROJECTED, width) / width**0.5}),
        ("MultiVectorMask", {"skiplist_words": list(string.punctuation)}, {}),
        ("Normalize", tokens, {}),
    ]
    expansion = {
        "strategy": "fixed",
        "attend": False,
        "token": tokenizer.mask_token or tokenizer.unk_token,
        "length": 32,
    }
    lengths = {"document_length": 180, "query_expansion": expansion}
    _write_modules(target, modules, FEATURES | lengths, {"model_type": "MultiVectorEncoder"})


def _write_modules(
    target: Path, modules: Sequence[Module], task: dict[str, Any], about: dict[str, Any] | None = None
) -> None:
    """The files of sentence-transformers for a Transformer that computes a `task`, and the modules after it."""
    listed = [{"idx": 0, "name": "0", "path": "", "type": CLASSES["Transformer"]}]
    for place, (kind, settings, tensors) in enumerate(modules, 1):
        folder = target / f"{place}_{kind}"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(settings, indent=2))
        if tensors:
            save_file(tensors, folder / "model.safetensors")
        listed.append({"idx": place, "name": str(place), "path": folder.name, "type": CLASSES[kind]})
    for name, content in (
        (MODULES, listed),
        (LENGTHS, task),
        (SETTINGS, about or {"model_type": "CrossEncoder", "activation_fn": "torch.nn.modules.linear.Identity"}),
    ):
        (target / name).write_text(json.dumps(content, indent=2))


def _rows(tokenizer: Path) -> int:
    """The number of rows that the embeddings need, added tokens included."""
    content = json.loads(tokenizer.read_text(encoding="utf-8"))
    added = max((token["id"] + 1 for token in content.get("added_tokens", ())), default=0)
    return max(len(content["model"]["vocab"]), added)
