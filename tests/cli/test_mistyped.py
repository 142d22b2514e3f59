"""What is said about a command line that is nearly right: what to type instead, of the command that was typed."""

from pathlib import Path

import pytest
from support.running import files_of, forked, lines

REFUSED = [  # what is typed, what the error names, what the advice says to type
    (["in.jsonl"], "in.jsonl is no command", "rerank score in.jsonl -o OUTPUT"),
    (["in.jsonl", "-o", "out.jsonl"], "in.jsonl is no command", "rerank score in.jsonl -o out.jsonl"),
    (["-", "--output=x"], "- is no command", "rerank score - --output=x"),
    (["evaluate"], "evaluate is no command", "The closest is eval."),
    (["version"], "version is no command", "`rerank --version`"),
    (["-v"], "no option -v", "`rerank --version`"),
    (["score", "--modle", "x"], "rerank score has no option --modle", "The closest is --model. `rerank score --help`"),
    (["score", "--topk", "3"], "rerank score has no option --topk", "The closest is --top-k. `rerank score --help`"),
    (["score", "--top-n", "3"], "rerank score has no option --top-n", "Type --top-k. `rerank score --help`"),
    (["score", "-k", "3"], "rerank score has no option -k", "Type --top-k."),
    (
        ["score", "--batch-size", "8"],
        "rerank score has no option --batch-size",
        "Type --batch-tokens. It counts tokens",
    ),
    (["score", "--return-documents"], "no option --return-documents", "kept by default, --no-text leaves"),
    (["score", "--content-field", "x"], "no option --content-field", "Type --text-field."),
    (["score", "--normalize"], "no option --normalize", "--score logit writes"),
    (["check", "--input", "x"], "no option --input", "`rerank check INPUT`"),
    (["score", "--qrels", "x"], "no option --qrels", "`rerank eval RESULT --qrels QRELS`"),
    (["predict", "--x"], "predict is no command", "Type rerank score."),
    (["rerank", "x.jsonl"], "rerank is no command", "Type rerank score."),
    (["validate", "x.jsonl"], "validate is no command", "Type rerank check."),
    (["bench", "--batch-size", "8"], "rerank bench has no option --batch-size", "Type --batch-sizes."),
    (["score", "--max-seq-length", "512"], "rerank score has no option --max-seq-length", "Type --max-length."),
    (["score", "--fp16"], "rerank score has no option --fp16", "Type --dtype fp16."),
    (["score", "--model-name", "mini"], "rerank score has no option --model-name", "Type --model."),
    (["convert", "--force"], "rerank convert has no option --force", "Type --overwrite."),
    (["train", "--lr", "1e-5"], "rerank train has no option --lr", "Type --learning-rate."),
    (["score", "in.jsonl", "-o", "-", "--format", "jsonl"], "--format jsonl: unknown", "without --format."),
    (["check", "in.jsonl", "--format", "cohere"], "--format cohere: unknown", "Type --format rerank-api."),
    (["check", "in.jsonl", "--format", "Jina"], "--format Jina: unknown", "Type --format rerank-api."),
    (["check", "in.jsonl", "--format", "msmarco"], "--format msmarco: unknown", "The closest is ms-marco"),
    (["check", "in.jsonl", "--format", "CSV"], "--format CSV: unknown", "The closest is csv."),
    (["check", "in.jsonl", "--format", "elasticsearch"], "--format elasticsearch: unknown", "Type --candidates-field"),
    (["check", "in.jsonl", "--format", "beir"], "--format beir needs --run", "INPUT is a BEIR folder"),
    (["check", "in.jsonl", "--format", "trec"], "--format trec needs --run", "--queries and --corpus"),
    (["convert", "in.jsonl", "-o", "-", "--output-format", "jsonl"], "jsonl: unknown", "Type --output-format native."),
    (
        ["check", "in.jsonl", "--format", "langchain", "--text-field", "body"],
        "--text-field body: langchain records have fixed fields",
        "Leave it out. Native records with these fields: --format native --text-field body",
    ),
    (["eval", "--qrel", "x"], "rerank eval has no option --qrel", "The closest is --qrels. `rerank eval --help`"),
    (["score", "in.jsonl", "out.jsonl"], "out.jsonl is taken for an input", "rerank score in.jsonl -o out.jsonl"),
    (["convert", "in.jsonl", "out.jsonl"], "out.jsonl is taken for an input", "rerank convert in.jsonl -o out.jsonl"),
    (["score", "in.jsonl"], "no --output", "-o FILE"),
    (["train", "in.jsonl"], "no --output", "-o FOLDER"),
    (["score", "s3://b/x", "-o", "y"], "s3://b/x: URLs are not read", "aws s3 cp s3://b/x - | rerank score -"),
    (["check", "https://h/x?a&b"], "https://h/x?a&b: URLs", "curl -sSfL 'https://h/x?a&b' | rerank check -"),
    (["check", "hdfs://h/x"], "hdfs://h/x: URLs are not read", "Copy it to this machine"),
    (["eval", "https://h/x"], "https://h/x: URLs are not read", "Copy it to this machine"),
    (["eval", "in.jsonl", "--qrels", "gs://h/x"], "--qrels gs://h/x: URLs", "Name a file on this machine"),
    (
        ["score", "in.jsonl", "-o", "s3://b/y"],
        "--output s3://b/y: URLs",
        "rerank score INPUT -o - | aws s3 cp - s3://b/y",
    ),
]


@pytest.mark.parametrize(("typed", "error", "advice"), REFUSED, ids=[" ".join(each[0]) for each in REFUSED])
def test_2_and_what_to_type_instead(typed: list[str], error: str, advice: str, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").touch()
    done = forked(*typed, cwd=tmp_path)
    assert (done.code, done.stdout) == (2, b"")
    wrong, do = done.said.splitlines()
    assert error in wrong
    assert advice in do
    assert list(files_of(tmp_path)) == ["in.jsonl"]


@pytest.mark.parametrize(
    "typed", [["frobnicate"], ["score", "--embellish", "x"], ["bench", "--zzz"], ["--zzz"], ["check", "--fp16"]]
)
def test_nothing_is_guessed_where_nothing_is_close(typed: list[str]) -> None:
    done = forked(*typed)
    assert done.code == 2
    assert "closest" not in done.said
    assert "Type" not in done.said
    assert "--help`" in done.said


def test_an_output_that_is_there_is_an_input_among_others(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).touch()
    assert "is taken for" not in forked("score", "a.jsonl", "b.jsonl", cwd=tmp_path).said


def test_a_template_may_hold_a_url(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"query": "q", "candidates": ["a"]}\n')
    done = forked("check", "in.jsonl", "--query-template", "https://{query}", cwd=tmp_path)
    assert (done.code, b"https://q" in done.stdout) == (0, True)


@pytest.mark.parametrize("words", [("-o", "-q"), ("-o", "--model", "mini"), ("--errors", "--overwrite", "-o", "x")])
def test_the_name_of_an_option_is_no_value(tmp_path: Path, words: tuple[str, ...]) -> None:
    """`-o $OUT -q` where OUT is empty."""
    (tmp_path / "in.jsonl").write_bytes(lines(1))
    done = forked("score", "in.jsonl", "--engine", "fake", *words, cwd=tmp_path)
    assert done.code == 2
    assert f"its value is {words[1]}, which is an option" in done.said
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_a_value_may_begin_as_an_option(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(lines(1))
    done = forked("score", "in.jsonl", "--engine", "fake", "-o", "./-q", "--doc-template", "- {text}", cwd=tmp_path)
    assert (done.code, (tmp_path / "-q").exists()) == (0, True)


def test_an_output_in_a_folder_that_is_absent(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(lines(1))
    done = forked("score", "in.jsonl", "--engine", "fake", "-o", "no such/out.jsonl", cwd=tmp_path)
    first, second = done.said.splitlines()[-2:]
    assert (done.code, first.endswith("no such: no such folder")) == (5, True)
    assert f"mkdir -p '{tmp_path.resolve() / 'no such'}'" in second
