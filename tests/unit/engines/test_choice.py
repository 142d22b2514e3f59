"""The engine that is opened, and the model's folder that it is handed."""

from pathlib import Path

import pytest
from support.tiny import write_reranker

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ModelError
from rerank_cli.engines.choice import open_scorer
from rerank_cli.models.folder import inspect_folder


@pytest.mark.parametrize("engine", ["auto", "torch"])
def test_a_folder_that_was_found_is_not_looked_for_again(engine: str, tmp_path: Path) -> None:
    folder = write_reranker(tmp_path / "model")
    config = ModelConfig(model="someone/nowhere", engine=engine, device="cpu", offline=True)
    with pytest.raises(ModelError, match="nowhere"):
        open_scorer(config)
    scorer = open_scorer(config, inspect_folder("someone/nowhere", folder, None))
    assert scorer.identity.model == "someone/nowhere"
