"""Random weights for the benchmark."""
