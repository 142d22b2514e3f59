"""Engines score pairs: one file per engine, loaded by name.

`registry` has a row for each engine: its packages, the extra that installs them, its dtypes. `choice` opens an engine
and resolves `--engine auto`. `cross_encoder` and `bi_encoder` are the two kinds of models. The `…_cross_encoder` files
are the engines, which import no library before they load a model: `torch_model`, `torch_vectors` and `openvino_runtime`
import theirs. `…_graph` files convert a model to the graph of another runtime, `graphs` has what their engines share.
The `remote_…` files are the http engine: `remote_reranker` asks a server, `remote_client` sends and repeats requests.
`self_test` tests a loaded model, `known_scores` has what models give elsewhere, `machine` describes the hardware.
"""

from rerank_cli.models.libraries import silence_libraries

silence_libraries()  # before any command imports them
