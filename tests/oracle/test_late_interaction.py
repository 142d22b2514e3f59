"""Late-interaction models against sentence-transformers' MultiVectorEncoder, and the same bits in any company."""

import json
import random
import shutil
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import MultiVectorEncoder
from support.late_models import IDENTITY, LATE_MODELS, MARKED, write_pylate, write_saved, write_stanford
from support.making import jsonl
from support.running import killed_and_resumed, rerank
from support.tiny import WORDS, edit_json

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError, ModelError, RerankError
from rerank_cli.core.scorer import Batch, Scorer
from rerank_cli.engines.choice import open_scorer
from rerank_cli.engines.rows import Row
from rerank_cli.reranking.in_memory import score_texts

LETTERS = WORDS[5:]
CHANCE = random.Random(3)
QUERIES = ["what is panda ?", "a", "", " ".join(CHANCE.choices(LETTERS, k=40)), "what , is . hi !"]
TEXTS = [" ".join(CHANCE.choices([*LETTERS, ".", ",", "!"], k=length)) for length in (1, 4, 11, 30, 56, 80)]
TEXTS += ["panda . , ! -", "PANDA What", "panda", ". ! ,"]
SPREAD = 1e-5  # of the standard deviation of scores


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A folder of each model, made once."""
    found: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in found:
            found[name] = LATE_MODELS[name](tmp_path_factory.mktemp("late") / "model")
        return found[name]

    return folder


def opened(folder: Path, **options: Any) -> Any:
    scorer = open_scorer(ModelConfig(model=str(folder), **{"device": "cpu", "dtype": "fp32", "threads": 2, **options}))
    scorer.load()
    return scorer


def all_scores(scorer: Scorer) -> torch.Tensor:
    return torch.tensor(score_texts(scorer, [(query, TEXTS) for query in QUERIES]))


@pytest.mark.parametrize("name", LATE_MODELS)
def test_scores_are_those_of_sentence_transformers(made: Callable[[str], Path], name: str) -> None:
    oracle = MultiVectorEncoder(str(made(name)), device="cpu", local_files_only=True)
    queries, texts = oracle.encode_query(QUERIES), oracle.encode_document(TEXTS)
    expected = oracle.similarity(queries, texts)
    found = all_scores(opened(made(name)))
    assert float((found - expected).abs().max()) <= SPREAD * float(expected.std())


def test_models_differ_so_that_a_mistake_shows(made: Callable[[str], Path]) -> None:
    """Each of the settings above changes scores by more than a hundred times what is allowed."""
    found = {name: all_scores(opened(made(name))) for name in LATE_MODELS}
    for plain in ("stanford", "pylate", "saved"):
        for name in (each for each in LATE_MODELS if each.startswith(f"{plain},")):
            assert float((found[name] - found[plain]).abs().max()) > 100 * SPREAD * float(found[plain].std()), name


def ids(row: Row) -> list[int]:
    return list(array("i", row.ids))


def number(word: str) -> int:
    return MARKED.index(word)


def test_markers_are_single_ids_and_queries_are_filled_up(made: Callable[[str], Path]) -> None:
    scorer = opened(made("stanford"))
    [pair] = scorer.prepare([("what is", "hi panda .")])
    query, document = pair.payload.query, pair.payload.document
    start = [number(word) for word in ("[CLS]", "[unused0]", "what", "is", "[SEP]")]
    assert ids(query) == start + [number("[MASK]")] * (24 - len(start))
    assert query.attended == len(start)
    assert ids(document) == [number(word) for word in ("[CLS]", "[unused1]", "hi", "panda", ".", "[SEP]")]
    assert (document.attended, pair.cost, pair.truncated) == (6, 6, False)


def test_long_texts_are_truncated_between_their_special_tokens(made: Callable[[str], Path]) -> None:
    [pair] = opened(made("stanford")).prepare([("a " * 50, "b " * 99)])
    query, document = ids(pair.payload.query), ids(pair.payload.document)
    assert query == [number("[CLS]"), number("[unused0]"), *[number("a")] * 21, number("[SEP]")]
    assert document == [number("[CLS]"), number("[unused1]"), *[number("b")] * 57, number("[SEP]")]
    assert (pair.truncated, pair.uncut) == (True, 102)


def test_a_text_cannot_spell_a_marker(made: Callable[[str], Path]) -> None:
    scorer = opened(made("pylate, marker with a space"))
    for text in ("[unused1] a", "[Q] a", "[SEP] a", "[MASK]"):
        [pair] = scorer.prepare([(text, text)])
        for row, marker in ((pair.payload.query, "[Q] "), (pair.payload.document, "[unused1]")):
            special = [number(word) for word in ("[CLS]", marker, "[SEP]")]
            kept = [each for each in ids(row)[: row.attended] if MARKED[each].startswith("[")]
            assert [each for each in kept if each != number("[UNK]")] == special


def in_batches(scorer: Any, pairs: list[Any], size: int) -> list[float]:
    batches = (Batch.of(pairs[start : start + size]) for start in range(0, len(pairs), size))
    return [score for scores in scorer.score(batches) for score in scores]


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_a_score_has_the_same_bits_in_any_company(made: Callable[[str], Path], dtype: str) -> None:
    """Alone, with others, in any order, and after its texts were computed before: what `batch_invariant` claims."""
    chance = random.Random(8)
    texts = [" ".join(chance.choices(LETTERS, k=chance.randint(1, 55))) for _ in range(60)]
    pairs = [(query, text) for query in QUERIES for text in texts]
    scorer = opened(made("stanford"), dtype=dtype)
    assert scorer.traits.batch_invariant
    expected = dict(zip(pairs, in_batches(scorer, scorer.prepare(pairs), len(pairs)), strict=True))
    assert len(set(expected.values())) > 0.9 * len(pairs)
    for size in (1, 3, 7, 50):
        chance.shuffle(pairs)
        fresh = opened(made("stanford"), dtype=dtype)
        for _ in range(2):
            assert in_batches(fresh, fresh.prepare(pairs[:120]), size) == [expected[pair] for pair in pairs[:120]]


def test_texts_are_encoded_once(made: Callable[[str], Path]) -> None:
    scorer = opened(made("stanford"))
    before = scorer.loaded.encoder.encoded
    all_scores(scorer)
    known = 1  # the query of the self-test
    assert scorer.loaded.encoder.encoded - before == len({*QUERIES}) - known + len({*TEXTS})
    all_scores(scorer)
    assert scorer.loaded.encoder.encoded - before == len({*QUERIES}) - known + len({*TEXTS})


RECORDS = [
    {"id": place, "query": query, "candidates": [f"{text} {LETTERS[place]}" for text in TEXTS]}
    for place, query in enumerate(QUERIES * 4)
]


def test_windows_and_batches_change_no_byte(made: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl(*RECORDS))
    outputs = []
    for number, options in enumerate(((), ("--window-tokens", "300"), ("--batch-tokens", "70"))):
        command = ("score", "in.jsonl", "-o", f"{number}.jsonl", "--model", str(made("stanford")), "--stats", "s.json")
        done = rerank(*command, *options, "-q", cwd=tmp_path)
        assert done.code == 0, done.said
        assert json.loads((tmp_path / "s.json").read_bytes())["deterministic"] is True
        outputs.append((tmp_path / f"{number}.jsonl").read_bytes())
    assert len({*outputs}) == 1
    first = json.loads(outputs[0].splitlines()[0])["candidates"][0]
    assert "logit" not in first
    assert first["score"] > 2


@pytest.mark.slow
def test_killed_and_resumed_it_gives_the_same_bytes(made: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl(*RECORDS * 10))
    options = ("--model", str(made("pylate")), "--window-tokens", "400", "-q")
    source = tmp_path / "in.jsonl"
    assert rerank("score", source, "-o", tmp_path / "whole.jsonl", *options).code == 0
    stopped = killed_and_resumed(tmp_path / "out.jsonl", "score", source, "-o", tmp_path / "out.jsonl", *options)
    assert stopped == (tmp_path / "whole.jsonl").read_bytes()


def test_other_formats_have_the_similarity_and_no_logit(made: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl(*RECORDS[:2]))
    model = ("--model", str(made("stanford")), "-q")
    native, table, run = tmp_path / "o.jsonl", tmp_path / "o.csv", tmp_path / "o.run"
    ids_of = {"id": "q", "query": "a", "candidates": [{"id": "d1", "text": "b"}, {"id": "d2", "text": "panda"}]}
    (tmp_path / "ids.jsonl").write_bytes(jsonl(ids_of))
    for output in (native, table, run):
        assert rerank("score", "ids.jsonl", "-o", output, *model, cwd=tmp_path).code == 0
    best = json.loads(native.read_bytes())["candidates"][0]
    assert table.read_text().splitlines()[0].endswith("score,logit,rank")
    assert table.read_text().splitlines()[1].endswith(f",{best['score']},,1")
    assert run.read_text().split()[4] == str(best["score"])


@pytest.mark.parametrize("score", ["logit", "sigmoid"])
def test_a_kind_of_score_is_refused(made: Callable[[str], Path], tmp_path: Path, score: str) -> None:
    (tmp_path / "in.jsonl").write_bytes(jsonl(*RECORDS[:2]))
    for more in (("-o", "out.jsonl"), ("--dry-run",)):
        done = rerank("score", "in.jsonl", "--model", str(made("saved")), "--score", score, *more, cwd=tmp_path)
        assert (done.code, f"--score {score}" in done.said) == (2, True)
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(
    "options",
    [
        {"engine": "torch"},
        {"engine": "openvino"},
        {"engine": "yes-no"},
        {"label": 0},
        {"prompt": "qwen3-reranker"},
        {"instruction": "x"},
        {"long_docs": "chunk"},
    ],
    ids=str,
)
def test_options_of_other_kinds_are_refused(made: Callable[[str], Path], options: dict[str, Any]) -> None:
    for name in ("stanford", "pylate", "saved"):
        with pytest.raises(ConfigError):
            opened(made(name), **options)


def test_a_cross_encoder_has_no_late_interaction() -> None:
    with pytest.raises(ConfigError, match="late-interaction"):
        open_scorer(ModelConfig(model="mini", engine="late-interaction", device="cpu"))


def settings(file: str, **changes: Any) -> Callable[[Path], None]:
    return lambda folder: edit_json(folder / file, **changes)


BROKEN: dict[str, tuple[Callable[[Path], Path], Callable[[Path], None]]] = {
    "mean of MaxSim": (write_saved, settings("config_sentence_transformers.json", similarity_fn_name="MeanMaxSim")),
    "residual": (write_pylate, settings("1_Dense/config.json", use_residual=True)),
    "unknown activation": (write_pylate, settings("1_Dense/config.json", activation_function="x.Evil")),
    "no activation": (write_pylate, settings("1_Dense/config.json", activation_function=None)),
    "queries skip, too": (write_saved, settings("2_MultiVectorMask/config.json", skiplist_tasks=["query", "document"])),
    "only some tokens": (write_saved, settings("2_MultiVectorMask/config.json", keep_only_token_ids=[3])),
    "unknown strategy": (
        write_saved,
        settings("sentence_bert_config.json", query_expansion={"strategy": "x", "length": 8}),
    ),
    "no length": (write_saved, settings("sentence_bert_config.json", query_expansion={"strategy": "fixed"})),
    "unknown setting": (write_saved, settings("sentence_bert_config.json", pooling_factor=2)),
    "another similarity": (write_stanford, settings("artifact.metadata", similarity="l2")),
    "no width": (write_stanford, settings("artifact.metadata", dim=None)),
    "another width": (write_stanford, settings("artifact.metadata", dim=8)),
    "odd length": (write_stanford, settings("artifact.metadata", doc_maxlen="x")),
    "odd marker": (write_stanford, settings("artifact.metadata", query_token_id=7)),
    "odd words": (write_pylate, settings("config_sentence_transformers.json", skiplist_words="abc")),
    "no projection": (write_pylate, lambda folder: (folder / "1_Dense/model.safetensors").unlink()),
    "no mask": (write_stanford, lambda folder: without_mask(folder)),
    "a norm between": (write_pylate, lambda folder: with_module(folder, "Normalize")),
    "an unknown module": (write_pylate, lambda folder: with_module(folder, "Evil")),
}


def without_mask(folder: Path) -> None:
    """No file names the token that masks, and the vocabulary has none of the usual names."""
    content = (folder / "tokenizer.json").read_text().replace("[MASK]", "[HIDE]")
    (folder / "tokenizer.json").write_text(content)
    content = (folder / "tokenizer_config.json").read_text().replace('"mask_token": "[MASK]",', "")
    (folder / "tokenizer_config.json").write_text(content)


def with_module(folder: Path, kind: str) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    modules.insert(1, {"idx": 9, "name": "9", "path": "", "type": f"sentence_transformers.models.{kind}"})
    (folder / "modules.json").write_text(json.dumps(modules))


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_computed_is_refused(tmp_path: Path, name: str) -> None:
    write, change = BROKEN[name]
    folder = write(tmp_path / "model")
    change(folder)
    with pytest.raises(ModelError):
        opened(folder)


def test_weights_of_another_projection_are_refused(made: Callable[[str], Path], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made("pylate"), tmp_path / "model"))
    edit_json(folder / "1_Dense/config.json", out_features=8, activation_function=IDENTITY)
    with pytest.raises(RerankError):
        opened(folder)
