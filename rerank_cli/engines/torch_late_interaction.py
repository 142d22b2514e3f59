"""Late-interaction models on torch: MaxSim over the tokens of two texts, which `torch_token_vectors` computes."""

from dataclasses import replace

from rerank_cli.core.config import ModelConfig
from rerank_cli.engines.late_interaction import open_late_interaction
from rerank_cli.engines.torch_cross_encoder import TorchCrossEncoder, in_any_batch
from rerank_cli.models.folder import ModelFolder


class TorchLateInteraction(TorchCrossEncoder):
    """A late-interaction model in torch."""

    engine = "late-interaction"
    open_model = staticmethod(open_late_interaction)
    computation = ("rerank_cli.engines.torch_token_vectors", "LoadedLateInteraction")

    def __init__(self, config: ModelConfig, found: ModelFolder | None = None) -> None:
        super().__init__(config, found)
        self.traits = replace(in_any_batch(self.traits, self.identity), has_logits=False)
