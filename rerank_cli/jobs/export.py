"""Export a model for another engine, and compare its scores on the user's records.

The folder appears when it is complete. Parity is measured against torch in float32, the precision of published models.
"""

import json
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from rerank_cli.core.config import ModelConfig, ReadConfig
from rerank_cli.core.dtypes import GRAPH_DTYPES
from rerank_cli.core.errors import ConfigError, DeviceError, OutputError, Refused
from rerank_cli.core.protocols import Report
from rerank_cli.core.records import Request
from rerank_cli.engines.choice import open_scorer
from rerank_cli.engines.registry import ENGINES, GRAPHS, not_installed
from rerank_cli.evaluation.agreement import Agreement, agreement
from rerank_cli.files.durable import umask
from rerank_cli.files.folders import swap_folder
from rerank_cli.files.paths import real_path
from rerank_cli.formats.registry import good_requests
from rerank_cli.models.config_json import TOKENIZER_FILES
from rerank_cli.models.declared import LENGTHS
from rerank_cli.models.find import refuse_empty
from rerank_cli.models.graph_files import NOTE, NotMade, words_of_a_full_disk
from rerank_cli.reranking.in_memory import load_and_score


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportConfig:
    """What to export, in which format and precision, and where; `records`: for the parity report (None: no report)."""

    model: ModelConfig
    output: Path
    format: str = "openvino"
    dtype: str = "fp32"
    records: ReadConfig | None = None
    overwrite: bool = False


def export(config: ExportConfig, report: Report) -> dict[str, Any]:
    """Export a model. Returns its note and its folder, with `parity` if records were given.

    Raises ConfigError, ModelError, InputError, Refused (the folder exists) or OutputError.
    """
    _refuse_early(config)
    requests = good_requests(config.records) if config.records else []
    target = real_path(str(config.output))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as fault:
        raise OutputError(f"{target.parent}: {fault.strerror}", "Check the folder and its disk.") from None
    try:
        report(f"making the {config.format} graph of {config.model.model}, {config.dtype}")
        exporting = import_module("rerank_cli.engines.graph_export")
        exporting.export_graph(config.model, config.format, config.dtype, folder)
        note: dict[str, Any] = json.loads((folder / NOTE).read_bytes())
        if requests:
            pairs = sum(len(request.texts) for request in requests)
            report(f"scoring {pairs} pairs with torch and with the exported model")
            note["parity"] = parity(config, folder, requests).as_dict()
            (folder / NOTE).write_text(json.dumps(note, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        _refuse_found(target, config.overwrite)  # again: it may have appeared meanwhile
        folder.chmod(0o777 & ~umask())
        previous = folder.with_name(folder.name + ".previous")
        swap_folder(folder, target, previous)
        shutil.rmtree(previous, ignore_errors=True)
    except OSError as fault:
        raise OutputError(f"{target}: {fault.strerror or fault}", "Check the folder and its disk.") from None
    except NotMade as fault:
        if full := words_of_a_full_disk(fault, folder):
            raise OutputError(f"{target}: {full}", "Check the folder and its disk.") from None
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {**note, "output": str(target), "bytes": sum(path.stat().st_size for path in target.iterdir())}


def _refuse_early(config: ExportConfig) -> None:
    refuse_empty(config.model)
    if config.format not in GRAPHS:
        raise ConfigError(f"--format {config.format}: unknown", f"Use {' or '.join(GRAPHS)}.")
    if config.dtype not in GRAPH_DTYPES:
        raise ConfigError(f"--dtype {config.dtype}: cannot be exported", f"Use {', '.join(GRAPH_DTYPES)}.")
    engine = ENGINES[config.format]
    if missing := not_installed(engine.export_packages):
        raise ConfigError(f"{', '.join(missing)}: not installed", engine.installation)
    _refuse_found(real_path(str(config.output)), config.overwrite)


def _refuse_found(target: Path, overwrite: bool) -> None:
    """Raises Refused when an existing folder must not be replaced."""
    if not os.path.lexists(target):
        return
    if not overwrite:
        raise Refused(f"{target}: exists", "Choose another folder, or add --overwrite to replace it.")
    if not (target / NOTE).is_file():
        raise Refused(f"{target}: is not an exported model; --overwrite does not replace it", "Choose another folder.")
    foreign = sorted(_foreign_names(target))
    if foreign:
        raise Refused(f"{target}: also holds {', '.join(foreign[:3])}, not written by rerank", "Choose another folder.")


def _foreign_names(folder: Path) -> set[str]:
    """Names in an exported folder that the export did not write."""
    try:
        files = set(json.loads((folder / NOTE).read_bytes())["files"])
    except (OSError, ValueError, KeyError, TypeError):
        files = set()
    return {path.name for path in folder.iterdir()} - {NOTE, "config.json", LENGTHS, *TOKENIZER_FILES, *files}


def parity(config: ExportConfig, folder: Path, requests: list[Request]) -> Agreement:
    """The agreement of the exported model in `folder` with torch in float32."""
    model = config.model
    reference = open_scorer(replace(model, engine="torch", device="cpu", dtype="fp32"))
    queries = [each for request in requests for each in request.by_query]
    expected = load_and_score(reference, queries)
    exported = open_scorer(
        replace(model, model=str(folder), revision=None, engine=config.format, device="cpu", dtype="auto")
    )
    try:
        return agreement(expected, load_and_score(exported, queries))
    except ValueError as fault:
        raise DeviceError(f"{folder.name}: {fault}", "Export it in fp32.") from None
