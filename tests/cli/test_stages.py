"""`rerank score --stage`, as a person types it: what is refused, what is written, and what is read of that."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import typer
from support.making import fake_logit, written_logit
from support.running import Finished, forked, rerank

from rerank_cli.cli.app import app
from rerank_cli.cli.stage_options import Asked, cascade_of
from rerank_cli.core.config import ModelConfig, ReadConfig

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
    (("--stage", "mini,keep", "--stage", "fake"), "'keep' has no value", "model=mini,keep=20"),
    (("--stage", "mini,keep=3,keep=4", "--stage", "fake"), "keep occurs twice", "Leave one out."),
    (("--stage", "keep=3", "--stage", "fake"), "names no model", "previous_score"),
    (("--stage", '{"model": 7}', "--stage", "fake"), "model cannot be '7'", "Example: model=mini."),
    (("--stage", '{"model"', "--stage", "fake"), "is no JSON object", "model=mini,keep=20"),
    (("--stage", "a,keep=3", "--stage", "b,keep=5", "--stage", "c"), "keeps 5 of the 3", "keeps fewer"),
    (("--stage", "fake,keep=3", "--stage", "previous_score"), "can only be the first", "Add a stage with a model"),
    (("--stage", "previous_score,keep=3,dtype=fp32", "--stage", "fake"), "has no key but keep", "come from no model"),
    (("--stage", "a,keep=3", "--stage", "b", "--model", "c"), "with stages, each names its model", "--stage model=c"),
    (("--stage", "fake,keep=3", "--stage", "fake", "--fuse", "rff"), "--fuse rff: unknown", "minmax:W"),
    (("--fuse", "minmax:1.5", "--model", "fake"), "--fuse minmax:1.5: unknown", "from 0 to 1"),
    (("--fuse", "minmax:nan", "--model", "fake"), "--fuse minmax:nan: unknown", "from 0 to 1"),
    (("--drop", "--model", "fake"), "--drop needs --stage", "did not score"),
    ((*TWO, "--output-format", "rerank-api"), "records have one score", "Add --drop"),
    ((*TWO, "--output-format", "labeled-list"), "records keep every text", "--output-format native"),
    ((*TWO, "--fuse", "rrf", "--output-format", "rerank-api"), "records have one score", "Add --drop"),
    ((*TWO, "--drop", "--fuse", "rrf", "--output-format", "nvidia"), "hold the logit", "Leave --fuse out"),
    (("--stage", "fake,keep=2,prompt=x", "--stage", "fake"), "stage 1: --prompt x", "Leave it out"),
    ((*TWO, "--prompt", "x"), "--prompt x: not every stage has one", "prompt=… in --stage"),
    ((*TWO, "--instruction", "x"), "--instruction x: not every stage has one", "instruction=… in --stage"),
    (("--stage", "previous_scores,keep=2", "--stage", "fake"), "no such model", "previous_score, the score"),
    (("--stage", "fake,instruction=a, b,keep=3", "--stage", "fake"), "has no value", "[[stage]]"),
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


FILES = [
    ('[stage]\nmodel = "fake"\n', "[stage]: one stage is no cascade", "[[stage]]"),
    ("stage = []\n", "stage: is not stages", "[[stage]]"),
    ("stage = [3, 4]\n", "stage: is not stages", "[[stage]]"),
    (
        '[[stage]]\nmodel = "fake"\nkeep = 1979-05-27\n[[stage]]\nmodel = "fake"\n',
        "keep cannot be '1979-05-27'",
        "keep=20",
    ),
    ('[[stage]]\nkeep = 3\n[[stage]]\nmodel = "fake"\n', "--stage keep=3: names no model", "model=NAME"),
    (
        'model = "mini"\n[[stage]]\nmodel = "fake"\nkeep = 3\n[[stage]]\nmodel = "fake"\n',
        "with stages, each names",
        "Leave it out",
    ),
]


@pytest.mark.parametrize(("text", "said", "advice"), FILES, ids=lambda value: value[:30])
def test_what_makes_no_cascade_in_a_file_is_refused(folder: Path, text: str, said: str, advice: str) -> None:
    (folder / "a.toml").write_text(text)
    done = score(folder, "-o", "out.jsonl", "--config", "a.toml", code=2)
    assert said in done.said
    assert advice in done.said


def test_a_typed_model_wins_over_the_stages_of_a_file(folder: Path) -> None:
    (folder / "a.toml").write_text('[[stage]]\nmodel = "mini"\nkeep = 3\n[[stage]]\nmodel = "mini"\n')
    done = score(folder, "-o", "-", "--config", "a.toml", "--model", "fake")
    assert all("stage" not in each for written in done.records for each in written["candidates"])


def test_what_is_of_apis_holds_for_stages_with_a_server_alone(folder: Path) -> None:
    """Else a model on this machine would become one of the provider, which would get the texts."""
    context = named("--api", "cohere", "--stage", "mini,keep=3", "--stage", "model=http://127.0.0.1:1/rerank")
    local, remote = (stage.model for stage in context.stages)
    assert local is not None
    assert remote is not None
    assert (local.api, remote.api) == (None, "cohere")


def test_a_key_goes_to_the_one_server_that_it_is_for(folder: Path) -> None:
    two = ("--stage", "model=http://127.0.0.1:1/rerank,keep=3", "--stage", "model=http://127.0.0.1:2/rerank")
    done = score(folder, "-o", "out.jsonl", "--api-key-file", "key", *two, code=2)
    assert "2 stages ask servers" in done.said
    context = named("--api-key-file", "key", "--stage", "mini,keep=3", "--stage", "cohere:rerank-v3.5")
    assert [stage.model.api_key_file for stage in context.stages if stage.model] == [None, "key"]
    context = named("--stage", "cohere:a,api-key-file=key,keep=3", "--stage", "jina:b")
    assert [stage.model.api_key_file for stage in context.stages if stage.model] == ["key", None]


def named(*words: str) -> Asked:
    """What words of `rerank score` ask for."""
    command = typer.main.get_command(app).commands["score"]  # type: ignore[attr-defined]
    with command.make_context("score", ["in.jsonl", *words]) as context:
        return cascade_of(
            context, ModelConfig(api=context.params["api"], api_key_file=context.params["api_key_file"]), ReadConfig()
        )


@pytest.mark.parametrize("first", ["fake:vectors=1", "fake:seed=1"])
def test_a_dry_run_counts_what_a_run_scores(folder: Path, first: str) -> None:
    """Also with duplicates, chunks, records that skip a stage, and an engine that makes vectors."""
    rows = [record(number) for number in range(3)] + [record(0)]
    rows[1]["candidates"] = rows[1]["candidates"][:2]
    rows[2]["candidates"][0]["text"] = "long " * 40
    (folder / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    stages = ("--stage", f"{first},keep=3", "--stage", "fake:seed=2,max-length=32,long-docs=chunk")
    score(folder, "-o", "out.jsonl", *stages)
    score(folder, "--dry-run", *stages, "--stats", "dry.json")
    ran = json.loads((folder / "out.jsonl.meta.json").read_bytes())["stages"]
    dry = json.loads((folder / "dry.json").read_bytes())["stages"]
    assert dry[0]["scored_pairs"] == ran[0]["pairs"] == 8
    assert dry[0]["tokens"] == ran[0]["tokens"]
    assert dry[1]["records"] == 4


def test_a_table_of_a_cascade_that_is_reranked_by_one_model_is_none_any_more(folder: Path) -> None:
    score(folder, "-o", "out.csv", *TWO)
    assert forked("score", "out.csv", "-o", "again.csv", "--model", "fake:seed=5", cwd=folder).code == 0
    header = (folder / "again.csv").read_text().splitlines()[0].split(",")
    assert not [name for name in header if name.startswith("stage")]
    rows = list(csv.DictReader(io.StringIO((folder / "again.csv").read_text())))
    logits = [float(row["logit"]) for row in rows if row["query_id"] == "q0"]
    assert logits == sorted(logits, reverse=True)


def test_a_column_of_the_user_that_is_called_stage_is_kept(folder: Path) -> None:
    (folder / "in.csv").write_text("query,text,stage\na,b,draft\na,c,final\na,d,draft\n")
    assert forked("score", "in.csv", "-o", "out.csv", *TWO, cwd=folder).code == 0
    rows = list(csv.DictReader(io.StringIO((folder / "out.csv").read_text())))
    assert {(row["text"], row["previous_stage"]) for row in rows} == {("b", "draft"), ("c", "final"), ("d", "draft")}
    assert sorted(row["stage"] for row in rows) == ["1", "2", "2"]


@pytest.mark.parametrize("form", ["csv", "flag-embedding", "tei", "langchain", "flashrank", "rank-llm", "pairs"])
def test_a_conversion_mixes_no_scores_of_two_stages(folder: Path, form: str) -> None:
    score(folder, "-o", "out.jsonl", *TWO)
    done = forked("convert", "out.jsonl", "--output-format", form, "-o", f"converted.{form}", cwd=folder)
    assert done.code == 0, done.said
    back = forked("convert", f"converted.{form}", "--format", form, "--output-format", "native", "-o", "-", cwd=folder)
    for number, written in enumerate(back.records):
        candidates = written["candidates"]
        if form == "pairs":
            assert [each["stage"] for each in candidates] == [stage for _, stage in expected(number)]
            continue
        scores = [each.get("score") for each in candidates if isinstance(each, dict)]
        assert scores == [0.0, -1.0, -2.0, -3.0] if form == "rank-llm" else not any(scores)  # which needs one
        assert not any("logit" in each for each in candidates if isinstance(each, dict))
        texts = [each if isinstance(each, str) else each["text"] for each in candidates]
        if form != "flag-embedding":  # which has its own order
            assert texts == [TEXTS[int(name[-1])] for name, _ in expected(number)]


def test_the_score_of_a_cascade_is_no_score_of_the_input(folder: Path) -> None:
    score(folder, "-o", "out.jsonl", *TWO)
    done = forked("score", "out.jsonl", "-o", "-", "--model", "fake", "--fuse", "rrf", cwd=folder)
    assert done.code == 4
    assert "previous_score: the scores are of several stages" in done.said


def test_another_weight_is_another_run_whatever_digit_differs(folder: Path) -> None:
    fused = ("-o", "out.jsonl", "--model", "fake", "--resume")
    score(folder, *fused, "--fuse", "minmax:0.12345678")
    assert (
        "--fuse was minmax:0.12345678, is minmax:0.1234567"
        in score(folder, *fused, "--fuse", "minmax:0.1234567", code=8).said
    )


def test_eval_shows_no_stages_where_candidates_were_left_out(folder: Path) -> None:
    score(folder, "-o", "out.jsonl", *TWO, "--drop")
    qrels = "".join(f"q{number} 0 {number}-2 1\n" for number in range(4))
    (folder / "qrels").write_text(qrels)
    done = rerank("eval", "out.jsonl", "--qrels", "qrels", "--measures", "RR", "--json", cwd=folder)
    document = json.loads(done.stdout)[0]
    assert "stages" not in document
    assert any("stages are not shown" in note for note in document["notes"])


def test_eval_shows_a_fused_ranking_and_its_last_stage(folder: Path) -> None:
    score(folder, "-o", "out.jsonl", "--model", "fake:seed=2", "--fuse", "minmax:0.1")
    score(folder, "-o", "alone.jsonl", "--model", "fake:seed=2")
    found, alone = (
        json.loads(rerank("eval", name, "--measures", "RR", "--json", cwd=folder).stdout)[0]
        for name in ("out.jsonl", "alone.jsonl")
    )
    assert [stage["stage"] for stage in found["stages"]] == [
        "stage 1: previous_score",
        "stage 2: fake:seed=2",
        "fused by minmax:0.1",
    ]
    assert found["stages"][1]["measures"] == alone["measures"]
    assert found["stages"][2]["measures"] == found["measures"]


def test_eval_says_how_many_queries_skipped_a_stage(folder: Path) -> None:
    short = record(0)
    short["candidates"] = short["candidates"][1:3]
    (folder / "in.jsonl").write_text(json.dumps(short) + "\n" + json.dumps(record(1)) + "\n")
    score(folder, "-o", "out.jsonl", *TWO)
    done = rerank("eval", "out.jsonl", "--measures", "RR", cwd=folder)
    assert "Stage 1 skipped 1 of the judged queries" in done.stdout.decode()


def test_runs_in_stages_are_not_compared_by_their_scores(folder: Path) -> None:
    score(folder, "-o", "stages.run", *TWO)
    score(folder, "-o", "stages.jsonl", *TWO)
    score(folder, "-o", "one.run", "--model", "fake")
    score(folder, "-o", "one.jsonl", "--model", "fake")
    for form in ("run", "jsonl"):
        done = rerank("compare", f"stages.{form}", f"one.{form}", cwd=folder)
        assert done.code == 0, done.said
        assert "not compared" in done.stdout.decode()


def test_fusion_that_drops_nothing_suits_formats_with_one_score(folder: Path) -> None:
    done = score(folder, "-o", "-", "--model", "fake", "--fuse", "rrf", "--output-format", "rerank-api")
    for answer in done.records:
        scores = [each["relevance_score"] for each in answer["results"]]
        assert len(scores) == 4
        assert scores == sorted(scores, reverse=True)


def test_what_happens_in_a_stage_is_said_with_its_number(folder: Path) -> None:
    done = score(folder, "-o", "-", "--stage", "fake:seed=1,keep=2", "--stage", "fake:seed=2,oom_at=1")
    assert "stage 2: out of memory" in done.said


def test_the_meta_data_say_what_gives_the_order(folder: Path) -> None:
    said = []
    for number, more in enumerate((TWO, (*TWO, "--fuse", "rrf"), ("--model", "fake", "--fuse", "minmax:0.7"))):
        score(folder, "-o", f"out{number}.jsonl", *more)
        said.append(json.loads((folder / f"out{number}.jsonl.meta.json").read_bytes())["order"])
    assert said[0].startswith("the last stage that scored a candidate")
    assert said[1].startswith("rrf (k = 60) of stages 2 and 1")
    assert said[2].startswith("minmax:0.7 of stages 2 and 1")


def test_a_model_that_is_not_there_is_said_with_its_stage_and_the_key_to_change(folder: Path, tmp_path: Path) -> None:
    stages = ("--stage", "fake,keep=2", "--stage", "someone/model", "--offline")
    done = rerank("score", "in.jsonl", "-o", "out.jsonl", *stages, cwd=folder, HF_HOME=str(tmp_path / "hub"))
    assert done.code == 6
    assert "stage 2: someone/model" in done.said
    assert "`model=mini`" in done.said
    assert "--model" not in done.said
