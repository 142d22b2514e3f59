"""`python -m rerank_cli` is `rerank`."""

from rerank_cli.cli import main

main()
