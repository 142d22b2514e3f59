"""Rerankers that answer yes or no on torch. The computation is in `torch_answers`."""

from rerank_cli.engines.torch_cross_encoder import TorchCrossEncoder
from rerank_cli.engines.yes_no import open_yes_no


class TorchYesNo(TorchCrossEncoder):
    """A language model in torch that answers whether a document is relevant."""

    engine = "yes-no"
    open_model = staticmethod(open_yes_no)
    computation = ("rerank_cli.engines.torch_answers", "LoadedYesNo")
