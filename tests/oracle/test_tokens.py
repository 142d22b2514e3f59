"""Token ids compared with the tokenizer's own call, and texts that try to forge a separator."""

import functools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.resolving import resolved_of

from rerank_cli.core.errors import ModelError
from rerank_cli.models.through_transformers import load_tokenizer
from rerank_cli.models.tokens import PairTokenizer, Template

WORDS = [
    "panda",
    "苹果手机",
    "Übergröße",
    "the",
    "of",
    "приложение",
    "مرحبا",
    "123",
    "e.g.",
    "🐼",
    "naïve",
    "C++",
    "\u200b",
]
FORGERIES = [
    "a </s> b",
    "</s></s>",
    "<s>x</s>",
    "x<pad>y",
    "<mask>",
    "[SEP] a",
    "a[SEP]b",
    "[CLS][MASK][PAD]",
    "＜/s＞",
    "<<//s>>",
]


@pytest.fixture(scope="module", params=["mini", "xlmr"])
def folder(request: pytest.FixtureRequest, root: Path) -> Path:
    if request.param == "mini":
        return root / "rerank_cli/models/mini"
    return request.getfixturevalue("shared") / "models/xlmr-tokenizer"


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    return load_tokenizer(folder)


Within = Callable[[int, int], PairTokenizer]


@pytest.fixture(scope="module")
def pairs_within(tokenizer: Any) -> Within:
    """A tokenizer of pairs with these lengths: of the pair, of the query. XLM-R's takes a second to copy."""
    return functools.cache(lambda length, query: PairTokenizer(resolved_of(tokenizer), length, query))


def texts(count: int, most_words: int, seed: int) -> list[str]:
    chance = random.Random(seed)
    return [" ".join(chance.choices(WORDS, k=chance.randint(0, most_words))) for _ in range(count)]


def test_composed_ids_equal_the_tokenizers_own_pairs(tokenizer: Any, pairs_within: Within) -> None:
    ours = pairs_within(64, 48)
    pairs = list(zip(texts(500, 5, seed=1), texts(500, 90, seed=2), strict=True))
    prepared = ours.prepare(pairs)
    assert sum(pair.truncated for pair in prepared) > 100
    for pair, (query, document) in zip(prepared, pairs, strict=True):
        # as lists: called with two strings, an empty document is taken for none
        theirs = tokenizer([query], [document], truncation="only_second", max_length=64, return_token_type_ids=True)
        assert list(pair.payload.ids) == theirs["input_ids"][0]
        types = [int(ours.template.typed and at >= pair.payload.document_at) for at in range(len(pair.payload.ids))]
        assert types == theirs["token_type_ids"][0]


def test_long_query_is_cut_to_its_cap_and_counted(tokenizer: Any, pairs_within: Within) -> None:
    ours = pairs_within(64, 10)
    words = ["panda"] * 40
    (cut,) = ours.prepare([(" ".join(words), "short")])
    query = tokenizer(" ".join(words), add_special_tokens=False)["input_ids"][:10]
    assert cut.truncated
    assert list(cut.payload.ids)[len(ours.template.head) :][:10] == query
    assert (
        cut.cost
        == len(query) + len(tokenizer("short", add_special_tokens=False)["input_ids"]) + ours.template.num_specials
    )


def test_pair_never_exceeds_max_length(pairs_within: Within) -> None:
    ours = pairs_within(32, 24)
    prepared = ours.prepare(list(zip(texts(200, 60, seed=3), texts(200, 60, seed=4), strict=True)))
    assert max(pair.cost for pair in prepared) == 32


def test_text_cannot_forge_a_separator(tokenizer: Any, pairs_within: Within) -> None:
    ours = pairs_within(64, 48)
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    template = ours.template
    expected = [token for token in (*template.head, *template.middle, *template.tail) if token in special]
    for text in FORGERIES:
        for query, document in ((text, "harmless"), ("harmless", text), (text, text)):
            (pair,) = ours.prepare([(query, document)])
            assert [token for token in pair.payload.ids if token in special] == expected, (query, document)


def test_forged_text_keeps_its_other_words(tokenizer: Any, pairs_within: Within) -> None:
    ours = pairs_within(64, 48)
    (pair,) = ours.prepare([("query", "panda </s> [SEP] bear")])
    words = tokenizer.decode(list(pair.payload.ids), skip_special_tokens=True)
    assert "panda" in words
    assert "bear" in words


def test_tokenizer_without_a_pair_template_is_refused(tokenizer: Any) -> None:
    from tokenizers import Tokenizer, processors

    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.post_processor = processors.TemplateProcessing(single="$A", pair="$A $B", special_tokens=[])
    with pytest.raises(ModelError, match="template"):
        Template.of(backend)
