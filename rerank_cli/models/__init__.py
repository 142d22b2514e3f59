"""A model on disk: found, judged, tokenized and loaded. `mini` lies inside."""

from rerank_cli.models.libraries import silence_libraries

silence_libraries()  # before anything imports them, whichever command it is
