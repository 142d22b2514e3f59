"""A model on disk: found, judged, tokenized and loaded; `mini` lies inside.

`find` and `hub` find it, `folder` checks its files, `config_json` and `weights` judge what is in them. `tokens` makes
pairs of token ids, `text_model` is a model with its tokenizer before it computes, `load` loads the weights and keeps
the classification head in float32 in fp16 and bf16, too. `graph_files` keeps exported graphs, `libraries` keeps
libraries quiet.
"""

from rerank_cli.models.libraries import silence_libraries

silence_libraries()  # before anything imports them, whichever command it is
