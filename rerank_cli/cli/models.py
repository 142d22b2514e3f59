"""`rerank models`: which models run, and how a given model would be run."""

import json
import sys
from shutil import get_terminal_size
from typing import Annotated

import typer

from rerank_cli.cli import options as o
from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.display.messages import print_json, print_line
from rerank_cli.display.model_lines import description, description_as_json, listing, listing_as_json
from rerank_cli.jobs.models import describe, rows

M = ModelConfig()


def models_command(
    context: typer.Context,
    model: Annotated[
        str | None,
        o.argument(
            "[MODEL]",
            "A hub id, a folder, or mini (default: list well-known models).",
            autocompletion=o.completion(o.known_models),
        ),
    ] = None,
    revision: o.Revision = None,
    offline: o.Offline = False,
    engine: o.Engine = M.engine,
    device: o.Device = M.device,
    dtype: o.Dtype = M.dtype,
    label: o.Label = None,
    prompt: o.Prompt = None,
    instruction: o.Instruction = None,
    max_length: o.MaxLength = M.max_length,
    query_max_length: o.QueryMaxLength = M.query_max_length,
    as_json: Annotated[bool, o.option("json", "Print one line of JSON instead.")] = False,
) -> int:
    """List models that run, or show how a given model would be run.

    Weights are neither loaded nor downloaded.

    \b
    rerank models
    rerank models mini
    rerank models ./my-model --dtype int8
    """
    if model is None:
        _refuse_options(context)
        found = list(rows())
        for line in [json.dumps(listing_as_json(found))] if as_json else listing(found):
            (print_json if as_json else print_line)(line)
        return 0
    described = describe(o.model_of(context))
    if as_json:
        print_json(json.dumps(description_as_json(described)))
    else:
        width = get_terminal_size().columns if sys.stdout.isatty() else None
        for line in description(described, width):
            print_line(line)
    return 0 if described.refusal is None else described.refusal.status


def _refuse_options(context: typer.Context) -> None:
    """Raises ConfigError for options of a model where none is named."""
    for name in context.params.keys() - {"model", "as_json"}:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = name.replace("_", "-")
            raise ConfigError(f"--{option} needs a MODEL", f"Try: rerank models mini --{option} …")
