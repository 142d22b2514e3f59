"""BEIR folders: `corpus.jsonl` and `queries.jsonl`, each plain, .gz or .zst. Their candidates are named by a run."""

import os

from rerank_cli.core.errors import InputError

SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".tsv")


def in_folder(folder: str) -> tuple[str, str]:
    """The queries and the corpus in a folder. Raises InputError when one is missing."""
    found = []
    for name in ("queries", "corpus"):
        paths = (os.path.join(folder, name + suffix) for suffix in SUFFIXES)
        path = next(filter(os.path.isfile, paths), None)
        if path is None:
            raise InputError(
                f"{folder}: has no {name}.jsonl", "A BEIR folder holds corpus.jsonl and queries.jsonl, plain or .gz."
            )
        found.append(path)
    return found[0], found[1]
