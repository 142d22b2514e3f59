"""A model on disk: find, check, tokenize and load it. `mini` is in this folder.

`find` and `hub` find it (`cached`: what the hub's cache holds), `folder` checks its files, `config_json` and `weights`
check their content. `declared` reads its kind and its modules, `encoding` those of a bi-encoder. `hashes` remembers the
SHA-256 of large ones. `through_transformers` reads a configuration and a tokenizer, and `resolved` keeps what it found
(`facts`). `tokens` encodes pairs, `lengths` limits them, `text_model` is a model with its tokenizer, without weights.
`load` loads the weights and keeps the classification head in float32. `graph_files` stores exported graphs, `libraries`
silences libraries.
"""

from rerank_cli.models.libraries import silence_libraries

silence_libraries()  # before any command imports them
