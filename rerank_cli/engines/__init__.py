"""Pairs in, logits out: one file an engine, loaded by name.

`registry` has a row for each engine: the packages it needs, the extra that installs them, the dtypes it offers.
`choice` opens one and knows what `--engine auto` takes. `cross_encoder` and `bi_encoder` are the two kinds of models.
`…_graph` files make a model's graph for another runtime, `graphs` has what their engines ask of it. `self_test` tests
a loaded model, `machine` is what it runs on.
"""

from rerank_cli.models.libraries import silence_libraries

silence_libraries()  # before anything imports them, whichever command it is
