"""What `rerank doctor` finds out without a model: versions, extras, the device and the caches."""

import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from rerank_cli import __version__
from rerank_cli.core.errors import ExitStatus, RerankError
from rerank_cli.core.installation import install, installation, name_of, packages_of
from rerank_cli.core.sizes import mebibytes
from rerank_cli.engines.machine import device_name, machine, python_version
from rerank_cli.models.graph_files import cache_folder
from rerank_cli.models.hashes import hashes_folder
from rerank_cli.models.own_cache import size_of
from rerank_cli.models.resolved import resolved_folder

PACKAGES = ("torch", "transformers", "tokenizers", "huggingface_hub", "safetensors", "orjson", "typer", "rich")
EXTRAS = {
    "openvino": "more speed on CPUs, and --dtype int8",
    "onnx": "--engine onnx",
    "parquet": "parquet files",
    "eval": "rerank eval, and the pages of --html",
    "train": "rerank train and rerank mine",
    "bench": "rerank bench --plot",
    "http": "--engine http",
}

Verdict = Literal["ok", "note", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question. A bad one says in `advice` what to do."""

    verdict: Verdict
    question: str
    answer: str
    advice: str = ""
    status: ExitStatus = ExitStatus.OK

    @classmethod
    def of(cls, fault: RerankError, question: str) -> "Finding":
        """A bad one."""
        return cls("bad", question, fault.message, fault.advice, fault.status)


def installed() -> Iterator[Finding]:
    """The versions of this program and of what it needs, and which extras are there."""
    yield Finding("ok", "rerank", f"{__version__}, {python_version()}")
    for package in PACKAGES:
        version = _version(package)
        if version is None:
            yield Finding("bad", package, "not installed", install(package), ExitStatus.MODEL)
        else:
            yield Finding("ok", package, version)
    for extra, purpose in EXTRAS.items():
        yield _extra(extra, purpose)


def _extra(extra: str, purpose: str) -> Finding:
    versions = {name: _version(name) for name in map(name_of, packages_of(extra))}
    missing = [name for name, version in versions.items() if version is None]
    if missing or not versions:
        answer = f"missing {', '.join(missing) or extra}, for {purpose}"
        return Finding("note", f"extra {extra}", answer, installation(extra))
    there = ", ".join(f"{name} {version}" for name, version in versions.items())
    return Finding("ok", f"extra {extra}", f"{there}; for {purpose}")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def device(wanted: str) -> Finding:
    """The device that torch would compute on."""
    try:
        found = str(import_module("rerank_cli.engines.torch_device").choose_device(wanted))
    except RerankError as fault:
        return Finding.of(fault, "device")
    if found.startswith("cuda"):
        return Finding("ok", "device", f"{found} ({device_name(found)})")
    about = machine()
    return Finding("ok", "device", f"{found} ({about['cpu']}, {about['cores']} cores)")


def caches() -> Iterator[Finding]:
    """The folders where models, graphs and what is known of models are kept, with their sizes."""
    constants: Any = import_module("huggingface_hub.constants")
    for question, folder, more in (
        ("hub cache", Path(constants.HF_HUB_CACHE), ""),
        ("graph cache", cache_folder(), "; can be removed, graphs are made again"),
        ("tokenizer cache", resolved_folder(), "; can be removed, tokenizers are read again"),
        ("hash notes", hashes_folder(), "; can be removed, models are hashed again"),
    ):
        size = size_of(folder) if folder.is_dir() else 0
        says = f"{mebibytes(size)}{more}" if size else "nothing there yet"
        yield Finding("ok", question, f"{folder} ({says})")
