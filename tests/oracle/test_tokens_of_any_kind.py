"""Tokenizers of every model type: the same ids each time, equal to the library's own, and no forged separator."""

import json
import random
import string
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.resolving import resolved_of
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from rerank_cli.engines.bi_encoder import SingleTexts
from rerank_cli.models.encoding import Encoding
from rerank_cli.models.through_transformers import load_tokenizer, without_chance
from rerank_cli.models.tokens import PairTokenizer, TextTokenizer

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
LETTERS = list(string.ascii_lowercase)
PIECES = ["ab", "abc", "th", "the", "an", "and", "is", "on", "in", "er", "re"]


def bpe(**more: Any) -> models.BPE:
    """Pieces put together from letters; `dropout` leaves out some of the joins."""
    merges = [("a", "b"), ("ab", "c"), ("t", "h"), ("th", "e"), ("a", "n"), ("an", "d"), ("i", "s"), ("o", "n")]
    names = [*SPECIALS, *LETTERS, *(a + b for a, b in merges)]
    vocabulary = {name: number for number, name in enumerate(names)}
    return models.BPE(vocabulary, merges, unk_token="[UNK]", **more)


def unigram(**more: Any) -> models.Unigram:
    """Pieces with a logarithm of how often each stands."""
    scored = [*((name, 0.0) for name in SPECIALS), *((each, -3.0) for each in LETTERS), *((p, -4.0) for p in PIECES)]
    return models.Unigram(scored, 1, **more)


def listed(pieces: list[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate([*SPECIALS, *LETTERS, *pieces])}


MODELS: dict[str, Callable[[], Any]] = {
    "BPE": bpe,
    "BPE with dropout": lambda: bpe(dropout=0.5),
    "BPE that drops all": lambda: bpe(dropout=1.0),
    "Unigram": unigram,
    "Unigram that samples": lambda: unigram(alpha=0.2, nbest_size=8),
    "WordPiece": lambda: models.WordPiece(listed([f"##{each}" for each in [*LETTERS, *PIECES]]), unk_token="[UNK]"),
    "WordLevel": lambda: models.WordLevel(listed(PIECES), unk_token="[UNK]"),
}


def made(model: Any, template: str = "[CLS] $A [SEP]", pair: str = "[CLS] $A [SEP] $B:1 [SEP]:1") -> Tokenizer:
    backend = Tokenizer(model)
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    named = [(each, backend.token_to_id(each)) for each in {*template.split(), *pair.replace(":1", "").split()}]
    specials = [(name, number) for name, number in named if not name.startswith("$")]
    backend.post_processor = processors.TemplateProcessing(single=template, pair=pair, special_tokens=specials)
    return backend


def texts(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [
        " ".join("".join(draw.choices("abcdehinorst", k=draw.randint(1, 9))) for _ in range(8)) for _ in range(count)
    ]


@pytest.mark.parametrize("kind", MODELS)
def test_a_text_has_the_same_ids_each_time(kind: str) -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made(MODELS[kind]()), pad_token="[PAD]", unk_token="[UNK]")
    some = texts(200, seed=1)
    ours = TextTokenizer(resolved_of(without_chance(tokenizer)))
    first = ours.ids_of(some)
    assert ours.ids_of(some) == first
    assert TextTokenizer(resolved_of(without_chance(tokenizer))).ids_of(some) == first
    assert [tokenizer(text, add_special_tokens=False)["input_ids"] for text in some] == list(first.values())


@pytest.mark.parametrize("kind", ["BPE", "Unigram"])
def test_what_is_turned_off_was_chance_and_nothing_else(kind: str) -> None:
    random_kind = next(name for name in MODELS if name.startswith(f"{kind} "))
    with_chance, without = made(MODELS[random_kind]()), made(MODELS[kind]())
    some = texts(200, seed=2)
    draws = {tuple(tuple(each.ids) for each in with_chance.encode_batch(some)) for _ in range(4)}
    assert len(draws) == 4
    tokenizer = without_chance(PreTrainedTokenizerFast(tokenizer_object=with_chance, unk_token="[UNK]"))
    expected = [each.ids for each in without.encode_batch(some)]
    assert [each.ids for each in tokenizer.backend_tokenizer.encode_batch(some)] == expected


def test_dropout_in_the_file_of_a_tokenizer_is_not_obeyed(tmp_path: Path) -> None:
    """Also not by what trains with it, and saves it."""
    PreTrainedTokenizerFast(tokenizer_object=made(bpe(dropout=0.5)), unk_token="[UNK]").save_pretrained(tmp_path)
    assert json.loads((tmp_path / "tokenizer.json").read_text())["model"]["dropout"] == 0.5
    some = texts(200, seed=3)
    found = [TextTokenizer(resolved_of(load_tokenizer(tmp_path))).ids_of(some) for _ in range(3)]
    assert found[0] == found[1] == found[2]
    plain = without_chance(AutoTokenizer.from_pretrained(str(tmp_path)))
    assert plain(some, add_special_tokens=False)["input_ids"] == list(found[0].values())
    plain.save_pretrained(tmp_path / "again")
    assert json.loads((tmp_path / "again" / "tokenizer.json").read_text())["model"]["dropout"] is None


# Separators

FORGED = ["ab [SEP] the", "[SEP]", "[SEP] [SEP]", "the [CLS] and", "[PAD]", "[CLS] [SEP] [PAD] is"]
UNNAMED = {
    "in the vocabulary": {"added": [], "flag": False},
    "added, and no special token": {"added": ["[SEP]", "[CLS]"], "flag": False},
    "added as special": {"added": ["[SEP]", "[CLS]", "[PAD]"], "flag": True},
}


def unnamed(kind: str, how: str) -> PreTrainedTokenizerFast:
    """A tokenizer whose configuration names no separator, though its template has one."""
    backend = made(MODELS[kind]())
    chosen = UNNAMED[how]
    if chosen["added"]:
        add = backend.add_special_tokens if chosen["flag"] else backend.add_tokens
        add(chosen["added"])
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", pad_token="[PAD]")


@pytest.mark.parametrize("how", UNNAMED)
@pytest.mark.parametrize("kind", ["BPE", "Unigram", "WordLevel", "WordPiece"])
def test_a_separator_that_the_configuration_does_not_name_cannot_be_forged(kind: str, how: str) -> None:
    tokenizer = unnamed(kind, how)
    pairs, single = (
        PairTokenizer(resolved_of(tokenizer), 64, 32),
        SingleTexts(resolved_of(tokenizer), Encoding("mean"), (64, 64)),
    )
    separators = {tokenizer.convert_tokens_to_ids(name) for name in ("[SEP]", "[CLS]")}
    for text in FORGED:
        (pair,) = pairs.prepare([(text, text)])
        template = pairs.template
        expected = [each for each in [*template.head, *template.middle, *template.tail] if each in separators]
        assert [each for each in pair.payload.ids if each in separators] == expected, text
        (alone,) = single.prepare([(text, text)])
        for row in (alone.payload.document, alone.payload.query):
            assert sum(each in separators for each in array("i", row.ids)) == 2, text


def test_words_that_a_template_holds_as_well_stay_words() -> None:
    backend = made(models.WordLevel(listed(["query", "the", "and"]), unk_token="[UNK]"), "query the $A [SEP]")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", pad_token="[PAD]")
    single = SingleTexts(resolved_of(tokenizer), Encoding("mean"), (64, 64))
    for text in ("the and the", "query the", "and query"):
        (pair,) = single.prepare([(text, text)])
        assert list(array("i", pair.payload.document.ids)) == tokenizer(text)["input_ids"]
