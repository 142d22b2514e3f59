"""How a page was made: when, by which command, from which models, with which versions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from rerank_cli import __version__
from rerank_cli.evaluation.made_by import MadeBy, made_by

LIBRARIES = {"ir-measures": "ir_measures", "pytrec-eval": "pytrec_eval-terrier", "scipy": "scipy"}


@dataclass(frozen=True, slots=True)
class Making:
    """The command as it was typed, and the time."""

    command: str
    when: datetime


def footer(making: Making, files: Iterable[str], *, measured: bool) -> list[tuple[str, list[str]]]:
    """Names with lines of text. `measured`: there are measures, so the libraries that computed them are named."""
    runs = [(name, made) for name in dict.fromkeys(files) if (made := made_by(name)) is not None]
    models = [_model(name, made) for name, made in runs]
    versions = [f"rerank {__version__}", *(_libraries() if measured else [])]
    return [
        ("Written", [f"{making.when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"]),
        ("Command", [making.command]),
        *([("Model" if len(models) == 1 else "Models", models)] if models else []),
        ("Versions", [", ".join(versions)]),
    ]


def _model(name: str, made: MadeBy) -> str:
    """A file with the model that scored it."""
    how = ", ".join(filter(None, [made.revision and f"revision {made.revision}", made.engine, made.dtype]))
    when = f", finished {made.finished_at[:10]}" if made.finished_at else ""
    by = f", by rerank {made.version}" if made.version else ""
    return f"{name}: {made.model or 'unknown'}{f' ({how})' if how else ''}{by}{when}"


def _libraries() -> list[str]:
    found = []
    for name, package in LIBRARIES.items():
        try:
            found.append(f"{name} {version(package)}")
        except PackageNotFoundError:
            continue
    return found
