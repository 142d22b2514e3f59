"""The commands as a group that imports a command only when it is named: a start and a press of Tab stay short."""

from collections.abc import Iterator, Mapping, MutableMapping
from functools import cache
from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import typer
from typer._click.shell_completion import CompletionItem
from typer.core import TyperGroup
from typer.main import get_command

from rerank_cli.cli.command import Command
from rerank_cli.cli.completing import for_shells
from rerank_cli.cli.help_text import WHOLE, described_help, record, write_paragraph, write_purpose, write_table
from rerank_cli.cli.usage import no_command

SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
ADVICE = (
    "`rerank COMMAND -h` shows the options used most and `rerank COMMAND --help` all of them. "
    "`rerank help` lists the topics of the documentation."
)


class Row(NamedTuple):
    """A command: where its function is, as `module:function`, and what the list of commands says about it."""

    where: str
    says: str


@cache
def load(name: str, row: Row) -> Any:
    """The command of a row, with its options."""
    module, _, function = row.where.partition(":")
    alone = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    make = alone.command(name, cls=Command, short_help=row.says, context_settings=SETTINGS)
    make(getattr(import_module(module), function))
    return get_command(alone)


class Loaded(MutableMapping[str, Any]):
    """Commands by name. Those of `rows` are imported when they are looked up; `others` are there already."""

    def __init__(self, rows: Mapping[str, Row], others: Mapping[str, Any]) -> None:
        self._rows = rows
        self._others = dict(others)

    def __getitem__(self, name: str) -> Any:
        return self._others[name] if name in self._others else load(name, self._rows[name])

    def __setitem__(self, name: str, command: Any) -> None:
        self._others[name] = command

    def __delitem__(self, name: str) -> None:
        del self._others[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._rows
        yield from (name for name in self._others if name not in self._rows)

    def __len__(self) -> int:
        return len({*self._rows, *self._others})


class Commands(TyperGroup):
    """A group of the commands in `rows`."""

    rows: ClassVar[Mapping[str, Row]] = {}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = Loaded(self.rows, self.commands)

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order of the table."""
        return list(self.commands)

    def described(self) -> list[tuple[str, str]]:
        """Each name with what the command does. None is imported."""
        return [(name, row.says) for name, row in self.rows.items()]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what stands before the command."""
        ctx.meta[WHOLE] = "--help" in args
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command of the first word, and the words behind it. Raises ConfigError where there is no such command."""
        if args[0] not in self.commands and not ctx.resilient_parsing:
            raise no_command(args, self.rows)
        return super().resolve_command(ctx, args)

    def get_help_option(self, ctx: Any) -> Any:
        """The option -h or --help."""
        return described_help(super().get_help_option(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write what rerank does and its commands; with --help its options, too."""
        formatter.write_usage(ctx.command_path, "[OPTIONS] COMMAND ...")
        write_purpose(formatter, self.help or "", whole=True)
        write_table(formatter, "Commands", self.described())
        if ctx.meta[WHOLE]:
            write_table(formatter, "Options", [record(ctx, each) for each in self.get_params(ctx)])
        formatter.write("\n")
        write_paragraph(formatter, ADVICE)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[CompletionItem]:
        """The commands and the options that begin with what was typed."""
        if incomplete.startswith("-"):
            return for_shells(super(TyperGroup, self).shell_complete(ctx, incomplete))
        return [CompletionItem(name, help=says) for name, says in self.described() if name.startswith(incomplete)]
