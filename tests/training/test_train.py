"""`rerank train`: every loss learns the toy task, the folder loads elsewhere, and a stopped training continues."""

import json
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from running import rerank
from safetensors.torch import load_file
from sentence_transformers import CrossEncoder

from rerank_cli.config import ReadConfig
from rerank_cli.errors import ConfigError, DeviceError, InputError, Interrupted, OutputBusy, OutputError, Refused
from rerank_cli.export import logits_of
from rerank_cli.lessons import LOSSES
from rerank_cli.lock import Lock
from rerank_cli.scorers import open_scorer
from rerank_cli.train import TrainConfig, train
from rerank_cli.training_folder import BEFORE, NOTE
from tests.training.conftest import Quiet, toy_records, write_records


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


@pytest.mark.parametrize("loss", list(LOSSES))
def test_every_loss_learns_the_toy_task(toy: TrainConfig, loss: str) -> None:
    assert gain(replace(toy, loss=loss)) > 0.15


def test_the_folder_scores_alike_in_sentence_transformers(toy: TrainConfig) -> None:
    train(replace(toy, max_steps=8), lambda _: None, Quiet())
    texts = [text for record in toy_records(10, seed=3) for text in (*record["pos"], *record["neg"])]
    scorer = open_scorer(replace(toy.model, model=str(toy.output)))
    (ours,) = logits_of(scorer, [("what is a ?", texts)])
    theirs = CrossEncoder(str(toy.output), device="cpu", local_files_only=True, activation_fn=torch.nn.Identity())
    assert ours == pytest.approx(theirs.predict([("what is a ?", text) for text in texts]).tolist(), abs=1e-5)


def test_adapters_are_merged_and_the_rest_stays(toy: TrainConfig, base: Path) -> None:
    config = replace(toy, lora=4, learning_rate=2e-2)
    assert gain(config) > 0.15
    before, after = weights(base), weights(toy.output)
    assert before.keys() == after.keys()
    embeddings = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(before[embeddings], after[embeddings])
    assert not torch.equal(before["classifier.weight"], after["classifier.weight"])
    assert json.loads((toy.output / NOTE).read_text())["training"]["weights_trained"] < 20_000


def test_frozen_embeddings_stay(toy: TrainConfig, base: Path) -> None:
    train(replace(toy, freeze_embeddings=True, max_steps=4), lambda _: None, Quiet())
    name = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(weights(base)[name], weights(toy.output)[name])


@pytest.mark.parametrize("lora", [None, 4])
def test_a_stopped_training_continues_to_the_very_same_weights(toy: TrainConfig, lora: int | None) -> None:
    toy = replace(toy, lora=lora, max_steps=16, held_out=None)
    train(toy, lambda _: None, Quiet())
    whole = weights(toy.output)
    stopped = replace(toy, output=toy.output.with_name("stopped"))
    with pytest.raises(Interrupted) as caught:
        train(stopped, lambda _: None, Quiet(Interrupted(15), stop_at=10))
    assert "--resume" in caught.value.advice
    assert not stopped.output.exists()
    watch = Quiet()
    train(replace(stopped, resume=True), lambda _: None, watch)
    assert watch.steps[0] == 8
    resumed = weights(stopped.output)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert not partial(stopped).exists()


def test_the_best_checkpoint_is_kept_and_no_gain_ends_it(toy: TrainConfig) -> None:
    watch = Quiet()
    config = replace(toy, learning_rate=0.0, checkpoints=10, early_stopping=2, max_steps=30)
    made = train(config, lambda _: None, watch)
    assert made.note["training"]["steps"] == 9
    assert sum("nDCG@10" in each for each in watch.known) == 3


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
        read=ReadConfig((str(native),)),
        held_out=ReadConfig((str(held_out),)),
        qrels=str(tmp_path / "qrels.txt"),
        max_steps=2,
    )
    made = train(config, told.append, Quiet())
    assert made.evaluation is not None
    assert made.evaluation.counts["judged_queries"] == 15
    assert any("5 records cannot be used" in each for each in told)
    assert made.note["data"]["rows"] == 80


def test_what_cannot_be_learnt_is_refused(toy: TrainConfig, tmp_path: Path) -> None:
    plain = write_records(tmp_path / "plain.jsonl", [{"query": "a", "candidates": [{"text": "b"}]}])
    with pytest.raises(InputError, match=r"no judged records"):
        train(replace(toy, read=ReadConfig((str(plain),))), lambda _: None, Quiet())
    untaught = [{name: record[name] for name in ("query", "pos", "neg")} for record in toy_records(4, seed=1)]
    bare = write_records(tmp_path / "bare.jsonl", untaught)
    with pytest.raises(InputError, match="nothing that --loss kl") as caught:
        train(replace(toy, read=ReadConfig((str(bare),)), loss="kl"), lambda _: None, Quiet())
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
    with pytest.raises(Refused, match="was not made by"):
        train(replace(toy, overwrite=True), lambda _: None, Quiet())
    assert (toy.output / "thesis.tex").read_text() == "years of work"


def test_another_training_is_not_continued(toy: TrainConfig) -> None:
    with pytest.raises(Interrupted):
        train(toy, lambda _: None, Quiet(Interrupted(2), stop_at=5))
    with pytest.raises(Refused, match="unfinished"):
        train(toy, lambda _: None, Quiet())
    with pytest.raises(Refused, match="other data, model or options"):
        train(replace(toy, resume=True, seed=7), lambda _: None, Quiet())


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
    assert "step=" in done.said
    card = (toy.output / "README.md").read_text()
    assert "| nDCG@10 |" in card
    assert "listnet" in card
    record = b'{"query": "what is a ?", "candidates": ["c d", "d a", "b c"]}'
    scored = rerank("score", "-", "-o", "-", "--model", toy.output, stdin=record)
    assert scored.records[0]["candidates"][0]["text"] == "d a"
    again = rerank("train", toy.read.inputs[0], "-o", toy.output, "--model", base)
    assert again.code == 8
    assert "exists" in again.said


def test_training_needs_its_extra(toy: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rerank_cli.train.find_spec", lambda name: None if name == "peft" else object())
    with pytest.raises(ConfigError, match="peft: not installed") as caught:
        train(replace(toy, lora=4), lambda _: None, Quiet())
    assert "rerank-cli[train]" in str(caught.value.advice)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("trainer_state.json", None),
        ("trainer_state.json", b"{"),
        ("optimizer.pt", None),
        ("model.safetensors", b"torn"),
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
    assert any("checkpoint-4 is not whole" in each for each in told)


@contextmanager
def files_at_most(size: int) -> Iterator[None]:
    """As a disk that is full: no file can grow beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("part", ["model.safetensors", "optimizer.pt"])
def test_a_full_disk_is_told_and_the_training_continues(toy: TrainConfig, part: str) -> None:
    toy = replace(toy, max_steps=8, held_out=None)
    train(toy, lambda _: None, Quiet())
    expected = weights(toy.output)
    other = replace(toy, output=toy.output.with_name("other"))
    stop(other, 5)
    size = (partial(other) / "checkpoint-4" / part).stat().st_size
    other = replace(other, resume=True)
    with files_at_most(size - 1), pytest.raises(OutputError, match="checkpoint-6: cannot be written") as caught:
        train(other, lambda _: None, Quiet())
    assert "--resume" in str(caught.value.advice)
    watch = Quiet()
    train(other, lambda _: None, watch)
    assert watch.steps[0] == 4
    assert all(torch.equal(weights(other.output)[name], tensor) for name, tensor in expected.items())


def test_a_model_that_cannot_be_written_is_told(toy: TrainConfig) -> None:
    toy = replace(toy, max_steps=4, held_out=None)
    stop(toy, 4)
    toy = replace(toy, resume=True)
    in_the_way = partial(toy) / "model"
    in_the_way.touch()
    with pytest.raises(OutputError, match="model: cannot be written"):
        train(toy, lambda _: None, Quiet())
    in_the_way.unlink()
    assert train(toy, lambda _: None, Quiet()).note["training"]["steps"] == 4


@pytest.mark.parametrize("damage", ["gone", "torn", "moved"])
@pytest.mark.parametrize("step", [7, 8])
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
    lost = [each for each in told if "checkpoint-2, the best so far, is not whole" in each]
    if damage == "moved":
        assert not lost
        assert made.note["training"]["best_checkpoint"] == "checkpoint-2"
    else:
        assert lost
        assert made.note["training"]["best_checkpoint"] != "checkpoint-2"


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


def test_torn_small_files_do_not_end_a_training(toy: TrainConfig) -> None:
    toy = replace(toy, max_steps=4)
    stop(toy, 3)
    (partial(toy) / BEFORE).write_text("[[1.0")
    train(replace(toy, resume=True), lambda _: None, Quiet())
    again = replace(toy, output=toy.output.with_name("again"))
    stop(again, 3)
    (partial(again) / NOTE).write_text("")
    with pytest.raises(Refused, match="other data, model or options"):
        train(replace(again, resume=True), lambda _: None, Quiet())
    train(replace(again, overwrite=True), lambda _: None, Quiet())
    assert (again.output / NOTE).is_file()


def test_other_held_out_records_are_another_training(toy: TrainConfig) -> None:
    assert toy.held_out is not None
    stop(replace(toy, max_steps=4), 3)
    write_records(Path(toy.held_out.inputs[0]), toy_records(40, seed=9))
    with pytest.raises(Refused, match="other data"):
        train(replace(toy, max_steps=4, resume=True), lambda _: None, Quiet())


def test_a_diverged_training_makes_no_model(toy: TrainConfig) -> None:
    with pytest.raises(DeviceError, match="not finite") as caught:
        train(replace(toy, learning_rate=1e30, warmup=0.0, held_out=None), lambda _: None, Quiet())
    assert "--learning-rate" in str(caught.value.advice)
    assert not toy.output.exists()


def test_what_is_read_is_never_replaced(toy: TrainConfig, base: Path) -> None:
    train(replace(toy, max_steps=1, held_out=None), lambda _: None, Quiet())
    inside = write_records(toy.output / "train.jsonl", toy_records(8, seed=1))
    for config in (
        replace(toy, read=ReadConfig((str(inside),))),
        replace(toy, model=replace(toy.model, model=str(toy.output))),
    ):
        with pytest.raises(ConfigError, match="is read, and lies there"):
            train(replace(config, overwrite=True), lambda _: None, Quiet())
    assert inside.is_file()


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
    assert any("are learnt too" in each for each in told)


@pytest.mark.parametrize("value", [0.4, 1e300, 50_000])
def test_grades_that_no_measure_takes_are_refused(toy: TrainConfig, tmp_path: Path, value: float) -> None:
    records = [{"query": "a", "candidates": [{"text": "a b", "relevance": value}, {"text": "c", "relevance": 0}]}]
    odd = write_records(tmp_path / "odd.jsonl", records)
    with pytest.raises(InputError, match=r"relevance|judged"):
        train(replace(toy, held_out=ReadConfig((str(odd),))), lambda _: None, Quiet())
