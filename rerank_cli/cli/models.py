"""`rerank models`: which models run, and how a given model would be run."""

import json
from typing import Annotated

import typer

from rerank_cli.cli import options as o
from rerank_cli.core.config import ModelConfig
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
    max_length: o.MaxLength = M.max_length,
    query_max_length: o.QueryMaxLength = M.query_max_length,
    as_json: Annotated[bool, o.option("json", "Print one line of JSON instead.")] = False,
) -> int:
    """List models that run, or show how a given model would be run.

    No weights are read or downloaded.

    \b
    rerank models
    rerank models mini
    rerank models ./my-model --dtype int8
    """
    if model is None:
        found = list(rows())
        for line in [json.dumps(listing_as_json(found))] if as_json else listing(found):
            (print_json if as_json else print_line)(line)
        return 0
    described = describe(o.model_of(context))
    if as_json:
        print_json(json.dumps(description_as_json(described)))
    else:
        for label, text in description(described):
            print_line(f"{label:<12} {text}")
    return 0 if described.refusal is None else described.refusal.status
