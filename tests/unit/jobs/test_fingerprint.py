"""What makes two runs the same run."""

from dataclasses import replace

import pytest

from rerank_cli import __version__
from rerank_cli.core.config import BatchConfig, ErrorLimit, FileConfig, ModelConfig, ReadConfig, RunConfig, WriteConfig
from rerank_cli.core.scorer import Identity, Traits, budgets_of
from rerank_cli.engines.machine import python_version
from rerank_cli.files.existing import differing
from rerank_cli.files.journal import decode, encode
from rerank_cli.jobs.fingerprint import fingerprint

IDENTITY = Identity("torch", "m", "r", "w", "t", "c", "cpu", "fp32", 1024, 256, 2, {"torch": "2", "tokenizers": "1"})
CONFIG = RunConfig()


def changed(config=CONFIG, format_name="native", identity=IDENTITY):
    return differing(fingerprint(CONFIG, "native", IDENTITY), fingerprint(config, format_name, identity))


def test_the_same_run_has_the_same_fingerprint():
    assert changed() is None


CHANGES_THE_RESULT = [
    ReadConfig(query_field="q"),
    ReadConfig(candidates_field="c"),
    ReadConfig(text_field="t"),
    ReadConfig(id_field="i"),
    ReadConfig(candidate_id_field="i"),
    ReadConfig(limit=3),
    ReadConfig(max_line_bytes=10),
    ReadConfig(max_candidates=3),
    WriteConfig(format="trec"),
    WriteConfig(top_k=3),
    WriteConfig(min_score=0.5),
    WriteConfig(no_text=True),
    WriteConfig(score="logit"),
    BatchConfig(batch_tokens=7),
    BatchConfig(window_tokens=7),
]


@pytest.mark.parametrize("group", CHANGES_THE_RESULT, ids=repr)
def test_an_option_that_can_change_the_result_changes_the_fingerprint(group):
    name = {ReadConfig: "read", WriteConfig: "write", BatchConfig: "batch"}[type(group)]
    assert changed(replace(CONFIG, **{name: group}))


@pytest.mark.parametrize(
    "config",
    [
        RunConfig(read=ReadConfig(inputs=("a", "b"))),
        RunConfig(read=ReadConfig(format="native")),
        RunConfig(read=ReadConfig(need_texts=False)),
        RunConfig(files=FileConfig(output="out", errors="errors", stats="stats", overwrite=True, resume=True)),
        RunConfig(error_limit=ErrorLimit(count=3)),
    ],
    ids=repr,
)
def test_names_of_files_and_limits_on_errors_do_not_change_it(config):
    assert changed(config) is None


@pytest.mark.parametrize("name", [f for f in Identity.__dataclass_fields__ if f != "versions"])
def test_everything_that_an_engine_is_changes_it(name):
    other = replace(IDENTITY, **{name: "other"})
    assert changed(identity=other).startswith(f"{name} was ")


def test_a_version_of_a_library_or_of_ours_changes_it():
    assert changed(identity=replace(IDENTITY, versions={"torch": "3", "tokenizers": "1"})) == (
        "torch_version was '2', is '3'"
    )
    assert fingerprint(CONFIG, "native", IDENTITY)["rerank_version"] == __version__
    assert changed(format_name="trec") == "format was 'native', is 'trec'"


OF_THE_ENGINE = {"model", "revision", "engine", "device", "dtype", "max_length", "query_max_length", "threads"}
"""Of these the engine's identity has what they come to. `offline` changes no result."""


def test_every_option_of_the_model_is_in_it_or_in_the_identity_of_its_engine():
    named = OF_THE_ENGINE | fingerprint(CONFIG, "native", IDENTITY).keys()
    assert ModelConfig.__dataclass_fields__.keys() - named == {"offline"}
    assert {*OF_THE_ENGINE} <= Identity.__dataclass_fields__.keys()


def test_no_option_hides_another_of_the_same_name():
    written = fingerprint(RunConfig(write=WriteConfig(format="out")), "in", IDENTITY)
    assert (written["format"], written["output_format"]) == ("in", "out")
    groups = (ReadConfig, WriteConfig, BatchConfig, Identity)
    of_reading = ("inputs", "run", "queries", "corpus", "folder", "need_texts")
    left_out = (*of_reading, "model of WriteConfig", "scored", "versions")
    names = sum(len(group.__dataclass_fields__) for group in groups) - len(left_out)
    added = ("rerank_version", "long_docs", "chunk_overlap")
    assert len(written) == names + len(added) + len(IDENTITY.versions)


def test_a_fingerprint_is_the_same_after_a_stay_in_the_journal():
    config = RunConfig(
        write=WriteConfig(top_k=3, min_score=0.1), batch=BatchConfig(batch_tokens=2**40, window_tokens=7)
    )
    made = fingerprint(config, "native", IDENTITY)
    assert differing(decode(encode({"fingerprint": made}))["fingerprint"], made) is None


def test_budgets_follow_the_engine_unless_they_are_given():
    traits = Traits(multiple=1, batch_tokens=100, window_batches=16)
    assert budgets_of(CONFIG, traits) == {"batch_tokens": 100, "window_tokens": 1600}
    assert budgets_of(RunConfig(batch=BatchConfig(batch_tokens=10)), traits) == {
        "batch_tokens": 10,
        "window_tokens": 160,
    }
    assert budgets_of(RunConfig(batch=BatchConfig(window_tokens=7)), traits) == {
        "batch_tokens": 100,
        "window_tokens": 7,
    }


def test_the_interpreter_is_named_with_its_version():
    assert python_version().partition(" ")[2].startswith("3.")
