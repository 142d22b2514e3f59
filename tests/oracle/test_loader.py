"""What the loader must accept, and how it then scores; what it refuses is in tests/faults/test_models.py."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from support.tiny import write_model, write_reranker

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError, ModelError
from rerank_cli.engines.known_scores import known_models
from rerank_cli.engines.self_test import PAIRS, score_together
from rerank_cli.engines.torch_cross_encoder import TorchCrossEncoder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole, random, tiny reranker."""
    return write_reranker(tmp_path / "model")


def open_and_load(folder: Path, **options: str) -> TorchCrossEncoder:
    scorer = TorchCrossEncoder(ModelConfig(model=str(folder), device="cpu", **options))
    scorer.load()
    return scorer


def test_whole_model_loads_and_lowers_its_length(folder: Path) -> None:
    scorer = open_and_load(folder)
    assert scorer.identity.max_length == 64
    assert len(score_together(scorer, scorer.prepare(PAIRS))) == 2


def test_missing_folder_is_refused_without_asking_the_hub(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nothing: .*folder"):
        open_and_load(tmp_path / "nothing")


def test_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json: "):
        open_and_load(tmp_path)


def test_sharded_weights_score_as_whole_ones(folder: Path) -> None:
    whole = open_and_load(folder)
    expected = score_together(whole, whole.prepare(PAIRS))
    (folder / "model.safetensors").unlink()
    write_model(folder, shard_size="20KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    sharded = open_and_load(folder)
    assert score_together(sharded, sharded.prepare(PAIRS)) == expected


@pytest.mark.parametrize("options", [{"dtype": "int8"}, {"dtype": "fp64"}])
def test_dtype_of_other_engines_is_a_usage_error(folder: Path, options: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="--dtype"):
        open_and_load(folder, **options)


NEAR = {("steady", "fp16"): 0.1, ("steady", "bf16"): 0.1, ("mini", "fp16"): 0.1, ("mini", "bf16"): 0.6}  # of a logit


@pytest.mark.parametrize(
    ("model", "dtype"), [pytest.param(*each, marks=[pytest.mark.slow] * (each[0] == "mini")) for each in NEAR]
)
def test_half_precision_body_keeps_a_float32_head(path_of: Callable[[str], str], model: str, dtype: str) -> None:
    exact = TorchCrossEncoder(ModelConfig(model=path_of(model), device="cpu", dtype="fp32"))
    half = TorchCrossEncoder(ModelConfig(model=path_of(model), device="cpu", dtype=dtype))
    for scorer in (exact, half):
        scorer.load()
    assert {weight.dtype for weight in half.loaded.model.classifier.parameters()} == {torch.float32}
    ours, theirs = (score_together(scorer, scorer.prepare(PAIRS)) for scorer in (half, exact))
    assert ours == pytest.approx(theirs, abs=NEAR[model, dtype])
    assert any(value != torch.tensor(value).to(half.loaded.dtype).item() for value in ours)


def test_model_folder_may_have_any_name(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "with space é"
    shutil.copytree(folder, target)
    assert open_and_load(target).identity.model == str(target)


@pytest.mark.parametrize("known", [True, False], ids=["at a revision with known scores", "at another revision"])
def test_a_model_of_the_hub_must_give_its_published_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    name = "BAAI/bge-reranker-base"
    commit = known_models()[name].revisions[0] if known else "f" * 40
    repository = tmp_path / "models--BAAI--bge-reranker-base"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs/main").write_text(commit)
    (repository / "snapshots").mkdir()
    write_reranker(repository / "snapshots" / commit)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    scorer = TorchCrossEncoder(ModelConfig(model=name, device="cpu", offline=True))
    assert scorer.identity.revision == commit
    if not known:
        scorer.load()
        return
    with pytest.raises(ModelError, match=name):
        scorer.load()
