"""`rerank help`: the documentation that ships with the package."""

from typing import Annotated, Any

import typer

from rerank_cli.cli import options as o
from rerank_cli.cli.help_text import write_paragraph, write_table
from rerank_cli.cli.topics import WORDS, described, for_developers, page, section, topics
from rerank_cli.cli.usage import named_closest
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.guesses import close_to
from rerank_cli.display.help_page import show_page
from rerank_cli.display.messages import print_line


def completed(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """What a shell completes: the topics for users, then the commands."""
    group: Any = context.find_root().command
    return [row for row in [*described(topics()), *group.described()] if row[0].startswith(incomplete)]


def help_command(
    context: typer.Context,
    topic: Annotated[
        str | None,
        o.argument(
            "[TOPIC]", "A topic, a word of the list, or a command (default: list them).", autocompletion=completed
        ),
    ] = None,
) -> int:
    """Show a page of the documentation, or the help of a command.

    \b
    rerank help
    rerank help formats
    rerank help cron
    rerank help score
    """
    root = context.find_root()
    group: Any = root.command
    commands = group.described()
    if topic is None:
        for line in listing(context, described(topics()), commands):
            print_line(line)
    elif topic in (known := [*topics(), *for_developers()]):  # before commands: `models` is both
        show_page(page(topic))
    elif topic in dict(commands):
        group.get_command(root, topic).make_context(topic, ["--help"], parent=root)
    elif (word := topic.lower()) in WORDS:
        name, heading = WORDS[word]
        show_page(f"From `rerank help {name}`:\n\n{section(page(name), heading)}")
    else:
        closest = named_closest(close_to(topic, [*known, *dict(commands), *WORDS]))
        raise ConfigError(f"help: no topic {topic}", f"{closest}`rerank help` lists the topics.")
    return 0


def listing(context: typer.Context, pages: list[tuple[str, str]], commands: list[tuple[str, str]]) -> list[str]:
    """The lines of the list of topics, folded to the terminal."""
    formatter = context.make_formatter()
    column = max(len(name) for name, _ in [*pages, *commands])
    write_table(formatter, "Topics (rerank help TOPIC)", pages, column)
    write_table(formatter, "Commands (rerank help COMMAND, or rerank COMMAND --help)", commands, column)
    formatter.write("\n")
    write_paragraph(formatter, f"Single sections: {', '.join(sorted(WORDS))}.")
    formatter.write(f"\nFor developers: {', '.join(for_developers())}.\n")
    return formatter.getvalue().lstrip("\n").splitlines()
