"""The options of a cascade: what --stage, --fuse and --drop say, as configuration."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, NamedTuple, get_args

import typer

from rerank_cli.cli.option import option
from rerank_cli.core.config import DEFAULT_MODEL, LongDocs, ModelConfig, ReadConfig, StageConfig
from rerank_cli.core.dialects import HOSTED
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
    "api-key-file": Key("api-key-file=key.txt", _text),
    "query-template": Key("query-template={query}", _text),
    "doc-template": Key("doc-template={title?} {text}", _text),
}
OF_ONE_MODEL = ("revision", "label", "prompt", "instruction")
TEMPLATES = ("query-template", "doc-template")


@dataclass(frozen=True, slots=True)
class Asked:
    """A cascade as it was asked for: its stages, how the last is fused, and what is read for it."""

    stages: tuple[StageConfig, ...]
    fusion: Fusion | None
    read: ReadConfig

    @property
    def keeps_all(self) -> bool:
        """Whether no stage drops a candidate."""
        return all(stage.keep is None for stage in self.stages)

    @property
    def last(self) -> ModelConfig | None:
        """The model that ranks; None without stages."""
        return self.stages[-1].model if self.stages else None


def cascade_of(context: typer.Context, model: ModelConfig, read: ReadConfig) -> Asked:
    """What --stage and --fuse ask for; no stages for a run of one model.

    `model` and `read` have what the stages do not say themselves. Raises ConfigError.
    """
    given = context.params
    words = _words(context, model)
    fusion = None if given["fuse"] is None else fusion_of(given["fuse"])
    if not words and fusion is None:
        if given["drop"]:
            raise ConfigError("--drop needs --stage", "It leaves out what the last stage did not score.")
        return Asked((), None, read)
    found = [_parsed(word) for word in words] or [{"model": model.model}]
    if fusion is not None and len(found) == 1 and found[0].get("model") != GIVEN:
        found = [{"model": GIVEN}, *found]
    _refuse(found, fusion)
    if words:
        _refuse_for_all(found, model)
    stages = tuple([StageConfig(model=_model(each, model), keep=each.get("keep")) for each in found])
    return Asked(stages, fusion, _reading(found, read))


def _words(context: typer.Context, model: ModelConfig) -> list[str]:
    """The stages, unless --model is typed and they stand in a file. Raises ConfigError where both are in one place."""
    words = list(context.params["stage"] or [])
    sources = [context.get_parameter_source(name) for name in ("stage", "model")]
    stage, one = [each.name if each is not None else "" for each in sources]
    if not words or (one == "COMMANDLINE" and stage == "DEFAULT_MAP"):
        return []
    if stage == one and model.model != DEFAULT_MODEL:  # which --show-config writes
        where = "--model" if one == "COMMANDLINE" else "model in the file of --config"
        raise ConfigError(
            f"{where}: {model.model}: with stages, each names its model",
            f"Leave it out, or make it a stage: --stage model={model.model}.",
        )
    return words


def _refuse_for_all(found: list[dict[str, Any]], model: ModelConfig) -> None:
    """Raises ConfigError for options of the command that not every model has: a stage says them itself."""
    for name in OF_ONE_MODEL:
        if getattr(model, name) is not None:
            flag = name.replace("_", "-")
            raise ConfigError(
                f"--{flag} {getattr(model, name)}: not every stage has one",
                f"Write it into the stage that has: {flag}=… in --stage.",
            )
    remote = [each["model"] for each in found if is_address(each["model"])]
    if model.api_key_file is not None and len(remote) > 1:
        raise ConfigError(
            f"--api-key-file {model.api_key_file}: {len(remote)} stages ask servers",
            "Write it into the stage that it is for: api-key-file=… in --stage.",
        )


def is_address(model: str) -> bool:
    """Whether a model is that of a server: an URL, or PROVIDER:NAME.

    >>> is_address("http://127.0.0.1:8080/rerank"), is_address("cohere:rerank-v3.5"), is_address("mini")
    (True, True, False)
    """
    scheme, colon, _ = model.partition(":")
    return bool(colon) and (scheme in HOSTED or scheme in ("http", "https"))


def _reading(found: list[dict[str, Any]], read: ReadConfig) -> ReadConfig:
    """What is read for stages: the texts of each by its templates, and scores. Raises ConfigError."""
    templates = [
        (each.get("query-template", read.query_template), each.get("doc-template", read.doc_template)) for each in found
    ]
    for query, document in templates:
        for flag, text in (("--query-template", query), ("--doc-template", document)):
            if text is not None:
                Template.of(flag, text)
    query, document = templates[-1]
    own = tuple(templates) if len(set(templates)) > 1 else ()
    needs_scores = found[0]["model"] == GIVEN
    return replace(read, query_template=query, doc_template=document, composed=own, need_scores=needs_scores)


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
    named = "--stage " + ",".join(f"{name}={value}" for name, value in given.items())
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name not in KEYS:
            close = close_to(name, KEYS)
            advice = f"The closest is {close[0]}." if close else f"Keys are {', '.join(KEYS)}."
            raise ConfigError(f"{named}: {name}: a stage has no such key", advice)
        key = KEYS[name]
        found[name] = key.read(value)
        if found[name] is None:
            raise ConfigError(f"{named}: {name} cannot be {str(value)[:40]!r}", f"Example: {key.example}.")
    if "model" not in found:
        raise ConfigError(f"{named}: names no model", f"Add model=NAME, or begin it with {GIVEN}.")
    if found["model"] != GIVEN and GIVEN in close_to(found["model"], [GIVEN]):
        raise ConfigError(f"{named}: no such model", f"The closest is {GIVEN}, the score of the input.")
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
                f"--stage {word}: {part!r} has no value",
                "Write model=mini,keep=20. A value that has commas is written into a file, under [[stage]].",
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
    """The model of a stage; None for the scores of the input. What is of APIs holds only for a stage with a server."""
    if keys["model"] == GIVEN:
        return None
    own = {name.replace("-", "_"): value for name, value in keys.items() if name not in ("keep", *TEMPLATES)}
    typed = [name for name in ("max_length", "query_max_length") if name in own]
    if not is_address(keys["model"]):
        model = replace(model, api=None, api_key_file=None)
    return replace(model, **own, requested=tuple(dict.fromkeys([*model.requested, *typed])))
