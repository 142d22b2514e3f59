"""A page of the documentation: Markdown in a pager on a terminal, and the plain Markdown text elsewhere."""

import os
import re
import signal
import sys

from rerank_cli.display.messages import print_own

WIDEST = 100  # columns of a page
LINK = re.compile(r"\[([^]\n]+)\]\((?!https?:)([\w-]+)\.md(?:#[\w-]*)?\)")


def show_page(text: str) -> None:
    """Show a page, rendered if a person reads it on a terminal. Raises what `print_line` raises."""
    if sys.stdout is None or not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        print_own(text.rstrip("\n"))
        return
    from rich.console import Console
    from rich.markdown import Markdown
    from rich.theme import Theme

    console = Console(theme=Theme({"markdown.code": "bold cyan"}))  # rich's own is on black, also where all is light
    page = Markdown(with_topics(text), hyperlinks=False, code_theme="ansi_dark")
    os.environ["LESS"] = f"-R {os.environ.get('LESS', '-FX')}"  # R: colours are shown, not their codes
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the pager's: to die before it spoils the terminal
    try:
        with console.pager(styles=True):
            console.print(page, width=min(console.width, WIDEST))
    finally:
        signal.signal(signal.SIGINT, before)


def with_topics(text: str) -> str:
    """Markdown in which a link to another page says how to read that.

    >>> with_topics("See [all formats](formats.md#csv).")
    'See all formats (`rerank help formats`).'
    """
    return LINK.sub(r"\1 (`rerank help \2`)", text)
