"""What a shell and typer tell each other when Tab is pressed."""

import re
from collections.abc import MutableMapping

from typer._click.shell_completion import CompletionItem

COMPLETING = "_RERANK_COMPLETE"  # set by a shell that asks for candidates
UNFOLDED = "1000"  # columns: typer folds help texts, and a shell takes lines for candidates
WORDS, CURRENT = "COMP_WORDS", "COMP_CWORD"


def prepare_completion(environment: MutableMapping[str, str]) -> None:
    """Set what typer reads: a width at which no help is folded, and bash's words without the = of --name=value.

    >>> asked = {WORDS: "rerank\\nscore\\n--engine\\n=\\no", CURRENT: "4"}
    >>> prepare_completion(asked)
    >>> asked[WORDS].split(), asked[CURRENT]
    (['rerank', 'score', '--engine', 'o'], '3')
    """
    environment["COLUMNS"] = UNFOLDED
    words = environment.get(WORDS, "").split("\n")
    current = environment.get(CURRENT, "")
    if not current.isascii() or not current.isdigit() or int(current) >= len(words):
        return
    before = words[: int(current)]
    kept = [word for index, word in enumerate(before) if not (word == "=" and before[index - 1].startswith("--"))]
    environment[WORDS] = "\n".join([*kept, *words[int(current) :]])
    environment[CURRENT] = str(len(kept))


def for_shells(items: list[CompletionItem]) -> list[CompletionItem]:
    """Candidates with the first sentence of their help: zsh and fish show it on the line of the candidate."""
    for item in items:
        item.help = first_sentence(item.help or "")
    return items


def first_sentence(text: str) -> str:
    """What a help text says first: without the values, the default and the full stop.

    >>> first_sentence("Device that runs the model: auto, cpu or cuda."), first_sentence("Keep N (default: all).")
    ('Device that runs the model', 'Keep N')
    """
    return re.split(r"\. |: | \(default", text, maxsplit=1)[0].removesuffix(".")
