"""What `auto` stands for on this machine, for --show-config: as far as no library and no model is loaded to know."""

from typing import Any

from rerank_cli.cli.options import model_of
from rerank_cli.core.errors import RerankError
from rerank_cli.engines.choice import expected_engine
from rerank_cli.engines.machine import has_no_gpu

AUTO = "auto"
OPTIONS = ("engine", "device", "dtype")
OF_MODEL = "depends on the model"
OF_GPU = "a GPU if torch finds one, else cpu"


def resolved(context: Any) -> dict[str, str]:
    """What the values `auto` of engine, device and dtype stand for, by the names of parameters."""
    auto = {name for name in OPTIONS if context.params.get(name) == AUTO}
    found = {"device": "cpu here" if has_no_gpu() else OF_GPU}
    if "engine" in context.params:  # else a dtype is something else
        engine, dtype = _expected(context)
        found |= {"engine": engine, "dtype": dtype}
    return {name: meaning for name, meaning in found.items() if name in auto}


def _expected(context: Any) -> tuple[str, str]:
    try:
        named = context.params.get("model") is not None  # `rerank models` needs none
        expected = expected_engine(model_of(context)) if named else None
    except RerankError:  # which the run itself reports
        expected = None
    if expected is None:
        on_cpu = context.params["device"] == "cpu" or (context.params["device"] == AUTO and has_no_gpu())
        return (OF_MODEL if on_cpu else f"{OF_MODEL} and the device",) * 2
    engine, dtype = expected
    return f"{engine} here", f"{dtype} here"
