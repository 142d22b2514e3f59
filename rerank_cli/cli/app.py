"""The commands of `rerank`, one row each."""

from typing import Annotated

import typer

from rerank_cli import __version__
from rerank_cli.cli.group import SETTINGS, Commands, Row

COMMANDS = {
    "score": Row("rerank_cli.cli.score:score", "Rerank records: score query-candidate pairs, best first."),
    "check": Row("rerank_cli.cli.check:check", "Validate input without a model, and show the first record."),
    "doctor": Row("rerank_cli.cli.doctor:doctor", "Check versions, device, hub cache and model."),
    "models": Row("rerank_cli.cli.models:models_command", "List models that run, or show how one would be run."),
    "bench": Row("rerank_cli.cli.bench:bench_command", "Measure throughput here, with the peers that are installed."),
    "export": Row("rerank_cli.cli.export:export_command", "Export a model for OpenVINO or onnxruntime."),
    "convert": Row("rerank_cli.cli.convert:convert_command", "Write records in another format, without scoring."),
    "eval": Row("rerank_cli.cli.evaluate:eval_command", "Measure rankings against judgements, before and after."),
    "compare": Row("rerank_cli.cli.compare:compare_command", "Compare two or more rankings of the same queries."),
    "train": Row("rerank_cli.cli.train:train_command", "Fine-tune a cross-encoder on judged records."),
    "mine": Row("rerank_cli.cli.mine:mine_command", "Find hard negatives for train."),
    "cache": Row("rerank_cli.cli.cache:cache_command", "Show or clear what is kept on disk: graphs, scores."),
    "help": Row("rerank_cli.cli.help:help_command", "Show a page of the documentation, or the help of a command."),
}


class Rerank(Commands):
    """The group of all commands."""

    rows = COMMANDS


app = typer.Typer(
    name="rerank",
    cls=Rerank,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    invoke_without_command=True,
    context_settings=SETTINGS,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rerank {__version__}")
        raise typer.Exit()


@app.callback()
def rerank(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Rerank a file: score query-candidate pairs with a cross-encoder, write the candidates best first.

    \b
    rerank score input.jsonl -o out.jsonl
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
