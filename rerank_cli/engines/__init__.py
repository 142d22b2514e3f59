"""Pairs in, logits out: one file an engine, loaded by name, and what graphs need."""

from rerank_cli.models.libraries import silence_libraries

silence_libraries()  # before anything imports them, whichever command it is
