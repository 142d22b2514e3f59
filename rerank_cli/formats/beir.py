"""Files of texts: collections in shards, and BEIR folders, for candidates that a run names.

For a folder, its files of JSON lines, tab-separated lines or parquet are read in the order of their names. A BEIR
folder holds `corpus` and `queries`: each a file (`corpus.jsonl`, plain or compressed) or, as on the Hugging Face hub, a
folder of parquet files (`corpus/corpus-00000-of-00001.parquet`).
"""

import os
import re

from rerank_cli.core.errors import ConfigError, InputError

TEXTS = "JSON lines (.jsonl, .json), tab-separated lines (.tsv) or parquet, plain, .gz or .zst"
PACKED = r"\.(?:gz|zst|zstd)"
SHARD = re.compile(rf"[^.].*(?:\.(?:jsonl|ndjson|tsv)(?:{PACKED})?|\.json{PACKED}|\.parquet)|[^.]+{PACKED}")
JSON = re.compile(r"[^.].*\.json")  # shards if there are no others; next to others, a description of them
SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".tsv", ".parquet")
PARTS = ("queries", "corpus")


def text_files(paths: list[str]) -> tuple[str, ...]:
    """Replace each folder by its files of texts. Raises InputError for a folder without any.

    Raises ConfigError for a BEIR folder, since its queries are not documents.
    """
    files: list[str] = []
    for path in paths:
        if not os.path.isdir(path):
            files.append(path)
            continue
        if all(_part(path, name) for name in PARTS):
            raise ConfigError(f"{path}: is a BEIR folder, with queries and a corpus", "Name it as the INPUT.")
        shards = _shards(path)
        if not shards:
            raise InputError(f"{path}: has no file of texts", f"Files of texts are {TEXTS}.")
        files += shards
    return tuple(files)


def in_folder(folder: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The files with the queries and those with the corpus in a BEIR folder. InputError when some are missing."""
    queries, corpus = (_part(folder, name) for name in PARTS)
    if not queries or not corpus:
        raise InputError(
            f"{folder}: has no {'corpus' if queries else 'queries'}.jsonl",
            "A BEIR folder holds corpus.jsonl and queries.jsonl (plain or .gz), or two such folders of parquet files.",
        )
    return queries, corpus


def _part(folder: str, name: str) -> tuple[str, ...]:
    """The files of the queries or the corpus in a BEIR folder; empty if it has none."""
    paths = (os.path.join(folder, name + suffix) for suffix in SUFFIXES)
    path = next(filter(os.path.isfile, paths), None)
    return _shards(os.path.join(folder, name)) if path is None else (path,)


def _shards(folder: str) -> tuple[str, ...]:
    """The files of texts in a folder, by name; empty if the folder is missing. Raises InputError."""
    try:
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    except OSError as fault:
        raise InputError(f"{folder}: {fault.strerror}", "Check who may read it.") from None
    files = [name for name in names if os.path.isfile(os.path.join(folder, name))]
    shards = list(filter(SHARD.fullmatch, files)) or list(filter(JSON.fullmatch, files))
    return tuple([os.path.join(folder, name) for name in shards])
