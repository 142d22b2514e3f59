"""What `check` and `score` say of records whose fields have other names, and of options that name absent fields."""

import json
import shlex
from pathlib import Path

import pytest
from support.running import forked

FAKE = ("-o", "-", "--engine", "fake")
OTHERS = "--query-field question --candidates-field passages --text-field body"
RECORD = {"question": "tea?", "passages": [{"id": "d1", "body": "leaf"}]}
NATIVE = {"id": "q1", "query": "tea?", "candidates": [{"id": "d1", "title": "Tea", "text": "leaf"}]}


def write(folder: Path, record: object, count: int = 15) -> None:
    (folder / "in.jsonl").write_text(f"{json.dumps(record)}\n" * count)


def test_check_shows_one_error_once_and_a_command_that_reads_the_records(tmp_path: Path) -> None:
    write(tmp_path, RECORD)
    done = forked("check", "in.jsonl", cwd=tmp_path)
    assert done.code == 3
    lines = done.stdout.decode().splitlines()
    place = lines.index("bad records (15)")
    assert lines[place + 1].startswith('  in.jsonl:1: no field "query"')
    assert lines[place + 2].strip() == "and 14 more records with the same error: lines 2, 3, 4, 5, …"
    _, _, command = lines[place + 3].partition("for example: ")
    assert forked(*shlex.split(command)[1:], cwd=tmp_path).code == 0


@pytest.mark.parametrize("command", ["score", "convert"])
def test_commands_that_write_show_the_same_command(command: str, tmp_path: Path) -> None:
    write(tmp_path, RECORD)
    done = forked(command, "in.jsonl", "-o", "out", cwd=tmp_path)
    assert done.code == 4
    assert f"rerank check in.jsonl {OTHERS}" in done.said


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("--text-field txt", ["--text-field txt: no such field", '"title", "text"', "Leave --text-field out"]),
        ("--query-field qurey", ["--query-field qurey: no such field", '"id", "query"', "Leave --query-field out"]),
        ("--candidates-field c", ["--candidates-field c: no such field", "Leave --candidates-field out"]),
        ("--doc-template {titel}", ["--doc-template does not fit", '"title"', "the closest is {title}"]),
        ("--query-template {qury}", ["--query-template does not fit", '"query"', "the closest is {query}"]),
    ],
)
def test_4_names_the_option_with_an_absent_field_and_the_fields_that_are_there(
    typed: str, said: list[str], tmp_path: Path
) -> None:
    write(tmp_path, NATIVE)
    done = forked("score", "in.jsonl", *FAKE, *typed.split(), cwd=tmp_path)
    assert done.code == 4
    assert [word for word in said if word not in done.said] == [], done.said
    assert "another format" not in done.said


@pytest.mark.parametrize(
    ("typed", "found"), [("--id-field qid", '"id", "query"'), ("--candidate-id-field did", '"id", "title"')]
)
def test_a_note_shows_where_ids_may_be(typed: str, found: str, tmp_path: Path) -> None:
    write(tmp_path, NATIVE)
    done = forked("score", "in.jsonl", *FAKE, *typed.split(), cwd=tmp_path)
    assert done.code == 0
    assert f"{typed}: no " in done.said
    assert found in done.said


@pytest.mark.parametrize("typed", ["--text-field bodi", "--query-field qestion", "--candidate-id-field docid"])
def test_4_names_the_option_with_an_absent_column_and_the_columns_that_are_there(typed: str, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("qid,question,did,body\n1,tea,d1,leaf\n")
    fields = {"--query-field": "question", "--text-field": "body"} | dict([typed.split()])
    done = forked("score", "in.csv", *FAKE, *(word for each in fields.items() for word in each), cwd=tmp_path)
    assert done.code == 4
    assert f'in.csv:1: {typed}: no such column (found "qid", "question", "did", "body")' in done.said


def test_rows_need_no_text_where_a_template_names_other_columns(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("query,docid,title,abstract\ntea,a,T,A\n")
    typed = ["--format", "csv", "--doc-template", "{title} {abstract}"]
    done = forked("check", "in.csv", *typed, cwd=tmp_path)
    assert (done.code, b"candidate 0: T A" in done.stdout) == (0, True)
    done = forked("score", "in.csv", *FAKE, *typed, cwd=tmp_path)
    assert done.code == 0
    assert done.stdout.splitlines()[0] == b"query,docid,title,abstract,score,logit,rank"
    done = forked("score", "in.csv", *FAKE, *typed, "--output-format", "native", cwd=tmp_path)
    assert (done.code, "text" in done.said) == (4, True)


RETRIEVED = {"question": "tea?", "docs": [{"page_content": "leaf", "metadata": {"source": "a.md"}}]}


def test_objects_in_a_list_of_texts_are_read_with_the_fields_that_are_shown(tmp_path: Path) -> None:
    write(tmp_path, RETRIEVED)
    shown = "--query-field question --candidates-field docs --text-field page_content"
    assert shown in forked("check", "in.jsonl", cwd=tmp_path).stdout.decode()
    done = forked("score", "in.jsonl", *FAKE, "--top-k", "3", cwd=tmp_path)
    assert (done.code, shown in done.said, "--top-k" in done.said) == (4, True, False)
    assert forked("score", "in.jsonl", *FAKE, "--top-k", "3", *shown.split(), cwd=tmp_path).code == 0


def test_fields_of_a_fixed_format_are_all_shown_for_native_records(tmp_path: Path) -> None:
    write(tmp_path, RETRIEVED)
    typed = ["--query-field", "question", "--candidates-field", "docs"]
    done = forked("check", "in.jsonl", "--format", "langchain", *typed, cwd=tmp_path)
    assert done.code == 2
    _, _, shown = done.said.rstrip().partition("Native records with these fields: ")
    assert forked("check", "in.jsonl", *shown.split(), cwd=tmp_path).code == 0


def test_only_typed_options_are_named_and_a_detected_format_is_said(tmp_path: Path) -> None:
    write(tmp_path, {"query": "tea?", "pos": ["leaf"], "neg": ["stone"]})
    done = forked("score", "in.jsonl", *FAKE, "--top-k", "3", cwd=tmp_path)
    assert done.code == 2
    assert "--top-k 3: flag-embedding" in done.said
    assert "--no-text" not in done.said
    assert "detected" in done.said
    named = forked(
        "score", "in.jsonl", *FAKE, "--no-text", "--min-score", "0.5", "--format", "flag-embedding", cwd=tmp_path
    )
    assert named.code == 2
    assert "--min-score 0.5 --no-text: flag-embedding" in named.said
    assert "detected" not in named.said
