"""Which names are those of rerankers that this version does not run, and what is said where such a model is absent."""

import json

import pytest

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ModelError
from rerank_cli.models.declared import YES_NO
from rerank_cli.models.families import foreign_model
from rerank_cli.models.hub import ways_out
from rerank_cli.models.kind import read_kind

NOT_RUN = {
    "Qwen/Qwen3-VL-Reranker-2B": "pictures",
    "BAAI/bge-reranker-v2-minicpm-layerwise": "FlagEmbedding runs it",
    "BAAI/bge-reranker-v2.5-gemma2-lightweight": "FlagEmbedding runs it",
    "castorini/monot5-base-msmarco": "T5",
    "jinaai/jina-reranker-v3": "listwise",
    "castorini/rank_zephyr_7b_v1_full": "listwise",
    "jinaai/jina-reranker-v2-base-multilingual": "repository",
    "jinaai/jina-reranker-v1-tiny-en": "repository",
    "Alibaba-NLP/gte-multilingual-reranker-base": "repository",
    "jinaai/jina-colbert-v2": "repository",
}
RUN = [
    "Qwen/Qwen3-Reranker-0.6B",
    "mixedbread-ai/mxbai-rerank-large-v2",
    "BAAI/bge-reranker-v2-gemma",
    "zeroentropy/zerank-1-small",
    "ContextualAI/ctxl-rerank-v2-instruct-multilingual-1b",
    "cross-encoder/ettin-reranker-17m-v1",
    "BAAI/bge-reranker-v2-m3",
    "BAAI/bge-reranker-base",
    "mixedbread-ai/mxbai-rerank-base-v1",
    "Alibaba-NLP/gte-reranker-modernbert-base",
    "alibaba-nlp-community/gte-multilingual-reranker-base",
    "tomaarsen/Qwen3-Reranker-0.6B-seq-cls",
    "baseten-admin/zerank-2-reranker-seq",
    "cross-encoder/ms-marco-MiniLM-L6-v2",
    "Qwen/Qwen3-Embedding-0.6B",
    "colbert-ir/colbertv2.0",
    "answerdotai/answerai-colbert-small-v1",
    "someone/reranker",
]


@pytest.mark.parametrize(("name", "said"), NOT_RUN.items())
def test_a_model_of_a_family_that_does_not_run_is_not_recommended_for_download(name, said):
    advice = ways_out(ModelConfig(model=name))
    assert said in advice
    assert "hf download" not in advice
    assert "BAAI/bge-reranker-v2-m3" in advice
    assert "`rerank models`" in advice


@pytest.mark.parametrize("name", RUN)
def test_every_other_name_has_the_three_ways_out(name):
    assert foreign_model(name) is None
    assert f"hf download {name}" in ways_out(ModelConfig(model=name))


def test_a_folder_of_a_model_with_a_prompt_needs_it_by_name():
    assert "`--model PATH --prompt qwen3-reranker`" in ways_out(ModelConfig(model="Qwen/Qwen3-Reranker-0.6B"))
    assert "`--model PATH`" in ways_out(ModelConfig(model="Qwen/Qwen3-Reranker-0.6B", prompt="own.json"))


def test_a_bi_encoder_is_what_was_asked_for_whatever_its_name():
    assert "hf download someone/colbert" in ways_out(ModelConfig(model="someone/colbert", engine="bi-encoder"))


@pytest.mark.parametrize(
    ("architecture", "model_type"),
    [("Qwen3ForCausalLM", "qwen3"), ("T5ForConditionalGeneration", "t5"), ("CostWiseGemmaForCausalLM", "cost_wise")],
)
def test_a_model_that_generates_text_is_refused_as_what_it_is(tmp_path, architecture, model_type):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"architectures": [architecture], "model_type": model_type}))
    with pytest.raises(ModelError, match=YES_NO) as fault:
        read_kind(tmp_path, ModelConfig(model="someone/model"))
    assert ("--prompt" in fault.value.advice) == (model_type == "qwen3")
    assert "bi-encoder" not in fault.value.advice


@pytest.mark.parametrize(
    ("name", "runs_in"),
    [
        ("BAAI/bge-reranker-v2-minicpm-layerwise", "FlagEmbedding"),
        ("BAAI/bge-reranker-v2.5-gemma2-lightweight", "FlagEmbedding"),
        ("jinaai/jina-reranker-v1-turbo-en", "API"),
        ("jinaai/jina-reranker-v2-base-multilingual", "API"),
        ("./models/jina-reranker-v2-base-multilingual", "API"),
        ("Alibaba-NLP/gte-multilingual-reranker-base", "alibaba-nlp-community"),
    ],
)
def test_code_of_a_repository_is_refused_with_the_way_that_works(tmp_path, name, runs_in):
    """Also where config.json names an architecture that transformers has: the code computes another one."""
    content = {"architectures": ["XLMRobertaForSequenceClassification"], "model_type": "xlm-roberta", "num_labels": 1}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(content | {"auto_map": {"AutoModel": "modeling.Model"}}))
    with pytest.raises(ModelError, match="auto_map") as fault:
        read_kind(tmp_path, ModelConfig(model=name))
    assert runs_in in fault.value.advice
    path.write_text(json.dumps(content))  # converted: nothing of the repository's code is needed
    read_kind(tmp_path, ModelConfig(model=name))
