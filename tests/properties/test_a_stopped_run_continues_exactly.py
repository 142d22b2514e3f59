"""A run that is stopped at any moment and continued gives the bytes of an uninterrupted one."""

import csv
import gzip
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.making import Clock, StoppingScorer, jsonl

from rerank_cli.core.config import BatchConfig, FileConfig, ModelConfig, ReadConfig, RunConfig, WriteConfig
from rerank_cli.core.errors import ExitStatus, Interrupted
from rerank_cli.core.stats import Stats
from rerank_cli.jobs.score import Run


def candidate(n, m):
    return {"id": f"d{m % 4}", "text": "word " * (n * m % 13) + str(m % 3), "title": "T" * (m % 2)}


RECORDS = [
    {"id": n - n % 3 % 2, "query": f"question {n % 5}", "candidates": [candidate(n, m) for m in range(n % 6)]}
    for n in range(40)
]
CONTENT = jsonl(*RECORDS[:20], b"{", b"", *RECORDS[20:], b"[]")


def table():
    """The same pairs as CSV, whose texts have newlines; a row is too short, and a quote is never closed."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["qid", "query", "docid", "text"])
    for record in RECORDS:
        for each in record["candidates"]:
            writer.writerow([record["id"], record["query"], each["id"], "a,\n" + each["text"] + '"\r\n'])
        if record is RECORDS[20]:
            text.write("1,2\r\n\r\n")
    return text.getvalue().encode() + b'1,question,d1,"open\n'


CONTENTS = {"out.csv": table()}  # of inputs, by the names of outputs


def stopping(config, last, report=lambda _: None):
    return Run(config, report, Stats(Clock()), StoppingScorer(config.model, last))


def config(source, output, resume=False, faults="composition=1"):
    kind = str(output).removesuffix(".gz").rpartition(".")[2]
    write = {"run": WriteConfig(format="trec", min_score=0.3), "pairs": WriteConfig(format="tevatron", min_score=0.3)}
    return RunConfig(
        read=ReadConfig(inputs=(str(source),)),
        write=write.get(kind, WriteConfig()),
        model=ModelConfig(model=f"fake:{faults}"),
        batch=BatchConfig(batch_tokens=40, window_tokens=100),
        files=FileConfig(output=str(output), resume=resume),
    )


def results(folder):
    """The files of a finished run that must not differ."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith("meta.json")}


@pytest.fixture(scope="module", params=["out.jsonl", "out.jsonl.gz", "out.run", "out.pairs", "out.csv"])
def golden(request, tmp_path_factory):
    """An input, the name of an output, and the files of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("golden")
    source = folder / "in.jsonl.gz"
    source.write_bytes(gzip.compress(CONTENTS.get(request.param, CONTENT)))
    (folder / "out").mkdir()
    status = Run.of(config(source, folder / "out" / request.param), lambda _: None, Clock()).execute()
    assert status is ExitStatus.SOME_FAILED
    return source, request.param, results(folder / "out")


@settings(max_examples=20)
@given(stops=st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_any_number_of_interrupts_leaves_no_trace_in_the_result(golden, tmp_path_factory, stops):
    source, name, files = golden
    folder = tmp_path_factory.mktemp("stopped")
    for last in stops:
        try:
            stopping(config(source, folder / name, resume=True), last).execute()
        except Interrupted:
            assert not (folder / name).exists()
            continue
        break
    else:
        Run.of(config(source, folder / name, resume=True), lambda _: None, Clock()).execute()
    assert results(folder) == files


def test_the_composition_of_batches_does_show_in_the_result(golden, tmp_path):
    """The golden bytes would differ if windows shifted: the properties above can fail."""
    _, name, files = golden
    shifted = tmp_path / "in.jsonl"
    shifted.write_bytes(jsonl(*RECORDS[2:20], b"{", b"", *RECORDS[20:], b"[]"))
    (tmp_path / "out").mkdir()
    Run.of(config(shifted, tmp_path / "out" / name), lambda _: None, Clock()).execute()

    def rows(content):
        plain = gzip.decompress(content) if name.endswith("gz") else content
        return [json.loads(line) for line in plain.splitlines()]

    if name.startswith("out.jsonl"):
        assert rows(files[name])[2:] != rows(results(tmp_path / "out")[name])


def test_a_continued_run_says_so_and_counts_all_records(golden, tmp_path):
    source, name, _ = golden
    told = []
    with pytest.raises(Interrupted):
        stopping(config(source, tmp_path / name), 10, told.append).execute()
    run = Run.of(config(source, tmp_path / name, resume=True), told.append, Clock())
    run.execute()
    assert any(sentence.startswith("continuing after ") for sentence in told)
    records, blank = (29, 2) if name == "out.csv" else (42, 1)
    assert run.document["records"] == records
    assert 0 < run.document["resumed_records"] < records
    failed = 2 if name.startswith("out.jsonl") else results(tmp_path)[f"{name}.errors.jsonl"].count(b"\n")
    assert (run.document["scored"], run.document["failed"], run.document["blank"]) == (records - failed, failed, blank)
    assert name in CONTENTS or name.startswith("out.jsonl") or 15 < failed < 40
