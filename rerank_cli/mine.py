"""Hard negatives for fine-tuning: texts of a pool that look like an answer to a bi-encoder, and are none.

For each query the pool is ranked by cosine. The first ranks may hold answers that nobody marked, so candidates come
from a window of ranks, and each lies more than a margin below the query's own relevant texts; of those that are left,
some are drawn. A copy of a relevant text is none, wherever it lies. The pool's vectors are held in memory: four bytes a
dimension and text.
"""

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import NamedTemporaryFile
from typing import Any

import orjson

from rerank_cli.config import ModelConfig
from rerank_cli.errors import ConfigError, InputError, OutputError, Refused
from rerank_cli.finishing import umask
from rerank_cli.formats.streams import Inputs, Line
from rerank_cli.records import Origin
from rerank_cli.scorers import open_scorer
from rerank_cli.scorers.hf_config import has_head
from rerank_cli.scorers.hf_files import find_model

MAX_LINE_BYTES = 64 * 1024 * 1024
QUERIES_AT_ONCE = 256
MARGIN = 0.001  # see MineConfig
EVERYTHING = -2.0  # a margin that excludes nothing: cosines lie between -1 and 1
QUERY_ADVICE = "A query needs `pos`, a list of texts, or `positives`, a list of ids of the pool."

REPLACED = ("query", "pos", "neg", "positives", "pos_scores", "neg_scores")  # scores were those of other negatives

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class MineConfig:
    """Which queries, which pool, and what counts as a hard negative.

    Ranks `first` to `last` (from 1) are looked at, relevant texts and their copies not counted. A negative's cosine is
    below that of the query's least similar relevant text by more than `margin` (EVERYTHING: whatever it is).

    The default is more than two encodings of one text differ by, so that what the model cannot tell from a relevant
    text is no negative: in another batch a cosine moves by 0.000001 in fp32 and 0.0006 in fp16 (measured on `mini`; in
    bf16 by 0.004).
    """

    queries: str
    corpus: tuple[str, ...]
    model: ModelConfig
    output: Path
    negatives: int = 7
    first: int = 1
    last: int = 50
    margin: float = MARGIN
    seed: int = 42
    overwrite: bool = False


@dataclass(slots=True)
class Mined:
    """What mining came to: queries, those with fewer negatives than asked for, and negatives in all."""

    queries: int = 0
    short: int = 0
    negatives: int = 0
    pool: int = 0


def mine(config: MineConfig, tell: Tell) -> Mined:
    """Write the queries with their negatives, in FlagEmbedding's shape.

    Raises ConfigError, InputError, ModelError, Refused (the output exists) and OutputError.
    """
    _refuse_early(config)
    pool, ids = _pool(config.corpus)
    queries = list(_queries(config.queries, pool, ids))
    if not queries:
        raise InputError(f"{config.queries}: no queries", QUERY_ADVICE)
    scorer: Any = open_scorer(config.model)
    for note in scorer.notes:
        tell(note)
    scorer.load()
    tell(f"encoding {len(pool):,} texts and {len(queries):,} queries")
    found = Mined(pool=len(pool))
    made = None
    try:
        with NamedTemporaryFile("wb", prefix=f".{config.output.name}.", dir=config.output.parent, delete=False) as file:
            made = Path(file.name)
            for record in _records(config, queries, pool, scorer, found):
                file.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
        made.chmod(0o666 & ~umask())
        made.replace(config.output)
    except OSError as fault:
        raise OutputError(f"{config.output}: {fault.strerror or fault}", "Check the folder and its disk.") from None
    finally:
        scorer.close()
        if made is not None:
            made.unlink(missing_ok=True)
    return found


def _refuse_early(config: MineConfig) -> None:
    if not 1 <= config.first <= config.last:
        raise ConfigError(f"--ranks {config.first}:{config.last}: not a window", "Write for example 5:50.")
    if not math.isfinite(config.margin):
        raise ConfigError(f"--margin {config.margin}: not a difference of cosines", "Write for example 0.02.")
    if config.output.name in ("", "-", "..") or config.output.suffix in (".gz", ".zst") or config.output.is_dir():
        raise ConfigError(f"-o {config.output}: is not a file to write", "Name a file; it is not compressed.")
    if os.path.lexists(config.output) and not config.overwrite:
        raise Refused(f"{config.output}: exists", "Choose another name, or replace it with --overwrite.")
    if not os.access(config.output.parent, os.W_OK):
        raise OutputError(f"{config.output.parent}: cannot write here", "Check the folder of -o.")
    folder = find_model(config.model)
    if has_head(folder.config):
        raise ConfigError(
            f"{folder.name}: is a cross-encoder, which makes no vectors",
            "Name a bi-encoder, such as multilingual-e5-small.",
        )


def _objects(path: str) -> Iterator[tuple[Line, dict[str, Any]]]:
    for line in Inputs((path,)).lines(MAX_LINE_BYTES):
        if not line.raw.strip():
            continue
        try:
            value = orjson.loads(line.raw)
        except orjson.JSONDecodeError:
            value = None
        if not isinstance(value, dict):
            raise InputError(f"{line.origin}: not a JSON object", "One object in valid UTF-8 a line.")
        yield line, value


def _pool(paths: tuple[str, ...]) -> tuple[list[str], dict[str, int]]:
    """The distinct texts of a pool, and the place of each id (`id` or `_id`).

    Raises InputError, also for an id that stands for two texts: which of them answers a query, nobody could tell.
    """
    places: dict[str, int] = {}
    ids: dict[str, int] = {}
    first: dict[str, Origin] = {}
    for path in paths:
        for line, value in _objects(path):
            text = value.get("text")
            if not isinstance(text, str):
                raise InputError(f"{line.origin}: no text in `text`", 'A text of the pool is {"id": …, "text": …}.')
            title = value.get("title")
            whole = f"{title} {text}" if isinstance(title, str) and title and "_id" in value else text  # BEIR's
            place = places.setdefault(whole, len(places))
            name = value.get("id", value.get("_id"))
            if name is None:
                continue
            if ids.setdefault(str(name), place) != place:
                raise InputError(
                    f"{line.origin}: the id {str(name)[:60]!r} has another text than in {first[str(name)]}",
                    "Give each text of the pool its own id, or mine each file with its own queries.",
                )
            first.setdefault(str(name), line.origin)
    if not places:
        raise InputError(f"{', '.join(paths)}: no texts", "Name JSON lines with `text`.")
    return list(places), ids


def _queries(path: str, pool: list[str], ids: dict[str, int]) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Each query's record with its relevant texts. Raises InputError for one without any."""
    for line, value in _objects(path):
        texts = value.get("pos")
        if texts is None and isinstance(value.get("positives"), list):
            unknown = [name for name in value["positives"] if str(name) not in ids]
            if unknown:
                raise InputError(f"{line.origin}: the pool has no {str(unknown[0])[:60]!r}", QUERY_ADVICE)
            texts = [pool[ids[str(name)]] for name in value["positives"]]
        if not isinstance(value.get("query"), str) or not isinstance(texts, list) or not texts:
            raise InputError(f"{line.origin}: no query with relevant texts", QUERY_ADVICE)
        if not all(isinstance(text, str) for text in texts):
            raise InputError(f"{line.origin}: `pos` holds what is no text", QUERY_ADVICE)
        yield value, texts


def _records(
    config: MineConfig, queries: list[tuple[dict[str, Any], list[str]]], pool: list[str], scorer: Any, found: Mined
) -> Iterator[dict[str, Any]]:
    vectors = scorer.encoded_texts(pool, "document")
    draw = Random(config.seed)
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        some = queries[start : start + QUERIES_AT_ONCE]
        asked = scorer.encoded_texts([value["query"] for value, _ in some], "query")
        own = [text for _, texts in some for text in texts]
        theirs = iter(scorer.encoded_texts(own, "document"))
        cosines = asked @ vectors.T
        for (value, texts), query, row in zip(some, asked, cosines, strict=True):
            least = min(float(query @ next(theirs)) for _ in texts)
            window = _window(config, texts, pool, row)
            if config.margin > EVERYTHING:
                window = [place for place in window if row[place] < least - config.margin]
            chosen = window if len(window) <= config.negatives else sorted(draw.sample(window, config.negatives))
            found.queries += 1
            found.short += len(chosen) < config.negatives
            found.negatives += len(chosen)
            rest = {name: given for name, given in value.items() if name not in REPLACED}
            yield {"query": value["query"], "pos": texts, "neg": [pool[place] for place in chosen], **rest}


def _window(config: MineConfig, positives: list[str], pool: list[str], cosines: Any) -> list[int]:
    """Places of the pool's texts at the ranks that are looked at, `positives` and their copies passed over."""
    own = {folded(text) for text in positives}
    depth = config.last + len(own)
    while True:  # as deep as it takes: how many copies there are, only their texts tell
        depth = min(depth, len(pool))
        best = (-cosines).argpartition(depth - 1)[:depth]
        ranked = [int(place) for place in best[(-cosines[best]).argsort(kind="stable")]]
        others = [place for place in ranked if folded(pool[place]) not in own]
        if len(others) >= config.last or depth == len(pool):
            return others[config.first - 1 : config.last]
        depth *= 2


def folded(text: str) -> str:
    """A text without its case and its white space: equal ones are copies of each other.

    >>> folded(" The Cat\\nsleeps. ") == folded("the cat  SLEEPS.")
    True
    """
    return " ".join(text.casefold().split())
