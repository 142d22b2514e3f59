"""One run of `rerank score`, in this process, with the fake engine."""

import hashlib
import json
import os

import pytest
from support.making import Clock, fake_logit, jsonl

from rerank_cli.core.config import BatchConfig, ErrorLimit, FileConfig, ModelConfig, ReadConfig, RunConfig, WriteConfig
from rerank_cli.core.errors import ConfigError, ExitStatus, InputError, OutputError, PassingFault, Refused
from rerank_cli.jobs.score import Run
from rerank_cli.jobs.statistics import write_stats

GOOD = {"query": "q", "candidates": ["a", "b", "c"]}


def execute(source, output, model="fake", told=None, error_limit=None, **files):
    read, write = files.pop("read", {}), files.pop("write", {})
    batch = files.pop("batch", {})
    run = Run.of(
        RunConfig(
            read=ReadConfig(inputs=(os.fspath(source),), **read),
            write=WriteConfig(**write),
            model=ModelConfig(model=model),
            batch=BatchConfig(**batch),
            files=FileConfig(output=os.fspath(output), **files),
            error_limit=error_limit or ErrorLimit(),
        ),
        (told if told is not None else []).append,
        Clock(),
    )
    return run, run.execute()


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(jsonl(GOOD, b"", {**GOOD, "id": 2}))
    return path


def test_a_run_scores_every_record_and_describes_itself(tmp_path, source):
    run, status = execute(source, tmp_path / "out")
    assert status is ExitStatus.OK
    lines = [json.loads(line) for line in (tmp_path / "out").read_bytes().splitlines()]
    best = sorted(range(3), key=lambda index: -fake_logit("q", GOOD["candidates"][index]))
    assert [[c["index"] for c in line["candidates"]] for line in lines] == [best, best]
    meta = json.loads((tmp_path / "out.meta.json").read_bytes())
    assert meta["input_sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert (meta["records"], meta["scored"], meta["blank"], meta["pairs"]) == (2, 2, 1, 6)
    assert meta["input_bytes"] == source.stat().st_size
    assert {name: value for name, value in meta.items() if name in run.document} == json.loads(json.dumps(run.document))


def test_failed_records_are_in_the_errors_file_and_the_others_in_the_output(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_bytes(jsonl(GOOD, b"{", GOOD, {"query": 1}))
    _, status = execute(source, tmp_path / "out")
    assert status is ExitStatus.SOME_FAILED
    assert (tmp_path / "out").read_bytes().count(b"\n") == 2
    errors = [json.loads(line) for line in (tmp_path / "out.errors.jsonl").read_bytes().splitlines()]
    assert [(error["line"], error["source"]) for error in errors] == [(2, str(source)), (4, str(source))]


@pytest.mark.parametrize("name", [b"caf\xe9.jsonl", "漢.jsonl".encode()])
def test_the_names_of_files_need_not_be_utf8(tmp_path, name):
    source = os.path.join(os.fsencode(tmp_path), name)
    with open(source, "wb") as file:
        file.write(jsonl(GOOD, b"{"))
    output = os.path.join(os.fsencode(tmp_path), b"out-" + name)
    run, status = execute(os.fsdecode(source), os.fsdecode(output))
    assert status is ExitStatus.SOME_FAILED
    assert os.path.exists(output)
    write_stats(os.fsdecode(output) + ".stats", run.document)


def test_a_run_that_has_nothing_to_do_says_how_many_records_had_failed(tmp_path):
    source, told = tmp_path / "in.jsonl", []
    source.write_bytes(jsonl(GOOD, b"{", {"query": 1}))
    execute(source, tmp_path / "out")
    _, status = execute(source, tmp_path / "out", resume=True, told=told)
    assert status is ExitStatus.OK
    assert any(f"2 of 3 records failed in that run: see {tmp_path / 'out'}.errors.jsonl" in each for each in told)
    (tmp_path / "out.errors.jsonl").unlink()
    told.clear()
    execute(source, tmp_path / "out", resume=True, told=told)
    assert any("out.errors.jsonl does not exist any more" in each for each in told)


def test_a_run_that_was_finished_has_nothing_to_do_until_the_input_grows(tmp_path, source):
    execute(source, tmp_path / "out")
    before = (tmp_path / "out").stat()
    told = []
    _, status = execute(source, tmp_path / "out", resume=True, overwrite=True, told=told)
    assert status is ExitStatus.OK
    assert any("nothing to do" in sentence for sentence in told)
    assert (tmp_path / "out").stat().st_ino == before.st_ino
    with source.open("ab") as more:
        more.write(jsonl(GOOD))
    with pytest.raises(Refused) as fault:
        execute(source, tmp_path / "out", resume=True)
    assert "(the input has grown since that run, which read 2 records)" in str(fault.value)
    told.clear()
    execute(source, tmp_path / "out", resume=True, overwrite=True, told=told)
    assert (tmp_path / "out").read_bytes().count(b"\n") == 3
    assert f"{tmp_path / 'out'} will be replaced: the input has grown" in told[0]


@pytest.mark.parametrize(
    "change", [{"write": {"top_k": 1}}, {"model": "fake:composition=1"}, {"batch": {"batch_tokens": 9}}]
)
def test_a_run_with_other_options_is_never_mixed_in(tmp_path, source, change):
    source.write_bytes(jsonl(*[GOOD] * 5, b"{"))
    with pytest.raises(InputError, match="--max-errors"):
        execute(source, tmp_path / "out", error_limit=ErrorLimit(count=0), batch={"window_tokens": 9})
    change = {**change, "batch": {"window_tokens": 9, **change.get("batch", {})}}
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(Refused):
        execute(source, tmp_path / "out", resume=True, **change)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_finished_output_of_another_run_is_refused_with_what_differs(tmp_path, source):
    execute(source, tmp_path / "out", write={"top_k": 10})
    for differs, change in {
        "--top-k was 10, is 1": {"write": {"top_k": 1}},
        "--top-k was 10, is not set; --no-text was off, is on": {"write": {"no_text": True}},
        "--model was fake, is fake:composition=1": {"write": {"top_k": 10}, "model": "fake:composition=1"},
    }.items():
        with pytest.raises(Refused) as fault:
            execute(source, tmp_path / "out", resume=True, **change)
        assert f"({differs})" in str(fault.value)
    source.write_bytes(jsonl(GOOD))
    with pytest.raises(Refused) as fault:
        execute(source, tmp_path / "out", resume=True, write={"top_k": 10})
    assert "(the input has changed)" in str(fault.value)
    (tmp_path / "out").write_bytes(b"x")
    with pytest.raises(Refused) as fault:
        execute(source, tmp_path / "out", resume=True, write={"top_k": 10})
    assert "(the file was changed since)" in str(fault.value)


def test_a_run_says_first_what_it_will_do(tmp_path, source):
    told = []
    execute(source, tmp_path / "out", told=told)
    assert told == [f"scoring {source} (2 records, {source.stat().st_size} bytes) with fake, fp32"]


def test_input_of_another_format_is_refused_before_anything_is_announced(tmp_path, source):
    source.write_bytes(b"not json\n")
    told = []
    with pytest.raises(InputError):
        execute(source, tmp_path / "out", told=told)
    assert told == []


def test_a_changed_beginning_of_the_input_is_never_mixed_in(tmp_path, source):
    source.write_bytes(jsonl(*[GOOD] * 5, b"{"))
    with pytest.raises(InputError):
        execute(source, tmp_path / "out", error_limit=ErrorLimit(count=0), batch={"window_tokens": 9})
    source.write_bytes(jsonl({**GOOD, "query": "Q"}, *[GOOD] * 4, b"{"))
    with pytest.raises(Refused):
        execute(source, tmp_path / "out", batch={"window_tokens": 9}, resume=True)


def test_a_limit_on_errors_does_not_keep_a_run_from_continuing(tmp_path, source):
    source.write_bytes(jsonl(*[GOOD] * 5, b"{", *[GOOD] * 5))
    with pytest.raises(InputError, match="--max-errors"):
        execute(source, tmp_path / "out", error_limit=ErrorLimit(count=0), batch={"window_tokens": 9})
    told = []
    run, status = execute(source, tmp_path / "out", batch={"window_tokens": 9}, resume=True, told=told)
    assert status is ExitStatus.SOME_FAILED
    assert run.document["resumed_records"] == 4  # the bad one was in the window of the fifth
    assert run.document["records"] == 11


def test_a_lost_device_leaves_what_was_committed(tmp_path, source):
    with pytest.raises(PassingFault):
        execute(source, tmp_path / "out", model="fake:lose_at=2", batch={"window_tokens": 9})
    assert (tmp_path / "out.partial").read_bytes().count(b"\n") == 1
    assert not (tmp_path / "out").exists()


def test_out_of_memory_is_told_in_the_statistics(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_bytes(jsonl({"query": "q", "candidates": [str(n) for n in range(50)]}))
    run, _ = execute(source, tmp_path / "out", model="fake:oom_above=60")
    assert run.document["deterministic"] is False
    assert "out of memory" in run.document["deterministic_why"]


def test_a_limit_of_records_is_kept_over_a_finished_run(tmp_path, source):
    execute(source, tmp_path / "out", read={"limit": 1})
    assert (tmp_path / "out").read_bytes().count(b"\n") == 1
    _, status = execute(source, tmp_path / "out", read={"limit": 1}, resume=True)
    assert status is ExitStatus.OK


def test_a_mistake_in_the_options_touches_nothing(tmp_path, source):
    with pytest.raises(ConfigError):
        execute(source, source)
    with pytest.raises(ConfigError):
        execute(source, tmp_path / "out", read={"format": "xml"})
    assert os.listdir(tmp_path) == ["in.jsonl"]


def test_statistics_that_cannot_be_written_are_an_error_that_says_the_output_is_final(tmp_path):
    with pytest.raises(OutputError) as fault:
        write_stats(str(tmp_path / "missing" / "stats"), {})
    assert "final" in fault.value.advice
