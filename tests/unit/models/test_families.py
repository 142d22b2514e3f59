"""Which names are those of rerankers that this version does not run, and what is said where such a model is absent."""

import json

import pytest

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ModelError
from rerank_cli.models.config_json import refuse_no_head
from rerank_cli.models.families import family_of
from rerank_cli.models.hub import ways_out

NOT_RUN = {
    "Qwen/Qwen3-Reranker-0.6B": "language model",
    "Qwen/Qwen3-VL-Reranker-2B": "language model",
    "mixedbread-ai/mxbai-rerank-large-v2": "language model",
    "BAAI/bge-reranker-v2-gemma": "language model",
    "BAAI/bge-reranker-v2-minicpm-layerwise": "language model",
    "BAAI/bge-reranker-v2.5-gemma2-lightweight": "language model",
    "zeroentropy/zerank-1-small": "language model",
    "ContextualAI/ctxl-rerank-v2-instruct-multilingual-1b": "language model",
    "castorini/monot5-base-msmarco": "T5",
    "jinaai/jina-reranker-v3": "listwise",
    "castorini/rank_zephyr_7b_v1_full": "listwise",
    "jinaai/jina-reranker-v2-base-multilingual": "repository",
    "jinaai/jina-reranker-v1-tiny-en": "repository",
    "Alibaba-NLP/gte-multilingual-reranker-base": "repository",
    "colbert-ir/colbertv2.0": "late-interaction",
    "answerdotai/answerai-colbert-small-v1": "late-interaction",
}
RUN = [
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
    assert family_of(name) is None
    assert f"hf download {name}" in ways_out(ModelConfig(model=name))


def test_a_bi_encoder_is_what_was_asked_for_whatever_its_name():
    assert "hf download someone/colbert" in ways_out(ModelConfig(model="someone/colbert", engine="bi-encoder"))


@pytest.mark.parametrize("architecture", ["Qwen3ForCausalLM", "T5ForConditionalGeneration"])
def test_a_model_that_generates_text_is_refused_as_what_it_is(tmp_path, architecture):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"architectures": [architecture]}))
    with pytest.raises(ModelError, match=architecture) as fault:
        refuse_no_head(path, json.loads(path.read_text()))
    assert "language model" in fault.value.advice
    assert "bi-encoder" not in fault.value.advice
