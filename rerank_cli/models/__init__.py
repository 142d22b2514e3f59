"""A model on disk: find, check, tokenize and load it. `mini` is in this folder.

`find` and `hub` find it, `folder` checks its files, `config_json` and `weights` check their content. `tokens` encodes
pairs, `text_model` is a model with its tokenizer, without weights. `load` loads the weights and keeps the
classification head in float32. `graph_files` stores exported graphs, `libraries` silences libraries.
"""

from rerank_cli.models.libraries import silence_libraries

silence_libraries()  # before any command imports them
