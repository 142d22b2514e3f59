"""OpenVINO on this CPU: its instructions, and the settings to compile a graph."""

import math
from pathlib import Path
from typing import Any

import openvino

from rerank_cli.models.facts import Facts

LARGEST_GROUP = 128


def computes_bfloat16() -> bool:
    """Whether this CPU has bfloat16 instructions."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def settings_for(facts: Facts, dtype: str, half: bool, threads: int) -> dict[str, str]:
    """The settings to compile a graph; `half`: with bfloat16 where the graph allows it.

    One batch at a time: several at once are a tenth faster and sometimes wrong (docs/experiments.md, E8 and E13).
    """
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": str(threads),
        "INFERENCE_PRECISION_HINT": "bf16" if half else "f32",
    }
    if dtype == "int8":
        widths = [width or LARGEST_GROUP for width in (facts.hidden_size, facts.intermediate_size)]
        settings["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = str(group(*widths))
    return settings


def compiled(graph: Path, settings: dict[str, str]) -> Any:
    """A graph that is ready to compute on the CPU. Raises RuntimeError for a file that is none."""
    return openvino.Core().compile_model(str(graph), "CPU", settings)


def group(hidden: int, intermediate: int) -> int:
    """The number of a token's values that share a scale: the largest divisor of both widths of a layer, at most 128.

    >>> group(384, 1536), group(1024, 4096)
    (128, 128)
    """
    both = math.gcd(hidden, intermediate)
    return max(size for size in range(1, min(both, LARGEST_GROUP) + 1) if both % size == 0)
