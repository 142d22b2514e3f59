"""Precisions by name, as options, notes of graphs and statistics know them."""

DTYPES = ("fp32", "fp16", "bf16", "int8")  # that an engine computes in
GRAPH_DTYPES = ("fp32", "fp16", "int8")  # that the weights of a graph are stored in
TRAINING_DTYPES = ("fp32", "bf16", "fp16")  # that a training step is computed in
