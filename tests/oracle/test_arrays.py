"""The arrays of a batch: how far its rows are filled up, and what the mask says of it."""

import pytest
from support.tiny import WORDS, write_model, write_tokenizer

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.scorer import Batch
from rerank_cli.engines.cross_encoder import CrossEncoder, open_cross_encoder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> CrossEncoder:
    folder = tmp_path_factory.mktemp("tiny")
    write_model(folder, max_position_embeddings=512)
    write_tokenizer(folder, WORDS)
    return open_cross_encoder(ModelConfig(model=str(folder), max_length=512))


def filled(encoder: CrossEncoder, texts: list[str], masked: bool, multiple: int) -> tuple[list[str], list[list[int]]]:
    """The names of the inputs, and the mask's (else the ids') rows."""
    pairs = sorted(encoder.prepare([("a", text) for text in texts]), key=lambda pair: -pair.cost)
    names, packed = encoder.arrays(Batch(tuple(pairs), 0, 0), masked, multiple)
    assert packed.shape[0] == len(names)
    return names, packed[-1].tolist()


@pytest.mark.parametrize(
    ("words", "multiple", "length"),
    [(8, 1, 12), (8, 8, 16), (12, 8, 16), (13, 8, 24), (26, 8, 32), (505, 8, 512), (508, 8, 512), (501, 200, 512)],
)
def test_rows_reach_the_next_multiple_but_not_beyond_the_positions(
    encoder: CrossEncoder, words: int, multiple: int, length: int
) -> None:
    names, mask = filled(encoder, ["a " * words, "a"], True, multiple)  # four more tokens: [CLS], query, two [SEP]
    assert names[-1] == "attention_mask"
    assert [len(row) for row in mask] == [length, length]
    assert [sum(row) for row in mask] == [words + 4, 5]


def test_rows_of_one_length_need_no_mask_unless_it_is_asked_for(encoder: CrossEncoder) -> None:
    assert "attention_mask" not in filled(encoder, ["a a", "b b"], False, 1)[0]
    assert "attention_mask" in filled(encoder, ["a a", "b b"], True, 1)[0]
    assert "attention_mask" in filled(encoder, ["a a", "b b"], False, 8)[0]
    assert "attention_mask" in filled(encoder, ["a a", "b"], False, 1)[0]
