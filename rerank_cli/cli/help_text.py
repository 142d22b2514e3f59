"""The text of help: -h shows the options that people use most, --help all of them in groups."""

import inspect
import textwrap
from typing import Any

from rerank_cli.cli.option_groups import GROUPS, MOST_USED, group_of, long_name, value_of

WHOLE = "rerank.whole_help"  # in the context: whether --help was typed
NARROW = 72  # columns: below it, a description begins under a long name of an option
WIDEST_NAME, WIDEST_NAME_NARROW = 28, 18


def described_help(option: Any) -> Any:
    """The option -h, --help of typer with a help text that says how the two differ."""
    option.help = "Show the options used most (-h) or all of them (--help)."
    return option


def write_usage(ctx: Any, formatter: Any, params: list[Any]) -> None:
    """Write the line that says how the command is typed."""
    arguments = [each.metavar for each in params if each.param_type_name == "argument"]
    formatter.write_usage(ctx.command_path, " ".join(["[OPTIONS]", *arguments]))


def write_purpose(formatter: Any, text: str, *, whole: bool) -> None:
    """Write what a command does, with all its examples, or only the first paragraph and the first example."""
    for number, paragraph in enumerate(inspect.cleandoc(text).split("\n\n")):
        lines = paragraph.split("\n")
        examples = lines[0] == "\b"
        if examples:
            formatter.write(
                "".join(f"\n{each}" for each in _indented(lines[1:] if whole else _first(lines[1:]))) + "\n"
            )
        elif whole or number == 0:
            formatter.write("\n")
            write_paragraph(formatter, paragraph, indent="  ")


def _first(lines: list[str]) -> list[str]:
    """The first command of several, with the lines that continue it."""
    end = next(number for number, line in enumerate(lines) if not line.endswith("\\"))
    return lines[: end + 1]


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def write_paragraph(formatter: Any, text: str, indent: str = "") -> None:
    """Write a text folded to the terminal."""
    formatter.write("\n".join(fold(text, formatter.width, indent)) + "\n")


def fold(text: str, width: int, indent: str = "") -> list[str]:
    """Lines of a text, which no name with a dash is torn apart in.

    >>> fold("with --max-length", 12)
    ['with', '--max-length']
    """
    return textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


def write_table(formatter: Any, title: str, rows: list[tuple[str, str]], column: int = 0) -> None:
    """Write names with their descriptions under a title; the descriptions begin at the same column, at least `column`.

    A name that is too wide has its description on the next line.
    """
    widest = WIDEST_NAME if formatter.width >= NARROW else WIDEST_NAME_NARROW
    column = max([column, *(len(name) for name, _ in rows if len(name) <= widest)])
    formatter.write(f"\n{title}:\n")
    for name, text in rows:
        lines = fold(text, formatter.width - column - 4)
        if len(name) > column:
            formatter.write(f"  {name}\n")
            name = ""
        for line in lines or [""]:
            formatter.write(f"  {name:<{column}}  {line}".rstrip() + "\n")
            name = ""


def write_options(ctx: Any, formatter: Any, params: list[Any]) -> None:
    """Write the arguments and the options: all in groups, or those most used and where the others are shown."""
    arguments = [(each.metavar, each.help) for each in params if each.param_type_name == "argument"]
    options = [each for each in params if each.param_type_name == "option" and not each.hidden]
    names = MOST_USED.get(ctx.command.name, "").split()
    by_name = {long_name(each): each for each in options}
    used = options if ctx.meta[WHOLE] else [by_name[name] for name in names if name in by_name] or options
    rows = {long_name(each): record(ctx, each) for each in used}
    widest = WIDEST_NAME if formatter.width >= NARROW else WIDEST_NAME_NARROW
    column = max(len(name) for name, _ in [*rows.values(), ("", "")] if len(name) <= widest)
    if arguments:
        write_table(formatter, "Arguments", arguments, column)
    if ctx.meta[WHOLE]:
        for group in GROUPS:
            here = [name for name in ordered(rows) if group_of(by_name[name]) == group]
            if here:
                write_table(formatter, group, [rows[name] for name in here], column)
        _write_variables(formatter, [each.envvar for each in options if each.envvar])
        return
    write_table(formatter, "Options" if used == options else "Options used most", list(rows.values()), column)
    if used != options:
        formatter.write("\n")
        write_paragraph(formatter, f"`{ctx.command_path} --help` shows all {len(options)} options.")


def ordered(names: Any) -> list[str]:
    """Names of options in the order of the groups; those in no group come last."""
    order = [name for group in GROUPS.values() for name in group.split()]
    return sorted(names, key=lambda name: order.index(name) if name in order else len(order))


def _write_variables(formatter: Any, variables: list[str]) -> None:
    if variables:
        formatter.write("\n")
        write_paragraph(
            formatter,
            f"Environment variables that set an option: {', '.join(variables)}. See `rerank help configuration`.",
        )


def record(ctx: Any, option: Any) -> tuple[str, str]:
    """An option in help: its spellings with what stands for the value, and its text with the default."""
    names = ", ".join(sorted(option.opts, key=len))
    default = option.get_default(ctx, call=False)
    shown = default not in (None, False) and option.show_default and "(default" not in option.help
    text = f"{option.help} [default: {default}]" if shown else option.help
    return f"{names} {value_of(option)}".rstrip(), text
