"""Precisions by name, as in options, graph notes and statistics."""

DTYPES = ("fp32", "fp16", "bf16", "int8")  # an engine computes in these
GRAPH_DTYPES = ("fp32", "fp16", "int8")  # a graph stores its weights in these
TRAINING_DTYPES = ("fp32", "bf16", "fp16")  # a training step computes in these
