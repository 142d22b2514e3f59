"""`rerank train`: every loss learns the toy task, the folder loads elsewhere, and a stopped training continues."""

import errno
import json
import os
import re
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import CrossEncoder
from support.running import rerank
from support.tiny import WORDS, edit_json, write_tokenizer
from transformers import DistilBertConfig, DistilBertForSequenceClassification

from rerank_cli.core.config import ReadConfig
from rerank_cli.core.errors import (
    ConfigError,
    DeviceError,
    InputError,
    Interrupted,
    ModelError,
    OutputBusy,
    OutputError,
    Refused,
)
from rerank_cli.engines.choice import open_scorer
from rerank_cli.files.lock import Lock
from rerank_cli.reranking.in_memory import load_and_score
from rerank_cli.training.config import TrainConfig
from rerank_cli.training.folder import BEFORE, MODEL, NOTE, PREVIOUS, TrainingFolder
from rerank_cli.training.rows import LOSSES
from rerank_cli.training.train import train
from tests.training.conftest import Quiet, toy_records, write_records

STOPS = [
    (None, 16, 10),
    *(pytest.param(*each, marks=pytest.mark.slow) for each in ((4, 16, 10), (None, 56, 54), (None, 80, 45))),
]
slow = pytest.mark.slow  # one loss, one cut and one damage stand for the others


def partial(config: TrainConfig) -> Path:
    return config.output.with_name(config.output.name + ".partial")


def stop(config: TrainConfig, step: int) -> None:
    with pytest.raises(Interrupted):
        train(config, lambda _: None, Quiet(Interrupted(15), stop_at=step))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def gain(config: TrainConfig) -> float:
    made = train(config, lambda _: None, Quiet())
    assert made.evaluation is not None
    return made.evaluation.means["nDCG@10"] - made.evaluation.before_means["nDCG@10"]


@slow
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_learns_the_toy_task(toy: TrainConfig, loss: str) -> None:
    epochs = 32.0 if loss == "bce" else toy.epochs  # it has to find first that most pairs are not relevant
    assert gain(replace(toy, loss=loss, epochs=epochs)) > 0.15


@pytest.mark.parametrize("loss", ["kl", "margin-mse"])
@pytest.mark.slow
def test_a_teacher_is_believed_against_the_judgements(toy: TrainConfig, tmp_path: Path, loss: str) -> None:
    against = [{**each, "pos_scores": [-4.0], "neg_scores": [4.0, 3.0, 5.0]} for each in toy_records(320, seed=1)]
    read = ReadConfig(inputs=(str(write_records(tmp_path / "against.jsonl", against)),))
    assert gain(replace(toy, read=read, loss=loss, checkpoints=1)) < -0.1


@pytest.mark.slow
def test_the_folder_scores_alike_in_sentence_transformers(toy: TrainConfig) -> None:
    train(replace(toy, max_steps=8), lambda _: None, Quiet())
    texts = [text for record in toy_records(10, seed=3) for text in (*record["pos"], *record["neg"])]
    scorer = open_scorer(replace(toy.model, model=str(toy.output)))
    (ours,) = load_and_score(scorer, [("what is a ?", texts)])
    theirs = CrossEncoder(str(toy.output), device="cpu", local_files_only=True, activation_fn=torch.nn.Identity())
    assert ours == pytest.approx(theirs.predict([("what is a ?", text) for text in texts]).tolist(), abs=1e-5)


@pytest.mark.parametrize("loss", ["bce", "listnet", "triplet"])
@pytest.mark.slow
def test_rows_of_like_lengths_are_computed_together(toy: TrainConfig, tmp_path: Path, loss: str) -> None:
    records = toy_records(320, seed=1)
    for record in records[::4]:
        for name in ("pos", "neg"):
            record[name] = [text + " a" * 40 for text in record[name]]
    data = write_records(tmp_path / "of-two-lengths.jsonl", records)
    computed, needed = 0, 0

    def see(module: torch.nn.Module, inputs: Any) -> None:
        nonlocal computed, needed
        if isinstance(module, torch.nn.Embedding) and module.num_embeddings == len(WORDS) and torch.is_grad_enabled():
            computed, needed = computed + inputs[0].numel(), needed + int((inputs[0] != module.padding_idx).sum())

    hook = torch.nn.modules.module.register_module_forward_pre_hook(see)
    try:
        train(
            replace(toy, read=ReadConfig(inputs=(str(data),)), loss=loss, epochs=1.0, held_out=None),
            lambda _: None,
            Quiet(),
        )
    finally:
        hook.remove()
    assert 0 < needed <= computed < 1.25 * needed


@pytest.mark.slow
def test_adapters_are_merged_and_the_rest_stays(toy: TrainConfig, base: Path) -> None:
    config = replace(toy, lora=16, loss="listnet", epochs=12.0)
    assert gain(config) > 0.15
    before, after = weights(base), weights(toy.output)
    assert before.keys() == after.keys()
    embeddings = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(before[embeddings], after[embeddings])
    assert not torch.equal(before["classifier.weight"], after["classifier.weight"])
    assert json.loads((toy.output / NOTE).read_text())["training"]["weights_trained"] < 20_000


def test_adapters_fit_a_body_with_another_head(toy: TrainConfig, tmp_path: Path) -> None:
    model = tmp_path / "distil"
    write_tokenizer(model, WORDS)
    config = DistilBertConfig(
        vocab_size=len(WORDS),
        dim=32,
        n_layers=2,
        n_heads=2,
        hidden_dim=48,
        num_labels=1,
        pad_token_id=WORDS.index("[PAD]"),
    )
    torch.manual_seed(0)
    DistilBertForSequenceClassification(config).save_pretrained(model)
    train(replace(toy, model=replace(toy.model, model=str(model)), lora=4, max_steps=2), lambda _: None, Quiet())
    before, after = weights(model), weights(toy.output)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert {"classifier.weight", "pre_classifier.weight", "distilbert.transformer.layer.0.ffn.lin1.weight"} <= changed
    assert "distilbert.embeddings.word_embeddings.weight" not in changed


@pytest.mark.slow
def test_frozen_embeddings_stay(toy: TrainConfig, base: Path) -> None:
    train(replace(toy, freeze_embeddings=True, max_steps=4), lambda _: None, Quiet())
    name = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(weights(base)[name], weights(toy.output)[name])


@pytest.fixture
def asking(toy: TrainConfig, base: Path, tmp_path: Path) -> Callable[..., TrainConfig]:
    """The toy training of a base whose configuration asks for something."""

    def make(asked: Any, **changes: Any) -> TrainConfig:
        sparing = shutil.copytree(base, tmp_path / "sparing")
        edit_json(sparing / "config.json", frozen_in_training=asked)
        return replace(toy, model=replace(toy.model, model=str(sparing)), max_steps=4, **changes)

    return make


@pytest.mark.parametrize("lora", [None, 4])
@pytest.mark.parametrize("asked", ["bert.encoder.layer.1", "bert.encoder.layer.1.attention.self.key", "classifier"])
@pytest.mark.slow
def test_what_the_model_asks_to_spare_stays(
    asking: Callable[..., TrainConfig], base: Path, lora: int | None, asked: str
) -> None:
    told = list[str]()
    config = asking([asked], lora=lora)
    made = train(config, told.append, Quiet())
    before, after = weights(base), weights(config.output)
    moved = {name for name, weight in after.items() if not torch.equal(weight, before[name])}
    assert not [name for name in moved if name.startswith(f"{asked}.")]
    assert "bert.encoder.layer.0.attention.self.query.weight" in moved
    assert ("bert.encoder.layer.1.attention.self.query.weight" in moved) == (asked != "bert.encoder.layer.1")
    assert json.loads((config.output / "config.json").read_text())["frozen_in_training"] == [asked]
    assert made.note["training"]["left_alone"] == [asked]
    assert any(asked in each for each in told)
    assert f"Not trained: {asked}." in (config.output / "README.md").read_text()


@pytest.mark.parametrize(
    ("asked", "lora", "says"),
    [
        ("bert.encoder", None, "not a list of names"),
        (True, None, "not a list of names"),
        ([7], None, "not a list of names"),
        (["bert.encoder.layer.10"], None, "no module bert.encoder.layer.10"),
        (["bert.encoder.layer.1.attention.self.key.weight"], None, "no module"),
        (["bert", "classifier"], None, "nothing to train"),
        (["bert.encoder", "bert.pooler"], 4, "nothing to adapt"),
    ],
)
def test_what_the_model_cannot_ask_for_is_refused(
    asking: Callable[..., TrainConfig], asked: Any, lora: int | None, says: str
) -> None:
    with pytest.raises(ModelError, match=says):
        train(asking(asked, lora=lora), lambda _: None, Quiet())


@pytest.mark.parametrize(
    ("lora", "steps", "stopped_at"),
    STOPS,
)
def test_a_stopped_training_continues_to_the_very_same_weights(
    toy: TrainConfig, lora: int | None, steps: int, stopped_at: int
) -> None:
    toy = replace(toy, lora=lora, max_steps=steps, held_out=None)  # 40 steps are an epoch
    train(toy, lambda _: None, Quiet())
    whole = weights(toy.output)
    stopped = replace(toy, output=toy.output.with_name("stopped"))
    with pytest.raises(Interrupted) as caught:
        train(stopped, lambda _: None, Quiet(Interrupted(15), stop_at=stopped_at))
    assert "--resume" in caught.value.advice
    assert not stopped.output.exists()
    watch = Quiet()
    train(replace(stopped, resume=True), lambda _: None, watch)
    assert watch.steps[0] == stopped_at - stopped_at % (steps // 4)
    resumed = weights(stopped.output)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert not partial(stopped).exists()


def test_the_best_checkpoint_is_kept_and_no_gain_ends_it(toy: TrainConfig) -> None:
    watch = Quiet()
    config = replace(toy, learning_rate=0.0, checkpoints=10, early_stopping=2, max_steps=30)
    made = train(config, lambda _: None, watch)
    assert made.note["training"]["steps"] == 9
    assert sum("nDCG@10" in each for each in watch.known) == 3


@pytest.mark.slow
@pytest.mark.parametrize("step", [5, 7])
def test_early_stopping_ends_a_continued_training_where_it_would_have_ended(toy: TrainConfig, step: int) -> None:
    config = replace(toy, learning_rate=0.0, checkpoints=10, early_stopping=2, max_steps=30)
    stop(config, step)
    watch = Quiet()
    in_the_way = partial(config) / MODEL
    with pytest.raises(OutputError):
        train(replace(config, resume=True), lambda _: in_the_way.touch(), watch)
    assert watch.steps[-1] == 9
    in_the_way.unlink()
    made = train(replace(config, resume=True), lambda _: None, watch)
    assert made.note["training"]["steps"] == 9
    assert watch.steps[-1] == 9


@pytest.mark.slow
def test_the_same_seed_makes_the_same_weights_and_another_does_not(toy: TrainConfig) -> None:
    toy = replace(toy, max_steps=4, held_out=None)
    made = []
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        config = replace(toy, output=toy.output.with_name(name), seed=seed)
        train(config, lambda _: None, Quiet())
        made.append(weights(config.output)["classifier.weight"])
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


def unjudged(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "candidates": [{"id": each["id"], "text": each["text"]} for each in record["candidates"]]}


def test_native_records_with_judgements_elsewhere(toy: TrainConfig, tmp_path: Path) -> None:
    records, qrels = [], []
    for number, record in enumerate(toy_records(20, seed=5)):
        texts = [*record["pos"], *record["neg"]]
        candidates = [{"id": f"d{at}", "text": text, "relevance": int(at == 0)} for at, text in enumerate(texts)]
        records.append({"id": f"q{number}", "query": record["query"], "candidates": candidates})
        qrels.append(f"q{number} 0 d0 1\n")
    native = write_records(tmp_path / "native.jsonl", records)
    held_out = write_records(tmp_path / "bare.jsonl", [unjudged(each) for each in records])
    (tmp_path / "qrels.txt").write_text("".join(qrels[:15]))
    told: list[str] = []
    config = replace(
        toy,
        read=ReadConfig(inputs=(str(native),)),
        held_out=ReadConfig(inputs=(str(held_out),)),
        qrels=str(tmp_path / "qrels.txt"),
        max_steps=2,
    )
    made = train(config, told.append, Quiet())
    assert made.evaluation is not None
    assert made.evaluation.counts["judged_queries"] == 15
    assert any("5 records cannot be used" in each for each in told)
    assert made.note["data"]["rows"] == 80


@pytest.mark.slow
def test_a_collection_is_measured_as_rerank_eval_measures_it(toy: TrainConfig, root: Path, tmp_path: Path) -> None:
    folder = root / "sample_data/collection"
    qrels, run = folder / "qrels/test.tsv", folder / "first-stage.run"
    options = ("--run", run, "--qrels", qrels, "--max-length", "64", "--device", "cpu")
    done = rerank(
        "train", toy.read.inputs[0], "-o", toy.output, "--model", toy.model.model, "--eval", folder, *options,
        "--learning-rate", "0", "--max-steps", "1",
    )  # fmt: skip
    assert done.code == 0, done.said
    reranked = tmp_path / "reranked.run"
    scored = rerank(
        "score",
        folder,
        "--run",
        run,
        "-o",
        reranked,
        "--model",
        toy.model.model,
        "--max-length",
        "64",
        "--device",
        "cpu",
    )
    assert scored.code == 0, scored.said
    measured = rerank("eval", reranked, "--before", run, "--qrels", qrels, "--json")
    expected = json.loads(measured.stdout)[0]["measures"]
    del expected["Judged@10"]
    held_out = json.loads((toy.output / NOTE).read_text())["held_out"]
    assert held_out["before"] == pytest.approx(expected)
    assert held_out["after"] == pytest.approx(expected)


@pytest.mark.slow
def test_what_is_left_out_is_told_and_stands_in_the_card(toy: TrainConfig, base: Path, tmp_path: Path) -> None:
    records = toy_records(20, seed=1)
    for each in records[:4]:
        del each["neg_scores"]
    data = write_records(tmp_path / "some.jsonl", records)
    with data.open("a") as file:
        file.write("{\n")
    done = rerank(
        "train", data, "-o", toy.output, "--model", base, "--loss", "kl", "--max-steps", "1", "--max-length", "4096",
        "--device", "cpu",
    )  # fmt: skip
    assert done.code == 3, done.said
    assert "1 records cannot be used" in done.said
    assert "4 of 20 records are not used by --loss kl: it needs texts with a teacher's logits" in done.said
    assert "max-length lowered" in done.said
    card = (toy.output / "README.md").read_text()
    assert "16 queries, 16 rows, 5 records left out" in card
    assert "| max_length | 64 |" in card
    assert "| epochs |" not in card
    assert "torch" in card


@pytest.mark.slow
def test_options_that_cannot_be_are_refused_before_anything_is_made(toy: TrainConfig, base: Path) -> None:
    for options, words in (
        (("--dtype", "fp16"), "not supported in training on a CPU"),
        (("--lora-rank", "4"), "Add --lora"),
        (("--learning-rate", "inf"), "--learning-rate"),
        (("--epochs", "1e300"), "--epochs"),
    ):
        done = rerank("train", toy.read.inputs[0], "-o", toy.output, "--model", base, "--device", "cpu", *options)
        assert done.code == 2
        assert words in done.said
        assert not partial(toy).exists()


def test_a_device_is_refused_before_a_model_is_looked_for(toy: TrainConfig) -> None:
    done = rerank("train", toy.read.inputs[0], "-o", toy.output, "--model", "./absent", "--device", "cpu:0")
    assert done.code == 2, done.said
    assert "--device cpu:0" in done.said


def test_a_disk_that_fails_at_the_beginning_leaves_no_folder(toy: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The note is written and renamed by then; what fails is the last call, which makes the name durable."""
    folder = TrainingFolder(toy.output, resume=False, overwrite=False, reads=())

    def fail(fd: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{fd}"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match="Input/output"):
        folder.begin({}, lambda _sentence: None)
    folder.close()
    assert not folder.partial.exists()


def test_what_cannot_be_learnt_is_refused(toy: TrainConfig, tmp_path: Path) -> None:
    plain = write_records(tmp_path / "plain.jsonl", [{"query": "a", "candidates": [{"text": "b"}]}])
    with pytest.raises(InputError, match="judged"):
        train(replace(toy, read=ReadConfig(inputs=(str(plain),))), lambda _: None, Quiet())
    untaught = [{name: record[name] for name in ("query", "pos", "neg")} for record in toy_records(4, seed=1)]
    bare = write_records(tmp_path / "bare.jsonl", untaught)
    with pytest.raises(InputError, match="--loss kl") as caught:
        train(replace(toy, read=ReadConfig(inputs=(str(bare),)), loss="kl"), lambda _: None, Quiet())
    assert "pos_scores" in str(caught.value.advice)
    with pytest.raises(ConfigError, match="--loss ranknet"):
        train(replace(toy, loss="ranknet"), lambda _: None, Quiet())
    with pytest.raises(ConfigError, match="--early-stopping"):
        train(replace(toy, early_stopping=1, held_out=None), lambda _: None, Quiet())


def test_folders_that_are_not_ours_are_left_alone(toy: TrainConfig) -> None:
    toy.output.mkdir()
    (toy.output / "thesis.tex").write_text("years of work")
    with pytest.raises(Refused, match="exists"):
        train(toy, lambda _: None, Quiet())
    with pytest.raises(Refused, match=re.escape(str(toy.output))):
        train(replace(toy, overwrite=True), lambda _: None, Quiet())
    assert (toy.output / "thesis.tex").read_text() == "years of work"


def test_a_folder_that_came_while_it_trained_is_left_alone(toy: TrainConfig) -> None:
    class Author(Quiet):
        def step(self, done: int) -> None:
            toy.output.mkdir(exist_ok=True)
            (toy.output / "thesis.tex").write_text("years of work")

    toy = replace(toy, max_steps=2, held_out=None)
    with pytest.raises(Refused, match=re.escape(f"{toy.output}: ")):
        train(toy, lambda _: None, Author())
    assert (toy.output / "thesis.tex").read_text() == "years of work"
    shutil.rmtree(toy.output)
    watch = Quiet()
    train(replace(toy, resume=True), lambda _: None, watch)
    assert watch.steps == []
    assert (toy.output / "model.safetensors").is_file()


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ["my_notes.txt", "model.pt", "results/notes.txt", "1_Pooling/config.json", ".hidden"])
def test_a_file_that_somebody_put_into_a_trained_folder_is_left_alone(toy: TrainConfig, name: str) -> None:
    toy = replace(toy, max_steps=1, held_out=None)
    train(toy, lambda _: None, Quiet())
    notes = toy.output / name
    notes.parent.mkdir(exist_ok=True)
    notes.write_text("mine")
    for resume in (False, True):
        with pytest.raises(Refused, match=re.escape(str(notes))):
            train(replace(toy, overwrite=True, resume=resume, seed=9), lambda _: None, Quiet())
        assert notes.read_text() == "mine"
        assert not partial(toy).exists()
        assert not toy.output.with_name("tuned.lock").exists()
    watch = Quiet()
    train(replace(toy, overwrite=True, resume=True), lambda _: None, watch)  # nothing to do
    assert watch.steps == []
    notes.unlink()
    train(replace(toy, overwrite=True, seed=9), lambda _: None, watch)
    assert watch.steps


@pytest.mark.slow
def test_a_file_that_comes_into_a_trained_folder_while_another_is_trained_is_left_alone(toy: TrainConfig) -> None:
    class Author(Quiet):
        def step(self, done: int) -> None:
            (toy.output / "notes.txt").write_text("mine")

    toy = replace(toy, max_steps=1, held_out=None)
    train(toy, lambda _: None, Quiet())
    with pytest.raises(Refused, match=r"notes\.txt"):
        train(replace(toy, overwrite=True, seed=9), lambda _: None, Author())
    assert (toy.output / "notes.txt").read_text() == "mine"
    (toy.output / "notes.txt").unlink()
    watch = Quiet()
    train(replace(toy, overwrite=True, resume=True, seed=9), lambda _: None, watch)
    assert watch.steps == []
    assert not partial(toy).exists()


@pytest.mark.sampled(1)
@pytest.mark.parametrize("place", ["", "checkpoint-2", "eval", "checkpoint-notes"])
@pytest.mark.slow
def test_a_file_that_somebody_put_into_an_unfinished_folder_is_left_alone(toy: TrainConfig, place: str) -> None:
    toy = replace(toy, max_steps=4)
    stop(toy, 3)
    notes = partial(toy) / place / "my_notes.txt"
    notes.parent.mkdir(exist_ok=True)
    notes.write_text("mine")
    for flags in ({"resume": True}, {"overwrite": True}, {"resume": True, "overwrite": True}):
        with pytest.raises(Refused, match="unfinished"):
            train(replace(toy, **flags), lambda _: None, Quiet())
        assert notes.read_text() == "mine"
    notes.unlink()
    if place == "checkpoint-notes":
        notes.parent.rmdir()
    train(replace(toy, resume=True), lambda _: None, Quiet())
    assert not partial(toy).exists()


@pytest.mark.parametrize(
    "make", [lambda path: path.mkdir(), lambda path: path.touch(), lambda path: path.symlink_to("x")]
)
def test_an_unfinished_folder_that_holds_nothing_of_ours_is_left_alone(toy: TrainConfig, make: Any) -> None:
    make(partial(toy))
    for flags in ({}, {"overwrite": True}, {"overwrite": True, "resume": True}):
        with pytest.raises(Refused, match=r"tuned\.partial"):
            train(replace(toy, **flags), lambda _: None, Quiet())
        assert os.path.lexists(partial(toy))


@pytest.mark.sampled(1)
@pytest.mark.parametrize("content", [b"mine\n", b""])
def test_somebody_elses_lock_survives_a_training(toy: TrainConfig, content: bytes) -> None:
    toy = replace(toy, max_steps=1, held_out=None)
    lock = toy.output.with_name("tuned.lock")
    lock.write_bytes(content)
    train(toy, lambda _: None, Quiet())
    with pytest.raises(Refused):
        train(toy, lambda _: None, Quiet())
    assert lock.read_bytes() == content


@pytest.mark.slow
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002], ids=oct)
def test_every_file_of_a_trained_folder_has_the_permissions_of_the_umask(toy: TrainConfig, mask: int) -> None:
    before = os.umask(mask)
    try:
        train(replace(toy, max_steps=1, held_out=None), lambda _: None, Quiet())
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in toy.output.rglob("*") if path.is_file()}
    assert modes == dict.fromkeys(modes, 0o666 & ~mask)
    assert "model.safetensors" in modes
    assert toy.output.stat().st_mode & 0o777 == 0o777 & ~mask


@pytest.mark.slow
def test_a_kill_between_the_last_renames_loses_no_model(toy: TrainConfig) -> None:
    toy = replace(toy, max_steps=2, held_out=None)
    train(toy, lambda _: None, Quiet())
    former = weights(toy.output)["classifier.weight"]
    other = replace(toy, seed=9, overwrite=True)
    stop(other, 2)
    toy.output.rename(partial(toy) / PREVIOUS)
    stop(other, 1)
    assert torch.equal(weights(toy.output)["classifier.weight"], former)


@pytest.mark.slow
def test_a_training_that_is_whole_is_not_repeated(toy: TrainConfig) -> None:
    toy = replace(toy, max_steps=2)
    train(toy, lambda _: None, Quiet())
    for overwrite in (False, True):
        watch, told = Quiet(), list[str]()
        made = train(replace(toy, resume=True, overwrite=overwrite), told.append, watch)
        assert watch.steps == []
        assert any("nothing to do" in each for each in told)
        assert made.note["training"]["steps"] == 2
    train(replace(toy, resume=True, overwrite=True, seed=9), lambda _: None, watch)
    assert watch.steps


def test_another_training_is_not_continued(toy: TrainConfig) -> None:
    with pytest.raises(Interrupted):
        train(toy, lambda _: None, Quiet(Interrupted(2), stop_at=5))
    with pytest.raises(Refused, match="unfinished"):
        train(toy, lambda _: None, Quiet())
    with pytest.raises(Refused, match="options"):
        train(replace(toy, resume=True, seed=7), lambda _: None, Quiet())


@pytest.mark.slow
def test_the_command_shows_what_was_gained(toy: TrainConfig, base: Path) -> None:
    done = rerank(
        "train", toy.read.inputs[0], "-o", toy.output, "--model", base, "--eval", toy.held_out.inputs[0],  # type: ignore[union-attr]
        "--max-length", "64", "--learning-rate", "3e-3", "--epochs", "8", "--loss", "listnet", "--device", "cpu",
        "--progress", "lines",
    )  # fmt: skip
    assert done.code == 0, done.said
    out = done.stdout.decode()
    assert "40 held-out queries" in out
    assert "nDCG@10" in out
    assert done.said.index("held-out queries are measured") < done.said.index("step=")
    assert "[transformers]" not in done.said
    card = (toy.output / "README.md").read_text()
    assert "| nDCG@10 |" in card
    assert "listnet" in card
    record = b'{"query": "what is a ?", "candidates": ["c d", "d a", "b c"]}'
    scored = rerank("score", "-", "-o", "-", "--model", toy.output, stdin=record)
    assert scored.records[0]["candidates"][0]["text"] == "d a"
    again = rerank("train", toy.read.inputs[0], "-o", toy.output, "--model", base)
    assert again.code == 8
    assert "exists" in again.said


@pytest.mark.parametrize(
    ("options", "rate"), [((), 2e-5), (("--lora",), 2e-4), (("--lora", "--learning-rate", "1e-3"), 1e-3)]
)
@pytest.mark.slow
def test_adapters_learn_faster_unless_told(toy: TrainConfig, base: Path, options: tuple[str, ...], rate: float) -> None:
    done = rerank("train", toy.read.inputs[0], "-o", toy.output, "--model", base, "--max-steps", "1", *options)
    assert done.code == 0, done.said
    assert json.loads((toy.output / NOTE).read_text())["options"]["learning_rate"] == rate


def test_training_needs_its_extra(toy: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rerank_cli.training.preflight.find_spec", lambda name: None if name == "peft" else object())
    with pytest.raises(ConfigError, match="peft") as caught:
        train(replace(toy, lora=4), lambda _: None, Quiet())
    assert "sentence-transformers" in str(caught.value.advice)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("trainer_state.json", b"{"),
        *(
            pytest.param(*each, marks=slow)
            for each in (("trainer_state.json", None), ("optimizer.pt", None), ("model.safetensors", b"torn"))
        ),
    ],
)
def test_a_torn_checkpoint_is_left_out(toy: TrainConfig, name: str, content: bytes | None) -> None:
    toy = replace(toy, max_steps=8, held_out=None)
    stop(toy, 5)
    torn = partial(toy) / "checkpoint-4" / name
    torn.unlink()
    if content is not None:
        torn.write_bytes(content)
    told: list[str] = []
    watch = Quiet()
    train(replace(toy, resume=True), told.append, watch)
    assert watch.steps[0] == 2
    assert any("checkpoint-4 is incomplete" in each for each in told)


@contextmanager
def files_at_most(size: int) -> Iterator[None]:
    """As a disk that is full: no file can grow beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.slow
@pytest.mark.parametrize("part", ["model.safetensors", pytest.param("optimizer.pt", marks=slow)])
def test_a_full_disk_is_told_and_the_training_continues(toy: TrainConfig, part: str) -> None:
    toy = replace(toy, max_steps=8, held_out=None)
    train(toy, lambda _: None, Quiet())
    expected = weights(toy.output)
    other = replace(toy, output=toy.output.with_name("other"))
    stop(other, 5)
    size = (partial(other) / "checkpoint-4" / part).stat().st_size
    other = replace(other, resume=True)
    with files_at_most(size - 1), pytest.raises(OutputError, match="checkpoint-6") as caught:
        train(other, lambda _: None, Quiet())
    assert "--resume" in str(caught.value.advice)
    watch = Quiet()
    train(other, lambda _: None, watch)
    assert watch.steps[0] == 4
    assert all(torch.equal(weights(other.output)[name], tensor) for name, tensor in expected.items())


@pytest.mark.slow
def test_a_model_that_cannot_be_written_is_told(toy: TrainConfig) -> None:
    toy = replace(toy, max_steps=4, held_out=None)
    stop(toy, 4)
    toy = replace(toy, resume=True)
    in_the_way = partial(toy) / "model"
    with pytest.raises(OutputError, match="/model: "):
        train(toy, lambda _: in_the_way.touch(), Quiet())
    in_the_way.unlink()
    assert train(toy, lambda _: None, Quiet()).note["training"]["steps"] == 4


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["gone", *(pytest.param(each, marks=slow) for each in ("torn", "moved"))])
@pytest.mark.parametrize("step", [7, pytest.param(8, marks=slow)])
def test_a_training_outlives_its_best_checkpoint(toy: TrainConfig, damage: str, step: int) -> None:
    toy = replace(toy, max_steps=8, learning_rate=0.0)  # so that the first is the best
    stop(toy, step)
    best = partial(toy) / "checkpoint-2"
    if damage == "gone":
        shutil.rmtree(best)
    elif damage == "torn":
        (best / "model.safetensors").write_bytes(b"torn")
    else:
        elsewhere = replace(toy, output=toy.output.with_name("elsewhere"))
        partial(toy).rename(partial(elsewhere))
        toy = elsewhere
    told: list[str] = []
    made = train(replace(toy, resume=True), told.append, Quiet())
    assert made.note["training"]["steps"] == 8
    lost = [each for each in told if "checkpoint-2, the best so far, is incomplete" in each]
    if damage == "moved":
        assert not lost
        assert made.note["training"]["best_checkpoint"] == "checkpoint-2"
    else:
        assert lost
        assert made.note["training"]["best_checkpoint"] != "checkpoint-2"


@pytest.mark.slow
def test_a_training_killed_at_its_very_end_is_only_finished(toy: TrainConfig) -> None:
    train(replace(toy, max_steps=4), lambda _: None, Quiet())
    expected = weights(toy.output)
    other = replace(toy, max_steps=4, output=toy.output.with_name("other"))
    stop(other, 4)
    shutil.copytree(toy.output, partial(other) / "model")  # torn, as a killed process leaves it
    (partial(other) / "model/model.safetensors").write_bytes(b"torn")
    watch = Quiet()
    made = train(replace(other, resume=True), lambda _: None, watch)
    assert made.note["training"]["steps"] == 4
    assert made.note["training"]["log"]
    assert all(torch.equal(expected[name], weight) for name, weight in weights(other.output).items())


@pytest.mark.slow
def test_torn_small_files_do_not_end_a_training(toy: TrainConfig) -> None:
    toy = replace(toy, max_steps=4)
    stop(toy, 3)
    (partial(toy) / BEFORE).write_text("[[1.0")
    train(replace(toy, resume=True), lambda _: None, Quiet())
    again = replace(toy, output=toy.output.with_name("again"))
    stop(again, 3)
    (partial(again) / NOTE).write_text("")
    with pytest.raises(Refused, match="options"):
        train(replace(again, resume=True), lambda _: None, Quiet())
    train(replace(again, overwrite=True), lambda _: None, Quiet())
    assert (again.output / NOTE).is_file()


def test_other_held_out_records_are_another_training(toy: TrainConfig) -> None:
    assert toy.held_out is not None
    stop(replace(toy, max_steps=4), 3)
    write_records(Path(toy.held_out.inputs[0]), toy_records(40, seed=9))
    with pytest.raises(Refused, match="options"):
        train(replace(toy, max_steps=4, resume=True), lambda _: None, Quiet())


def test_a_diverged_training_makes_no_model(toy: TrainConfig) -> None:
    with pytest.raises(DeviceError, match="finite") as caught:
        train(replace(toy, learning_rate=1e30, warmup=0.0, held_out=None), lambda _: None, Quiet())
    assert "--learning-rate" in str(caught.value.advice)
    assert not toy.output.exists()


def test_what_is_read_is_never_replaced(toy: TrainConfig, base: Path) -> None:
    train(replace(toy, max_steps=1, held_out=None), lambda _: None, Quiet())
    inside = write_records(toy.output / "train.jsonl", toy_records(8, seed=1))
    for config in (
        replace(toy, read=ReadConfig(inputs=(str(inside),))),
        replace(toy, model=replace(toy.model, model=str(toy.output))),
    ):
        with pytest.raises(ConfigError, match=re.escape(str(toy.output))):
            train(replace(config, overwrite=True), lambda _: None, Quiet())
    assert inside.is_file()


@pytest.mark.slow
def test_a_link_leads_to_the_folder_and_one_training_lives(toy: TrainConfig) -> None:
    toy = replace(toy, max_steps=1, held_out=None)
    train(toy, lambda _: None, Quiet())
    link = toy.output.with_name("link")
    link.symlink_to(toy.output)
    held = Lock(toy.output.with_name(toy.output.name + ".lock"))
    with pytest.raises(OutputBusy):
        train(replace(toy, output=link, overwrite=True), lambda _: None, Quiet())
    held.release()
    before = weights(toy.output)["classifier.weight"]
    train(replace(toy, output=link, overwrite=True, seed=9), lambda _: None, Quiet())
    assert link.is_symlink()
    assert not torch.equal(before, weights(toy.output)["classifier.weight"])
    assert sorted(path.name for path in toy.output.parent.iterdir()) == [
        "held-out.jsonl",
        "link",
        "train.jsonl",
        "tuned",
    ]


def test_queries_that_are_learnt_and_measured_are_said(toy: TrainConfig) -> None:
    told: list[str] = []
    train(replace(toy, max_steps=1, held_out=toy.read), told.append, Quiet())
    assert any("are also trained on" in each for each in told)


@pytest.mark.parametrize("value", [0.4, 1e300, 50_000])
def test_grades_that_no_measure_takes_are_refused(toy: TrainConfig, tmp_path: Path, value: float) -> None:
    records = [{"query": "a", "candidates": [{"text": "a b", "relevance": value}, {"text": "c", "relevance": 0}]}]
    odd = write_records(tmp_path / "odd.jsonl", records)
    with pytest.raises(InputError, match=r"relevance|judged"):
        train(replace(toy, held_out=ReadConfig(inputs=(str(odd),))), lambda _: None, Quiet())


@pytest.mark.parametrize(
    ("lists", "answer"),
    [({"neg": []}, "yes to everything"), ({"pos": []}, "no to everything"), ({}, None)],
)
def test_learning_from_one_kind_of_text_alone_is_warned_of(
    toy: TrainConfig, tmp_path: Path, lists: dict[str, list[str]], answer: str | None
) -> None:
    records = [{"query": each["query"], "pos": each["pos"], "neg": each["neg"], **lists} for each in toy_records(8, 1)]
    read = ReadConfig(inputs=(str(write_records(tmp_path / "one-sided.jsonl", records)),))
    told: list[str] = []
    train(replace(toy, read=read, max_steps=1, checkpoints=1, held_out=None), told.append, Quiet())
    warned = [line for line in told if line.startswith("warning: no record has a text")]
    assert len(warned) == (answer is not None)
    assert answer is None or f"with --loss bce the model learns to answer {answer}" in warned[0]
