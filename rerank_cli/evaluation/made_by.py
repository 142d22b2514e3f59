"""The run that wrote a file of results, from the meta data next to it."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from rerank_cli.files.ownership import is_meta


class MadeBy(NamedTuple):
    """How a finished run describes itself; "" for what is unknown."""

    model: str
    revision: str
    engine: str
    dtype: str
    version: str
    finished_at: str


def made_by(path: str) -> MadeBy | None:
    """The run that wrote this file; None if there is no meta data of ours, or it describes a file of another size."""
    document = meta_of(path)
    if document is None:
        return None
    versions = document.get("versions")
    known = {**document, "version": versions.get("rerank") if isinstance(versions, dict) else None}
    return MadeBy(*(value if isinstance(value := known.get(name), str) else "" for name in MadeBy._fields))


def meta_of(path: str) -> dict[str, Any] | None:
    """The meta data of the run that wrote this file; None if there is none of ours, or it is of another size."""
    meta = Path(f"{path}.meta.json")
    try:
        if not is_meta(meta):
            return None
        document: dict[str, Any] = orjson.loads(meta.read_bytes())
        return document if document["output_bytes"] == os.path.getsize(path) else None
    except (OSError, ValueError):
        return None
