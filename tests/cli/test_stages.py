"""`rerank score --stage`, as a person types it: what is refused, what is written, and what is read of that."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from support.making import fake_logit, written_logit
from support.running import Finished, forked, rerank

TWO = ("--stage", "model=fake:seed=1,keep=2", "--stage", "model=fake:seed=2")
TEXTS = ["apple", "pear", "plum", "fig"]


def record(number: int = 0, **more: Any) -> dict[str, Any]:
    candidates = [
        {"id": f"{number}-{n}", "text": text, "score": n / 2, "relevance": int(n == 2)} for n, text in enumerate(TEXTS)
    ]
    return {"id": f"q{number}", "query": f"fruit {number}", "candidates": candidates, **more}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with four records."""
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(record(number)) + "\n" for number in range(4)))
    return tmp_path


def score(folder: Path, *arguments: str, code: int = 0) -> Finished:
    done = forked("score", "in.jsonl", *arguments, cwd=folder)
    assert done.code == code, done.said
    return done


def expected(number: int) -> list[tuple[str, int]]:
    """Ids with their stages, best first."""
    first = {text: fake_logit(f"fruit {number}", text, 1) for text in TEXTS}
    second = {text: fake_logit(f"fruit {number}", text, 2) for text in TEXTS}
    order = sorted(TEXTS, key=first.__getitem__, reverse=True)
    kept = sorted(order[:2], key=second.__getitem__, reverse=True)
    return [(f"{number}-{TEXTS.index(text)}", 2 if text in kept else 1) for text in [*kept, *order[2:]]]


REFUSED = [
    (("--stage", "mini"), "--stage: one stage is no cascade", "Use --model mini"),
    (("--stage", "mini,keep=3", "--stage", "fake,keep=2"), "the last stage keeps all", "--top-k 2 writes the best 2"),
    (("--stage", "mini", "--stage", "fake"), "--stage mini: keeps all", "Add keep=N"),
    (("--stage", "mini,kep=3", "--stage", "fake"), "kep: a stage has no such key", "The closest is keep."),
    (("--stage", "mini,keep=0", "--stage", "fake"), "keep cannot be '0'", "Example: keep=20."),
    (("--stage", "mini,keep=٣", "--stage", "fake"), "keep cannot be", "Example: keep=20."),
    (("--stage", "mini,keep", "--stage", "fake"), "'keep' has no value", "key=value"),
    (("--stage", "mini,keep=3,keep=4", "--stage", "fake"), "keep occurs twice", "Leave one out."),
    (("--stage", "keep=3", "--stage", "fake"), "names no model", "previous_score"),
    (("--stage", '{"model": 7}', "--stage", "fake"), "model cannot be '7'", "Example: model=mini."),
    (("--stage", '{"model"', "--stage", "fake"), "is no JSON object", "model=mini,keep=20"),
    (("--stage", "a,keep=3", "--stage", "b,keep=5", "--stage", "c"), "keeps 5 of the 3", "keeps fewer"),
    (("--stage", "fake,keep=3", "--stage", "previous_score"), "can only be the first", "Add a stage with a model"),
    (("--stage", "previous_score,keep=3,dtype=fp32", "--stage", "fake"), "has no key but keep", "come from no model"),
    (("--stage", "a,keep=3", "--stage", "b", "--model", "c"), "each stage names its model", "--stage model=c"),
    (("--stage", "fake,keep=3", "--stage", "fake", "--fuse", "rff"), "--fuse rff: unknown", "minmax:W"),
    (("--fuse", "minmax:1.5", "--model", "fake"), "--fuse minmax:1.5: unknown", "from 0 to 1"),
    (("--fuse", "minmax:nan", "--model", "fake"), "--fuse minmax:nan: unknown", "from 0 to 1"),
    (("--drop", "--model", "fake"), "--drop needs --stage", "did not score"),
    ((*TWO, "--output-format", "rerank-api"), "records have one score", "Add --drop"),
    ((*TWO, "--output-format", "labeled-list"), "records have one score", "--output-format native"),
    ((*TWO, "--drop", "--fuse", "rrf", "--output-format", "rerank-api"), "records have one score", "native"),
    (("--stage", "fake,keep=2,prompt=x", "--stage", "fake"), "stage 1: --prompt x", "Leave it out"),
    ((*TWO, "--vectors", "v"), "no stage makes vectors", "bi-encoder"),
    (("--stage", "fake,keep=2,doc-template={", "--stage", "fake"), "--doc-template", "literal brace"),
]


@pytest.mark.parametrize(("words", "said", "advice"), REFUSED, ids=lambda value: str(value)[:40])
def test_what_makes_no_cascade_is_refused_with_what_to_do(
    folder: Path, words: tuple[str, ...], said: str, advice: str
) -> None:
    done = score(folder, "-o", "out.jsonl", *words, code=2)
    assert said in done.said
    assert advice in done.said
    assert not (folder / "out.jsonl").exists()


def test_a_run_of_several_stages_writes_which_stage_ranked_each_candidate(folder: Path) -> None:
    done = score(folder, "-o", "-", *TWO)
    for number, written in enumerate(done.records):
        assert [(each["id"], each["stage"]) for each in written["candidates"]] == expected(number)
        for each in written["candidates"]:
            logits = [fake_logit(written["query"], each["text"], seed) for seed in (1, 2)]
            assert each["logit"] == written_logit(logits[each["stage"] - 1])
            assert each["score"] == each["stage_scores"][each["stage"] - 1]
            assert (each["stage_scores"][1] is None) == (each["stage"] == 1)


def test_dropped_candidates_are_left_out_on_request_and_their_number_is_written(folder: Path) -> None:
    for written in score(folder, "-o", "-", *TWO, "--drop").records:
        assert [each["stage"] for each in written["candidates"]] == [2, 2]
        assert {each["num_candidates"] for each in written["candidates"]} == {4}


def test_an_output_is_a_ranking_of_another_run_without_its_stages(folder: Path) -> None:
    score(folder, "-o", "out.jsonl", *TWO)
    again = forked("score", "out.jsonl", "-o", "-", "--model", "fake", cwd=folder)
    for written in again.records:
        assert all(not {"stage", "stage_scores"} & each.keys() for each in written["candidates"])


def test_a_stage_of_the_user_stays_where_no_cascade_writes_one(folder: Path) -> None:
    own = {"query": "a", "candidates": [{"text": "b", "stage": "mine"}]}
    (folder / "in.jsonl").write_text(json.dumps(own) + "\n")
    assert score(folder, "-o", "-", "--model", "fake").records[0]["candidates"][0]["stage"] == "mine"


@pytest.mark.parametrize("form", ["csv", "tsv"])
def test_a_table_has_a_column_a_stage(folder: Path, form: str) -> None:
    done = score(folder, "-o", f"out.{form}", *TWO)
    text = (folder / f"out.{form}").read_text()
    rows = list(csv.DictReader(io.StringIO(text), delimiter="," if form == "csv" else "\t"))
    assert done.stdout == b""
    assert [(row["docid"], int(row["stage"])) for row in rows] == [pair for n in range(4) for pair in expected(n)]
    assert all((row["stage_2_score"] == "") == (row["stage"] == "1") for row in rows)


def test_a_run_falls_strictly_through_all_stages(folder: Path) -> None:
    score(folder, "-o", "out.run", *TWO)
    rows = [line.split() for line in (folder / "out.run").read_text().splitlines()]
    assert [row[2] for row in rows] == [name for number in range(4) for name, _ in expected(number)]
    for number in range(4):
        scores = [float(row[4]) for row in rows if row[0] == f"q{number}"]
        assert scores == sorted(set(scores), reverse=True)


@pytest.mark.parametrize("form", ["out.jsonl", "out.csv", "out.run"])
def test_convert_and_eval_read_the_order_of_the_stages(folder: Path, form: str) -> None:
    """Not that of the scores, which two stages gave."""
    score(folder, "-o", form, *TWO)
    converted = forked("convert", form, "--output-format", "trec", "-o", "-", cwd=folder)
    if form != "out.run":
        rows = [line.split() for line in converted.stdout.decode().splitlines()]
        assert [row[2] for row in rows] == [name for number in range(4) for name, _ in expected(number)]
    qrels = "".join(f"q{number} 0 {number}-{n} {int(n == 2)}\n" for number in range(4) for n in range(4))
    (folder / "qrels").write_text(qrels)
    done = rerank("eval", form, "--qrels", "qrels", "--measures", "RR", "--json", cwd=folder)
    ranks = [[name for name, _ in expected(number)].index(f"{number}-2") + 1 for number in range(4)]
    assert json.loads(done.stdout)[0]["measures"]["RR"] == pytest.approx(sum(1 / rank for rank in ranks) / 4)


def test_eval_shows_each_stage_and_what_the_whole_adds(folder: Path) -> None:
    score(folder, "-o", "out.jsonl", "--stage", "previous_score,keep=3", *TWO[:3], "fake:seed=2")
    done = rerank("eval", "out.jsonl", "--measures", "RR nDCG@10", "--json", cwd=folder)
    stages = json.loads(done.stdout)[0]["stages"]
    assert [stage["stage"] for stage in stages] == [
        "stage 1: previous_score",
        "stage 2: fake:seed=1",
        "stage 3: fake:seed=2",
    ]
    assert stages[0]["measures"]["RR"] == 0.5  # "plum" is second by the score of the input
    first = [sorted(TEXTS[1:], key=lambda text: -fake_logit(f"fruit {n}", text, 1)).index("plum") + 1 for n in range(4)]
    assert stages[1]["measures"]["RR"] == pytest.approx(sum(1 / rank for rank in first) / 4)
    assert stages[2]["measures"] == json.loads(done.stdout)[0]["measures"]
    assert [stage["pairs"] for stage in stages] == [None, 12, 8]
    shown = rerank("eval", "out.jsonl", "--measures", "RR nDCG@10", cwd=folder).stdout.decode()
    assert "whole − stage, RR" in shown
    assert "the last one on all pairs would take" in shown


def test_fusion_with_the_score_of_the_input_needs_no_stage(folder: Path) -> None:
    for number, written in enumerate(score(folder, "-o", "-", "--model", "fake", "--fuse", "rrf").records):
        logits = {f"{number}-{n}": fake_logit(f"fruit {number}", text) for n, text in enumerate(TEXTS)}
        ranks = [sorted(logits, key=lambda name: -logits[name]), [f"{number}-{n}" for n in (3, 2, 1, 0)]]
        fused = {name: sum(1 / (61 + order.index(name)) for order in ranks) for name in logits}
        assert {each["id"]: each["score"] for each in written["candidates"]} == pytest.approx(fused)
        order = sorted(fused, key=lambda name: (-fused[name], name))
        assert [each["id"] for each in written["candidates"]] == order
        assert all(each["logit"] == written_logit(logits[each["id"]]) for each in written["candidates"])


def test_a_threshold_is_on_the_fused_score(folder: Path) -> None:
    done = score(folder, "-o", "-", "--model", "fake", "--fuse", "minmax:0.5", "--min-score", "0.5")
    for number, written in enumerate(done.records):
        logits = [fake_logit(f"fruit {number}", text) for text in TEXTS]
        low, high = min(logits), max(logits)
        fused = {n: 0.5 * (logits[n] - low) / (high - low) + 0.5 * n / 3 for n in range(4)}
        kept = sorted([n for n in fused if fused[n] >= 0.5], key=lambda n: -fused[n])
        assert [each["index"] for each in written["candidates"]] == kept
        assert 0 < len(kept) < 4


def test_records_without_the_score_that_is_needed_fail_and_say_so(folder: Path) -> None:
    (folder / "in.jsonl").write_text(json.dumps({"query": "a", "candidates": ["b"]}) + "\n")
    done = score(folder, "-o", "-", "--model", "fake", "--fuse", "rrf", code=4)
    assert 'previous_score: the candidates have no "score"' in done.said
    assert "--model alone" in done.said


def test_stages_stand_in_a_file_with_their_own_templates(folder: Path) -> None:
    (folder / "a.toml").write_text(
        'input = "in.jsonl"\noutput = "out.jsonl"\n'
        '[[stage]]\nmodel = "fake:seed=1"\nkeep = 2\ndoc-template = "first: {text}"\n'
        '[[stage]]\nmodel = "fake:seed=2"\nquery-template = "second: {query}"\n'
    )
    done = forked("score", "--config", "a.toml", cwd=folder)
    assert done.code == 0, done.said
    for line in (folder / "out.jsonl").read_text().splitlines():
        written = json.loads(line)
        for each in written["candidates"]:
            first = written_logit(fake_logit(written["query"], f"first: {each['text']}", 1))
            second = written_logit(fake_logit(f"second: {written['query']}", each["text"], 2))
            assert each["logit"] == (first, second)[each["stage"] - 1]
    assert forked("check", "--config", "a.toml", cwd=folder).code == 0
    shown = forked("score", "--config", "a.toml", "--show-config", cwd=folder)
    (folder / "b.toml").write_bytes(shown.stdout)
    assert forked("score", "--config", "b.toml", "--resume", cwd=folder).said.count("nothing to do") == 1


def test_a_dry_run_counts_the_pairs_of_each_stage(folder: Path) -> None:
    score(folder, "-o", "out.jsonl", *TWO)
    score(folder, "--dry-run", *TWO, "--stats", "dry.json")
    ran = json.loads((folder / "out.jsonl.meta.json").read_bytes())
    dry = json.loads((folder / "dry.json").read_bytes())
    assert [stage["pairs"] for stage in ran["stages"]] == [16, 8]
    assert [stage["tokens"] for stage in dry["stages"]] == [stage["tokens"] for stage in ran["stages"]]
    assert dry["last_stage_alone"]["tokens"] == ran["stages"][0]["tokens"]
    shown = score(folder, "--dry-run", *TWO).stdout.decode()
    assert "all stages" in shown
    assert "stage 2 alone" in shown


def test_options_of_the_model_hold_for_stages_that_do_not_say_them(folder: Path) -> None:
    stages = ("--stage", "fake:seed=1,keep=2,max-length=32", "--stage", "fake:seed=2", "--max-length", "64")
    score(folder, "-o", "out.jsonl", *stages)
    fingerprint = json.loads((folder / "out.jsonl.meta.json").read_bytes())["fingerprint"]
    assert (fingerprint["stage_1_max_length"], fingerprint["max_length"]) == (32, 64)
