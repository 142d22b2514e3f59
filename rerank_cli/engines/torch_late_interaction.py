"""Late-interaction models on torch: MaxSim over the tokens of two texts, which `torch_token_vectors` computes."""

from array import array
from dataclasses import replace

from rerank_cli.core.config import ModelConfig
from rerank_cli.engines.late_interaction import interaction_in, open_late_interaction
from rerank_cli.engines.rows import Row
from rerank_cli.engines.torch_vector_engine import TorchVectorEngine
from rerank_cli.models.folder import ModelFolder


class TorchLateInteraction(TorchVectorEngine):
    """A late-interaction model in torch."""

    engine = "late-interaction"
    open_model = staticmethod(open_late_interaction)
    computation = ("rerank_cli.engines.torch_token_vectors", "LoadedLateInteraction")

    def __init__(self, config: ModelConfig, found: ModelFolder | None = None) -> None:
        super().__init__(config, found)
        self.traits = replace(self.traits, has_logits=False)

    def numbers_of(self, row: Row) -> int:
        """A vector of each token that counts."""
        skipped = self._text_model.tokenizer.skipped
        counted = sum(number not in skipped for number in array("i", row.ids))
        return counted * interaction_in(self._text_model.folder).width
