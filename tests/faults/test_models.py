"""Damaged, foreign and hostile models: refused by name, or scored as ever; never run, unpickled, or half believed.

Each model is a tiny whole reranker with one thing wrong. No run opens a socket, starts a process, or leaves a file.
"""

import contextlib
import json
import os
import random
import shutil
import socket
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.inside import Watched, rerank_inside, watched
from support.points import Points
from support.running import commits, files_of, lines
from support.tiny import SPECIAL, WORDS, edit_json, join_safetensors, split_safetensors, write_model, write_reranker
from support.tiny import write_tokenizer as tokenizer_of

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
CONFIG, TOKENIZER, TOKENIZER_CONFIG = "config.json", "tokenizer.json", "tokenizer_config.json"
ONE_THREAD = ("--engine", "torch", "--device", "cpu", "--threads", "1", "-q")
ANSWERS = ("--engine", "yes-no", "--prompt", "qwen3-reranker", *ONE_THREAD[2:])
OLD = b"a result of yesterday\n"
EVIL = "import pathlib\npathlib.Path({mark!r}).touch()\nclass Evil: pass\n"

Breaking = Callable[[Path], object]  # does one thing to a model folder


@dataclass(frozen=True, slots=True)
class Bench:
    """Where broken models are tried: a whole one to start from, and what it makes of the input."""

    folder: Path
    whole: Path
    golden: bytes

    @property
    def model(self) -> Path:
        return self.folder / "model"

    def score(self, breaking: Breaking, options: tuple[str, ...] = ONE_THREAD) -> tuple[Watched, bytes]:
        """Break a copy of the whole model and score with it: how that ended, and the output file afterwards."""
        shutil.rmtree(self.model, ignore_errors=True)
        shutil.copytree(self.whole, self.model)
        mark = self.folder / "ran"
        (self.model / "evil.py").write_text(EVIL.format(mark=str(mark)))
        breaking(self.model)
        work = self.folder / "work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        (work / "out.jsonl").write_bytes(OLD)
        names = ("score", self.whole.parent / "in.jsonl", "-o", work / "out.jsonl", "--overwrite")
        done = rerank_inside(*names, "--model", self.model, *options)
        after = files_of(work)
        assert "Traceback" not in done.said, done.said
        assert done.events == []
        assert not mark.exists()
        if done.code not in (0, 3):
            assert after == {"out.jsonl": OLD}, "what was there is gone, or something was left"
        return done, after["out.jsonl"]

    def assert_refused(
        self,
        breaking: Breaking,
        *words: str,
        codes: tuple[int, ...] = (6,),
        options: tuple[str, ...] = ONE_THREAD,
    ) -> None:
        """It ends with one of the codes, and all the words are said."""
        done, _ = self.score(breaking, options)
        assert done.code in codes, done
        for word in words:
            assert word in done.said

    def assert_refused_or_same(self, breaking: Breaking, *words: str, codes: tuple[int, ...] = (6,)) -> None:
        """As above, or it does no harm: the scores are those of the whole model."""
        done, output = self.score(breaking)
        if done.code == 0:
            assert output == self.golden
        else:
            assert done.code in codes, done
            for word in words:
                assert word in done.said


@pytest.fixture(scope="module", autouse=True)
def threads() -> Iterator[None]:
    """Torch's threads belong to the process: they are for others as they were."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete reranker, with the input in its folder."""
    base = tmp_path_factory.mktemp("models")
    (base / "in.jsonl").write_bytes(lines(5))
    return write_reranker(base / "whole")


@pytest.fixture(scope="module")
def golden(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What the whole reranker makes of the input."""
    output = tmp_path_factory.mktemp("golden") / "out.jsonl"
    done = rerank_inside("score", whole.parent / "in.jsonl", "-o", output, "--model", whole, *ONE_THREAD)
    assert (done.code, done.said, done.events) == (0, "", [])
    return output.read_bytes()


@pytest.fixture
def bench(tmp_path: Path, whole: Path, golden: bytes) -> Bench:
    return Bench(tmp_path, whole, golden)


def put(name: str, content: bytes) -> Breaking:
    """Another file in its place, or added to the others."""
    return lambda model: (model / name).write_bytes(content)


def instead(name: str, make: Callable[[Path], object]) -> Breaking:
    """Something made in the place of a file."""

    def breaking(model: Path) -> None:
        (model / name).unlink(missing_ok=True)
        make(model / name)

    return breaking


def altered(name: str, change: Callable[[bytes], bytes]) -> Breaking:
    """A file with its bytes changed."""
    return lambda model: (model / name).write_bytes(change((model / name).read_bytes()))


def header(change: Callable[[Any, Any], object]) -> Breaking:
    """Weights with a change to their header; the change is given all of it, and the entry of the head's bias."""

    def changed(content: bytes) -> bytes:
        entries, data = split_safetensors(content)
        change(entries, entries["classifier.bias"])
        return join_safetensors(entries, data)

    return altered(WEIGHTS, changed)


def tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Breaking:
    """Weights with a change to their tensors."""

    def breaking(model: Path) -> None:
        weights = load_file(model / WEIGHTS)
        change(weights)
        save_file(weights, model / WEIGHTS, {"format": "pt"})

    return breaking


def config(**changes: Any) -> Breaking:
    """Other values in config.json."""
    return lambda model: edit_json(model / CONFIG, **changes)


def without(*names: str) -> Breaking:
    """A config.json without these keys."""

    def breaking(model: Path) -> None:
        fields = json.loads((model / CONFIG).read_text())
        (model / CONFIG).write_text(json.dumps({name: value for name, value in fields.items() if name not in names}))

    return breaking


def tokenizer_config(**changes: Any) -> Breaking:
    """Other values in tokenizer_config.json."""
    return lambda model: edit_json(model / TOKENIZER_CONFIG, **changes)


def tokenizer(change: Callable[[Any], object]) -> Breaking:
    """A change to the fields of tokenizer.json."""

    def breaking(model: Path) -> None:
        fields = json.loads((model / TOKENIZER).read_text())
        change(fields)
        (model / TOKENIZER).write_text(json.dumps(fields))

    return breaking


def both(*breakings: Breaking) -> Breaking:
    """One after the other."""

    def breaking(model: Path) -> None:
        for each in breakings:
            each(model)

    return breaking


# Weights: damaged files


def test_weights_cut_short_anywhere_are_refused(bench: Bench, points: Points) -> None:
    content = (bench.whole / WEIGHTS).read_bytes()
    entries, data = split_safetensors(content)
    start = len(content) - len(data)
    edges = [start + entry["data_offsets"][1] for name, entry in entries.items() if name != "__metadata__"]
    around = [edge + step for edge in [8, start, *edges] for step in (-1, 0, 1)]
    cuts = sorted({*range(10), *around, *range(0, len(content), 2000)} - {len(content), len(content) + 1})
    for cut in points.of(cuts, sample=4):
        with points.trying("models: weights cut short"):
            bench.assert_refused(put(WEIGHTS, content[:cut]), WEIGHTS)


def test_a_header_of_another_length_is_refused(bench: Bench, points: Points) -> None:
    content = (bench.whole / WEIGHTS).read_bytes()
    (true,) = struct.unpack("<Q", content[:8])
    lengths = [0, 1, 2, true - 8, true - 1, true + 1, true + 8, len(content), 100_000_001, 2**31, 2**63, 2**64 - 1]
    lengths += [true ^ (1 << bit) for bit in range(64)]
    for length in points.of(lengths, sample=3):
        with points.trying("models: the length of the weights' header altered"):
            bench.assert_refused(put(WEIGHTS, struct.pack("<Q", length) + content[8:]), WEIGHTS)


HEADERS: dict[str, Breaking] = {
    "a dtype twice as wide": header(lambda _, bias: bias.update(dtype="F64")),
    "integers": header(lambda _, bias: bias.update(dtype="I32")),
    "unsigned integers": header(lambda _, bias: bias.update(dtype="U32")),
    "truth values": header(lambda _, bias: bias.update(dtype="BOOL")),
    "an unknown dtype": header(lambda _, bias: bias.update(dtype="F31")),
    "no dtype": header(lambda _, bias: bias.pop("dtype")),
    "a dtype that is a number": header(lambda _, bias: bias.update(dtype=7)),
    "too large a shape": header(lambda _, bias: bias.update(shape=[2])),
    "a scalar": header(lambda _, bias: bias.update(shape=[])),
    "one more dimension": header(lambda _, bias: bias.update(shape=[1, 1])),
    "a negative shape": header(lambda _, bias: bias.update(shape=[-1])),
    "a shape that overflows": header(lambda _, bias: bias.update(shape=[2**62, 4])),
    "a shape of words": header(lambda _, bias: bias.update(shape="1")),
    "offsets beyond the end": header(lambda _, bias: bias.update(data_offsets=[2**40, 2**40 + 4])),
    "offsets reversed": header(lambda _, bias: bias.update(data_offsets=[4, 0])),
    "offsets that overlap": header(lambda _, bias: bias.update(data_offsets=[2, 6])),
    "negative offsets": header(lambda _, bias: bias.update(data_offsets=[-4, 0])),
    "one offset": header(lambda _, bias: bias.update(data_offsets=[0])),
    "a tensor taken out": header(lambda entries, _: entries.pop("classifier.bias")),
    "a tensor put in twice": header(lambda entries, bias: entries.update(twice=bias)),
    "a tensor of no bytes": header(lambda entries, _: entries.update(classifier={"dtype": "F32"})),
    "no tensor": put(WEIGHTS, join_safetensors({}, b"")),
    "no tensor, but data": put(WEIGHTS, join_safetensors({}, bytes(64))),
    "null": put(WEIGHTS, join_safetensors(None, b"")),
    "a list": put(WEIGHTS, join_safetensors([], b"")),
    "no UTF-8": put(WEIGHTS, join_safetensors(b'{"\xff": 1}', b"")),
    "100,000 levels": put(WEIGHTS, join_safetensors(b'{"a":' * 100_000, b"")),
    "a byte more": altered(WEIGHTS, lambda content: content + b"\0"),
    "twice": altered(WEIGHTS, lambda content: content * 2),
    "nothing": put(WEIGHTS, b""),
    "zeros": put(WEIGHTS, bytes(4096)),
    "text": put(WEIGHTS, b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n"),
}


def test_an_altered_header_is_refused(bench: Bench, points: Points) -> None:
    for name in points.of(list(HEADERS), sample=4):
        with points.trying("models: the weights' header altered"):
            bench.assert_refused(HEADERS[name], WEIGHTS)


def test_a_flipped_byte_in_the_header_is_refused_or_does_no_harm(bench: Bench, points: Points) -> None:
    content = (bench.whole / WEIGHTS).read_bytes()
    start = len(content) - len(split_safetensors(content)[1])
    chance = random.Random(5)
    flips = [(chance.randrange(start), chance.randrange(1, 256)) for _ in range(400)]
    for offset, mask in points.of(flips, sample=5):
        with points.trying("models: a byte of the weights' header flipped"):
            flipped = content[:offset] + bytes([content[offset] ^ mask]) + content[offset + 1 :]
            bench.assert_refused_or_same(put(WEIGHTS, flipped), WEIGHTS)


NO_FILES: dict[str, Callable[[Path], object]] = {
    "a folder": lambda path: path.mkdir(),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to nothing": lambda path: path.symlink_to("nothing"),
    "a link to a folder": lambda path: path.symlink_to("."),
    "a FIFO": os.mkfifo,
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "an empty device": lambda path: path.symlink_to("/dev/null"),
}


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG, TOKENIZER])
def test_what_stands_in_the_place_of_a_file_is_refused(bench: Bench, points: Points, name: str) -> None:
    for kind in points.of(list(NO_FILES), sample=2):
        with points.trying("models: something else in the place of a file"):
            bench.assert_refused(instead(name, NO_FILES[kind]), name)


def test_what_stands_in_the_place_of_the_tokenizers_config_is_refused_or_as_if_missing(
    bench: Bench, points: Points
) -> None:
    for kind in points.of(list(NO_FILES), sample=2):
        with points.trying("models: something else in the place of a file"):
            bench.assert_refused_or_same(instead(TOKENIZER_CONFIG, NO_FILES[kind]), TOKENIZER_CONFIG)


@pytest.fixture
def nobody(whole: Path, golden: bytes) -> Iterator[Bench]:
    """A bench in a folder that anyone may enter, and the rights of an ordinary user."""
    with tempfile.TemporaryDirectory(prefix="rerank-") as name:
        folder = Path(name)
        shutil.copytree(whole.parent, folder / "base")
        folder.chmod(0o777)
        for path in (folder / "base").rglob("*"):
            path.chmod(0o755)
        (folder / "base").chmod(0o755)
        if os.geteuid() == 0:
            os.seteuid(65534)
        try:
            yield Bench(folder, folder / "base" / "whole", golden)
        finally:
            if os.getuid() == 0:
                os.seteuid(0)


def test_an_unreadable_file_is_refused_by_name(nobody: Bench, points: Points) -> None:
    nobody.assert_refused_or_same(lambda model: None)
    for name in (WEIGHTS, CONFIG, TOKENIZER, TOKENIZER_CONFIG):
        with points.trying("models: an unreadable file"):
            nobody.assert_refused(lambda model, name=name: (model / name).chmod(0), name)


# Weights: in shards


@pytest.fixture(scope="module")
def shards(whole: Path, golden: bytes) -> Path:
    """The weights of the whole model in several files, with an index."""
    folder = whole.parent / "shards"
    shutil.copytree(whole, folder)
    (folder / WEIGHTS).unlink()
    write_model(folder, shard_size="20KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    return folder


def index(change: Callable[[Any], object]) -> Breaking:
    """A change to the fields of the shards' index."""

    def breaking(model: Path) -> None:
        fields = json.loads((model / INDEX).read_text())
        change(fields)
        (model / INDEX).write_text(json.dumps(fields))

    return breaking


def shard(change: Callable[[Path], object], which: int = 0) -> Breaking:
    """A change to one of the shards."""
    return lambda model: change(sorted(model.glob("model-*.safetensors"))[which])


def moved_outside(model: Path) -> None:
    """The first shard, whole, but one folder up."""
    path = min(model.glob("model-*.safetensors"))
    path.rename(model.parent / "x.safetensors")
    index(lambda fields: fields.update(weight_map=_renamed(fields, path.name, "../x.safetensors")))(model)


def moved_to_an_absolute_path(model: Path) -> None:
    """The first shard, whole, but named from the root."""
    path = min(model.glob("model-*.safetensors"))
    outside = path.rename(model.parent / "x.safetensors").absolute()
    index(lambda fields: fields.update(weight_map=_renamed(fields, path.name, str(outside))))(model)


def _renamed(fields: Any, old: str, new: str) -> dict[str, str]:
    return {name: new if file == old else file for name, file in fields["weight_map"].items()}


SHARDS: dict[str, tuple[Breaking, str]] = {
    "a missing shard": (shard(Path.unlink), "model-00001"),
    "an empty shard": (shard(lambda path: path.write_bytes(b"")), "model-00001"),
    "a cut shard": (shard(lambda path: path.write_bytes(path.read_bytes()[:-1])), "model-00001"),
    "a folder for a shard": (shard(lambda path: (path.unlink(), path.mkdir())), "model-00001"),
    "a link to itself": (shard(lambda path: (path.unlink(), path.symlink_to(path.name))), "model-00001"),
    "a shard in the place of another": (
        shard(lambda path: shutil.copy(path, path.with_name(path.name.replace("00001-of", "00002-of")))),
        "safetensors",
    ),
    "an index that is empty": (put(INDEX, b""), INDEX),
    "an index that is no JSON": (put(INDEX, b"{"), INDEX),
    "an index that is null": (put(INDEX, b"null"), INDEX),
    "an index that is a list": (put(INDEX, b"[]"), INDEX),
    "an index in UTF-16": (altered(INDEX, lambda content: content.decode().encode("utf-16")), INDEX),
    "an index of 100,000 levels": (put(INDEX, b'{"a":' * 100_000), INDEX),
    "no map": (index(lambda fields: fields.pop("weight_map")), INDEX),
    "an empty map": (index(lambda fields: fields.update(weight_map={})), INDEX),
    "a map that is null": (index(lambda fields: fields.update(weight_map=None)), INDEX),
    "a map that is a list": (index(lambda fields: fields.update(weight_map=["a"])), INDEX),
    "a map to numbers": (index(lambda fields: fields["weight_map"].update({"classifier.bias": 7})), INDEX),
    "a map to nothing": (index(lambda fields: fields["weight_map"].update({"classifier.bias": ""})), INDEX),
    "a map to the folder": (index(lambda fields: fields["weight_map"].update({"classifier.bias": "."})), INDEX),
    "a map to a pickle": (
        both(put("w.bin", b"\x80"), index(lambda fields: fields["weight_map"].update({"classifier.bias": "w.bin"}))),
        INDEX,
    ),
    "a map out of the folder": (moved_outside, INDEX),
    "a map to the root": (moved_to_an_absolute_path, INDEX),
    "a NUL in a name": (index(lambda fields: fields["weight_map"].update({"classifier.bias": "a\0b"})), INDEX),
    "a very long name": (index(lambda fields: fields["weight_map"].update({"classifier.bias": "a" * 5000})), INDEX),
}


def test_damaged_shards_are_refused(bench: Bench, shards: Path, points: Points) -> None:
    sharded = Bench(bench.folder, shards, bench.golden)
    for name in points.of(list(SHARDS), sample=4):
        with points.trying("models: shards and their index damaged"):
            breaking, word = SHARDS[name]
            sharded.assert_refused(breaking, word)


def test_whole_shards_score_as_one_file(bench: Bench, shards: Path) -> None:
    done, output = Bench(bench.folder, shards, bench.golden).score(lambda model: None)
    assert (done.code, output) == (0, bench.golden)


def test_a_map_that_names_other_tensors_is_refused_or_does_no_harm(bench: Bench, shards: Path, points: Points) -> None:
    """The names that count are those in the shards."""
    sharded = Bench(bench.folder, shards, bench.golden)
    last = "model-00002"
    changes = [
        lambda fields: fields["weight_map"].pop("classifier.bias"),
        lambda fields: fields["weight_map"].update(invented=min(fields["weight_map"].values())),
        lambda fields: fields["weight_map"].update({"classifier.bias": min(fields["weight_map"].values())}),
        lambda fields: fields.update(metadata={"total_size": "much"}),
        lambda fields: fields.update(metadata=None),
        lambda fields: fields.pop("metadata"),
        lambda fields: fields.update(weight_map={n: f for n, f in fields["weight_map"].items() if last not in f}),
    ]
    for change in changes:
        with points.trying("models: shards and their index damaged"):
            sharded.assert_refused_or_same(index(change), "safetensors")


# Weights: whole files of another model


def wider(model: Path) -> None:
    """Weights of a wider model, and the config as it was."""
    content = (model / CONFIG).read_bytes()
    write_model(model, hidden_size=64)
    (model / CONFIG).write_bytes(content)


OTHERS: dict[str, Breaking] = {
    "larger embeddings": tensors(lambda w: w.update({"bert.embeddings.word_embeddings.weight": torch.zeros(99, 32)})),
    "a head of two": tensors(lambda w: w.update({"classifier.weight": torch.zeros(2, 32)})),
    "no head": tensors(lambda w: [w.pop(name) for name in ("classifier.weight", "classifier.bias")]),
    "no bias of the head": tensors(lambda w: w.pop("classifier.bias")),
    "no embeddings": tensors(lambda w: w.pop("bert.embeddings.word_embeddings.weight")),
    "no pooler": tensors(lambda w: w.pop("bert.pooler.dense.weight")),
    "no body": tensors(lambda w: [w.pop(name) for name in list(w) if name.startswith("bert.")]),
    "a body by another name": tensors(lambda w: [w.update({f"x.{name}": w.pop(name)}) for name in list(w)]),
    "integers": tensors(lambda w: w.update({name: tensor.long() for name, tensor in w.items()})),
    "an integer head": tensors(lambda w: w.update({"classifier.weight": w["classifier.weight"].long()})),
    "complex numbers": tensors(lambda w: w.update({"classifier.weight": w["classifier.weight"].to(torch.complex64)})),
    "a layer more than the config knows": config(num_hidden_layers=1),
    "more layers than the config means": lambda model: (
        write_model(model, num_hidden_layers=13),
        without("num_hidden_layers")(model),
    ),
    "a layer less than the config knows": config(num_hidden_layers=3),
    "wider layers": wider,
}


def test_weights_of_another_model_are_refused(bench: Bench, points: Points) -> None:
    for name in points.of(list(OTHERS), sample=3):
        with points.trying("models: weights of another model"):
            bench.assert_refused(OTHERS[name], WEIGHTS)


UNUSED: dict[str, Breaking] = {
    name: tensors(lambda w, name=name: w.update({name: torch.ones(32, 32)}))
    for name in (
        *("extra", "score.weight", "classifier.dense.weight", "classifier.out_proj.weight"),
        "bert.pooler.dense2.weight",
        *("bert.embeddings.extra.weight", "bert.encoder.layer.1.extra.weight", "bert.encoder.norm.weight"),
        *("lm_head.weight", "cls.predictions.decoder.weight", "roberta.pooler.dense.weight", "head.dense.weight"),
        *("projection.weight", "2_Dense.linear.weight", "encoder.layer.0.output.dense.weight"),
    )
}


def test_weights_that_the_model_does_not_use_are_refused_by_name(bench: Bench, points: Points) -> None:
    for name in points.of(list(UNUSED), sample=3):
        with points.trying("models: weights that nobody uses"):
            bench.assert_refused(UNUSED[name], WEIGHTS, name)


def test_a_whole_matrix_of_zeros_is_refused_by_name(bench: Bench, points: Points) -> None:
    matrices = [name for name, tensor in load_file(bench.whole / WEIGHTS).items() if tensor.ndim > 1]
    used = [name for name in matrices if "embedding" not in name or "word" in name]
    for name in points.of(used, sample=2):
        with points.trying("models: weights that are all zero"):
            bench.assert_refused(tensors(lambda w, name=name: w[name].zero_()), WEIGHTS, name)
    with points.trying("models: weights that are all zero"):
        bench.assert_refused(tensors(lambda w: [tensor.zero_() for tensor in w.values()]), WEIGHTS)


def test_vectors_of_zeros_and_rows_of_padding_are_usual(bench: Bench) -> None:
    def usual(weights: dict[str, torch.Tensor]) -> None:
        for name, tensor in weights.items():
            if name.endswith("bias") or "token_type" in name:
                tensor.zero_()
        weights["bert.embeddings.word_embeddings.weight"][0].zero_()

    assert bench.score(tensors(usual))[0].code == 0


SAME: dict[str, Breaking] = {
    "integers more": tensors(lambda w: w.update(extra=torch.arange(3))),
    "positions, as old checkpoints hold them": tensors(
        lambda w: w.update({"bert.embeddings.position_ids": torch.arange(64)[None]})
    ),
    "no metadata": lambda model: save_file(load_file(model / WEIGHTS), model / WEIGHTS),
    "metadata of TensorFlow": lambda model: save_file(load_file(model / WEIGHTS), model / WEIGHTS, {"format": "tf"}),
    "64 bits": tensors(lambda w: w.update({name: tensor.double() for name, tensor in w.items()})),
    "an unused index": put(INDEX, b"{"),
    "weights of TensorFlow": put("tf_model.h5", b"\x89HDF"),
    "a generation config": put("generation_config.json", b"{"),
    "a processor": put("processor_config.json", b'{"auto_map": {"AutoProcessor": "evil.Evil"}}'),
    "a template": put("chat_template.jinja", b"{{ cycler.__init__.__globals__.os.system('touch ran') }}"),
}


def test_what_is_beside_the_weights_changes_no_score(bench: Bench, points: Points) -> None:
    for name in points.of(list(SAME), sample=2):
        with points.trying("models: superfluous tensors and files"):
            done, output = bench.score(SAME[name])
            assert (done.code, output) == (0, bench.golden), (name, done)


def test_an_adapter_beside_the_weights_is_refused(bench: Bench, points: Points) -> None:
    """It would change the weights after they were hashed, or name those of another repository."""
    for content in (b"{}", b"{", b'{"base_model_name_or_path": "attacker/x", "peft_type": "LORA"}'):
        with points.trying("models: adapters beside the weights"):
            bench.assert_refused(put("adapter_config.json", content), "adapter_config.json")


def test_weights_that_are_not_finite_are_refused_and_never_scored(bench: Bench, points: Points) -> None:
    """Infinity may come to nothing in the layers above, as in a tanh; NaN never does."""
    names = sorted(load_file(bench.whole / WEIGHTS))
    for name, value in points.of([(name, value) for name in names for value in ("nan", "inf", "-inf")], sample=2):
        with points.trying("models: NaN or infinity for a tensor"):
            done, output = bench.score(tensors(lambda w, name=name, value=value: w[name].fill_(float(value))))
            assert done.code == 7 or (done.code == 0 and value != "nan"), done
            assert done.code == 0 or "not finite" in done.said
            assert b"NaN" not in output


def test_one_number_that_is_not_finite_reaches_no_record(bench: Bench, points: Points) -> None:
    """The self-test may not meet it, the records may: then they fail, or the run does."""
    row = "bert.embeddings.word_embeddings.weight"
    for token in points.of(range(len(WORDS)), sample=2):
        with points.trying("models: NaN for one token"):

            def wrong(weights: dict[str, torch.Tensor], token: int = token) -> None:
                weights[row][token, 3] = float("nan")

            shutil.rmtree(bench.folder / "work", ignore_errors=True)
            work = bench.folder / "work"
            model = shutil.copytree(bench.whole, bench.folder / "one", dirs_exist_ok=True)
            tensors(wrong)(model)
            work.mkdir()
            names = ("score", bench.whole.parent / "in.jsonl", "-o", work / "out.jsonl")
            done = rerank_inside(*names, "--model", model, *ONE_THREAD)
            assert done.code in (0, 3, 7), done
            for name, content in files_of(work).items():
                assert b"NaN" not in content or name.endswith((".errors.jsonl", ".errors.jsonl.partial")), name
            assert done.code == 7 or len((work / "out.jsonl").read_bytes().splitlines()) + len(
                files_of(work).get("out.jsonl.errors.jsonl", b"").splitlines()
            ) == len(bench.golden.splitlines())


# Pickles


class Bomb:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def bomb(name: str) -> Breaking:
    """A pickle that would leave the mark."""
    return lambda model: torch.save({"classifier.bias": Bomb(model.parent / "ran")}, model / name)


def no_weights(model: Path) -> None:
    (model / WEIGHTS).unlink()


PICKLES: dict[str, tuple[Breaking, str]] = {
    "alone": (both(bomb("pytorch_model.bin"), no_weights), "pytorch_model.bin"),
    "alone, in shards": (
        both(
            bomb("pytorch_model-00001-of-00001.bin"),
            put("pytorch_model.bin.index.json", b'{"weight_map": {"a": "pytorch_model-00001-of-00001.bin"}}'),
            no_weights,
        ),
        "pytorch_model-00001-of-00001.bin",
    ),
    "by the name of safetensors": (bomb(WEIGHTS), WEIGHTS),
    "as a shard": (
        both(no_weights, bomb("w.safetensors"), put(INDEX, b'{"weight_map": {"classifier.bias": "w.safetensors"}}')),
        "w.safetensors",
    ),
    "as a shard by its own name": (
        both(no_weights, bomb("w.bin"), put(INDEX, b'{"weight_map": {"classifier.bias": "w.bin"}}')),
        INDEX,
    ),
    "named by the config": (
        both(bomb("pytorch_model.bin"), config(transformers_weights="pytorch_model.bin")),
        CONFIG,
    ),
    "named by the config as an adapter": (
        both(bomb("adapter_model.bin"), config(transformers_weights="adapter_model.bin")),
        CONFIG,
    ),
}


def test_the_watch_notices_what_is_forbidden(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    bomb("w.pickle")(folder)
    with watched() as events:
        socket.socket().close()
        subprocess.run(["true"], check=True)
        torch.load(folder / "w.pickle", weights_only=False)
        with contextlib.suppress(ImportError):
            __import__("kernels")
        for name in ("evil.py", "model.bin"):
            with contextlib.suppress(FileNotFoundError):
                (folder / name).read_bytes()
    seen = list(dict.fromkeys(event.partition(" ")[0] for event in events))
    assert seen == ["socket.__new__", "subprocess.Popen", "pickle.find_class", "import", "open"]
    assert (tmp_path / "ran").exists()


def test_pickles_are_never_opened(bench: Bench, points: Points) -> None:
    for name in points.of(list(PICKLES), sample=4):
        with points.trying("models: pickles in the place of weights"):
            breaking, word = PICKLES[name]
            bench.assert_refused(breaking, word)


def test_pickles_beside_the_weights_are_never_opened(bench: Bench, points: Points) -> None:
    for name in ("pytorch_model.bin", "adapter_model.bin", "training_args.bin", "optimizer.pt", "model.pkl"):
        with points.trying("models: pickles beside the weights"):
            done, output = bench.score(bomb(name))
            assert (done.code, output) == (0, bench.golden), done


# Heads and labels

LABELS: dict[str, Breaking] = {
    "a model of two": lambda model: write_model(model, num_labels=2),
    "num_labels 2": both(without("id2label", "label2id"), config(num_labels=2)),
    "num_labels 2, one in id2label": config(num_labels=2, id2label={"0": "a"}),
    "num_labels 1, two in id2label": config(num_labels=1, id2label={"0": "a", "1": "b"}),
    "two in id2label": config(id2label={"0": "a", "1": "b"}),
    "none in id2label": config(id2label={}),
    "id2label null": config(id2label=None),
    "id2label a list": config(id2label=["a"]),
    "id2label a word": config(id2label="a"),
    "id2label a number": config(id2label=1),
    "neither, which means two": without("id2label", "label2id"),
    "num_labels a word": both(without("id2label", "label2id"), config(num_labels="1")),
    "num_labels negative": both(without("id2label", "label2id"), config(num_labels=-1)),
    "num_labels 0": both(without("id2label", "label2id"), config(num_labels=0)),
    "num_labels huge": both(without("id2label", "label2id"), config(num_labels=10**9)),
    "no architecture": without("architectures"),
    "architectures empty": config(architectures=[]),
    "architectures null": config(architectures=None),
    "architectures a word": config(architectures="BertForSequenceClassification"),
    "architectures a number": config(architectures=7),
    "architectures an object": config(architectures={"0": "BertForSequenceClassification"}),
    "architectures of numbers": config(architectures=[7]),
    "a language model": config(architectures=["BertForMaskedLM"]),
    "no head": config(architectures=["BertModel"]),
    "tokens": config(architectures=["BertForTokenClassification"]),
    "an unknown type": config(model_type="evil"),
    "no type": without("model_type"),
    "type null": config(model_type=None),
    "type a number": config(model_type=7),
    "type a list": config(model_type=[]),
    "type an object": config(model_type={}),
}


def test_a_head_of_another_kind_is_refused(bench: Bench, points: Points) -> None:
    for name in points.of(list(LABELS), sample=4):
        with points.trying("models: heads, labels and architectures"):
            bench.assert_refused(LABELS[name], CONFIG)


def test_an_architecture_of_another_name_is_refused_or_does_no_harm(bench: Bench, points: Points) -> None:
    types = ["roberta", "xlm-roberta", "electra", "distilbert", "deberta-v2", "modernbert", "gpt2", "t5"]
    types += ["lightglue", "bart"]
    cases = [config(model_type=name) for name in types]
    cases += [
        config(architectures=[name]) for name in ("RobertaForSequenceClassification", "EForSequenceClassification")
    ]
    for breaking in points.of(cases, sample=2):
        with points.trying("models: heads, labels and architectures"):
            bench.assert_refused_or_same(breaking, CONFIG)


@pytest.mark.parametrize("model_type", ["llama", "qwen3"])
def test_a_classifier_of_a_language_model_is_refused(bench: Bench, points: Points, model_type: str) -> None:
    """By an engine without prompts; and by its own engine, where the tokenizer lacks what the prompt needs."""
    with points.trying("models: heads, labels and architectures"):
        bench.assert_refused(config(model_type=model_type), "made of a language model", codes=(2,))
    with points.trying("models: heads, labels and architectures"):
        bench.assert_refused(config(model_type=model_type), "<|im_start|>", options=ANSWERS)


# Tokenizers

ROOM = len(WORDS)
TOKENIZERS: dict[str, Breaking] = {
    "missing": lambda model: (model / TOKENIZER).unlink(),
    "one token more": lambda model: tokenizer_of(model, [*WORDS, "more"]),
    "special tokens of its own": lambda model: tokenizer_of(model, WORDS, {**SPECIAL, "pad_token": "<pad>"}),
    "no token for padding": lambda model: tokenizer_of(
        model, WORDS, {name: token for name, token in SPECIAL.items() if name != "pad_token"}
    ),
    "another token for padding": lambda model: tokenizer_of(model, WORDS, {**SPECIAL, "pad_token": "[MASK]"}),
    "no special tokens": lambda model: tokenizer_of(model, WORDS, {}),
    "no template": tokenizer(lambda fields: fields.update(post_processor=None)),
    "a template with tokens beyond the embeddings": tokenizer(
        lambda fields: fields["post_processor"]["special_tokens"]["[SEP]"].update(ids=[ROOM])
    ),
    "a template with huge tokens": tokenizer(
        lambda fields: fields["post_processor"]["special_tokens"]["[SEP]"].update(ids=[2**31])
    ),
    "a template with negative tokens": tokenizer(
        lambda fields: fields["post_processor"]["special_tokens"]["[SEP]"].update(ids=[-1])
    ),
    "a token beyond the embeddings": tokenizer(lambda fields: fields["model"]["vocab"].update(a=ROOM)),
    "a token far beyond": tokenizer(lambda fields: fields["model"]["vocab"].update(a=10**6)),
    "a negative token": tokenizer(lambda fields: fields["model"]["vocab"].update(a=-1)),
    "no vocabulary": tokenizer(lambda fields: fields["model"].update(vocab={})),
    "no token for the unknown": tokenizer(lambda fields: fields["model"].update(unk_token="zzz")),
    "an unknown normalizer": tokenizer(lambda fields: fields.update(normalizer={"type": "Evil"})),
    "an unknown model": tokenizer(lambda fields: fields["model"].update(type="Evil")),
    "no model": tokenizer(lambda fields: fields.pop("model")),
    "empty": put(TOKENIZER, b""),
    "null": put(TOKENIZER, b"null"),
    "a list": put(TOKENIZER, b"[]"),
    "an empty object": put(TOKENIZER, b"{}"),
    "no UTF-8": put(TOKENIZER, b'{"\xff": 1}'),
    "UTF-16": altered(TOKENIZER, lambda content: content.decode().encode("utf-16")),
    "100,000 levels": put(TOKENIZER, b'{"a":' * 100_000),
    "a pickle": bomb(TOKENIZER),
}


def test_a_damaged_or_foreign_tokenizer_is_refused(bench: Bench, points: Points) -> None:
    for name in points.of(list(TOKENIZERS), sample=4):
        with points.trying("models: tokenizers damaged or of another model"):
            bench.assert_refused(TOKENIZERS[name], TOKENIZER)


TOKENIZER_CONFIGS: dict[str, bytes] = {
    "empty": b"",
    "null": b"null",
    "a list": b"[]",
    "a number": b"7",
    "cut": b'{"pad_token": "[P',
    "no UTF-8": b'{"a": "\xff"}',
    "UTF-16": '{"pad_token": "[PAD]"}'.encode("utf-16"),
    "100,000 levels": b'{"a":' * 100_000,
    "padding by a number": b'{"pad_token": 7}',
    "padding by nothing": b'{"pad_token": null}',
    "padding by another": b'{"pad_token": "[MASK]"}',
    "an unknown side": b'{"padding_side": "up"}',
    "a class that is a number": b'{"tokenizer_class": 7}',
    "a class without a fast tokenizer": b'{"tokenizer_class": "CanineTokenizer"}',
    "tokens beyond the embeddings": b'{"added_tokens_decoder": {"99": {"content": "zz", "special": true}}}',
}


def test_a_damaged_tokenizer_config_is_refused_by_name(bench: Bench, points: Points) -> None:
    for name in points.of(list(TOKENIZER_CONFIGS), sample=3):
        with points.trying("models: tokenizers' configs damaged or of another model"):
            bench.assert_refused(put(TOKENIZER_CONFIG, TOKENIZER_CONFIGS[name]), "tokenizer")


def test_json_beside_the_tokenizer_that_is_no_object_is_refused_by_its_own_name(bench: Bench, points: Points) -> None:
    contents = (b"", b"null", b"[]", b'{"a"', b'{"a": "\xff"}', b'{"a":' * 100_000)
    names = (TOKENIZER_CONFIG, "special_tokens_map.json", "added_tokens.json")
    for name, content in points.of([(name, content) for name in names for content in contents], sample=3):
        with points.trying("models: tokenizers' configs damaged or of another model"):
            bench.assert_refused_or_same(put(name, content), name)


def test_a_cut_tokenizer_is_refused(bench: Bench, points: Points) -> None:
    contents = [(name, (bench.whole / name).read_bytes().rstrip()) for name in (TOKENIZER, TOKENIZER_CONFIG, CONFIG)]
    cuts = [(name, content[:cut]) for name, content in contents for cut in range(0, len(content), 29)]
    for name, content in points.of(cuts, sample=3):
        with points.trying("models: JSON files cut short"):
            bench.assert_refused(put(name, content), name)


CUSTOM: dict[str, Breaking] = {
    "its own class": tokenizer_config(tokenizer_class="Evil", auto_map={"AutoTokenizer": ["evil.Evil", "evil.Evil"]}),
    "a class beside a known one": tokenizer_config(auto_map={"AutoTokenizer": ["evil.Evil", None]}),
    "a class of another repository": tokenizer_config(
        tokenizer_class="Evil", auto_map={"AutoTokenizer": ["attacker/x--evil.Evil", "attacker/x--evil.Evil"]}
    ),
    "trusting itself": tokenizer_config(
        tokenizer_class="Evil", trust_remote_code=True, auto_map={"AutoTokenizer": ["evil.Evil", "evil.Evil"]}
    ),
    "an unknown class": tokenizer_config(tokenizer_class="EvilTokenizer"),
    "a slow class": tokenizer_config(tokenizer_class="BertTokenizer", use_fast=False),
    "a class of the config": config(tokenizer_class="evil.Evil"),
    "files elsewhere": tokenizer_config(tokenizer_file="/etc/passwd", vocab_file="/etc/passwd"),
    "another repository": tokenizer_config(name_or_path="attacker/x"),
    "a template": tokenizer_config(chat_template="{{ cycler.__init__.__globals__.os.system('touch ran') }}"),
    "a file of GGUF": tokenizer_config(gguf_file="x.gguf"),
}


def test_a_tokenizer_with_its_own_code_is_refused_or_does_no_harm(bench: Bench, points: Points) -> None:
    for name in points.of(list(CUSTOM), sample=3):
        with points.trying("models: tokenizers that name code"):
            bench.assert_refused_or_same(CUSTOM[name], "tokenizer")


# Changes while a run is stopped


CHANGES: dict[str, Breaking] = {
    "an activation": config(hidden_act="relu"),
    "an epsilon": config(layer_norm_eps=0.1),
    "the head": tensors(lambda w: w["classifier.bias"].add_(1)),
    "the vocabulary": lambda model: tokenizer_of(model, [*WORDS[:5], *WORDS[:4:-1]]),
    "a token for padding": tokenizer_config(cls_token="[MASK]"),
    "tokens added": put("added_tokens.json", b'{"panda": 31}'),
    "special tokens": put("special_tokens_map.json", b'{"sep_token": "[SEP]"}'),
}


def test_a_run_is_not_resumed_with_a_model_that_was_changed_meanwhile(bench: Bench, points: Points) -> None:
    source = bench.folder / "in.jsonl"
    source.write_bytes(lines(6) + b"bad\n" + lines(2, start=6))
    for name in points.of(list(CHANGES), sample=2):
        with points.trying("models: a file changed between stop and resume"):
            work, model = bench.folder / name, bench.folder / f"model with {name}"
            work.mkdir()
            shutil.copytree(bench.whole, model)
            run = ("score", source, "-o", work / "out.jsonl", "--model", model, *ONE_THREAD)
            run += ("--batch-tokens", "128", "--window-tokens", "256")
            assert rerank_inside(*run, "--strict").code == 4
            assert commits(work / "out.jsonl") >= 1
            before = files_of(work)
            CHANGES[name](model)
            done = rerank_inside(*run, "--resume")
            assert (done.code, "Traceback" in done.said) == (8, False), (name, done)
            assert files_of(work) == before


# Configs: hostile keys


def nested(key: str, value: Any) -> dict[str, Any]:
    """The places of a config.json where a key may stand, by name."""
    deep: Any = {key: value}
    for _ in range(30):
        deep = {"text_config": deep}
    return {
        "at the top": {key: value},
        "in a config of its own": {"text_config": {"model_type": "bert", key: value}},
        "in a list": {"layers": [{}, {"model_type": "bert", key: value}]},
        "deep": deep,
        "in lightglue": {
            "model_type": "lightglue",
            "keypoint_detector_config": {"model_type": "superpoint", key: value},
        },
    }


ATTENTION = ("_attn_implementation_internal", "_attn_implementation", "attn_implementation")
KERNELS = ["attacker/kernel", "attacker/kernel:fn", "kernels-community/flash-attn", "flash_attention_2"]
KERNELS += ["flex_attention", "paged|attacker/kernel"]
OBJECTS: list[Any] = [{"": "attacker/kernel"}, {"text_config": "attacker/kernel"}, ["attacker/kernel"], 7, True]


def test_a_config_that_names_attention_from_elsewhere_is_refused(bench: Bench, points: Points) -> None:
    cases = [
        (key, fields) for key in ATTENTION for value in [*KERNELS, *OBJECTS] for fields in nested(key, value).values()
    ]
    for key, fields in points.of(cases, sample=4):
        with points.trying("models: configs that name attention of another repository"):
            bench.assert_refused(config(**fields), CONFIG, key, "refused")


def test_built_in_attention_is_taken(bench: Bench, points: Points) -> None:
    """Both compute the same up to rounding."""
    expected = [json.loads(line) for line in bench.golden.splitlines()]
    for key, value in points.of([(key, value) for key in ATTENTION for value in ("eager", "sdpa", None)], sample=2):
        with points.trying("models: configs that name built-in attention"):
            done, output = bench.score(config(**{key: value}))
            assert done.code == 0, done
            for line, record in zip(output.splitlines(), expected, strict=True):
                logits = [candidate["logit"] for candidate in json.loads(line)["candidates"]]
                assert logits == pytest.approx([each["logit"] for each in record["candidates"]], abs=1e-4)


MAP = {"AutoConfig": "evil.Evil", "AutoModelForSequenceClassification": "evil.Evil", "AutoModel": "evil.Evil"}
ELSEWHERE = {name: f"attacker/x--{value}" for name, value in MAP.items()}


def test_a_config_that_trusts_itself_is_refused(bench: Bench, points: Points) -> None:
    key = "trust_remote_code"
    cases = [
        {**fields, **more}
        for value in (True, 1, "yes")
        for fields in nested(key, value).values()
        for more in ({}, {"auto_map": MAP}, {"auto_map": ELSEWHERE})
    ]
    inner = {"model_type": "evil", key: True, "auto_map": ELSEWHERE}
    cases.append({"model_type": "lightglue", "keypoint_detector_config": inner})
    for fields in points.of(cases, sample=4):
        with points.trying("models: configs that trust code of repositories"):
            bench.assert_refused(config(**fields), CONFIG, key, "refused")


def test_a_config_that_names_code_is_refused_or_does_no_harm(bench: Bench, points: Points) -> None:
    names = ("text_config", "vision_config", "encoder", "decoder", "backbone_config", "base_config", "sub_configs")
    cases: list[dict[str, Any]] = [{"auto_map": MAP}, {"auto_map": ELSEWHERE}, {"auto_map": "evil.Evil"}]
    cases += [{"model_type": "evil", "auto_map": MAP}, {"model_type": "evil", "auto_map": ELSEWHERE}]
    cases += [{name: {"model_type": "evil", "auto_map": ELSEWHERE}} for name in names]
    cases += [{"model_type": "lightglue", "keypoint_detector_config": {"model_type": "evil", "auto_map": MAP}}]
    cases += [{"custom_pipelines": {"x": {"impl": "evil.Evil", "pt": ["AutoModel"]}}}, {"trust_remote_code": False}]
    cases += [{"adapter": "attacker/x"}, {"peft_config": {"base_model_name_or_path": "attacker/x"}}]
    cases += [{"_name_or_path": "attacker/x"}, {"name_or_path": "attacker/x"}, {"use_kernels": True}]
    cases += [{"experts_implementation": "attacker/x"}, {"_experts_implementation": "attacker/x"}]
    cases += [{"hidden_act": "attacker/x"}, {"tp_plan": "auto"}, {"device_map": "auto"}, {"distributed_config": {}}]
    for fields in points.of(cases, sample=4):
        with points.trying("models: configs that name code or repositories"):
            bench.assert_refused_or_same(config(**fields), CONFIG)


def test_a_config_that_names_other_weights_is_refused_or_does_no_harm(bench: Bench, points: Points) -> None:
    """What is hashed for the fingerprint is what must be loaded."""

    def other(model: Path) -> None:
        weights = load_file(model / WEIGHTS)
        weights["classifier.bias"] += 1
        save_file(weights, model / "other.safetensors", {"format": "pt"})
        shutil.copy(model / "other.safetensors", model.parent / "other.safetensors")

    names = ["other.safetensors", "../other.safetensors", WEIGHTS, INDEX, "", "nothing.safetensors", 7, ["a"], {"a": 1}]
    for name in points.of(names, sample=2):
        with points.trying("models: configs that name other weights"):
            bench.assert_refused_or_same(both(other, config(transformers_weights=name)), CONFIG)


def test_a_config_that_renames_its_keys_is_refused(bench: Bench, points: Points) -> None:
    """transformers reads a key by the name that `attribute_map` gives it: no key would be safe under its own."""
    values: dict[str, Any] = dict.fromkeys(ATTENTION, "attacker/kernel")
    values |= {"transformers_weights": "other.safetensors", "trust_remote_code": True, "num_hidden_layers": 1}
    cases = [{"attribute_map": {"note": name}, "note": value} for name, value in values.items()]
    cases += [{"text_config": fields} for fields in cases]
    for fields in points.of(cases, sample=2):
        with points.trying("models: configs that rename their keys"):
            bench.assert_refused(config(**fields), CONFIG, "attribute_map", "refused")


METHODS = ["bitsandbytes", "gptq", "awq", "torchao", "fp8", "compressed-tensors", "quanto", "hqq", "evil", 7, None]
DTYPES: list[Any] = [
    "nonsense",
    "torch.float32",
    "float16",
    "bfloat16",
    "int8",
    "float8_e4m3fn",
    "os.system",
    7,
    -1,
    True,
]
DTYPES += [[], ["float32"], {"": "float32"}, {"a": "b"}, {}, None, 1e400]


def test_a_config_of_another_precision_is_refused_or_does_no_harm(bench: Bench, points: Points) -> None:
    """Only --dtype says in which numbers we compute."""
    cases: list[dict[str, Any]] = [{name: value} for name in ("dtype", "torch_dtype") for value in DTYPES]
    cases += [{"quantization_config": {"quant_method": name, "bits": 4}} for name in METHODS]
    cases += [{"quantization_config": value} for value in ({}, 7, "x", [], {"load_in_4bit": True}, None)]
    for fields in points.of(cases, sample=4):
        with points.trying("models: configs with other dtypes or quantized"):
            bench.assert_refused_or_same(config(**fields), CONFIG)


# configs with odd sizes and values

SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size")
SIZES += ("max_position_embeddings", "type_vocab_size")
NUMBERS = (-1, 0, 10**6, 10**9, 10**18, 10**40, 1e400, float("nan"), 1.5, "7", [7], {"a": 7}, True)


def test_sizes_that_cannot_be_are_refused_at_once(bench: Bench, points: Points) -> None:
    for size, number in points.of([(size, number) for number in NUMBERS for size in SIZES], sample=6):
        with points.trying("models: sizes negative, huge or no numbers"):
            bench.assert_refused(config(**{size: number}), CONFIG)


def bare(**fields: Any) -> Breaking:
    """A config.json of a reranker of which nothing else is stated."""
    reranker = {"architectures": ["XForSequenceClassification"], "id2label": {"0": "a"}}
    return put(CONFIG, json.dumps({**reranker, **fields}).encode())


ELSEWHERE_HUGE: dict[str, Breaking] = {
    **{
        f"{model_type}: {size}": bare(model_type=model_type, **{size: 10**9})
        for model_type, size in [
            ("albert", "num_hidden_layers"),
            ("albert", "num_hidden_groups"),
            ("albert", "inner_group_num"),
            ("bart", "encoder_layers"),
            ("bart", "decoder_layers"),
            ("bart", "max_position_embeddings"),
            ("deberta-v2", "num_hidden_layers"),
            ("distilbert", "n_layers"),
            ("electra", "num_hidden_layers"),
            ("funnel", "num_decoder_layers"),
            ("gpt2", "n_layer"),
            ("gpt2", "n_positions"),
            ("mobilebert", "num_feedforward_networks"),
            ("modernbert", "num_hidden_layers"),
            ("t5", "num_layers"),
            ("t5", "num_decoder_layers"),
            ("xlnet", "n_layer"),
        ]
    },
    "funnel: block_sizes": bare(model_type="funnel", block_sizes=[10**9]),
    "beside weights without layers": both(OTHERS["no body"], config(num_hidden_layers=10**9)),
}


def test_sizes_that_other_architectures_have_are_refused_in_time(bench: Bench, points: Points) -> None:
    for name in points.of(list(ELSEWHERE_HUGE), sample=2):
        with points.trying("models: sizes huge, by the names of other architectures"):
            bench.assert_refused(ELSEWHERE_HUGE[name], ".json")
    with points.trying("models: sizes huge, by the names of other architectures"):
        huge = bare(model_type="llama", num_hidden_layers=10**9)
        bench.assert_refused(huge, ".json", options=ANSWERS)


def test_sizes_huge_everywhere_are_refused_at_once(bench: Bench, points: Points) -> None:
    with points.trying("models: sizes negative, huge or no numbers"):
        bench.assert_refused(config(**dict.fromkeys(SIZES, 10**9)), CONFIG)
    with points.trying("models: sizes negative, huge or no numbers"):
        bench.assert_refused(both(put(WEIGHTS, b""), config(num_hidden_layers=10**9)), WEIGHTS)


NONSENSE = (None, -1, 0, True, "nonsense", [], ["a"], {}, {"a": 1}, 1e400, float("nan"))


def test_nonsense_for_any_key_is_refused_or_scored_in_full(bench: Bench, points: Points) -> None:
    """Some of it means something, such as another activation: then the scores are those of that model."""
    keys = sorted({*json.loads((bench.whole / CONFIG).read_text()), "return_dict", "output_hidden_states", "tp_plan"})
    keys += ["output_attentions", "chunk_size_feed_forward", "problem_type", "pruned_heads", "torchscript", "label2id"]
    for key, value in points.of([(key, value) for key in keys for value in NONSENSE], sample=5):
        with points.trying("models: nonsense for a key of the config"):
            done, output = bench.score(config(**{key: value}))
            assert done.code in (0, 6, 7), done
            if done.code == 0:
                assert len(output.splitlines()) == len(bench.golden.splitlines())
            elif done.code == 6:
                assert CONFIG in done.said


FILES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "null": lambda _: b"null",
    "a list": lambda _: b"[]",
    "a number": lambda _: b"7",
    "a word": lambda _: b'"BertForSequenceClassification"',
    "an empty object": lambda _: b"{}",
    "NaN": lambda _: b"NaN",
    "zeros": lambda _: bytes(100),
    "no UTF-8": lambda content: content.replace(b'"bert"', b'"b\xffrt"'),
    "Latin-1": lambda content: content.replace(b'"architectures"', b'"\xe9": 1, "architectures"'),
    "a lone surrogate": lambda content: content.replace(b'"bert"', b'"\\ud800"'),
    "UTF-16": lambda content: content.decode().encode("utf-16"),
    "a byte more": lambda content: content + b"x",
    "100,000 objects deep": lambda _: b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "100,000 lists deep": lambda content: content.rstrip()[:-1] + b', "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a number of 5,000 digits": lambda content: content.rstrip()[:-1] + b', "x": ' + b"9" * 5000 + b"}",
    "HTML": lambda _: b"<!doctype html><title>Sign in</title>",
    "a pointer of Git LFS": lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n",
}


def test_a_config_that_is_no_json_object_is_refused(bench: Bench, points: Points) -> None:
    for name in points.of(list(FILES), sample=3):
        with points.trying("models: configs that are no JSON object"):
            bench.assert_refused(altered(CONFIG, FILES[name]), CONFIG)


def test_a_large_or_odd_config_is_refused_or_does_no_harm(bench: Bench, points: Points) -> None:
    many = b"".join(b', "key %d": 0' % number for number in range(100_000))
    odd: dict[str, Callable[[bytes], bytes]] = {
        "a byte order mark": lambda content: b"\xef\xbb\xbf" + content,
        "NaN": lambda content: content.replace(b'"initializer_range": 0.02', b'"initializer_range": NaN'),
        "a key twice": lambda content: content.replace(b'"model_type"', b'"model_type": "evil", "model_type"'),
        "200 levels": lambda content: content.rstrip()[:-1] + b', "x": ' + b"[" * 200 + b"]" * 200 + b"}",
        "50 MB in one key": lambda content: content.rstrip()[:-1] + b', "x": "' + b"a" * 50_000_000 + b'"}',
        "50 MB of blanks": lambda content: content + b" " * 50_000_000,
        "100,000 keys": lambda content: content.rstrip()[:-1] + many + b"}",
        "escape sequences": lambda content: content.rstrip()[:-1] + b', "\\u001b[31mred": "\\u001b]0;title\\u0007"}',
    }
    for name in points.of(list(odd), sample=2):
        with points.trying("models: configs large or odd"):
            bench.assert_refused_or_same(altered(CONFIG, odd[name]), CONFIG)
