"""Our bi-encoder compared with sentence-transformers' SentenceTransformer: the same cosines, from the same folder."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError, ModelError
from rerank_cli.core.scorer import Batch
from rerank_cli.engines.choice import open_scorer
from rerank_cli.engines.torch_bi_encoder import TorchBiEncoder
from rerank_cli.engines.torch_vectors import pool

PAIRS = [
    ("how tall is the tower", "The tower is 300 metres tall."),
    ("how tall is the tower", "Bread is baked from flour, water and salt, and then it cools on a rack."),
    ("bread", "The tower is 300 metres tall."),
    ("bread", "flour"),
    ("bread", ""),
    ("long " * 200, "words " * 700),
]


MINI = [
    pytest.param(("mini", each), marks=pytest.mark.slow, id=f"mini-{each}") for each in ("mean", "cls", "lasttoken")
]


@pytest.fixture(scope="module", params=[pytest.param(("steady", "mean"), id="steady-mean"), *MINI])
def folder(
    request: pytest.FixtureRequest, root: Path, path_of: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    model, mode = request.param
    made = tmp_path_factory.mktemp(mode)
    body = Transformer(
        path_of(model) if model == "steady" else str(root / "rerank_cli/models/mini"), max_seq_length=128
    )
    body.auto_model.float()
    pooling = Pooling(body.auto_model.config.hidden_size, pooling_mode=mode)
    prompts = {"query": "query: ", "document": "passage: "}
    SentenceTransformer(modules=[body, pooling, Normalize()], prompts=prompts, device="cpu").save(str(made))
    return made


def cosines(scorer: TorchBiEncoder, pairs: list[tuple[str, str]]) -> list[float]:
    prepared = scorer.prepare(pairs)
    batch = Batch.of(prepared)
    return next(iter(scorer.score(iter([batch]))))


def opened(folder: Path, **more: object) -> TorchBiEncoder:
    config = ModelConfig(model=str(folder), device="cpu", dtype="fp32", max_length=128, query_max_length=96, **more)  # type: ignore[arg-type]
    scorer = open_scorer(config)
    assert isinstance(scorer, TorchBiEncoder)
    scorer.load()
    return scorer


def test_cosines_are_those_of_sentence_transformers(folder: Path) -> None:
    scorer, oracle = opened(folder), SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    oracle.float()
    oracle.max_seq_length = 96  # of queries; ours cuts the two kinds of text apart
    queries = oracle.encode([query for query, _ in PAIRS], prompt_name="query", convert_to_tensor=True)
    oracle.max_seq_length = 128
    documents = oracle.encode([text for _, text in PAIRS], prompt_name="document", convert_to_tensor=True)
    expected = (queries * documents).sum(dim=1)
    assert cosines(scorer, PAIRS) == pytest.approx(expected.tolist(), abs=1e-5)


@pytest.mark.slow
def test_a_query_scores_the_same_whatever_stands_beside_it(folder: Path) -> None:
    scorer = opened(folder)
    alone = [cosines(scorer, [pair])[0] for pair in PAIRS]
    assert cosines(scorer, PAIRS) == pytest.approx(alone, abs=1e-5)


def test_costs_are_the_tokens_of_documents(folder: Path) -> None:
    prepared = opened(folder).prepare(PAIRS)
    assert [pair.cost for pair in prepared] == [len(pair.payload.document) for pair in prepared]
    assert [pair.truncated for pair in prepared] == [False] * 5 + [True]
    assert prepared[5].cost == 128
    assert len(prepared[5].payload.query) == 96


def test_the_engine_is_found_by_the_folder(folder: Path) -> None:
    assert opened(folder).identity.engine == "bi-encoder"
    with pytest.raises(ConfigError, match="bi-encoder"):
        open_scorer(ModelConfig(model=str(folder), engine="torch", device="cpu"))
    with pytest.raises(ConfigError, match="chunk"):
        opened(folder, long_docs="chunk")


@pytest.mark.slow
def test_the_prompts_are_part_of_the_identity(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for path in folder.iterdir():
        (other / path.name).symlink_to(path)
    prompts = json.loads((folder / "config_sentence_transformers.json").read_text())
    (other / "config_sentence_transformers.json").unlink()
    (other / "config_sentence_transformers.json").write_text(json.dumps({**prompts, "prompts": {}}))
    ours, theirs = opened(folder), opened(other)
    assert not any("prompts" in note for note in ours.notes)
    assert any("--query-template" in note for note in theirs.notes)
    assert ours.identity.config_sha256 != theirs.identity.config_sha256
    assert cosines(ours, PAIRS) != pytest.approx(cosines(theirs, PAIRS), abs=1e-4)


def test_without_modules_the_mean_is_taken_and_said(path_of: Callable[[str], str]) -> None:
    scorer = open_scorer(ModelConfig(model=path_of("steady"), engine="bi-encoder", device="cpu"))
    assert any("mean" in note for note in scorer.notes)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("modules.json", "{", "not a list of modules"),
        ("modules.json", '[{"type": "Transformer", "path": ""}]', "Pooling"),
        ("modules.json", '[{"type": "Dense", "path": "2_Dense"}]', "Dense"),
        (
            "modules.json",
            '[{"type": "Pooling", "path": "../elsewhere"}]',
            "outside the folder",
        ),
        ("1_Pooling/config.json", '{"pooling_mode_max_tokens": true}', "unsupported pooling mode"),
        (
            "1_Pooling/config.json",
            '{"pooling_mode_max_tokens": true, "pooling_mode_mean_tokens": true}',
            "unsupported pooling",
        ),
        ("1_Pooling/config.json", '{"pooling_mode": "mean", "include_prompt": false}', "without the prompt"),
        ("config_sentence_transformers.json", '{"prompts": {"query": 3}}', "not an object of strings"),
        ("sentence_bert_config.json", '{"do_lower_case": true}', "do_lower_case"),
        ("sentence_bert_config.json", '{"max_seq_length": "many"}', "max_seq_length"),
    ],
)
def test_files_that_say_something_else_are_refused(
    path_of: Callable[[str], str], tmp_path: Path, name: str, content: str, words: str
) -> None:
    for path in Path(path_of("steady")).iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "modules.json").write_text(
        '[{"type": "Transformer", "path": ""}, {"type": "Pooling", "path": "1_Pooling"}]'
    )
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling/config.json").write_text('{"pooling_mode": "mean"}')
    open_scorer(ModelConfig(model=str(tmp_path), engine="bi-encoder", device="cpu"))
    (tmp_path / name).write_text(content)
    with pytest.raises(ModelError, match=words):
        open_scorer(ModelConfig(model=str(tmp_path), engine="bi-encoder", device="cpu"))


def test_pooling_passes_over_padding() -> None:
    hidden = torch.arange(12.0).reshape(2, 3, 2)
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    assert pool(hidden, mask, "mean")[1].tolist() == [7.0, 8.0]
    assert pool(hidden, mask, "lasttoken").tolist() == [[4.0, 5.0], [8.0, 9.0]]
    assert pool(hidden, mask, "cls").tolist() == [[0.0, 1.0], [6.0, 7.0]]
    assert pool(hidden, None, "lasttoken").tolist() == [[4.0, 5.0], [10.0, 11.0]]


def test_the_length_is_that_of_its_files(folder: Path, tmp_path: Path) -> None:
    for path in folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "sentence_bert_config.json").unlink(missing_ok=True)
    (tmp_path / "sentence_bert_config.json").write_text('{"max_seq_length": 24}')
    assert not any("24" in note for note in opened(tmp_path).notes)  # a default is lowered silently
    scorer = opened(tmp_path, requested=("max_length",))
    assert scorer.identity.max_length == 24
    assert any("24" in note for note in scorer.notes)
    assert scorer.prepare([("a", "word " * 90)])[0].cost == 24


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_a_cosine_has_the_same_bits_in_any_company(folder: Path, dtype: str) -> None:
    """Alone, with others and in any order: what `batch_invariant` claims."""
    chance = random.Random(4)
    words = ["the", "tower", "is", "300", "metres", "tall", "bread", "baked", "from", "flour", "water", "and", "salt"]
    texts = [" ".join(chance.choices(words, k=chance.randint(1, 90))) for _ in range(40)]
    pairs = [(query, text) for query in ("how tall is the tower", "bread") for text in texts]
    config = ModelConfig(model=str(folder), device="cpu", dtype=dtype, max_length=128, threads=2)
    scorer = open_scorer(config)
    scorer.load()
    assert scorer.traits.batch_invariant
    expected = dict(zip(pairs, cosines(scorer, pairs), strict=True))
    for size in (1, 5, 33):
        chance.shuffle(pairs)
        fresh = open_scorer(config)
        fresh.load()
        prepared = fresh.prepare(pairs)
        batches = (Batch.of(prepared[start : start + size]) for start in range(0, len(pairs), size))
        assert [each for scores in fresh.score(batches) for each in scores] == [expected[pair] for pair in pairs]
