"""Every family of the catalog against sentence-transformers: random weights, the same logits.

`rerank models` says that each family is tested so. What a family's published models give is compared where weights are.
"""

from pathlib import Path

import pytest
import torch
from sentence_transformers import CrossEncoder
from support.tiny import SIZES, WORDS, write_tokenizer
from transformers import AutoConfig, AutoModelForSequenceClassification

from rerank_cli.core.config import ModelConfig
from rerank_cli.engines.choice import open_scorer
from rerank_cli.models.catalog import FAMILIES
from rerank_cli.models.declared import CROSS_ENCODER
from rerank_cli.reranking.in_memory import score_texts

TYPES = [family.model_type for family in FAMILIES if family.kind == CROSS_ENCODER]
OTHERS = ["roberta", "camembert", "distilbert", "eurobert", "nomic_bert", "gte"]  # of docs/models.md, not in the list
OWN = {
    "modernbert": {"global_attn_every_n_layers": 2},
    "gte": {"type_vocab_size": 2},  # the tokenizer gives types
    "deberta-v2": {"relative_attention": True, "pos_att_type": "c2p"},
}
PAIRS = [
    ("what is panda ?", ["a panda", "hi", "p a n d a is what ? hi hi hi"]),
    ("hi", ["what is hi ? a b c d e f g", "is"]),
]


def write_family(folder: Path, model_type: str) -> Path:
    """A tiny model of an architecture with random weights, wide enough to tell pairs apart."""
    folder.mkdir()
    write_tokenizer(folder, WORDS)
    special = {"pad_token_id": 0, "cls_token_id": 2, "bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3}
    config = AutoConfig.for_model(
        model_type,
        vocab_size=len(WORDS),
        max_position_embeddings=66,
        num_labels=1,
        initializer_range=0.5,
        **{**SIZES, **special, **OWN.get(model_type, {})},
    )
    torch.manual_seed(5)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("model_type", [*TYPES, *OTHERS])
def test_each_family_scores_as_sentence_transformers_does(tmp_path: Path, model_type: str) -> None:
    folder = write_family(tmp_path / "model", model_type)
    ours = open_scorer(ModelConfig(model=str(folder), engine="torch", device="cpu", dtype="fp32", max_length=64))
    ours.load()
    logits = [logit for answers in score_texts(ours, PAIRS) for logit in answers]
    oracle = CrossEncoder(str(folder), device="cpu", activation_fn=torch.nn.Identity(), local_files_only=True)
    expected = oracle.predict([(query, text) for query, texts in PAIRS for text in texts])
    assert float(expected.std()) > 0.1
    assert logits == pytest.approx(expected.tolist(), abs=1e-5)


def test_the_catalog_lists_each_model_once() -> None:
    names = [model.name for family in FAMILIES for model in family.models]
    assert len(names) == len(set(names))
    assert set(TYPES) >= {"xlm-roberta", "bert", "modernbert", "deberta-v2", "electra"}
