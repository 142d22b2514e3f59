"""Pairs in, logits out: one file an engine, loaded by name.

`registry` has the table of engines: what each needs and offers. `choice` opens one and knows what `--engine auto`
takes. `…_graph` files export a model for another runtime. `self_test` proves a loaded model, `machine` is what it
runs on.
"""

from rerank_cli.models.libraries import silence_libraries

silence_libraries()  # before anything imports them, whichever command it is
