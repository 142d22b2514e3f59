"""`rerank models`: the list, and how a given model would be run."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.loopback import Fault, hub_of, status
from support.running import Finished, forked, rerank
from support.tiny import (
    edit_json,
    join_safetensors,
    split_safetensors,
    write_bi_encoder,
    write_larger_than_memory,
    write_model,
    write_reranker,
)

from rerank_cli.display.model_lines import listing
from rerank_cli.engines.machine import has_no_gpu
from rerank_cli.jobs.models import rows
from rerank_cli.models.catalog import FAMILIES

RECORD = b'{"query": "a", "candidates": ["b"]}\n'


def described(*options: str | Path, **variables: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and the description as an object."""
    done = forked("models", *options, "--json", **variables)
    [document] = done.records
    assert document["status"] == done.code
    return done.code, document


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reranker(tmp_path_factory.mktemp("models") / "tiny")


def test_the_list_has_each_model_once_and_fits_80_columns() -> None:
    done = forked("models")
    assert done.code == 0
    lines = done.stdout.decode().splitlines()
    assert max(map(len, lines)) <= 80
    for model in (model for family in FAMILIES for model in family.models):
        assert sum(line.split(" ")[0] == model.name for line in lines) == 1


def test_the_list_as_json_has_the_same_models() -> None:
    (found,) = forked("models", "--json").records
    assert [each["model"] for each in found] == [model.name for family in FAMILIES for model in family.models]
    default = found[0]
    assert (default["model"], default["parameters"], default["max_length"]) == (
        "BAAI/bge-reranker-v2-m3",
        568_000_000,
        8192,
    )
    assert {"engine", "languages", "licence", "non_commercial", "published_scores"} <= default.keys()
    assert len(default["tested"]) == 2
    assert {len(each["tested"]) for each in found if each["family"].startswith(("DeBERTa", "Bi-"))} == {1}


def test_a_non_commercial_licence_is_marked() -> None:
    free = [row for row in rows() if not row.model.non_commercial]
    assert not any("commercial" in line for line in listing(free))
    bound = [row.model.name for row in rows() if row.model.non_commercial]
    assert "zeroentropy/zerank-2" in bound
    marked = list(listing(list(rows())))
    assert [line.split()[0] for line in marked if "CC-BY-NC-4.0*" in line] == bound
    assert marked[-1] == "* not for commercial use"


def test_the_embedded_model(tmp_path: Path) -> None:
    code, found = described("mini")
    assert code == 0
    assert (found["origin"], found["kind"], found["parameters"]) == ("package", "cross-encoder", 39_782_785)
    assert (found["max_length"], found["query_max_length"], found["positions"]) == (512, 256, 512)
    assert (found["stored"], found["weight_bytes"], found["licence"]) == (["F16"], 79_592_450, "apache-2.0")
    assert found["memory_bytes_of_weights"] == 4 * found["parameters"]
    assert found["published_scores"] > 0
    assert "query" in found["template"]


@pytest.mark.slow
@pytest.mark.parametrize("options", [["--engine", "torch"], ["--engine", "openvino"], ["--dtype", "int8"]])
def test_the_estimated_memory_is_near_the_peak_of_a_run(root: Path, tmp_path: Path, options: list[str]) -> None:
    variables = {"RERANK_CACHE": str(tmp_path / "cache")}
    estimates = described("mini", *options, "--device", "cpu")[1]
    source, model = root / "sample_data/quickstart.jsonl", ["--model", "mini", "--device", "cpu", *options]
    for name in ("memory_bytes_estimated_once", "memory_bytes_estimated"):  # the second run finds the graph
        done = rerank("score", source, "-o", tmp_path / "out.jsonl", "--overwrite", *model, **variables)
        assert done.code == 0, done.said
        peak = json.loads((tmp_path / "out.jsonl.meta.json").read_bytes())["peak_memory_bytes"]
        assert 0.6 <= estimates[name] / peak <= 1.7, (name, estimates[name], peak)


def test_options_are_those_of_a_run(tiny: Path) -> None:
    _, found = described(tiny, "--engine", "torch", "--dtype", "bf16", "--max-length", "40", "--device", "cpu")
    assert (found["engine"], found["dtype"], found["device"]) == ("torch", "bf16", "cpu")
    assert (found["max_length"], found["query_max_length"]) == (40, 30)
    assert found["memory_bytes_of_weights"] == 2 * found["parameters"]
    _, found = described(tiny, "--max-length", "1000")
    assert found["notes"] == ["--max-length lowered from 1000 to 64: the model has no more positions"]


def test_a_gpu_is_named_with_a_reservation_or_refused_where_none_is_seen(tiny: Path) -> None:
    code, found = described(tiny, "--device", "cuda")
    if has_no_gpu():
        assert code == 7
        assert "--device cuda" in found["refused"]["message"]
    else:
        assert (code, found["dtype"]) == (0, "fp16")
        assert "if torch can use it" in forked("models", tiny, "--device", "cuda").stdout.decode()


def test_options_of_a_model_need_one() -> None:
    done = forked("models", "--dtype", "int8")
    assert (done.code, done.stdout) == (2, b"")
    assert "--dtype" in done.said
    assert forked("models", RERANK_ENGINE="torch").code == 0


def test_a_cross_encoder_used_as_a_bi_encoder_is_described_as_one(tiny: Path) -> None:
    _, found = described(tiny, "--engine", "bi-encoder")
    assert (found["engine"], found["template"], found["published_scores"]) == ("bi-encoder", "[CLS] text [SEP]", 0)
    assert "tokens a document" in forked("models", tiny, "--engine", "bi-encoder").stdout.decode()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--engine", "openvino", "--dtype", "fp16"], 2),
        (["--engine", "torch", "--dtype", "int8"], 2),
        (["--engine", "steam"], 2),
        (["--dtype", "fp64"], 2),
        (["--revision", "main"], 2),
        (["--engine", "onnx", "--device", "mps"], 2),
    ],
)
def test_options_that_a_run_would_refuse_are_refused(tiny: Path, options: list[str], code: int) -> None:
    assert forked("models", tiny, *options).code == code
    assert forked("score", "-", "-o", "-", "--model", tiny, *options, stdin=RECORD).code == code


def test_a_bi_encoder(tmp_path: Path) -> None:
    code, found = described(write_bi_encoder(tmp_path / "model"))
    assert code == 0
    assert (found["kind"], found["engine"], found["pooling"]) == ("bi-encoder", "bi-encoder", "mean")
    assert found["modules"] == ["Transformer", "Pooling"]
    assert found["template"] == "[CLS] text [SEP]"


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def change_header(folder: Path, **changes: Any) -> None:
    """Change what the header of the weights says of the token embeddings."""
    path = folder / "model.safetensors"
    header, data = split_safetensors(path.read_bytes())
    name = next(name for name in header if name.endswith("word_embeddings.weight"))
    header[name] |= changes
    path.write_bytes(join_safetensors(header, data))


UNREADABLE = {
    "a tokenizer that is none": "{}",
    "an empty tokenizer": "",
    "a tokenizer without a model": '{"model": {"type": "Magic"}}',
}


@pytest.mark.parametrize("fault", UNREADABLE)
def test_a_tokenizer_that_cannot_be_read_is_refused(tmp_path: Path, fault: str) -> None:
    folder = write_reranker(tmp_path / "model")
    (folder / "tokenizer.json").write_text(UNREADABLE[fault])
    code, found = described(folder)
    assert code == 6
    assert "tokenizer.json: cannot be loaded" in found["refused"]["message"]


@pytest.mark.parametrize("name", ["tokenizer.json", "README.md", "config.json"])
def test_a_pipe_among_the_files_is_not_waited_for(tmp_path: Path, name: str) -> None:
    folder = write_reranker(tmp_path / "model")
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    assert described(folder)[0] == (0 if name == "README.md" else 6)


@pytest.mark.parametrize("settings", ['{"prompts": {"query": null, "b": 7}}', '{"similarity_fn_name": [NaN]}', "{}"])
def test_odd_settings_give_valid_json(tmp_path: Path, settings: str) -> None:
    folder = write_bi_encoder(tmp_path / "model")
    (folder / "config_sentence_transformers.json").write_text(settings)
    done = forked("models", folder, "--json")
    assert done.code in (0, 6)
    json.loads(done.stdout, parse_constant=lambda name: pytest.fail(name))


def test_a_model_larger_than_the_memory_is_refused_with_the_words_of_a_run(tmp_path: Path) -> None:
    folder = write_larger_than_memory(tmp_path / "model")
    code, found = described(folder)
    assert code == 7
    run = forked("score", "-", "-o", "-", "--model", folder, stdin=RECORD)
    assert run.code == 7
    assert found["refused"]["message"] in run.said


def two_labels(folder: Path) -> None:
    write_model(folder, num_labels=2)


BROKEN: dict[str, Callable[[Path], None]] = {
    "no config.json": without("config.json"),
    "no weights": without("model.safetensors"),
    "no tokenizer": without("tokenizer.json"),
    "two labels": two_labels,
    "no object": lambda folder: (folder / "config.json").write_text("[]"),
    "no head": lambda folder: edit_json(folder / "config.json", architectures=["BertModel"]),
    "one layer more": lambda folder: edit_json(folder / "config.json", num_hidden_layers=3),
    "code of its own": lambda folder: edit_json(folder / "config.json", trust_remote_code=True),
    "an adapter": lambda folder: (folder / "adapter_config.json").write_text("{}"),
    "cut weights": lambda folder: os.truncate(folder / "model.safetensors", 40_000),
    "a tensor larger than the file": lambda folder: change_header(folder, shape=[2**40, 32]),
    "a tensor of an absurd size": lambda folder: change_header(folder, shape=[10**400, 32]),
    "a tensor without a shape": lambda folder: change_header(folder, shape=None),
    "a tensor without a place": lambda folder: change_header(folder, data_offsets=[1]),
    "no architecture of transformers": lambda folder: edit_json(folder / "config.json", model_type="magic"),
    "no positions": lambda folder: edit_json(folder / "config.json", max_position_embeddings=3),
    "fewer rows than tokens": lambda folder: edit_json(folder / "config.json", vocab_size=10),
    "a module of other code": lambda folder: (folder / "modules.json").write_text(
        '[{"type": "a.Pooling", "path": ""}]'
    ),
    "damaged weights": lambda folder: (folder / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0not JSON"),
    "unknown module": lambda folder: (folder / "modules.json").write_text('[{"type": "a.Magic", "path": ""}]'),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_model_that_a_run_refuses_is_refused_with_the_same_words(tmp_path: Path, fault: str) -> None:
    folder = write_reranker(tmp_path / "model")
    BROKEN[fault](folder)
    code, found = described(folder)
    assert code == 6
    run = forked("score", "-", "-o", "-", "--model", folder, stdin=RECORD)
    assert run.code == 6
    assert found["refused"]["message"] in run.said
    assert found["refused"]["advice"] in run.said
    assert "REFUSED" in forked("models", folder).stdout.decode()


def test_a_name_that_is_no_model_is_an_error() -> None:
    done = forked("models", "./none")
    assert (done.code, done.stdout) == (6, b"")
    assert "no such model folder" in done.said


@pytest.fixture
def ask(tiny: Path, tmp_path: Path) -> Any:
    """Ask for a model of a hub on the loopback: the end, and the names of the files that were fetched."""

    def asked(*options: str, fault: Fault | None = None) -> tuple[Finished, list[str]]:
        with hub_of(tiny) as hub:
            if fault is not None:
                hub.faults["someone/tiny"] = fault
            variables = {"HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": hub.url}
            done = rerank("models", "someone/tiny", "--json", *options, **variables)
            return done, [each.part for each in hub.asked if each.method == "GET"]

    return asked


def test_of_a_model_on_the_hub_only_small_files_are_fetched(ask: Any, tiny: Path) -> None:
    done, fetched = ask()
    assert done.code == 0, done.said
    [found] = done.records
    assert (found["origin"], found["kind"], found["weight_bytes"]) == (
        "hub",
        "cross-encoder",
        (tiny / "model.safetensors").stat().st_size,
    )
    assert found["bytes_to_download"] == found["weight_bytes"]
    assert found["memory_bytes_of_weights"] is None  # how many parameters they are is not known
    assert len(found["revision"]) == 40
    assert "config.json" in fetched
    assert "model.safetensors" not in fetched


def test_a_model_of_the_hub_that_is_not_here_needs_the_network(ask: Any) -> None:
    done, fetched = ask("--offline")
    assert (done.code, fetched) == (6, [])
    assert "offline" in done.said
    done, _ = ask(fault=Fault(status(404, X_Error_Code="RepoNotFound")))
    assert done.code == 6
    assert "no such model" in done.said


def test_of_a_cached_model_nothing_is_fetched(tiny: Path, tmp_path: Path) -> None:
    repository, commit = tmp_path / "home/hub/models--someone--tiny", "5" * 40
    (repository / "refs").mkdir(parents=True)
    (repository / "refs/main").write_text(commit)
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / commit).symlink_to(tiny)
    code, found = described("someone/tiny", "--offline", HF_HOME=str(tmp_path / "home"))
    assert code == 0
    assert (found["origin"], found["revision"], found["bytes_to_download"]) == ("hub cache", commit, None)


@pytest.mark.parametrize(
    ("header", "licence", "bound"),
    [
        ("license:\n- cc-by-nc-4.0", "cc-by-nc-4.0", True),
        ("license: [cc-by-nc-4.0]", "cc-by-nc-4.0", True),
        ("license: apache-2.0 # see LICENSE", "apache-2.0", False),
        ("license: other\nlicense_name: CC BY-NC 4.0", "CC BY-NC 4.0", True),
        ("license: research-only", "research-only", True),
        ("license: mit", "mit", False),
        ('license: "cc-by-nc-4.0"\nlanguage: [en]', "cc-by-nc-4.0", True),
        ("license: other\nlicense_name: acme-non-commercial", "acme-non-commercial", True),
        ("language: en", None, None),
    ],
)
def test_the_licence_is_that_of_the_card(tmp_path: Path, header: str, licence: str | None, bound: bool | None) -> None:
    folder = write_reranker(tmp_path / "model")
    (folder / "README.md").write_text(f"---\n{header}\n---\n# Model\nlicense: wrong\n")
    _, found = described(folder)
    assert (found["licence"], found["non_commercial"]) == (licence, bound)
    assert ("not for commercial use" in forked("models", folder).stdout.decode()) == bool(bound)


def test_the_list_is_json_that_can_be_piped() -> None:
    text = forked("models", "--json").stdout
    assert text.count(b"\n") == 1
    assert json.loads(text)


def test_texts_of_a_model_do_not_act_on_the_terminal(tmp_path: Path) -> None:
    folder = write_bi_encoder(tmp_path / "model\x1b[31m")
    (folder / "README.md").write_text("---\nlicense: a\x1b[31mb\x07\n---\n")
    settings = {"prompts": {"query\x1b[2J": "q\x1b[31m"}, "similarity_fn_name": "cosine\x9b"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(settings))
    for options in ([], ["--json"]):
        done = forked("models", folder, *options)
        assert done.code == 0
        assert not set(done.stdout) & {0x1B, 0x07}
        assert "\x9b" not in done.stdout.decode()
