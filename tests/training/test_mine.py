"""`rerank mine`: what it takes, what it leaves, and that the outcome can be trained on."""

import io
import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.making import Clock
from support.running import HANG_S, environment, rerank
from transformers import AutoModel, BertModel

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError, InputError, Refused
from rerank_cli.display.progress import Reporter
from rerank_cli.display.training_progress import TrainingProgress
from rerank_cli.engines.choice import open_scorer
from rerank_cli.engines.torch_vectors import slices
from rerank_cli.training.mine import MARGIN, MineConfig, mine
from tests.training.conftest import write_records

POOL = [
    "The cat sleeps on the warm stove.",
    "The cat sleeps on the cold stove.",
    "A dog runs in the park.",
    "Bread is baked in an oven.",
    "The kitten naps near the oven.",
    "Stock prices fell on Monday.",
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    folder = tmp_path_factory.mktemp("mine")
    write_records(folder / "pool.jsonl", [{"id": f"p{at}", "text": text} for at, text in enumerate(POOL)])
    write_records(folder / "queries.jsonl", [{"query": "Where does the cat sleep?", "positives": ["p0"], "lang": "en"}])
    write_records(folder / "texts.jsonl", [{"query": "Where does the cat sleep?", "pos": [POOL[0]]}])
    return folder


def mined(files: Path, tmp_path: Path, *options: str, queries: str = "queries.jsonl") -> list[dict[str, Any]]:
    out = tmp_path / "mined.jsonl"
    done = rerank(
        "mine", files / queries, "--pool", files / "pool.jsonl", "-o", out, "--model", files / "model", "--overwrite",
        "--device", "cpu", *options,
    )  # fmt: skip
    assert done.code == 0, done.said
    return [json.loads(line) for line in out.read_text().splitlines()]


@pytest.fixture(scope="module", autouse=True)
def model(files: Path, root: Path) -> None:
    """The body of the embedded model as a bi-encoder: a folder without a head, and without modules.json."""
    AutoModel.from_pretrained(root / "rerank_cli/models/mini").save_pretrained(files / "model")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (files / "model" / name).symlink_to(root / "rerank_cli/models/mini" / name)


@pytest.fixture
def config(files: Path, tmp_path: Path) -> MineConfig:
    """One query, six texts, and a result of all that may be a negative: for a test that does without a process."""
    model = ModelConfig(model=str(files / "model"), engine="bi-encoder", device="cpu", dtype="fp32", max_length=512)
    queries, pool = files / "queries.jsonl", files / "pool.jsonl"
    return MineConfig(queries=str(queries), corpus=(str(pool),), model=model, output=tmp_path / "out.jsonl", margin=-2)


class Shown:
    """What a person would see of the encoding."""

    def __init__(self) -> None:
        self.done, self.total, self.steps = 0, 0, 0

    def begin(self, step: int, total: int) -> None:
        self.done, self.total = step, total

    def more(self, count: int) -> None:
        self.done += count
        self.steps += 1


def found(config: MineConfig, shown: Shown | None = None) -> list[dict[str, Any]]:
    """The records that are made."""
    mine(config, lambda _: None, shown or Shown())
    return [json.loads(line) for line in config.output.read_text().splitlines()]


@pytest.mark.slow
def test_negatives_are_the_nearest_texts_that_are_not_relevant(files: Path, tmp_path: Path) -> None:
    (record,) = mined(files, tmp_path, "--negatives", "5", "--margin", "-2")
    assert record["query"] == "Where does the cat sleep?"
    assert record["pos"] == [POOL[0]]
    assert sorted(record["neg"]) == sorted(POOL[1:])
    assert record["lang"] == "en"
    (two,) = mined(files, tmp_path, "--negatives", "2", "--margin", "-2", "--ranks", "1:2")
    assert two["neg"] == record["neg"][:2]


@pytest.mark.slow
def test_the_window_and_the_margin_leave_out_what_may_be_an_answer(files: Path, tmp_path: Path) -> None:
    (whole,) = mined(files, tmp_path, "--negatives", "5", "--margin", "-2")
    (later,) = mined(files, tmp_path, "--negatives", "5", "--margin", "-2", "--ranks", "3:5")
    assert later["neg"] == whole["neg"][2:]
    (none,) = mined(files, tmp_path, "--negatives", "5", "--margin", "2")
    assert none["neg"] == []


COPIES = [
    "THE CAT sleeps on the warm stove.",
    "  The cat\tsleeps\non the  warm stove. ",
    "the cat ſleeps on the WARM stove.",
]


@pytest.mark.slow
def test_no_copy_of_a_relevant_text_is_a_negative_whatever_the_margin(config: MineConfig, tmp_path: Path) -> None:
    more = write_records(tmp_path / "more.jsonl", [{"text": text} for text in COPIES])
    (without,) = found(config)
    (beside,) = found(replace(config, corpus=(*config.corpus, str(more)), overwrite=True))
    assert beside == without
    assert len(beside["neg"]) == len(POOL) - 1


@pytest.mark.slow
def test_copies_take_no_ranks(config: MineConfig, tmp_path: Path) -> None:
    texts = [POOL[0] + " " * count for count in range(1, 30)]
    more = write_records(tmp_path / "more.jsonl", [{"text": text} for text in texts])
    (without,) = found(replace(config, first=2, last=3))
    (beside,) = found(replace(config, first=2, last=3, corpus=(*config.corpus, str(more)), overwrite=True))
    assert beside == without
    assert len(beside["neg"]) == 2


@pytest.mark.slow
def test_what_the_model_takes_for_a_relevant_text_is_left_out_by_default(config: MineConfig, tmp_path: Path) -> None:
    alike = "The \uff43at sleeps on the warm stove."  # to the tokenizer wide letters are letters
    more = write_records(tmp_path / "more.jsonl", [{"text": alike}])
    config = replace(config, corpus=(*config.corpus, str(more)), overwrite=True)
    assert alike in found(config)[0]["neg"]
    assert alike not in found(replace(config, margin=MARGIN))[0]["neg"]


@pytest.mark.slow
def test_positives_may_be_given_as_texts(files: Path, tmp_path: Path) -> None:
    assert mined(files, tmp_path, queries="texts.jsonl")[0]["pos"] == [POOL[0]]


@pytest.mark.slow
def test_negatives_are_drawn_by_the_seed(files: Path, tmp_path: Path) -> None:
    def drawn(seed: int) -> list[str]:
        (record,) = mined(files, tmp_path, "--negatives", "2", "--margin", "-2", "--seed", str(seed))
        return list(record["neg"])

    assert drawn(1) == drawn(1)
    assert len({tuple(drawn(seed)) for seed in range(5)}) > 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"query": "a", "positives": ["p99"]}', "the pool has no 'p99'"),
        ('{"query": "a"}', "no query with relevant texts"),
        ('{"query": "a", "pos": [3]}', "has a value that is not a string"),
        ("[]", "not a JSON object"),
        ("{", "not a JSON object"),
        ("[" * 100_000, "not a JSON object"),
        ('{"query": "a\\ud800", "pos": ["b"]}', "not a JSON object"),
    ],
)
def test_a_bad_query_is_named(files: Path, tmp_path: Path, line: str, words: str) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"query": "fine", "positives": ["p1"]}\n' + line + "\n")
    done = rerank("mine", bad, "--pool", files / "pool.jsonl", "-o", tmp_path / "out.jsonl", "--model", files / "model")
    assert done.code == 4
    assert words in done.said
    assert "bad.jsonl:2" in done.said
    assert not (tmp_path / "out.jsonl").exists()


def test_an_id_that_stands_for_two_texts_is_refused_with_both_places(config: MineConfig, tmp_path: Path) -> None:
    more = write_records(tmp_path / "more.jsonl", [{"id": "p9", "text": "New."}, {"id": "p0", "text": "Another text."}])
    with pytest.raises(InputError, match=r"more\.jsonl:2: .*'p0'.*pool\.jsonl:1"):
        found(replace(config, corpus=(*config.corpus, str(more))))
    assert not config.output.exists()


@pytest.mark.slow
def test_an_id_may_come_again_with_its_text(config: MineConfig) -> None:
    (once,) = found(config)
    (twice,) = found(replace(config, corpus=config.corpus * 2, overwrite=True))
    assert twice == once


def test_help_says_what_the_length_is_of() -> None:
    said = " ".join(rerank("mine", "--help").stdout.decode().split())
    assert "tokens of a document" in said
    assert "a query has at most 256, or 3/4 of N" in said
    assert "together" not in said


def test_texts_are_cut_to_the_lengths_that_help_names(files: Path) -> None:
    for longest, of_query in ((512, 256), (128, 96)):
        scorer: Any = open_scorer(
            ModelConfig(model=str(files / "model"), engine="bi-encoder", device="cpu", max_length=longest)
        )
        (pair,) = scorer.prepare([("word " * 600, "word " * 600)])
        assert (len(pair.payload.query), len(pair.payload.document)) == (of_query, longest)


def test_nothing_is_overwritten_unasked(files: Path, tmp_path: Path) -> None:
    arguments = ("mine", files / "queries.jsonl", "--pool", files / "pool.jsonl", "--model", files / "model")
    (tmp_path / "out.jsonl").write_text("kept")
    assert rerank(*arguments, "-o", tmp_path / "out.jsonl").code == 8
    assert rerank(*arguments, "-o", files / "pool.jsonl", "--overwrite").code == 2
    assert rerank(*arguments, "-o", tmp_path / "new.jsonl", "--ranks", "5:1").code == 2
    assert (tmp_path / "out.jsonl").read_text() == "kept"


@pytest.mark.slow
def test_a_file_that_is_replaced_keeps_its_permissions(config: MineConfig) -> None:
    config.output.write_text("old")
    config.output.chmod(0o600)
    assert found(replace(config, overwrite=True))
    assert config.output.stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_followed_and_kept(config: MineConfig, tmp_path: Path, there: bool) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    config.output.symlink_to(folder / "real.jsonl")
    if there:
        (folder / "real.jsonl").write_text("old")
        with pytest.raises(Refused):
            found(config)
    assert found(replace(config, overwrite=there))
    assert config.output.is_symlink()
    assert [path.name for path in folder.iterdir()] == ["real.jsonl"]
    assert len((folder / "real.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize("overwrite", [True, False])
def test_what_is_no_regular_file_is_refused(config: MineConfig, tmp_path: Path, overwrite: bool) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/dev/null")
    for name in ("fifo", "link", "."):
        with pytest.raises(ConfigError, match="-o"):
            found(replace(config, output=tmp_path / name, overwrite=overwrite))
    assert stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)
    assert (tmp_path / "link").is_symlink()


@pytest.mark.slow
def test_vectors_do_not_depend_on_their_batch(root: Path) -> None:
    scorer: Any = open_scorer(
        ModelConfig(model=str(root / "rerank_cli/models/mini"), engine="bi-encoder", device="cpu")
    )
    scorer.load()
    together = scorer.encoded_texts(POOL, "document")
    alone = np.concatenate([scorer.encoded_texts([text], "document") for text in POOL])
    assert np.abs(together - alone).max() < 1e-5
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-5)


HINTS = [{"id": f"p{at}", "text": text, "hint": f"{'a cat' if at == 5 else 'a book'}"} for at, text in enumerate(POOL)]


@pytest.mark.slow
def test_templates_compose_what_is_compared_and_not_what_is_written(config: MineConfig, tmp_path: Path) -> None:
    pool = write_records(tmp_path / "hints.jsonl", HINTS)
    query = {"query": "Where does the cat sleep?", "positives": ["p0"], "topic": "a cat"}
    queries = write_records(tmp_path / "topics.jsonl", [query])
    config = replace(config, queries=str(queries), corpus=(str(pool),), overwrite=True)
    assert found(config)[0]["neg"][0] != POOL[5]
    (record,) = found(replace(config, query_template="{topic}", doc_template="{hint}"))
    assert record["neg"][0] == POOL[5]
    assert (record["query"], record["pos"]) == (query["query"], [POOL[0]])


@pytest.mark.slow
def test_templates_give_the_same_as_the_prompts_of_a_model(files: Path, config: MineConfig, tmp_path: Path) -> None:
    for path in (files / "model").iterdir():
        (tmp_path / path.name).symlink_to(path)
    steps = [
        {"type": "Transformer", "path": ""},
        {"type": "Pooling", "path": "1_Pooling"},
    ]
    (tmp_path / "modules.json").write_text(json.dumps(steps))
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling/config.json").write_text('{"pooling_mode": "mean"}')
    prompts = {"prompts": {"query": "bread oven: ", "document": "Monday: "}}
    (tmp_path / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    queries = write_records(tmp_path / "q.jsonl", [{"query": "a cat", "pos": [POOL[1], "not of the pool"]}])
    config = replace(config, queries=str(queries), margin=0.0, overwrite=True)
    prompted = found(replace(config, model=replace(config.model, model=str(tmp_path))))
    assert 0 < len(prompted[0]["neg"]) < 5  # the margin, too, is between texts as the model is given them
    assert found(replace(config, query_template="bread oven: {query}", doc_template="Monday: {text}")) == prompted
    assert found(config) != prompted


@pytest.mark.slow
def test_a_template_may_take_titles(config: MineConfig, tmp_path: Path) -> None:
    lines = [{"_id": "d1", "title": "Oven", "text": "It is hot."}, {"_id": "d2", "text": "It is cold."}]
    lines.append({"_id": "d3", "title": None, "text": "It is red."})
    queries = write_records(tmp_path / "q.jsonl", [{"query": "hot?", "positives": ["d1"]}])
    pool = write_records(tmp_path / "beir.jsonl", lines)
    config = replace(config, queries=str(queries), corpus=(str(pool),), doc_template="passage: {title} {text}")
    (record,) = found(config)
    record["neg"].sort()
    assert (record["pos"], record["neg"]) == (["Oven It is hot."], ["It is cold.", "It is red."])


@pytest.mark.slow
def test_what_a_template_lacks_is_named(config: MineConfig, tmp_path: Path) -> None:
    absent = replace(config.model, model=str(tmp_path / "absent"))  # told before a model is looked for
    with pytest.raises(ConfigError, match="--doc-template 'passage: '"):
        found(replace(config, model=absent, doc_template="passage: "))
    with pytest.raises(InputError, match=r'pool\.jsonl:1: --doc-template: .*"title"'):
        found(replace(config, doc_template="{title}"))
    with pytest.raises(InputError, match=r'queries\.jsonl:1: --query-template: .*"topic"'):
        found(replace(config, query_template="{topic} {query}"))
    pool = write_records(tmp_path / "hints.jsonl", HINTS)
    queries = write_records(tmp_path / "q.jsonl", [{"query": "a", "pos": ["b"]}])
    config = replace(config, corpus=(str(pool),), queries=str(queries), doc_template="{hint}")
    with pytest.raises(InputError, match=r'q\.jsonl:1: --doc-template: .*"hint".*pos\[0\]'):
        found(config)
    write_records(queries, [{"query": "a", "pos": ["b"], "hint": "of the record"}])
    assert len(found(config)[0]["neg"]) == 6


@pytest.mark.slow
def test_each_text_that_is_encoded_is_told(config: MineConfig, tmp_path: Path) -> None:
    records = [{"query": f"question {number}", "pos": [POOL[0], f"answer {number}"]} for number in range(40)]
    shown = Shown()
    found(replace(config, queries=str(write_records(tmp_path / "q.jsonl", records))), shown)
    assert shown.done == shown.total == len(POOL) + 40 + 40  # the answers that the pool does not hold
    assert shown.steps >= 3


@pytest.mark.slow
def test_progress_is_plain_lines_or_a_bar_and_nothing_when_quiet(files: Path, tmp_path: Path) -> None:
    arguments = ("mine", files / "queries.jsonl", "--pool", files / "pool.jsonl", "--model", files / "model")
    bar = rerank(*arguments, "-o", tmp_path / "bar.jsonl", "--progress", "bar")
    assert (bar.code, "text 7/7" in bar.said) == (0, True), bar.said
    lines = rerank(*arguments, "-o", tmp_path / "lines.jsonl")
    assert (lines.code, "text 7/7" in lines.said) == (0, False)
    assert "encoding 6 texts and 1 queries" in lines.said
    quiet = rerank(*arguments, "-o", tmp_path / "quiet.jsonl", "--progress", "bar", "-q")
    assert (quiet.code, quiet.stdout, quiet.stderr) == (0, b"", b"")


def test_lines_say_how_many_texts_are_done() -> None:
    said, clock = io.StringIO(), Clock()
    shown = TrainingProgress(Reporter("lines", said), clock, "text")
    shown.begin(0, 30_000)
    shown.more(2048)
    assert said.getvalue() == ""
    clock.now += 31
    shown.more(64)
    assert said.getvalue().endswith("Z text=2112 texts=30000\n")
    assert shown.figures_now() == "text 2,112/30,000 · 00:00:31 · eta 00:06:49"


MEMORY = """
import sys
from rerank_cli.core.config import ModelConfig
from rerank_cli.engines.choice import open_scorer

def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) // 1024

config = ModelConfig(model=sys.argv[1], engine="bi-encoder", device="cpu", dtype="fp32", max_length=16, threads=1)
scorer = open_scorer(config)
scorer.load()
texts = [f"{'a b c ' * 50} {number}" for number in range(12_000)]
before = peak()
scorer.encoded_texts(texts, "document")
print(peak() - before)
"""


@pytest.mark.slow
def test_memory_of_the_encoding_does_not_grow_with_the_pool(base: Path, tmp_path: Path) -> None:
    BertModel.from_pretrained(base).save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).symlink_to(base / name)
    program = [sys.executable, "-c", MEMORY, str(tmp_path)]
    done = subprocess.run(program, capture_output=True, timeout=HANG_S, check=True, env=environment())
    assert int(done.stdout) < 80  # MiB; all at once it is 145, and the vectors are 2


def test_slices_are_short_in_texts_and_in_characters() -> None:
    for texts in ([], ["a"] * 5000, ["a" * 300_000] * 9, ["a", "b" * 3_000_000, "c"]):
        bounds = list(slices(texts))
        assert [end for _, end in bounds[:-1]] == [start for start, _ in bounds[1:]]
        assert [text for start, end in bounds for text in texts[start:end]] == texts
        assert all(end - start <= 2048 for start, end in bounds)
        assert all(end - start == 1 or sum(map(len, texts[start:end])) <= 2**20 for start, end in bounds)


def test_a_cross_encoder_is_refused(files: Path, tmp_path: Path) -> None:
    arguments = ("mine", files / "queries.jsonl", "--pool", files / "pool.jsonl", "-o", tmp_path / "out.jsonl")
    done = rerank(*arguments, "--model", "mini")
    assert done.code == 2
    assert "is a cross-encoder" in done.said


@pytest.mark.slow
def test_scores_of_former_negatives_are_dropped_and_the_mean_is_said(files: Path, tmp_path: Path) -> None:
    record = {"query": "a cat", "pos": [POOL[0]], "neg": ["x", "y"], "pos_scores": [9.0], "neg_scores": [1.0, 2.0]}
    queries, out = write_records(tmp_path / "q.jsonl", [record]), tmp_path / "out.jsonl"
    beside = tmp_path / "out.jsonl.partial"
    beside.write_text("of an unfinished run")
    arguments = (
        "mine",
        queries,
        "--pool",
        files / "pool.jsonl",
        "-o",
        out,
        "--model",
        files / "model",
        "--margin",
        "-2",
    )
    done = rerank(*arguments)
    assert "the mean of all tokens" in done.said
    assert json.loads(out.read_text()).keys() == {"query", "pos", "neg"}
    assert beside.read_text() == "of an unfinished run"
    quiet = rerank(*arguments, "--overwrite", "-q")
    assert (quiet.code, quiet.stdout, quiet.stderr) == (0, b"", b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.jsonl", "out.jsonl.partial", "q.jsonl"]
