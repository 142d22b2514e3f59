"""What is wrong with a command line and what to type instead, of the command that was typed."""

import os
import re
import shlex
from collections.abc import Iterable
from typing import Any

import typer
from typer._click.exceptions import MissingParameter, NoSuchOption
from typer.exceptions import TyperException

from rerank_cli.cli.config_file import key_of
from rerank_cli.cli.option_groups import long_name
from rerank_cli.cli.origins import FILE
from rerank_cli.cli.other_options import UNITS, explained, other_options
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.guesses import close_to

URL = re.compile(r"([a-z][a-z0-9+.-]*)://\S", re.IGNORECASE)
NO_FILES = (
    "model",
    "revision",
    "measures",
    "query_template",
    "doc_template",
    "tag",
    "stage",
)  # parameters with other texts
PRINTERS = {"s3": "aws s3 cp {} -", "gs": "gcloud storage cat {}", "http": "curl -sSfL {}", "https": "curl -sSfL {}"}
WRITERS = {"s3": "aws s3 cp - {}", "gs": "gcloud storage cp - {}"}
COMMANDS = {  # what other tools call ours
    "predict": "score",
    "rank": "score",
    "rerank": "score",
    "run": "score",
    "validate": "check",
    "lint": "check",
    "benchmark": "bench",
    "finetune": "train",
    "fine-tune": "train",
}
INSTEAD = {"version": "`rerank --version` shows the version.", "-v": "`rerank --version` shows the version."}


def usage_error(fault: TyperException) -> tuple[str, str]:
    """What is wrong with the command line, or with the environment where the value came from there; and what to do."""
    context: Any = getattr(fault, "ctx", None)
    if isinstance(fault, NoSuchOption) and context is not None:
        names = {name for each in context.command.get_params(context) if not each.hidden for name in each.opts}
        instead = INSTEAD.get(fault.option_name) if context.parent is None else None
        advice = instead or f"{instead_of(fault.option_name, names, context.command_path)}{help_of(context)}"
        return f"{context.command_path} has no option {fault.option_name}", advice
    if isinstance(fault, MissingParameter) and fault.param is not None and fault.param.name == "output":
        missing = no_output(context, context.params.get("inputs") or [])
        return missing.message, missing.advice or ""
    if isinstance(fault, typer.BadParameter) and fault.ctx and fault.param and fault.param.name:
        source = fault.ctx.get_parameter_source(fault.param.name)
        if source is not None and source.name == "ENVIRONMENT":
            fault.param_hint = f"{fault.param.envvar} in the environment"
        elif source is not None and source.name == "DEFAULT_MAP":
            fault.param_hint = f"{key_of(fault.param)} in {fault.ctx.meta[FILE].path}"
        elif source is not None and source.name == "COMMANDLINE" and fault.param.param_type_name == "option":
            fault.param_hint = f"'{max(fault.param.opts, key=len)}'"
        fault.message = fault.message.replace("Input should be", "must be")
    return fault.format_message(), help_of(context)


def named_closest(names: list[str]) -> str:
    """The guesses as the beginning of an advice; nothing where there are none.

    >>> named_closest(["--model"]), named_closest([])
    ('The closest is --model. ', '')
    """
    return f"The closest is {' or '.join(names)}. " if names else ""


def instead_of(typed: str, known: Iterable[str], command: str = "rerank") -> str:
    """The beginning of an advice for an unknown option: what other tools call so, else a close name, else nothing.

    >>> instead_of("--fp16", ["--dtype"]), instead_of("--fp16", ["--top-k"]), instead_of("--modle", ["--model"])
    ('Type --dtype fp16. ', '', 'The closest is --model. ')
    """
    known = list(known)
    ours = next((each for each in other_options(typed) if each.split()[0] in known), None)
    if ours is not None:
        return f"Type {ours}. {UNITS.get(ours, '')}"
    if know := explained(typed, known, command):
        return know
    return named_closest(close_to(typed, [name for name in known if name.startswith("--")]))


def help_of(context: Any) -> str:
    """Which help to read."""
    if context is None or context.parent is None:
        return "`rerank --help` lists the commands and the options."
    return f"`{context.command_path} --help` lists its options."


def no_command(typed: list[str], known: Iterable[str]) -> ConfigError:
    """What to say about a first word that is no command: it may be a file to score, or a command mistyped.

    >>> no_command(["in.jsonl", "-o", "out"], ["score"]).advice
    'To score a file: rerank score in.jsonl -o out'
    """
    word = typed[0]
    message = f"{word} is no command"
    if word in INSTEAD:
        return ConfigError(message, INSTEAD[word])
    if word == "-" or "." in word or "/" in word or os.path.exists(word):
        output = [] if any(each.startswith(("-o", "--output")) for each in typed) else ["-o", "OUTPUT"]
        return ConfigError(message, f"To score a file: {shlex.join(['rerank', 'score', *typed, *output])}")
    if word.lower() in COMMANDS:
        return ConfigError(message, f"Type rerank {COMMANDS[word.lower()]}. `rerank --help` lists the commands.")
    return ConfigError(message, f"{named_closest(close_to(word, known))}`rerank --help` lists the commands.")


def no_output(context: Any, inputs: list[str]) -> ConfigError:
    """What to say where no output is named: a last input that does not exist was meant to be it."""
    command = context.command_path
    if len(inputs) > 1 and not os.path.exists(inputs[-1]):
        instead = shlex.join([*command.split(), *inputs[:-1], "-o", inputs[-1]])
        return ConfigError(
            f"no --output: {inputs[-1]} is taken for an input", f"The output is named with -o: {instead}"
        )
    where = "-o FOLDER" if context.command.name in ("train", "export") else "-o FILE, or -o - for standard output"
    return ConfigError("no --output", f"Say where results go with {where}.")


def refuse_urls(context: Any, parameters: Iterable[Any]) -> None:
    """Raises ConfigError for a URL where a file is expected, with the way to read or write it by a pipe."""
    takes_records = any(each.name == "inputs" for each in parameters)
    for each in parameters:
        if each.name in NO_FILES:
            continue
        value = context.params.get(each.name)
        for text in value if isinstance(value, list | tuple) else (value,):
            found = URL.match(text) if isinstance(text, str) else None
            if found is not None:
                raise _no_url(context.command_path, each, text, found[1].lower(), piped=takes_records)


def refuse_options_as_values(context: Any, parameters: Iterable[Any]) -> None:
    """Raises ConfigError for a value that is the name of an option: what an empty variable of a shell leaves.

    `-o $OUT -q` with an empty OUT would write to a file called -q.
    """
    names = {name for each in parameters for name in (*each.opts, *each.secondary_opts) if name.startswith("-")}
    for each in parameters:
        value = context.params.get(each.name)
        for text in value if isinstance(value, list | tuple) else (value,):
            if isinstance(text, str) and text in names and each.param_type_name == "option":
                raise ConfigError(
                    f"--{long_name(each)}: its value is {text}, which is an option",
                    "Give it a value; a shell variable without quotes that is empty gives none.",
                )


def _no_url(command: str, parameter: Any, url: str, scheme: str, *, piped: bool) -> ConfigError:
    if parameter.param_type_name == "argument":
        piping = piped and scheme in PRINTERS
        pipe = f"{PRINTERS[scheme].format(shlex.quote(url))} | {command} -" if piping else ""
        advice = f"Pipe it in: {pipe}" if pipe else "Copy it to this machine first."
        return ConfigError(f"{url}: URLs are not read", advice)
    option = f"--{long_name(parameter)}"
    if option == "--output":
        piping = piped and scheme in WRITERS
        pipe = f"{command} INPUT -o - | {WRITERS[scheme].format(shlex.quote(url))}" if piping else ""
        return ConfigError(
            f"{option} {url}: URLs are not written", f"Pipe it out: {pipe}" if pipe else "Write to a file and copy it."
        )
    return ConfigError(f"{option} {url}: URLs are not supported", "Name a file on this machine.")
