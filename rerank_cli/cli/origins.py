"""Where the values of a run came from: for --show-config and for the statistics of the run."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from rerank_cli.cli.config_file import ConfigFile, parameters
from rerank_cli.cli.toml_text import toml_text
from rerank_cli.core.config import Origins

FILE = f"{__name__}.file"  # the ConfigFile in a context's meta
SOURCES = {"COMMANDLINE": "flag", "ENVIRONMENT": "environment", "DEFAULT_MAP": "file"}
WIDEST = 60  # columns of a line before its comment


def origins_of(context: typer.Context) -> Origins:
    """The sources of all values that are not defaults."""
    file: ConfigFile | None = context.meta.get(FILE)
    given = {key: source_of(context, each) for key, each in parameters(_command(context)).items()}
    return Origins(
        config_file=None if file is None else _plain(file.path),
        config_file_sha256=None if file is None else file.sha256,
        sources={key: source for key, source in given.items() if source != "default"},
    )


def source_of(context: Any, parameter: Any) -> str:
    """`flag` for what was typed, `environment`, `file` or `default`."""
    source = context.get_parameter_source(parameter.name)
    return SOURCES.get(source.name, "default") if source is not None else "default"


def shown_lines(context: Any, resolved: Mapping[str, str]) -> list[str]:
    """What a run would use, as a file for --config that says in comments where each value came from.

    `resolved` is what values of `auto` stand for, by the names of parameters.
    """
    file: ConfigFile | None = context.meta.get(FILE)
    rows = []
    for key, each in parameters(context.command).items():
        source = source_of(context, each)
        comment = f"{source}, {each.envvar}" if source == "environment" else source
        value = context.params.get(each.name)
        if value is None or value == ():
            rows.append((f"# {key}", f"{comment}: not set"))
        else:
            meaning = f": {resolved[each.name]}" if each.name in resolved else ""
            rows.append((f"{key} = {toml_text(_plain(value))}", f"{comment}{meaning}"))
    width = max((len(line) for line, _ in rows if len(line) <= WIDEST), default=0)
    head = [f"# What `{context.command_path}` would use: flag over environment over file over default"]
    if file is not None:
        head.append(f"# file: {toml_text(file.path)}, sha256 {file.sha256}")
    return head + [f"{line:<{width}}  # {comment}" for line, comment in rows]


def _plain(value: Any) -> Any:
    """A value in a type that TOML has."""
    if isinstance(value, str | Path):
        return os.fsencode(value).decode("utf-8", "replace")
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _command(context: typer.Context) -> TyperCommand:
    command = context.command
    assert isinstance(command, TyperCommand)
    return command
