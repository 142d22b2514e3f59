"""Rerank a file of queries and candidates with a cross-encoder."""

__version__ = "0.1.0"
