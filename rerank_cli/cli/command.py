"""A command: typer's, which reads no variable of the environment but those that `environment` lists."""

import os
from typing import Any

from typer._click.shell_completion import CompletionItem
from typer.core import TyperCommand

from rerank_cli.cli.completing import for_shells
from rerank_cli.cli.environment import refuse_earlier_variables

HELP = frozenset({"-h", "--help"})


class Command(TyperCommand):
    """Every command of `rerank` is one of these."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line. Help and completion work whatever the environment holds."""
        if not ctx.resilient_parsing and HELP.isdisjoint(args):
            refuse_earlier_variables(self, os.environ)
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[CompletionItem]:
        """The options that begin with what was typed, each with one short sentence."""
        return for_shells(super().shell_complete(ctx, incomplete))
