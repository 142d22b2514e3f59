"""llama.cpp's HTTP server in a process of its own, until standard input ends: `python llama_server.py MODEL [KEY]`."""

import os
import sys

import xllamacpp


def main() -> None:
    """Serve a reranker on a free port of the loopback, and print the address."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path = sys.argv[1]
    parameters.embedding = True
    parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_RANK
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = sys.argv[2:3]
    parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = 512
    parameters.ui = False
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    sys.stdout.flush()
    os._exit(0)  # its threads never end


if __name__ == "__main__":
    main()
