"""An option or an argument: how it is made, how its value is checked, and what a shell completes for it."""

import math
import os
from collections.abc import Callable, Iterable
from typing import Any

import typer

from rerank_cli.cli.environment import OPTIONS, variable
from rerank_cli.core.config import DEFAULT_MODEL
from rerank_cli.models.cached import cached_models
from rerank_cli.models.libraries import forbid_bars

MOST = 2**31 - 1  # of a number that native code or a product of several may hold
MOST_OF_ANY = 2**53 - 1  # of records and bytes: what JSON numbers hold exactly
SHOWN = 40  # characters of a value in a message


def option(
    name: str,
    text: str,
    *names: str,
    in_environment: bool = True,
    most: float = MOST,
    values: Iterable[str] | Callable[[], Iterable[str]] = (),
    callback: Callable[[Any], Any] | None = None,
    **more: Any,
) -> Any:
    """A typer option `--name` (and other `names`), with its environment variable if it is one that has one.

    `in_environment=False` is for an option of the same name with another meaning. Numbers beyond `most` and empty
    strings are refused, unless a `callback` checks the value; `values` are for shell completion.
    """
    known = completion(values) if values else None
    return typer.Option(
        f"--{name}",
        *names,
        envvar=variable(name) if in_environment and name in OPTIONS else None,
        show_envvar=False,
        help=text,
        callback=callback or finite_and_not_empty(most),
        autocompletion=known,
        **more,
    )


def argument(metavar: str, text: str, **more: Any) -> Any:
    """A typer argument, of which no word may be empty."""
    return typer.Argument(metavar=metavar, help=text, callback=finite_and_not_empty(MOST), **more)


def completion(values: Iterable[str] | Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """What gives a shell those of `values` that begin as the word typed so far."""

    def beginning(incomplete: str) -> list[str]:
        known = values() if callable(values) else values
        return [value for value in known if value.startswith(incomplete)]

    return beginning


def known_models() -> list[str]:
    """The embedded model, those in the hub cache, and the default model."""
    return list(dict.fromkeys(["mini", *cached_models(os.environ), DEFAULT_MODEL]))


def finite_and_not_empty(most: float) -> Callable[[Any], Any]:
    """A check of what was given: numbers are finite and at most `most`, words are not empty. Raises BadParameter."""

    def checked(value: Any) -> Any:
        for each in value if isinstance(value, list | tuple) else (value,):
            if each == "":
                raise typer.BadParameter("the value is empty")
            if isinstance(each, float) and not math.isfinite(each):
                raise typer.BadParameter(f"{each} is not a finite number")
            if isinstance(each, int | float) and abs(each) > most:
                raise typer.BadParameter(f"{str(each)[:SHOWN]} is beyond {most:.16g}")
        return value

    return checked


def without_bars(value: bool | str) -> bool | str:
    """Silence the libraries' progress bars, too, where --quiet or --progress asks for none of ours."""
    if value in (True, "lines", "none"):
        forbid_bars()
    return value
