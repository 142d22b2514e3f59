"""The prompts of rerankers that answer yes or no, from prompts.json: what such a model reads around two texts.

    frame           strings that are tokenized one by one and joined, with {query}, {document} and {instruction} in them
    markers         special tokens in the frame; texts cannot spell them
    instruction     the default of --instruction; without it, the model needs none
    instruction_as  how an instruction is written into the frame
    special_tokens  whether the tokenizer adds the tokens that it puts around any text
    yes, no         tokens, or their ids, whose logits are compared; without `no`, the logit of `yes` is the score
    divide_by       what the logit is divided by to give the model's score
    strip           whether white space at both ends of texts is dropped

Authors publish a prompt as text, code or a Jinja template. Templates of repositories are not run: they are programs.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rerank_cli.core.errors import ConfigError
from rerank_cli.core.printable import is_unicode

FILE = Path(__file__).with_name("prompts.json")
SLOT = re.compile(r"\{(instruction|query|document)\}")
LISTS = ("frame", "markers", "models")
OF_INSTRUCTION = ("instruction", "instruction_as")
LARGEST = 1_000_000
FORM = "`rerank help models` shows the form of a prompt."


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A prompt. `name` is that of the list, or of a file. `models` are ids of the hub.

    `yes` and `no` are tokens or their ids; a classifier needs none. A score is the difference of their logits, divided
    by `divide_by`.
    """

    name: str
    frame: tuple[str, ...]
    yes: str | int | None = None
    no: str | int | None = None
    markers: tuple[str, ...] = ()
    instruction: str | None = None
    instruction_as: str = "{instruction}"
    special_tokens: bool = False
    divide_by: float = 1.0
    strip: bool = False
    models: tuple[str, ...] = ()
    sha256: str = ""

    @property
    def takes_instruction(self) -> bool:
        """Whether the frame has a place for an instruction."""
        return any("{instruction}" in unit for unit in self.frame)

    @property
    def identity(self) -> str:
        """The name, and the beginning of the hash of all that the prompt says. A file may have any name."""
        return f"{self.name if self.name in known_prompts() else 'file'} {self.sha256[:12]}"


@cache
def known_prompts() -> dict[str, Prompt]:
    """The prompts of the list, by name."""
    listed = json.loads(FILE.read_text(encoding="utf-8"))
    return {name: _prompt(name, content) for name, content in listed.items()}


def prompt_of_model(name: str) -> Prompt | None:
    """The prompt of a model on the hub; None for an unknown model."""
    return next((prompt for prompt in known_prompts().values() if name in prompt.models), None)


def prompt_named(name: str) -> Prompt:
    """The prompt of the list with this name, or the one in a JSON file. Raises ConfigError."""
    if name in known_prompts():
        return known_prompts()[name]
    path = Path(name)
    if not os.path.isfile(name):  # unlike Path.is_file, it accepts names of any length
        raise ConfigError(
            f"--prompt {name}: no prompt of this name, and no file",
            f"Use {', '.join(known_prompts())}, or a JSON file. {FORM}",
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as fault:
        raise ConfigError(f"--prompt {name}: {fault.strerror}", "Check the file.") from None
    except (ValueError, RecursionError):
        content = None
    if wrong := next(_faults(content), None):
        raise ConfigError(f"--prompt {name}: {wrong}", FORM)
    return _prompt(name, content)


def _prompt(name: str, content: dict[str, Any]) -> Prompt:
    computed = {key: value for key, value in content.items() if key != "models"}
    digest = hashlib.sha256(json.dumps(computed, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
    lists = {key: tuple(content.get(key, ())) for key in LISTS}
    return Prompt(**{**content, **lists, "name": name, "sha256": digest})


def _faults(content: Any) -> Iterator[str]:
    """What is wrong with a prompt that a user wrote."""
    if not isinstance(content, dict):
        yield "not a JSON object"
        return
    yield from (f"unknown key {key[:40]!r}" for key in sorted(content.keys() - ALLOWED.keys()))
    if "frame" not in content:
        yield "no frame"
        return
    yield from (
        f"{key} is not {what}" for key, (what, fits) in ALLOWED.items() if key in content and not fits(content[key])
    )
    if not _is_list_of_texts(content["frame"]):
        return
    slots = [match[1] for unit in content["frame"] for match in SLOT.finditer(unit)]
    for slot in ("query", "document"):
        if slots.count(slot) != 1:
            yield f"the frame has {{{slot}}} {slots.count(slot)} times, expected once"
    if slots.count("instruction") > 1:
        yield "the frame has {instruction} more than once"
    if "instruction" not in slots:
        yield from (f"{key}, and the frame has no {{instruction}}" for key in OF_INSTRUCTION if key in content)
    elif SLOT.findall(content.get("instruction_as", "{instruction}")) != ["instruction"]:
        yield "instruction_as does not have {instruction} once"
    if "yes" in content and content["yes"] == content.get("no"):
        yield "yes and no are the same"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and is_unicode(value)


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(text and _is_text(text) for text in value)


def _is_token(value: Any) -> bool:
    return (_is_text(value) and value != "") or (type(value) is int and 0 <= value < 2**31)


def _is_divisor(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value <= LARGEST  # neither a NaN


def _is_flag(value: Any) -> bool:
    return type(value) is bool


ALLOWED: dict[str, tuple[str, Callable[[Any], bool]]] = {  # keys of a prompt, with what their values are
    "frame": ("a list of texts", _is_list_of_texts),
    "markers": ("a list of texts", _is_list_of_texts),
    "models": ("a list of texts", _is_list_of_texts),
    "instruction": ("a text", _is_text),
    "instruction_as": ("a text", _is_text),
    "special_tokens": ("true or false", _is_flag),
    "strip": ("true or false", _is_flag),
    "yes": ("a token or the id of one", _is_token),
    "no": ("a token or the id of one", _is_token),
    "divide_by": (f"a number above 0, at most {LARGEST}", _is_divisor),
}
