"""The options of a cascade: what --stage, --fuse and --drop say, as configuration."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, NamedTuple, get_args

import typer

from rerank_cli.cli.option import option
from rerank_cli.core.config import LongDocs, ModelConfig, ReadConfig, StageConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.guesses import close_to
from rerank_cli.core.stages import Fusion
from rerank_cli.formats.record_format import GIVEN
from rerank_cli.formats.templates import Template

MOST_STAGES = 8

Stage = Annotated[
    list[str] | None,
    option(
        "stage",
        "A stage of a cascade: model=NAME,keep=N. Repeatable: each scores what the one before kept. Further keys: "
        "engine, dtype, max-length; previous_score,keep=N is the score of the input.",
    ),
]
Fuse = Annotated[
    str | None,
    option(
        "fuse",
        "Join the last stage with the one before: rrf or minmax:W. Without --stage, the model with the score of the "
        "input.",
    ),
]
Drop = Annotated[bool, option("drop", "Leave out candidates that the last stage did not score.")]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _whole(least: int) -> Callable[[Any], int | None]:
    def whole(value: Any) -> int | None:
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value)
        fits = isinstance(value, int) and not isinstance(value, bool) and least <= value < 2**31
        return value if fits else None

    return whole


def _fate(value: Any) -> str | None:
    return value if value in get_args(LongDocs) else None


class Key(NamedTuple):
    """A key of a stage: its value for a message, and what makes one of a word (None: it is no such value)."""

    example: str
    read: Callable[[Any], Any]


KEYS = {
    "model": Key("model=mini", _text),
    "keep": Key("keep=20", _whole(1)),
    "engine": Key("engine=torch", _text),
    "dtype": Key("dtype=fp32", _text),
    "max-length": Key("max-length=512", _whole(16)),
    "query-max-length": Key("query-max-length=64", _whole(4)),
    "revision": Key("revision=main", _text),
    "label": Key("label=1", _whole(0)),
    "prompt": Key("prompt=qwen3", _text),
    "instruction": Key("instruction=…", _text),
    "long-docs": Key("long-docs=chunk", _fate),
    "chunk-overlap": Key("chunk-overlap=32", _whole(0)),
    "api": Key("api=cohere", _text),
    "query-template": Key("query-template={query}", _text),
    "doc-template": Key("doc-template={title?} {text}", _text),
}
TEMPLATES = ("query-template", "doc-template")


@dataclass(frozen=True, slots=True)
class Asked:
    """A cascade as it was asked for: its stages, how the last is fused, and what is read for it."""

    stages: tuple[StageConfig, ...]
    fusion: Fusion | None
    read: ReadConfig

    @property
    def last(self) -> ModelConfig | None:
        """The model that ranks; None without stages."""
        return self.stages[-1].model if self.stages else None


def model_is_typed(context: typer.Context) -> bool:
    """Whether --model was typed: one in the environment or in a file is for runs without stages."""
    source = context.get_parameter_source("model")
    return source is not None and source.name == "COMMANDLINE"


def cascade_of(
    words: list[str] | None, fuse: str | None, model: ModelConfig, read: ReadConfig, *, drop: bool, model_typed: bool
) -> Asked:
    """What --stage and --fuse ask for; no stages for a run of one model.

    `model` and `read` have what the stages do not say themselves. `model_typed`: --model was typed. Raises ConfigError.
    """
    fusion = None if fuse is None else fusion_of(fuse)
    if not words and fusion is None:
        if drop:
            raise ConfigError("--drop needs --stage", "It leaves out what the last stage did not score.")
        return Asked((), None, read)
    if words and model_typed:
        raise ConfigError(
            f"--model {model.model}: with --stage, each stage names its model", f"Write --stage model={model.model}."
        )
    found = [_parsed(word) for word in words or []] or [{"model": model.model}]
    if fusion is not None and len(found) == 1 and found[0].get("model") != GIVEN:
        found = [{"model": GIVEN}, *found]
    _refuse(found, fusion)
    stages = tuple([StageConfig(model=_model(each, model), keep=each.get("keep")) for each in found])
    templates = [
        (each.get("query-template", read.query_template), each.get("doc-template", read.doc_template)) for each in found
    ]
    for query, document in templates:
        for flag, text in (("--query-template", query), ("--doc-template", document)):
            if text is not None:
                Template.of(flag, text)
    if len(set(templates)) > 1:
        read = replace(read, composed=tuple(templates))
    query, document = templates[-1]
    needs_scores = found[0]["model"] == GIVEN
    return Asked(stages, fusion, replace(read, query_template=query, doc_template=document, need_scores=needs_scores))


def fusion_of(text: str) -> Fusion:
    """The fusion that --fuse names. Raises ConfigError.

    >>> fusion_of("rrf"), fusion_of("minmax:0.7")
    (Fusion(weight=None), Fusion(weight=0.7))
    """
    if text == "rrf":
        return Fusion()
    name, _, number = text.partition(":")
    try:
        weight = float(number) if name == "minmax" else -1.0
    except ValueError:
        weight = -1.0
    if not 0 <= weight <= 1:
        raise ConfigError(
            f"--fuse {text}: unknown", "Use rrf, or minmax:W with the weight of the last stage, from 0 to 1."
        )
    return Fusion(weight)


def _parsed(word: str) -> dict[str, Any]:
    """The keys of a stage with their values: from key=value,key=value or from a JSON object. Raises ConfigError."""
    given = _of_json(word) if word.lstrip().startswith("{") else _of_words(word)
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name not in KEYS:
            close = close_to(name, KEYS)
            advice = f"The closest is {close[0]}." if close else f"Keys are {', '.join(KEYS)}."
            raise ConfigError(f"--stage {word}: {name}: a stage has no such key", advice)
        key = KEYS[name]
        found[name] = key.read(value)
        if found[name] is None:
            raise ConfigError(f"--stage {word}: {name} cannot be {str(value)[:40]!r}", f"Example: {key.example}.")
    if "model" not in found:
        raise ConfigError(f"--stage {word}: names no model", f"Add model=NAME, or begin it with {GIVEN}.")
    return found


def _of_words(word: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    last = ""
    for number, part in enumerate(word.split(",")):
        name, is_pair, value = part.partition("=")
        name = name.strip()
        if number == 0 and (not is_pair or name.partition(":")[0] == "fake"):  # the model itself
            name, value = "model", part
        elif last == "model" and name not in KEYS and str(found[last]).startswith("fake"):
            found[last] = f"{found[last]},{part}"  # whose names have commas
            continue
        elif not is_pair:
            raise ConfigError(
                f"--stage {word}: {part!r} has no value", "Write key=value, separated by commas: model=mini,keep=20."
            )
        if name in found:
            raise ConfigError(f"--stage {word}: {name} occurs twice", "Leave one out.")
        found[name], last = value, name
    return found


def _of_json(word: str) -> dict[str, Any]:
    try:
        value = json.loads(word)
    except ValueError as fault:
        raise ConfigError(f"--stage {word}: is no JSON object: {fault}", "Write model=mini,keep=20.") from None
    if not isinstance(value, dict):
        raise ConfigError(f"--stage {word}: is no JSON object", "Write model=mini,keep=20.")
    return value


def _refuse(found: list[dict[str, Any]], fusion: Fusion | None) -> None:
    """Raises ConfigError for stages that do not go together, and for those that would change nothing."""
    if len(found) > MOST_STAGES:
        raise ConfigError(f"--stage: {len(found)} stages, at most {MOST_STAGES}", "Leave some out.")
    names = [each["model"] for each in found]
    if GIVEN in names[1:] or names == [GIVEN]:
        raise ConfigError(f"--stage {GIVEN}: can only be the first of several", "Add a stage with a model after it.")
    if len(found) == 1:
        raise ConfigError("--stage: one stage is no cascade", f"Use --model {names[0]}, or add a stage.")
    if set(found[0]) - {"model", "keep"} and names[0] == GIVEN:
        raise ConfigError(f"--stage {GIVEN}: has no key but keep", "Scores of the input come from no model.")
    least = None
    for number, each in enumerate(found[:-1], 1):
        keep = each.get("keep")
        if keep is None and not (fusion is not None and number == len(found) - 1):
            raise ConfigError(
                f"--stage {each['model']}: keeps all, so the next stage decides alone", "Add keep=N to it."
            )
        if keep is not None and least is not None and keep >= least:
            raise ConfigError(
                f"--stage {each['model']}: keeps {keep} of the {least} that it gets, so it changes nothing",
                "Each stage keeps fewer than the one before.",
            )
        least = keep or least
    if "keep" in found[-1]:
        raise ConfigError(
            f"--stage {names[-1]}: the last stage keeps all that it gets",
            f"Leave keep out. --top-k {found[-1]['keep']} writes the best {found[-1]['keep']} of the result.",
        )


def _model(keys: Mapping[str, Any], model: ModelConfig) -> ModelConfig | None:
    """The model of a stage; None for the scores of the input."""
    if keys["model"] == GIVEN:
        return None
    own = {name.replace("-", "_"): value for name, value in keys.items() if name not in ("keep", *TEMPLATES)}
    typed = [name for name in ("max_length", "query_max_length") if name in own]
    return replace(model, **own, requested=tuple(dict.fromkeys([*model.requested, *typed])))
