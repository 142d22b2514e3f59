"""A model on disk: found, judged, tokenized and loaded; `mini` lies inside.

`find` and `hub` find it, `config_json` and `weights` judge it, `tokens` makes pairs of token ids, `load` loads the
weights and keeps the classification head in float32. `graph_files` keeps exported graphs.
"""

from rerank_cli.models.libraries import silence_libraries

silence_libraries()  # before anything imports them, whichever command it is
