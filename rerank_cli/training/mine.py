"""Mine hard negatives for fine-tuning: texts of a pool that a bi-encoder ranks high and that are not relevant.

For each query the pool is ranked by cosine. The first ranks can contain unmarked relevant texts. So candidates come
from a range of ranks, and their cosine is more than a margin below that of the query's relevant texts. Negatives are
drawn from these. Copies of relevant texts are always skipped.

Memory: the texts of the pool (their characters, twice with a template, and about 400 bytes each), their vectors (four
bytes per dimension and text), the cosines of a group of queries (64 MiB, or 32 bytes per text if that is more), and the
tokens of a few thousand texts.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import orjson

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError, OutputError, Refused
from rerank_cli.core.protocols import Report, StepProgress
from rerank_cli.engines.choice import open_scorer
from rerank_cli.files.durable import whole_file
from rerank_cli.files.paths import is_file, no_folder, real_path
from rerank_cli.models.config_json import has_head
from rerank_cli.models.find import find_model
from rerank_cli.models.folder import ModelFolder
from rerank_cli.training.pool import Pool, Query, Templates, read_pool, read_queries

MOST_QUERIES, FEWEST_QUERIES = 256, 8  # queries compared with the pool at once
COSINES = 2**24  # cosines per group of queries: 64 MiB
MARGIN = 0.001  # see MineConfig
EVERYTHING = -2.0  # a margin that excludes nothing: cosines lie between -1 and 1
REPLACED = ("query", "pos", "neg", "positives", "pos_scores", "neg_scores")  # in the output


@dataclass(frozen=True, slots=True, kw_only=True)
class MineConfig:
    """The options of `rerank mine`: queries, pool, and the definition of a hard negative.

    Ranks `first` to `last` (from 1) are used, not counting relevant texts and their copies. The cosine of a negative is
    below that of the query's least similar relevant text by more than `margin` (EVERYTHING: any cosine).

    The default exceeds the difference of two encodings of one text, so that texts which the model cannot distinguish
    from a relevant text are skipped. Between batches, a cosine differs by 0.000001 in fp32, 0.0006 in fp16 and 0.004 in
    bf16 (measured on `mini`).
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
    query_template: str | None = None
    doc_template: str | None = None


@dataclass(slots=True)
class MiningCounts:
    """Counts of mining: queries, queries with too few negatives (`short`), all negatives, texts of the pool."""

    queries: int = 0
    short: int = 0
    negatives: int = 0
    pool: int = 0


def mine(config: MineConfig, report: Report, progress: StepProgress) -> MiningCounts:
    """Write the queries with their negatives, in FlagEmbedding's format. `progress` counts encoded texts.

    Raises ConfigError, InputError, ModelError, Refused (the output exists) and OutputError.
    """
    templates = Templates.of(config.query_template, config.doc_template)
    folder = _refuse_early(config)
    pool = read_pool(config.corpus, templates.document)
    queries = read_queries(config.queries, pool, templates)
    scorer: Any = open_scorer(config.model, folder)
    for note in scorer.notes:
        report(note)
    scorer.load()
    report(f"encoding {len(pool.texts):,} texts and {len(queries):,} queries")
    progress.begin(0, len(pool.texts) + sum(1 + len(query.other_inputs) for query in queries))
    counts = MiningCounts(pool=len(pool.texts))
    try:
        with whole_file(real_path(str(config.output)), config.overwrite) as file:
            for record in _records(config, queries, pool, scorer, progress):
                counts.queries += 1
                counts.short += len(record["neg"]) < config.negatives
                counts.negatives += len(record["neg"])
                file.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
    except FileExistsError:
        raise Refused(f"{config.output}: appeared while the texts were encoded", "Choose another -o.") from None
    except OSError as fault:
        raise OutputError(f"{config.output}: {fault.strerror or fault}", "Check the folder and its disk.") from None
    finally:
        scorer.close()
    return counts


def _refuse_early(config: MineConfig) -> ModelFolder:
    """Check the options and find the model's folder. Raises ConfigError, Refused, OutputError, ModelError."""
    if not 1 <= config.first <= config.last:
        raise ConfigError(f"--ranks {config.first}:{config.last}: not a range", "Example: 5:50.")
    if not math.isfinite(config.margin):
        raise ConfigError(f"--margin {config.margin}: not a difference of cosines", "Example: 0.02.")
    output, final = config.output, real_path(str(config.output))
    if output.name in ("", "-", "..") or output.suffix in (".gz", ".zst") or not is_file(str(output)):
        raise ConfigError(f"-o {output}: cannot be written", "Name a regular file without a suffix of compression.")
    if os.path.lexists(final) and not config.overwrite:
        raise Refused(f"{output}: exists", "Choose another -o, or add --overwrite to replace it.")
    if not final.parent.is_dir():
        raise OutputError(*no_folder(final.parent, "-o"))
    if not os.access(final.parent, os.W_OK | os.X_OK):
        raise OutputError(f"{final.parent}: cannot write here", "Check the folder of -o.")
    folder = find_model(config.model)
    if has_head(folder.config):
        raise ConfigError(
            f"{folder.name}: is a cross-encoder, not a bi-encoder",
            "Name a bi-encoder, such as intfloat/multilingual-e5-small.",
        )
    return folder


def _records(
    config: MineConfig, queries: list[Query], pool: Pool, scorer: Any, progress: StepProgress
) -> Iterator[dict[str, Any]]:
    """The record of each query with its negatives. Queries are compared with the pool in groups."""
    vectors = scorer.encoded_texts(pool.inputs, "document", progress.more)
    draw = Random(config.seed)
    at_once = max(FEWEST_QUERIES, min(MOST_QUERIES, COSINES // len(vectors)))
    for start in range(0, len(queries), at_once):
        some = queries[start : start + at_once]
        query_vectors = scorer.encoded_texts([query.input for query in some], "query", progress.more)
        not_in_pool = [text for query in some for text in query.other_inputs]
        other_vectors = iter(scorer.encoded_texts(not_in_pool, "document", progress.more))
        for query, vector, cosines in zip(some, query_vectors, query_vectors @ vectors.T, strict=True):
            least = min([*cosines[query.places], *(vector @ next(other_vectors) for _ in query.other_inputs)])
            window = _candidates(config, query, pool, cosines)
            if config.margin > EVERYTHING:
                window = [place for place in window if cosines[place] < least - config.margin]
            chosen = window if len(window) <= config.negatives else sorted(draw.sample(window, config.negatives))
            rest = {name: value for name, value in query.record.items() if name not in REPLACED}
            negatives = [pool.texts[place] for place in chosen]
            yield {"query": query.record["query"], "pos": query.positives, "neg": negatives, **rest}


def _candidates(config: MineConfig, query: Query, pool: Pool, cosines: Any) -> list[int]:
    """Positions of the pool's texts in the range of ranks, without relevant texts and their copies."""
    own = {folded(text) for text in query.positives}
    depth = config.last + len(own)
    while True:  # go deeper until there are enough: the number of copies is known only from their texts
        depth = min(depth, len(cosines))
        best = (-cosines).argpartition(depth - 1)[:depth]
        ranked = [int(place) for place in best[(-cosines[best]).argsort(kind="stable")]]
        others = [place for place in ranked if folded(pool.texts[place]) not in own]
        if len(others) >= config.last or depth == len(cosines):
            return others[config.first - 1 : config.last]
        depth *= 2


def folded(text: str) -> str:
    """A text in lower case without white space, to compare copies.

    >>> folded(" The Cat\\nsleeps. ") == folded("the cat  SLEEPS.")
    True
    """
    return " ".join(text.casefold().split())
