"""The fingerprint of a run: everything that can change a byte of the result, and nothing else.

A partial output is resumed, and a finished one kept, only if the fingerprints are equal. File names, error limits and
progress options are not part of it: they do not change the result.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rerank_cli import __version__
from rerank_cli.core.config import ModelConfig, RunConfig
from rerank_cli.core.scorer import Identity
from rerank_cli.formats.record_format import GIVEN

MOST_NAMED = 4  # differences
CHANGED = {  # what is known by its hash alone
    "weights_sha256": "the model's weights",
    "tokenizer_sha256": "the model's tokenizer",
    "config_sha256": "the model's config.json",
    "queries_sha256": "the texts of --queries",
    "corpus_sha256": "the texts of --corpus",
    "composed": "the templates of the stages",
}
OF_A_MODEL = {"weights_sha256", "tokenizer_sha256", "config_sha256"}
OF_STAGE = re.compile(r"stage_([0-9]+)_(.+)")
NO_OPTIONS = {  # what is no option, or has another name
    "device": "the device",
    "keep": "keep",
    "fusion": "--fuse",
    "stages": "the number of stages",
}
NO_RESULT = ("inputs", "input_named", "format", "run", "queries", "corpus", "folder", "need_texts", "need_scores")


def fingerprint(
    config: RunConfig, format_name: str, identities: Sequence[Identity], hashes: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Flat names and plain values, so that a message can name a difference.

    `identities` are those of the stages with a model, the last one last. `hashes` are those of files that are read
    besides the inputs.
    """
    read = asdict(config.read)
    for irrelevant in NO_RESULT:
        del read[irrelevant]
    write = {("output_" + name if name == "format" else name): value for name, value in asdict(config.write).items()}
    for irrelevant in ("model", "scored", "score_chosen", "keeps_all"):  # what the engine or the stages say
        del write[irrelevant]
    write["fusion"] = None if config.write.fusion is None else str(config.write.fusion)
    flat = {
        "rerank_version": __version__,
        "format": format_name,
        **read,
        **write,
        **_of_engine(config.model, identities[-1]),
        **_of_stages(config, identities),
        **asdict(config.batch),
        **(hashes or {}),
    }
    return {name: readable(value) for name, value in flat.items()}


def _of_engine(config: ModelConfig, identity: Identity) -> dict[str, Any]:
    """What an engine is, and what it does with long documents."""
    engine = {name: value for name, value in identity.as_dict().items() if name != "versions"}
    versions = {f"{name}_version": version for name, version in identity.versions.items()}
    return {**engine, **versions, "long_docs": config.long_docs, "chunk_overlap": config.chunk_overlap}


def _of_stages(config: RunConfig, identities: Sequence[Identity]) -> dict[str, Any]:
    """What the stages of a cascade are, and what each keeps; the last one is named as the engine of any run."""
    found: dict[str, Any] = {}
    engines = iter(identities)
    for number, stage in enumerate(config.stages[:-1], 1):
        mine: dict[str, Any] = {"keep": stage.keep}
        mine |= {"model": GIVEN} if stage.model is None else _of_engine(stage.model, next(engines))
        found |= {f"stage_{number}_{name}": value for name, value in mine.items()}
    return found


def differing(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The first few differences of two fingerprints, options by their names; "" when they are equal.

    >>> differing({"top_k": 10, "no_text": False}, {"top_k": 5, "no_text": True})
    '--top-k was 10, is 5; --no-text was off, is on'
    """
    names = [name for name in {**now, **then} if then.get(name) != now.get(name)]
    if not {"model", "revision", "engine"}.isdisjoint(names):
        names = [name for name in names if name not in OF_A_MODEL]  # another model has other files
    shown = [_difference(name, then.get(name), now.get(name)) for name in names[:MOST_NAMED]]
    more = len(names) - len(shown)
    return "; ".join([*shown, *([f"and {more} more"] if more else [])])


def _difference(name: str, then: Any, now: Any) -> str:
    if name in CHANGED:
        return f"{CHANGED[name]} changed"
    if of_stage := OF_STAGE.fullmatch(name):
        return f"of stage {of_stage[1]}: {_difference(of_stage[2], then, now)}"
    if name.endswith("_version"):
        named = name.removesuffix("_version")
    else:
        named = NO_OPTIONS.get(name) or "--" + name.replace("_", "-")
    return f"{named} was {_value(then)}, is {_value(now)}"


def _value(value: Any) -> str:
    match value:
        case None:
            return "not set"
        case bool():
            return "on" if value else "off"
        case list() | tuple():
            return ",".join(map(str, value)) or "not set"
    return shlex.quote(value) if isinstance(value, str) else str(value)


def readable(value: Any) -> Any:
    """`value` with file names that are not UTF-8 escaped for JSON."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if isinstance(value, dict):
        return {name: readable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [readable(each) for each in value]
    return value
