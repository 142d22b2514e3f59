"""`rerank eval` where ids, judgements or a ranking before are missing: what it says, and what then works."""

import json
from pathlib import Path

import pytest
from support.running import ROOT, forked

COLLECTION = ROOT / "sample_data" / "collection"
QRELS = COLLECTION / "qrels" / "test.tsv"
RUN = COLLECTION / "first-stage.run"


def lines_of(path: Path, *records: dict) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in records))
    return path


GRADED = [{"id": "a", "text": "x", "metadata": {"grade": 0}}, {"id": "b", "text": "y", "metadata": {"grade": 2}}]


def test_a_field_without_judgements_is_named_with_the_fields_that_candidates_have(tmp_path: Path) -> None:
    path = lines_of(tmp_path / "in", {"id": "q", "query": "w", "candidates": GRADED})
    for typed, named in (((), "relevance"), (("--relevance-field", "grade"), "grade")):
        done = forked("eval", path, *typed)
        assert done.code == 4
        assert f'no judgements in the field "{named}" (candidates have "id", "metadata.grade", "text")' in done.said


def test_judgements_may_stand_in_an_object_of_the_candidates(tmp_path: Path) -> None:
    path = lines_of(tmp_path / "in", {"id": "q", "query": "w", "candidates": GRADED})
    done = forked("eval", path, "--relevance-field", "metadata.grade", "--measures", "RR@10", "--json")
    assert done.records[0][0]["measures"] == {"RR@10": 0.5}


@pytest.mark.parametrize("kind", ["run", "cut", "unscored"])
def test_a_ranking_without_one_before_says_why(kind: str, ranked: Path, tmp_path: Path) -> None:
    file, why = {
        "run": (RUN, "a run has only its own order"),
        "cut": (tmp_path / "cut", "at least 1 of 1 queries lacks candidates of the input"),
        "unscored": (tmp_path / "in", 'the records have no "index", which has the order of the input'),
    }[kind]
    candidates = [{"id": "q1-d05", "text": "x"}]
    lines_of(tmp_path / "in", {"id": "q1", "query": "w", "candidates": candidates})
    lines_of(tmp_path / "cut", {"id": "q1", "query": "w", "candidates": [{"index": 3, "logit": 1, **candidates[0]}]})
    page = tmp_path / "page.html"
    done = forked("eval", file, "--qrels", QRELS, "--measures", "RR", "--html", page)
    assert f"no ranking before: {why}. Name one with --before to see the gain.\n" in done.stdout.decode()
    assert "no ranking before" in page.read_text()
    made = forked("eval", file, "--qrels", QRELS, "--measures", "RR", "--json").records[0][0]
    assert made["why_no_before"] == why
    made = forked("eval", file, "--qrels", QRELS, "--measures", "RR", "--json", "--before", ranked).records[0][0]
    assert made["why_no_before"] is None


def test_the_interval_and_p_are_explained_where_they_are_shown(ranked: Path) -> None:
    line = "95 % interval: bootstrap over the judged queries. p: paired t-test."
    for command in (("eval", ranked), ("compare", RUN, ranked)):
        assert line in forked(*command, "--qrels", QRELS, "--measures", "RR").stdout.decode()
    assert line not in forked("eval", RUN, "--qrels", QRELS, "--measures", "RR").stdout.decode()


DOCUMENTS = [{"page_content": "x", "metadata": {"source": "b", "grade": 1}}]


@pytest.mark.parametrize(
    ("record", "advice"),
    [
        ({"query": "w", "documents": DOCUMENTS}, '"id" to each record, and to each document or its metadata'),
        ({"query": "w", "documents": ["x"], "top_n": 1}, "--output-format native"),
        ({"query": {"text": "w"}, "passages": [{"text": "x"}]}, "Use native records"),
        (
            {"query": "w", "candidates": [{"text": "x"}]},
            'with --id-field and --candidate-id-field, or add "id" to each record and each candidate',
        ),
        ({"query": "w", "candidates": [{"id": "d", "text": "x"}]}, 'with --id-field, or add "id" to each record'),
        (
            {"qid": "q", "query": "w", "candidates": [{"docid": "d", "text": "x"}]},
            "Add --id-field qid and --candidate-id-field docid, which may be the ids.",
        ),
        (
            {"query": "w", "candidates": [{"docid": "d", "text": "x"}]},
            "Add --candidate-id-field docid, which may be the id. Name the field that has it with --id-field",
        ),
        ({"query": "w", "passage": "x", "label": 1}, 'Add "query_id" and "docid" where pairs records have them'),
        ({"id": "q", "query": "w", "candidates": [{"text": "x"}]}, 'with --candidate-id-field, or add "id" to each'),
        ({"query": {"text": "w"}, "candidates": [{"docid": "d", "doc": {"text": "x"}}]}, 'Add "qid"'),
        ({"model": "m", "results": [{"index": 0, "relevance_score": 0.5}]}, "--output-format native"),
        ({"rankings": [{"index": 0, "logit": 0.5}], "usage": {}}, "--output-format native"),
    ],
)
def test_results_without_ids_say_what_works_in_their_format(record: dict, advice: str, tmp_path: Path) -> None:
    done = forked("eval", lines_of(tmp_path / "in", record), "--qrels", QRELS)
    assert done.code in (2, 4)
    assert advice in done.said


def test_fields_of_langchain_documents_can_be_their_ids(tmp_path: Path) -> None:
    path = lines_of(tmp_path / "in", {"query": "w", "documents": DOCUMENTS})
    named = (
        "--candidates-field documents --text-field page_content --id-field query --candidate-id-field metadata.source"
    )
    options = (*named.split(), "--relevance-field", "metadata.grade", "--measures", "RR", "--json")
    assert forked("eval", path, *options).records[0][0]["measures"] == {"RR": 1.0}


def test_answers_of_an_api_are_recognised_as_input(tmp_path: Path) -> None:
    requests = lines_of(tmp_path / "in", {"query": "w", "texts": ["x", "y"]}, {"query": "v", "texts": ["x"]})
    assert forked("score", requests, "-o", tmp_path / "out", "--engine", "fake", "-q").code == 0
    for command in ("check", "eval"):
        done = forked(command, tmp_path / "out")
        assert "looks like answers of a rerank API" in done.said, command


def test_a_folder_of_judgements_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    for folder in (COLLECTION, COLLECTION / "qrels"):
        done = forked("eval", RUN, "--qrels", folder)
        assert done.code == 4
        assert f"--qrels {QRELS}." in done.said
    (tmp_path / "qrels").mkdir()
    for name in ("dev.tsv", "test.tsv.gz"):
        (tmp_path / "qrels" / name).write_text("")
    said = forked("eval", RUN, "--qrels", tmp_path).said
    assert f"--qrels {tmp_path}/qrels/test.tsv.gz (there is also {tmp_path}/qrels/dev.tsv)." in said
    assert "Name the file of judgements in it" in forked("eval", RUN, "--qrels", COLLECTION.parent).said


def test_judgements_without_a_line_are_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "qrels").write_text("query-id\tcorpus-id\tscore\n")
    done = forked("eval", RUN, "--qrels", "qrels", cwd=tmp_path)
    assert (done.code, "qrels: no judgements" in done.said) == (4, True)


def test_a_run_alone_is_no_input_and_the_advice_names_check_and_its_texts() -> None:
    done = forked("check", RUN)
    assert done.code == 2
    assert f"`rerank check --run {RUN}` checks it" in done.said
    assert "--queries and --corpus" in done.said


def test_all_parts_without_ids_are_named_at_once(tmp_path: Path) -> None:
    path = lines_of(tmp_path / "in", {"query": "w", "candidates": [{"text": "x"}]})
    assert "in:1: the record and candidate 0 have no id\n" in forked("eval", path, "--qrels", QRELS).said


def test_a_line_split_in_too_many_columns_at_blanks_says_that_tabs_keep_ids_together(tmp_path: Path) -> None:
    way = "; if ids have blanks, separate the columns with tabs"
    qrels, run = tmp_path / "qrels", tmp_path / "run"
    for line, says in (("who wrote it 0 d1 1", True), ("q\t0\td\t1\tx", False), ("q 1", False)):
        qrels.write_text(f"{line}\n")
        assert (way in forked("eval", RUN, "--qrels", qrels).said) == says
    run.write_text("q1 Q0 d1 1 2.0 t\nwho wrote it Q0 d1 1 2.0 t\n")
    assert way in forked("eval", run, "--qrels", QRELS).said
    run.write_text("qid,docid,rank\nq1,d1,1,x y\n")
    done = forked("eval", run, "--qrels", QRELS)
    assert (done.code, way in done.said) == (4, False)
