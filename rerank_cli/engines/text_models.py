"""A model without weights, as the engine of its kind opens it."""

from collections.abc import Callable
from typing import Any

from rerank_cli.core.config import ModelConfig
from rerank_cli.engines.bi_encoder import open_bi_encoder
from rerank_cli.engines.cross_encoder import open_cross_encoder
from rerank_cli.engines.late_interaction import open_late_interaction
from rerank_cli.engines.yes_no import open_yes_no
from rerank_cli.models.declared import BI_ENCODER, CROSS_ENCODER, LATE, YES_NO
from rerank_cli.models.find import find_model
from rerank_cli.models.folder import ModelFolder
from rerank_cli.models.text_model import TextModel

BY_KIND: dict[str, Callable[[ModelConfig, ModelFolder], TextModel[Any]]] = {
    BI_ENCODER: open_bi_encoder,
    CROSS_ENCODER: open_cross_encoder,
    YES_NO: open_yes_no,
    LATE: open_late_interaction,
}


def open_text_model(config: ModelConfig, folder: ModelFolder | None = None) -> TextModel[Any]:
    """The model that `config` names, in `folder` if that is known, whatever its kind; loads no weights."""
    folder = find_model(config) if folder is None else folder
    return BY_KIND[folder.kind](config, folder)
