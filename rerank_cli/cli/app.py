"""The commands, as typer has them."""

from typing import Annotated

import typer

from rerank_cli import __version__
from rerank_cli.cli.bench import bench_command
from rerank_cli.cli.check import check
from rerank_cli.cli.command import Command
from rerank_cli.cli.compare import compare_command
from rerank_cli.cli.convert import convert_command
from rerank_cli.cli.doctor import doctor
from rerank_cli.cli.evaluate import eval_command
from rerank_cli.cli.export import export_command
from rerank_cli.cli.mine import mine_command
from rerank_cli.cli.score import score
from rerank_cli.cli.train import train_command

app = typer.Typer(
    name="rerank",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
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


app.command(cls=Command)(score)
app.command(cls=Command)(check)
app.command(cls=Command)(doctor)
app.command("bench", cls=Command)(bench_command)
app.command("export", cls=Command)(export_command)
app.command("convert", cls=Command)(convert_command)
app.command("eval", cls=Command)(eval_command)
app.command("compare", cls=Command)(compare_command)
app.command("train", cls=Command)(train_command)
app.command("mine", cls=Command)(mine_command)
