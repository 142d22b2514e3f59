"""The training pool: passages and queries of nine sources in six languages, and neighbours of each query.

Neighbours come in three kinds: by the teacher within the query's language, by the teacher in another language, and by
the words they share (tf-idf), which is where keyword traps come from.
"""

import collections
import gzip
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

OWN, OTHER, LEXICAL = 60, 40, 20  # neighbours kept
PAIRS_OF_CHARACTERS = ("zh", "ja")  # languages without spaces between words
HELD_OUT = 300  # queries that are never learnt


@dataclass
class Pool:
    """`positives`: places of passages, by query. Languages are their first two letters: zh-Hant is zh."""

    queries: list[str]
    query_sources: list[str]
    query_languages: list[str]
    positives: list[list[int]]
    passages: list[str]
    passage_languages: list[str]

    def of_language(self, language: str) -> list[int]:
        """Places of the passages in it."""
        return [place for place, each in enumerate(self.passage_languages) if each == language]


@dataclass
class Neighbours:
    """Places of passages, nearest first (queries × kept); -1 where there are no more."""

    own: np.ndarray
    own_cosines: np.ndarray
    other: np.ndarray
    lexical: np.ndarray


def lines(path: Path) -> list[dict[str, Any]]:
    """The records of a gzipped file of JSON lines."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def read_pool(folder: Path) -> Pool:
    """The pool in a folder of the shared data."""
    passages, queries = lines(folder / "passages.jsonl.gz"), lines(folder / "queries.jsonl.gz")
    place = {each["id"]: at for at, each in enumerate(passages)}
    return Pool(
        [each["query"] for each in queries],
        [each["source"] for each in queries],
        [each["lang"][:2] for each in queries],
        [[place[name] for name in each["positives"]] for each in queries],
        [each["text"] for each in passages],
        [each["lang"][:2] for each in passages],
    )


def nearest(scores: np.ndarray, count: int) -> np.ndarray:
    """Places of the `count` highest scores of each row, highest first."""
    some = np.argpartition(-scores, count, axis=1)[:, :count]
    order = np.argsort(-np.take_along_axis(scores, some, 1), axis=1, kind="stable")
    return np.take_along_axis(some, order, 1)


def find_neighbours(pool: Pool, queries: np.ndarray, passages: np.ndarray, seed: int) -> Neighbours:
    """Neighbours by the teacher's unit vectors (texts × hidden) and by words."""
    draw = np.random.default_rng(seed)
    count, languages = len(pool.queries), sorted(set(pool.passage_languages))
    places = {language: np.array(pool.of_language(language)) for language in languages}
    own, cosines = np.zeros((count, OWN), np.int32), np.zeros((count, OWN), np.float32)
    other, lexical = np.zeros((count, OTHER), np.int32), np.full((count, LEXICAL), -1, np.int32)
    spoken = np.array(pool.query_languages)
    elsewhere = np.array([another(language, languages, draw) for language in spoken])
    for language in languages:
        here = places[language]
        for rows in in_parts(np.flatnonzero(spoken == language)):
            scores = queries[rows] @ passages[here].T
            found = nearest(scores, OWN)
            own[rows], cosines[rows] = here[found], np.take_along_axis(scores, found, 1)
        for rows in in_parts(np.flatnonzero(elsewhere == language)):
            other[rows] = here[nearest(queries[rows] @ passages[here].T, OTHER)]
        rows = np.flatnonzero(spoken == language)
        texts = [pool.queries[row] for row in rows]
        if not texts:
            continue
        lexical[rows] = here[by_words(texts, [pool.passages[place] for place in here], language)]
    return Neighbours(own, cosines, other, lexical)


def another(language: str, languages: list[str], draw: np.random.Generator) -> str:
    """A language to look for neighbours in: English for most, any other for English."""
    if language != "en" and draw.random() < 0.7:
        return "en"
    return str(draw.choice([each for each in languages if each not in (language, "en")]))


def in_parts(rows: np.ndarray, size: int = 2000) -> list[np.ndarray]:
    """Rows, some at a time."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def words(text: str, language: str) -> list[str]:
    """Words, or pairs of characters where words are not set apart."""
    text = text.lower()
    if language in PAIRS_OF_CHARACTERS:
        return [text[at : at + 2] for at in range(len(text) - 1)]
    return re.findall(r"\w+", text)


def by_words(queries: list[str], passages: list[str], language: str) -> np.ndarray:
    """Places of the passages that share the most, and the rarest, words with each query."""
    vocabulary: dict[str, int] = {}

    def matrix(texts: list[str], grow: bool) -> tuple[list[float], list[int], list[int]]:
        values, columns, starts = [], [], [0]
        for text in texts:
            for word, times in collections.Counter(words(text, language)).items():
                place = vocabulary.setdefault(word, len(vocabulary)) if grow else vocabulary.get(word)
                if place is not None:
                    columns.append(place)
                    values.append(times / (times + 1.0) if grow else 1.0)
            starts.append(len(columns))
        return values, columns, starts

    counted = matrix(passages, grow=True)
    shape = (len(passages), len(vocabulary))
    held = scipy.sparse.csr_matrix(counted, shape=shape, dtype=np.float32).T.tocsr()
    rarity = np.log(1 + shape[0] / (1 + np.bincount(counted[1], minlength=shape[1]))).astype(np.float32)
    asked = scipy.sparse.csr_matrix(matrix(queries, grow=False), shape=(len(queries), shape[1]), dtype=np.float32)
    asked = asked @ scipy.sparse.diags(rarity)
    found = [
        nearest(np.asarray((asked[rows] @ held).todense()), LEXICAL) for rows in in_parts(np.arange(len(queries)), 500)
    ]
    return np.concatenate(found)
