"""What makes two runs the same run: everything that can change a byte of the result, and nothing else.

A partial output is continued, and a finished one left alone, only under an equal fingerprint. Names of files, limits on
errors and how we talk are not part of it: they change no result.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rerank_cli import __version__
from rerank_cli.core.config import RunConfig
from rerank_cli.core.scorer import Identity


def fingerprint(
    config: RunConfig, format_name: str, identity: Identity, hashes: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Flat names and plain values, so that a difference can be named to the user.

    `hashes` are of files that are read beside the inputs.
    """
    read = asdict(config.read)
    for irrelevant in ("inputs", "format", "run", "queries", "corpus", "folder", "need_texts"):
        del read[irrelevant]
    write = {("output_" + name if name == "format" else name): value for name, value in asdict(config.write).items()}
    del write["model"], write["scored"]  # a name of the engine's model, which is there; the same in every run
    versions = {f"{name}_version": version for name, version in identity.versions.items()}
    engine = {name: value for name, value in identity.as_dict().items() if name != "versions"}
    flat = {
        "rerank_version": __version__,
        "format": format_name,
        **read,
        **write,
        **engine,
        **versions,
        "long_docs": config.model.long_docs,
        "chunk_overlap": config.model.chunk_overlap,
        **asdict(config.batch),
        **(hashes or {}),
    }
    return {name: readable(value) for name, value in flat.items()}


def readable(value: Any) -> Any:
    """`value` with file names that are not UTF-8 made so that JSON can hold them."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if isinstance(value, dict):
        return {name: readable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [readable(each) for each in value]
    return value
