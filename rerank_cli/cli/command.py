"""A command: typer's, with our help, with --config and --show-config, and with few variables of the environment."""

import os
from importlib import import_module
from typing import Annotated, Any

import typer
from typer._click.shell_completion import CompletionItem
from typer.core import TyperCommand
from typer.main import get_command

from rerank_cli.cli.completing import for_shells
from rerank_cli.cli.config_file import read_config_file, refuse_writing_over
from rerank_cli.cli.environment import refuse_earlier_variables, variable
from rerank_cli.cli.help_text import WHOLE, described_help, write_options, write_purpose, write_usage
from rerank_cli.cli.origins import FILE, shown_lines
from rerank_cli.cli.usage import refuse_options_as_values, refuse_urls
from rerank_cli.display.messages import print_line

HELP = frozenset({"-h", "--help"})
TRYING = ("check", "doctor")  # commands that try what a run of `score` would use: they take its file
SHOW = f"{__name__}.show"  # in a context's meta: that nothing is run


class Command(TyperCommand):
    """Every command of `rerank` is one of these."""

    def __init__(self, name: str | None, **settings: Any) -> None:
        super().__init__(name, **settings)
        if name != "help":
            self.params += CONFIGURING

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line. Help and completion work whatever the environment holds."""
        ctx.meta[WHOLE] = "--help" in args
        if not ctx.resilient_parsing and HELP.isdisjoint(args):
            refuse_earlier_variables(self, os.environ)
        rest = super().parse_args(ctx, args)
        if not ctx.resilient_parsing:
            refuse_options_as_values(ctx, self.params)
            refuse_urls(ctx, self.params)
        return rest

    def get_help_option(self, ctx: Any) -> Any:
        """The option -h or --help."""
        return described_help(super().get_help_option(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help: whole for --help, else short."""
        write_usage(ctx, formatter, self.params)
        write_purpose(formatter, self.help or "", whole=ctx.meta[WHOLE])
        write_options(ctx, formatter, self.get_params(ctx))

    def shell_complete(self, ctx: Any, incomplete: str) -> list[CompletionItem]:
        """The options that begin with what was typed, each with one short sentence."""
        return for_shells(super().shell_complete(ctx, incomplete))

    def invoke(self, ctx: Any) -> Any:
        """Run the command, or show what it would use. Raises ConfigError where it would write over the file."""
        if file := ctx.meta.get(FILE):
            refuse_writing_over(file, ctx.params)
        if not ctx.meta.get(SHOW):
            return super().invoke(ctx)
        resolved: Any = import_module("rerank_cli.cli.resolved")  # only here: it imports what chooses an engine
        for line in shown_lines(ctx, resolved.resolved(ctx)):
            print_line(line)
        return 0


def _read(context: typer.Context, path: str | None) -> None:
    """Let a file fill what is neither typed nor in the environment."""
    if path is None or context.resilient_parsing:
        return
    if not path:
        raise typer.BadParameter("the value is empty")
    source = context.get_parameter_source("config")
    named = variable("config") if source is not None and source.name == "ENVIRONMENT" else "--config"
    group: Any = context.parent and context.parent.command
    of_score = (lambda: group.commands["score"]) if group and context.command.name in TRYING else None
    file = read_config_file(path, context.command, named, of_score)  # type: ignore[arg-type]
    context.default_map = file.values
    context.meta[FILE] = file


def _show(context: typer.Context, wanted: bool) -> None:
    context.meta[SHOW] = wanted


def _configuring(
    config: Annotated[
        str | None,
        typer.Option(
            "--config",
            envvar=variable("config"),
            show_envvar=False,
            callback=_read,
            is_eager=True,
            expose_value=False,
            help="TOML file with options by their long names. What is typed wins over it.",
        ),
    ] = None,
    show_config: Annotated[
        bool,
        typer.Option(
            "--show-config",
            callback=_show,
            expose_value=False,
            help="Print what a run would use, and run nothing. Shows where each value came from.",
        ),
    ] = False,
) -> None:
    """Declares the two options, for typer to make parameters of."""


_alone = typer.Typer(add_completion=False)
_alone.command()(_configuring)
CONFIGURING = get_command(_alone).params
