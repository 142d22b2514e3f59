"""The engine that is opened, and the model's folder that it is handed."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.tiny import write_reranker

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ModelError
from rerank_cli.engines.choice import choose_engine, open_scorer
from rerank_cli.models.folder import LARGE, inspect_folder


@pytest.mark.parametrize("engine", ["auto", "torch"])
def test_a_folder_that_was_found_is_not_looked_for_again(engine: str, tmp_path: Path) -> None:
    folder = write_reranker(tmp_path / "model")
    config = ModelConfig(model="someone/nowhere", engine=engine, device="cpu", offline=True)
    with pytest.raises(ModelError, match="nowhere"):
        open_scorer(config)
    scorer = open_scorer(config, inspect_folder(ModelConfig(model="someone/nowhere"), folder, None))
    assert scorer.identity.model == "someone/nowhere"


@pytest.mark.skipif(find_spec("openvino") is None, reason="openvino is not installed")
@pytest.mark.parametrize(
    ("dtype", "small", "large"),
    [("auto", "openvino", "torch"), ("fp32", "openvino", "torch"), ("int8", "openvino", "openvino")],
)
def test_a_large_model_in_fp32_is_torchs(tmp_path: Path, dtype: str, small: str, large: str) -> None:
    config = ModelConfig(model=str(tmp_path / "model"), dtype=dtype, device="cpu")
    path = write_reranker(tmp_path / "model")
    folder = inspect_folder(ModelConfig(model="model"), path, None)
    assert choose_engine(config, folder)[0] == small
    assert choose_engine(config, replace(folder, to_download=LARGE))[0] == small
    assert choose_engine(config, replace(folder, to_download=LARGE + 1))[0] == large
