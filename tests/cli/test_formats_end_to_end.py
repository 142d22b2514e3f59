"""Other formats than the native one, from file to file: resuming, converting, dry runs, folders and runs."""

import csv
import gzip
import json
from collections.abc import Iterable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from support.running import commits, files_of, forked, kill_after_commits, record

FAKE = ("--engine", "fake")
SMALL = ("--window-tokens", "60", "--batch-tokens", "30")


def native(count: int) -> list[dict]:
    return [record(number) for number in range(count)]


def tevatron(folder: Path, records: list[dict]) -> tuple[str, ...]:
    rows = [
        {"query_id": each["id"], "query": each["query"], "docid": one["id"], "text": one["text"]}
        for each in records
        for one in each["candidates"]
    ]
    lines = [json.dumps(row) for row in rows]
    lines[5:5] = ["{", ""]  # inside the second record
    (folder / "in").write_text("\n".join(lines) + "\n")
    return ("in",)


def parquet(folder: Path, records: list[dict]) -> tuple[str, ...]:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(records), folder / "in", row_group_size=7)
    return ("in",)


def beir(folder: Path, records: list[dict], suffix: str = "") -> tuple[str, ...]:
    docs = {f"{each['id']}-{one['id']}": one["text"] for each in records for one in each["candidates"]}
    opened = gzip.open if suffix else open
    with opened(folder / f"corpus.jsonl{suffix}", "wt") as file:
        file.writelines(json.dumps({"_id": name, "title": "", "text": text}) + "\n" for name, text in docs.items())
    with open(folder / "queries.jsonl", "w") as file:
        file.writelines(json.dumps({"_id": each["id"], "text": each["query"]}) + "\n" for each in records)
    with open(folder / "run", "w") as file:
        for each in records:
            file.writelines(
                f"{each['id']} Q0 {each['id']}-{one['id']} {rank} {10 - rank} bm25\n"
                for rank, one in enumerate(each["candidates"], 1)
            )
    return (".", "--run", "run")


def api(folder: Path, records: list[dict]) -> tuple[str, ...]:
    bodies = [{"query": each["query"], "documents": [one["text"] for one in each["candidates"]]} for each in records]
    (folder / "in").write_text("".join(json.dumps(body) + "\n" for body in bodies))
    return ("in",)


def compressed(folder: Path, records: list[dict]) -> tuple[str, ...]:
    return beir(folder, records, ".gz")


def separated(folder: Path, records: list[dict]) -> tuple[str, ...]:
    rows = [
        {"qid": each["id"], "query": each["query"], "pid": one["id"], "passage": one["text"]}
        for each in records
        for one in each["candidates"]
    ]
    with (folder / "in.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return ("in.csv",)


def lines(folder: Path, bodies: Iterable[dict]) -> tuple[str, ...]:
    (folder / "in").write_text("".join(json.dumps(body) + "\n" for body in bodies))
    return ("in",)


def nvidia(folder: Path, records: list[dict]) -> tuple[str, ...]:
    texts = [[{"text": one["text"]} for one in each["candidates"]] for each in records]
    pairs = zip(records, texts, strict=True)
    return lines(folder, ({"model": "m", "query": {"text": each["query"]}, "passages": own} for each, own in pairs))


def dumped(folder: Path, records: list[dict]) -> tuple[str, ...]:
    around = {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "document", "Document"]}
    documents = [
        [{**around, "kwargs": {"page_content": one["text"], "id": str(one["id"])}} for one in each["candidates"]]
        for each in records
    ]
    pairs = zip(records, documents, strict=True)
    return lines(folder, ({"query": each["query"], "documents": own} for each, own in pairs))


def scored_pairs(folder: Path, records: list[dict]) -> tuple[str, ...]:
    bodies = []
    for each in records:
        texts = [one["text"] for one in each["candidates"]]
        queries = [f"{each['query']} {number}" for number in range(len(texts))]
        body = {"queries": queries, "documents": texts}
        bodies.append({"custom_id": str(each["id"]), "method": "POST", "url": "/v1/score", "body": body})
    return lines(folder, bodies)


def elastic(folder: Path, records: list[dict]) -> tuple[str, ...]:
    bodies = []
    for each in records:
        hits = [{"_id": one["id"], "_source": {"text": one["text"]}} for one in each["candidates"]]
        bodies.append({"id": each["id"], "query": each["query"], "hits": {"hits": hits}})
    fields = ("--candidates-field", "hits.hits", "--text-field", "_source.text", "--candidate-id-field", "_id")
    return (*lines(folder, bodies), *fields)


def sides(folder: Path, records: list[dict]) -> tuple[str, ...]:
    bodies = []
    for each in records:
        texts = [one["text"] for one in each["candidates"]]
        bodies.append({"anchor": each["query"], "positive": texts[::2], "negative": texts[1::2]})
    return lines(folder, bodies)


def questions(folder: Path, records: list[dict]) -> tuple[str, ...]:
    bodies = []
    for each in records:
        texts = [one["text"] for one in each["candidates"]]
        columns = {"passage_text": texts, "is_selected": [len(text) % 2 for text in texts]}
        bodies.append({"query_id": each["id"], "query": each["query"], "passages": columns})
    return lines(folder, bodies)


REQUESTS = (api, nvidia, dumped, scored_pairs, elastic)
WRITERS = {
    write.__name__: write for write in (tevatron, parquet, beir, compressed, separated, sides, questions, *REQUESTS)
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("form", WRITERS)
def test_a_killed_run_is_continued_to_the_same_bytes(form: str, tmp_path: Path) -> None:
    arguments = WRITERS[form](tmp_path, native(30))
    code = 3 if form == "tevatron" else 0
    options = (*SMALL, *FAKE, "--model", "fake:composition=1,slow=0.01", "--resume", "-q")
    whole = forked("score", *arguments, "-o", "whole", *options, cwd=tmp_path)
    assert whole.code == code, whole.said
    for count in (1, 3, 6):
        kill_after_commits(count, tmp_path / "out", "score", *arguments, "-o", "out", *options, cwd=tmp_path)
        assert commits(tmp_path / "out") >= count, "the run is too short to be killed in"
    done = forked("score", *arguments, "-o", "out", *options, cwd=tmp_path)
    assert done.code == code, done.said
    files = files_of(tmp_path)
    assert files["out"] == files["whole"]
    assert files.get("out.errors.jsonl") == files.get("whole.errors.jsonl")
    assert len(files["out"]) > 1000


@pytest.mark.sampled(3)
@pytest.mark.parametrize("form", [form for form in WRITERS if form != "scored_pairs"])
def test_every_form_gives_the_same_order(form: str, tmp_path: Path) -> None:
    records = native(12)
    (tmp_path / "native").write_text("".join(json.dumps(each) + "\n" for each in records))
    plain = forked("score", "native", "-o", "-", "-q", *FAKE, cwd=tmp_path).records
    arguments = WRITERS[form](tmp_path, records)
    done = forked("score", *arguments, "-o", "-", "--output-format", "native", "-q", *FAKE, cwd=tmp_path)
    logits = [[one["logit"] for one in each["candidates"]] for each in done.records]
    assert logits == [[one["logit"] for one in each["candidates"]] for each in plain]


def test_another_corpus_is_another_run(tmp_path: Path) -> None:
    arguments = beir(tmp_path, native(5))
    command = ("score", *arguments, "-o", "out", *FAKE, "--resume")
    assert forked(*command, cwd=tmp_path).code == 0
    assert "nothing to do" in forked(*command, cwd=tmp_path).said
    with open(tmp_path / "corpus.jsonl", "a") as file:
        file.write('{"_id": "new", "text": "x"}\n')
    refused = forked(*command, cwd=tmp_path)
    assert refused.code == 8


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((".",), 4, "--run FILE names the candidates"),
        (("--run", "run"), 2, "--run needs texts"),
        (("--run", "none", "--queries", "queries.jsonl", "--corpus", "corpus.jsonl"), 4, "No such file"),
        (("--run", "run", "--queries", "queries.jsonl", "--corpus", "none"), 4, "No such file"),
        (("queries.jsonl", "--run", "run"), 2, "INPUT can only be one BEIR folder"),
        ((".", "--run", "run", "--corpus", "queries.jsonl"), 4, "document 'q0-d0' is not in queries.jsonl"),
        (("run",), 2, "looks like a TREC run"),
        (("run", "--corpus", "corpus.jsonl"), 2, "--corpus corpus.jsonl needs --run"),
    ],
)
def test_what_is_missing_beside_a_run_is_said(arguments: tuple[str, ...], code: int, said: str, tmp_path: Path) -> None:
    beir(tmp_path, native(3))
    done = forked("score", *arguments, "-o", "out", *FAKE, cwd=tmp_path)
    assert (done.code, said in done.said) == (code, True), done.said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("place", ["corpus.jsonl", "queries.jsonl", "run"])
def test_a_run_is_not_written_over_its_own_texts(place: str, tmp_path: Path) -> None:
    arguments = beir(tmp_path, native(3))
    before = files_of(tmp_path)
    done = forked("score", *arguments, "-o", place, "--overwrite", *FAKE, cwd=tmp_path)
    assert done.code == 2
    assert files_of(tmp_path) == before


def test_bad_lines_inside_a_record_survive_any_window(tmp_path: Path) -> None:
    rows = []
    for number in range(12):
        many = 40 if number % 2 else 2
        for one in range(many):
            text = f"text {one} " + "word " * 8
            rows.append(json.dumps({"query_id": f"q{number}", "query": "w", "docid": f"d{one}", "text": text}))
            if one == many // 2:
                rows += [f"bad {number}", ""]
    (tmp_path / "in").write_text("\n".join(rows) + "\n")
    options = (
        "--window-tokens",
        "100",
        "--batch-tokens",
        "50000",
        *FAKE,
        "--model",
        "fake:slow=0.02",
        "-q",
        "--resume",
    )
    whole = forked("score", "in", "-o", "whole", *options, cwd=tmp_path)
    assert whole.code == 3
    assert len((tmp_path / "whole.errors.jsonl").read_bytes().splitlines()) == 12
    for count in (1, 4, 7):
        kill_after_commits(count, tmp_path / "out", "score", "in", "-o", "out", *options, cwd=tmp_path)
    assert forked("score", "in", "-o", "out", *options, cwd=tmp_path).code == 3
    files = files_of(tmp_path)
    assert files["out"] == files["whole"]
    assert files["out.errors.jsonl"] == files["whole.errors.jsonl"]


def test_a_limit_keeps_what_stood_inside_the_last_record(tmp_path: Path) -> None:
    arguments = tevatron(tmp_path, native(5))
    done = forked("score", *arguments, "-o", "out", "--limit", "2", *FAKE, "-q", cwd=tmp_path)
    assert done.code == 3
    assert len((tmp_path / "out.errors.jsonl").read_bytes().splitlines()) == 1


# converting


def test_a_conversion_is_whole_or_not_there(tmp_path: Path) -> None:
    arguments = tevatron(tmp_path, native(20))
    done = forked("convert", *arguments, "-o", "out.jsonl.gz", cwd=tmp_path)
    assert done.code == 3
    made = [json.loads(line) for line in gzip.decompress((tmp_path / "out.jsonl.gz").read_bytes()).splitlines()]
    assert made == native(20)
    assert len((tmp_path / "out.jsonl.gz.errors.jsonl").read_bytes().splitlines()) == 1
    meta = json.loads((tmp_path / "out.jsonl.gz.meta.json").read_bytes())
    assert (meta["records"], meta["scored"], meta["failed"], meta["pairs"]) == (21, 20, 1, 80)
    assert not [name for name in files_of(tmp_path) if "partial" in name or "journal" in name or "lock" in name]
    again = forked("convert", *arguments, "-o", "out.jsonl.gz", cwd=tmp_path)
    assert again.code == 8
    assert forked("convert", *arguments, "-o", "out.jsonl.gz", "--overwrite", "-q", cwd=tmp_path).code == 3


def test_what_is_converted_there_and_back_is_what_it_was(tmp_path: Path) -> None:
    records = native(9)
    (tmp_path / "native").write_text("".join(json.dumps(each, separators=(",", ":")) + "\n" for each in records))
    for format in ("tevatron", "rank-llm", "langchain", "flashrank", "rerank-api", "mixedbread", "tei"):
        there = forked("convert", "native", "-o", "there", "--output-format", format, "--overwrite", cwd=tmp_path)
        assert there.code == 0, there.said
        back = forked("convert", "there", "-o", "-", "-q", "--format", format, cwd=tmp_path)
        ours = [
            {**each, "candidates": [{**one, "score": 0.0} for one in each["candidates"]]}
            if format == "rank-llm"
            else each
            for each in records
        ]
        assert back.records == ours, format


def test_a_failed_disk_ends_a_conversion(tmp_path: Path) -> None:
    arguments = api(tmp_path, native(3))
    assert forked("convert", *arguments, "-o", "none/out", cwd=tmp_path).code == 5
    assert forked("convert", "none", "-o", "out", cwd=tmp_path).code == 4
    assert forked("convert", *arguments, "-o", "in", cwd=tmp_path).code == 2
    assert forked("convert", *arguments, "-o", "out", "--output-format", "beir", cwd=tmp_path).code == 2


def test_a_refused_conversion_leaves_nothing_behind(tmp_path: Path) -> None:
    arguments = api(tmp_path, native(3))
    (tmp_path / "out").write_text("precious")
    before = files_of(tmp_path)
    assert forked("convert", *arguments, "-o", "out", cwd=tmp_path).code == 8
    assert files_of(tmp_path) == before


# a dry run


def test_a_dry_run_does_not_write_its_statistics_over_the_input(tmp_path: Path) -> None:
    arguments = api(tmp_path, native(3))
    before = files_of(tmp_path)
    assert forked("score", *arguments, *FAKE, "--dry-run", "--stats", "in", cwd=tmp_path).code == 2
    assert files_of(tmp_path) == before


def test_a_dry_run_finds_the_windows_and_batches_of_the_run(tmp_path: Path) -> None:
    arguments = api(tmp_path, native(50))
    options = (*SMALL, *FAKE, "--max-length", "20")
    dry = forked("score", *arguments, *options, "--dry-run", "--stats", "dry.json", cwd=tmp_path)
    assert dry.code == 0
    wet = forked("score", *arguments, *options, "-o", "-", "-q", "--stats", "wet.json", cwd=tmp_path)
    assert wet.code == 0
    planned, measured = (json.loads((tmp_path / name).read_bytes()) for name in ("dry.json", "wet.json"))
    same = ("records", "pairs", "truncated", "batches", "tokens", "padded_tokens", "windows", "duplicate_pairs")
    assert {name: planned[name] for name in same} == {name: measured[name] for name in same}
    assert measured["truncated"] > 5
    assert "20 tokens: longer pairs are cut" in dry.stdout.decode()
    assert planned["estimated_s"] > 0


@pytest.mark.parametrize("mode", ["chunk", "error"])
def test_a_dry_run_knows_what_becomes_of_long_documents(mode: str, tmp_path: Path) -> None:
    arguments = api(tmp_path, native(50))
    options = (*FAKE, "--max-length", "20", "--long-docs", mode, "--chunk-overlap", "3")
    dry = forked("score", *arguments, *options, "--dry-run", "--stats", "dry.json", cwd=tmp_path)
    wet = forked("score", *arguments, *options, "-o", "out", "-q", "--stats", "wet.json", cwd=tmp_path)
    assert dry.code == wet.code == (3 if mode == "error" else 0)
    planned, measured = (json.loads((tmp_path / name).read_bytes()) for name in ("dry.json", "wet.json"))
    same = ("records", "scored", "failed", "pairs", "chunked", "chunks", "batches", "tokens")
    assert {name: planned[name] for name in same} == {name: measured[name] for name in same}
    assert measured["chunked" if mode == "chunk" else "failed"] > 5


def test_a_dry_run_needs_no_output_and_a_real_one_does(tmp_path: Path) -> None:
    arguments = api(tmp_path, native(3))
    dry = forked("score", *arguments, *FAKE, "--dry-run", cwd=tmp_path)
    assert dry.code == 0
    assert dry.stdout.startswith(b"format        rerank-api\nrecords       3 (0 would fail)\n")
    assert dry.said.startswith("rerank: ")
    assert set(files_of(tmp_path)) == {"in"}
    done = forked("score", *arguments, *FAKE, cwd=tmp_path)
    assert (done.code, "no --output" in done.said) == (2, True)
    quiet = forked("score", *arguments, *FAKE, "--dry-run", "-q", cwd=tmp_path)
    assert (quiet.stdout, quiet.stderr) == (dry.stdout, b"")


# tables


def test_parquet_comes_back_as_parquet(tmp_path: Path) -> None:
    parquet(tmp_path, native(300))
    done = forked("score", "in", "-o", "out.parquet", *FAKE, cwd=tmp_path)
    assert done.code == 0, done.said
    again = forked("score", "in", "-o", "-", "-q", *FAKE, cwd=tmp_path).records
    assert pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist() == again
    assert not [name for name in files_of(tmp_path) if "partial" in name or "journal" in name]
    resumed = forked("score", "in", "-o", "out.parquet", "--resume", *FAKE, cwd=tmp_path)
    assert "nothing to do" in resumed.said


def test_records_with_different_fields_make_one_table(tmp_path: Path) -> None:
    bodies = [{"query": "w", "candidates": ["a"], "n": 1}, {"query": "w", "candidates": [], "m": "x", "n": 1.5}] * 200
    (tmp_path / "in").write_text("".join(json.dumps(body) + "\n" for body in bodies))
    assert forked("convert", "in", "-o", "out.parquet", cwd=tmp_path).code == 0
    rows = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert [(row["n"], row["m"]) for row in rows] == [(1.0, None), (1.5, "x")] * 200


def test_records_that_make_no_table_are_kept_as_lines(tmp_path: Path) -> None:
    bodies = [{"query": "w", "candidates": ["a"], "n": value} for value in (1, "one")]
    (tmp_path / "in").write_text("".join(json.dumps(body) + "\n" for body in bodies))
    done = forked("score", "in", "-o", "out.parquet", *FAKE, cwd=tmp_path)
    assert (done.code, "make no table" in done.said) == (5, True)
    assert len((tmp_path / "out.parquet.partial").read_bytes().splitlines()) == 2
    assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize("command", ["score", "convert"])
def test_what_has_no_columns_is_no_table(command: str, tmp_path: Path) -> None:
    arguments = beir(tmp_path, native(2))
    options = FAKE if command == "score" else ("--output-format", "trec")
    done = forked(command, *arguments, "-o", "out.parquet", *options, cwd=tmp_path)
    assert (done.code, "make no parquet table" in done.said) == (2, True)


def test_eval_reads_rows_whose_texts_have_newlines(tmp_path: Path) -> None:
    rows = ["query_id,query,docid,text,label,score"]
    for query in ("q1", "q2"):
        rows += [f'{query},a,{query}-1,"one\ntwo",1,2', f"{query},a,{query}-2,three,0,1"]
    (tmp_path / "in.csv").write_text("\n".join(rows) + "\n")
    done = forked("eval", "in.csv", "--measures", "nDCG@10", "--json", cwd=tmp_path)
    assert done.code == 0, done.said
    [evaluation] = json.loads(done.stdout)
    assert (evaluation["measures"]["nDCG@10"], evaluation["bad_records"]) == (1.0, 0)
