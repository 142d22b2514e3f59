"""The file of --config: options of one command in TOML, one a line, by their long names.

It becomes click's default map: what is typed wins over the environment, that over the file, and the file over defaults.
"""

import hashlib
import json
import os
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from typer.core import TyperCommand

from rerank_cli.cli.other_options import other_options
from rerank_cli.cli.toml_text import toml_text
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.guesses import close_to

STAGE = "stage"  # whose values can be tables, too
MODEL = "model"  # an option, and the argument of `rerank models`
INPUT = "input"  # the key for what has no option: the files named on the command line
OUTPUTS = ("output", "errors", "stats", "html", "per_query", "plot")  # the parameters that name files to write


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_words(value: Any) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and bool(value) and all(isinstance(w, str) for w in value)
    )


class Kind(NamedTuple):
    """A type of values: how it is called, a value to write, and whether a value of TOML is one."""

    name: str
    example: str
    fits: Callable[[Any], bool]


FLAG = Kind("true or false", "true", lambda value: isinstance(value, bool))
WHOLE = Kind("a whole number", "10", _is_whole)
NUMBER = Kind("a number", "0.5", lambda value: _is_whole(value) or isinstance(value, float))
STRING = Kind("a string", '"a"', lambda value: isinstance(value, str))
STAGES = Kind("stages", '["mini,keep=20", "BAAI/bge-reranker-v2-m3"], or a table [[stage]] for each', _is_words)
STRINGS = Kind("a string or an array of strings", '["a", "b"]', _is_words)


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file that was read: its name as given, its hash, and values by the names of parameters."""

    path: str
    sha256: str
    values: dict[str, Any]


def parameters(command: TyperCommand) -> dict[str, Any]:
    """The parameters that a file can set, by their keys: `input`, and the long names of options without the dashes."""
    return {key_of(each): each for each in command.params if each.expose_value}


def key_of(parameter: Any) -> str:
    """What a file calls a parameter."""
    if parameter.param_type_name == "argument":
        return MODEL if parameter.name == MODEL else INPUT
    return str(max(parameter.opts, key=len)).removeprefix("--")


def read_config_file(
    path: str, command: TyperCommand, named: str = "--config", of_score: Callable[[], TyperCommand] | None = None
) -> ConfigFile:
    """Read a file for `command`, which option or variable `named`.

    Keys of the command `of_score` that `command` lacks are checked and ignored, where that is given.

    Raises ConfigError, which names file and key, for what it cannot have.
    """
    try:
        content = Path(path).read_bytes()
    except (OSError, ValueError) as fault:
        raise ConfigError(
            f"{named} {path}: cannot be read ({getattr(fault, 'strerror', None) or fault})", "Name a TOML file."
        ) from None
    try:
        table = tomllib.loads(content.decode())
    except (ValueError, RecursionError) as fault:  # tomllib's errors and those of decoding are ValueErrors
        raise ConfigError(
            f"{path}: is not TOML: {fault or 'nested too deeply'}", 'Write one option a line, such as: model = "mini"'
        ) from None
    known = parameters(command)
    others = parameters(of_score()) if of_score is not None and not table.keys() <= known.keys() else {}
    checked = {
        key: _checked(path, key, value, known.get(key) or others[key])
        for key, value in _known(path, table, command, others)
    }
    values = {known[key].name: value for key, value in checked.items() if key in known}
    return ConfigFile(path, hashlib.sha256(content).hexdigest(), values)


def refuse_writing_over(file: ConfigFile, values: Mapping[str, Any]) -> None:
    """Raises ConfigError where a run with these values of parameters would write over its own file of --config."""
    for name in OUTPUTS:
        path = values.get(name)
        if path is not None and all(map(os.path.exists, (path, file.path))) and os.path.samefile(path, file.path):
            raise ConfigError(f"--{name.replace('_', '-')} {path}: is the file of --config", "Write to another file.")


def _known(
    path: str, table: dict[str, Any], command: TyperCommand, others: Mapping[str, Any]
) -> Iterable[tuple[str, Any]]:
    """The entries of a file. Raises ConfigError for the first that is neither of the command nor of `others`."""
    known = {**others, **parameters(command)}
    for key, value in table.items():
        if isinstance(value, dict) and key == STAGE and key in known:
            raise ConfigError(f"{path}: [stage]: one stage is no cascade", "Write [[stage]] above each of two or more.")
        if isinstance(value, dict):
            raise ConfigError(
                f"{path}: [{key}]: sections are not read", "Write all keys at the top, without a section."
            )
        if key in known:
            yield key, value
        else:
            ours = [each.removeprefix("--").split()[0] for each in other_options(key)]
            close = [each for each in (*ours, *close_to(key, known)) if each in known]
            listed = f"`rerank {command.name} --help`{' or `rerank score --help`' if others else ''}"
            raise ConfigError(
                f"{path}: {key}: `rerank {command.name}` has no such option",
                f"The closest is {close[0]}." if close else f"Keys are the options that {listed} lists, and {INPUT}.",
            )


def _checked(path: str, key: str, value: Any, parameter: Any) -> Any:
    """A value as the command line would give it. Raises ConfigError for one of another type."""
    kind = STAGES if key == STAGE else _kind_of(parameter)
    if key == STAGE and isinstance(value, list):  # [[stage]]
        value = [json.dumps(each, default=str) if isinstance(each, dict) else each for each in value]
    if not kind.fits(value):
        raise ConfigError(f"{path}: {key}: is not {kind.name}", f"Write for example: {key} = {_example(value, kind)}")
    if kind in (STRING, STRINGS, STAGES):
        words = [value] if isinstance(value, str) else value
        if any("\0" in word for word in words):
            raise ConfigError(f"{path}: {key}: holds a NUL character", "Remove it.")
        typed = [os.fsdecode(word.encode()) for word in words]
        return typed[0] if kind is STRING else typed
    return value


def _kind_of(parameter: Any) -> Kind:
    if parameter.nargs == -1 or parameter.multiple:
        return STRINGS
    return {bool: FLAG, int: WHOLE, float: NUMBER}.get(parameter.type_descriptor.annotation, STRING)


def _example(value: Any, kind: Kind) -> str:
    """The value in the type that is wanted, where it has one, else any value of that type."""
    if kind is STAGES:
        return STAGES.example
    if kind is STRING and NUMBER.fits(value):
        return toml_text(str(value))
    if kind is WHOLE and isinstance(value, str) and value.isascii() and value.isdigit():
        return value
    return kind.example
