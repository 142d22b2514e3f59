"""What makes two runs the same run."""

from dataclasses import replace

import pytest

from rerank_cli import __version__
from rerank_cli.core.config import (
    BatchConfig,
    ErrorLimit,
    FileConfig,
    ModelConfig,
    Origins,
    ReadConfig,
    RunConfig,
    StageConfig,
    WriteConfig,
)
from rerank_cli.core.scorer import Identity, Traits, budgets_of
from rerank_cli.core.stages import Fusion
from rerank_cli.engines.machine import python_version
from rerank_cli.files.journal import decode, encode
from rerank_cli.jobs.fingerprint import differing, fingerprint

IDENTITY = Identity("torch", "m", "r", "w", "t", "c", "cpu", "fp32", 1024, 256, 2, {"torch": "2", "tokenizers": "1"})
CONFIG = RunConfig()


def changed(config=CONFIG, format_name="native", identity=IDENTITY):
    return differing(fingerprint(CONFIG, "native", [IDENTITY]), fingerprint(config, format_name, [identity]))


def test_the_same_run_has_the_same_fingerprint():
    assert changed() == ""


CHANGES_THE_RESULT = [
    ReadConfig(query_field="q"),
    ReadConfig(candidates_field="c"),
    ReadConfig(text_field="t"),
    ReadConfig(id_field="i"),
    ReadConfig(candidate_id_field="i"),
    ReadConfig(limit=3),
    ReadConfig(max_line_bytes=10),
    ReadConfig(max_candidates=3),
    ReadConfig(composed=((None, "{text}"), (None, None))),
    WriteConfig(fusion=Fusion()),
    WriteConfig(drop=True),
    WriteConfig(stages=2),
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
        RunConfig(read=ReadConfig(input_named=False)),
        RunConfig(read=ReadConfig(need_scores=True)),
        RunConfig(files=FileConfig(output="out", errors="errors", stats="stats", overwrite=True, resume=True)),
        RunConfig(error_limit=ErrorLimit(count=3)),
        RunConfig(origins=Origins(config_file="a.toml", config_file_sha256="0", sources={"top-k": "file"})),
    ],
    ids=repr,
)
def test_names_of_files_and_limits_on_errors_do_not_change_it(config):
    assert changed(config) == ""


NAMES = {
    "device": "the device was cpu, is other",
    "weights_sha256": "the model's weights changed",
    "tokenizer_sha256": "the model's tokenizer changed",
    "config_sha256": "the model's config.json changed",
}


@pytest.mark.parametrize("name", [f for f in Identity.__dataclass_fields__ if f != "versions"])
def test_everything_that_an_engine_is_changes_it(name):
    other = replace(IDENTITY, **{name: "other"})
    assert NAMES.get(name, f"--{name.replace('_', '-')} was ") in changed(identity=other)


def test_a_version_of_a_library_or_of_ours_changes_it():
    assert changed(identity=replace(IDENTITY, versions={"torch": "3", "tokenizers": "1"})) == ("torch was 2, is 3")
    assert fingerprint(CONFIG, "native", [IDENTITY])["rerank_version"] == __version__
    assert changed(format_name="trec") == "--format was native, is trec"


def test_differences_are_named_as_options_with_both_values():
    assert differing({"a": 1, "b": 2}, {"b": 2, "a": 1}) == ""
    assert differing({"top_k": 10}, {"top_k": 5}) == "--top-k was 10, is 5"
    assert differing({}, {"top_k": 5}) == "--top-k was not set, is 5"
    assert differing({"no_text": True}, {"no_text": False}) == "--no-text was on, is off"
    assert differing({"doc_template": None}, {"doc_template": "{title} {text}"}) == (
        "--doc-template was not set, is '{title} {text}'"
    )
    assert differing({"run_columns": ["a", "b"]}, {"run_columns": []}) == "--run-columns was a,b, is not set"
    assert differing(dict.fromkeys("abcdef", 1), {}).endswith("; --d was 1, is not set; and 2 more")


def test_another_model_is_named_and_not_its_files_as_well():
    other = replace(IDENTITY, model="M", revision="R", weights_sha256="W", tokenizer_sha256="T", config_sha256="C")
    assert changed(identity=other) == "--model was m, is M; --revision was r, is R"


OF_THE_ENGINE = {"model", "revision", "engine", "device", "dtype", "max_length", "query_max_length", "threads"}
"""Of these the engine's identity has what they come to."""
NO_RESULT = {"offline", "requested", "verify", "api_key_file", "concurrency", "requests_per_minute"}  # that they change


def test_every_option_of_the_model_is_in_it_or_in_the_identity_of_its_engine():
    named = OF_THE_ENGINE | fingerprint(CONFIG, "native", [IDENTITY]).keys()
    assert ModelConfig.__dataclass_fields__.keys() - named == NO_RESULT
    assert {*OF_THE_ENGINE} <= Identity.__dataclass_fields__.keys()


def test_no_option_hides_another_of_the_same_name():
    written = fingerprint(RunConfig(write=WriteConfig(format="out")), "in", [IDENTITY])
    assert (written["format"], written["output_format"]) == ("in", "out")
    groups = (ReadConfig, WriteConfig, BatchConfig, Identity)
    of_reading = ("inputs", "input_named", "run", "queries", "corpus", "folder", "need_texts", "need_scores")
    left_out = (*of_reading, "model of WriteConfig", "scored", "score_chosen", "keeps_all", "versions")
    names = sum(len(group.__dataclass_fields__) for group in groups) - len(left_out)
    added = ("rerank_version", "long_docs", "chunk_overlap")
    assert len(written) == names + len(added) + len(IDENTITY.versions)


def test_a_fingerprint_is_the_same_after_a_stay_in_the_journal():
    config = RunConfig(
        write=WriteConfig(top_k=3, min_score=0.1), batch=BatchConfig(batch_tokens=2**40, window_tokens=7)
    )
    made = fingerprint(config, "native", [IDENTITY])
    assert differing(decode(encode({"fingerprint": made}))["fingerprint"], made) == ""


STAGED = RunConfig(stages=(StageConfig(model=ModelConfig(), keep=20), StageConfig(model=ModelConfig())))


def of_stages(config=STAGED, first=IDENTITY):
    return fingerprint(config, "native", [first, IDENTITY])


@pytest.mark.parametrize("name", [f for f in Identity.__dataclass_fields__ if f != "versions"])
def test_everything_that_the_engine_of_an_earlier_stage_is_changes_it(name):
    said = differing(of_stages(), of_stages(first=replace(IDENTITY, **{name: "other"})))
    assert said.startswith(f"of stage 1: {NAMES.get(name, '--' + name.replace('_', '-') + ' was ')}")


def test_what_an_earlier_stage_keeps_and_does_with_long_documents_changes_it():
    def first(**changes):
        return replace(STAGED, stages=(replace(STAGED.stages[0], **changes), STAGED.stages[1]))

    assert differing(of_stages(), of_stages(first(keep=5))) == "of stage 1: keep was 20, is 5"
    chunked = first(model=ModelConfig(long_docs="chunk"))
    assert differing(of_stages(), of_stages(chunked)) == "of stage 1: --long-docs was truncate, is chunk"
    given = fingerprint(first(model=None), "native", [IDENTITY])
    assert "of stage 1: --model was m, is previous_score" in differing(of_stages(), given)


def test_fusion_is_named_as_its_option():
    fused = RunConfig(write=WriteConfig(fusion=Fusion(0.7)))
    assert changed(fused) == "--fuse was not set, is minmax:0.7"


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
