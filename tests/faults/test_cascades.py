"""A cascade that is killed any number of times and resumed writes the bytes of one that is left alone.

Logits of both stages depend on which pairs share a batch. The second stage's batches depend on what the first kept, so
identity fails as soon as a window, a batch or a choice shifts.
"""

import json
import random
import signal
from pathlib import Path

import pytest
from support.points import Points
from support.running import commits, kill_after_commits, kill_after_seconds, rerank

RECORDS = 60
SLOW = "composition=1,slow=0.003"
SMALL = ("--batch-tokens", "64", "--window-tokens", "60", "-q")
STAGES = {
    "two stages": ("--stage", f"model=fake:seed=1,{SLOW},keep=3", "--stage", f"model=fake:seed=2,{SLOW}"),
    "three, out of memory": (
        "--stage",
        f"model=fake:seed=1,{SLOW},oom_above=50,keep=5",
        "--stage",
        f"model=fake:seed=2,{SLOW},oom_above=40,keep=2",
        "--stage",
        f"model=fake:seed=3,{SLOW},oom_above=45",
    ),
    "given and fused": ("--stage", "previous_score,keep=4", "--stage", f"fake:seed=2,{SLOW}", "--fuse", "rrf"),
    "dropped, as a run": (
        "--stage",
        f"fake:seed=1,{SLOW},keep=4",
        "--stage",
        f"fake:seed=2,{SLOW}",
        "--drop",
        "--output-format",
        "trec",
    ),
}


def content() -> bytes:
    """Records with no, few and many candidates, bad and blank lines among them."""
    chance, parts = random.Random(29), []
    for number in range(RECORDS):
        texts = ["word " * chance.randrange(9) + str(n) for n in range(chance.choice([1, 2, 4, 7, 12]))]
        candidates = [{"id": f"{number}-{n}", "text": text, "score": n % 4} for n, text in enumerate(texts)]
        record = {"id": str(number), "query": f"query {number % 7}", "candidates": candidates}
        parts.append(json.dumps(record).encode() + b"\n")
        if number % 9 == 4:
            parts.append(b'{"query": 7}\n\n')
    return b"".join(parts)


@pytest.fixture(scope="module")
def goldens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Uninterrupted runs, one for each cascade."""
    folder = tmp_path_factory.mktemp("golden")
    (folder / "in.jsonl").write_bytes(content())
    for name, stages in STAGES.items():
        done = rerank("score", "in.jsonl", "-o", f"{name}.jsonl", *stages, *SMALL, cwd=folder)
        assert done.code == 3, done.said
    return folder


def started(folder: Path, name: str) -> tuple[str, ...]:
    folder.mkdir()
    (folder / "in.jsonl").write_bytes(content())
    return ("score", "in.jsonl", "-o", f"{name}.jsonl", *STAGES[name], *SMALL)


def assert_golden(folder: Path, goldens: Path, name: str) -> None:
    for file in (f"{name}.jsonl", f"{name}.jsonl.errors.jsonl"):
        assert (folder / file).read_bytes() == (goldens / file).read_bytes()
    ours, whole = (json.loads((each / f"{name}.jsonl.meta.json").read_bytes()) for each in (folder, goldens))
    counted = ("records", "scored", "failed", "blank", "pairs", "windows", "batches", "tokens", "oom_splits")
    assert {each: ours[each] for each in counted} == {each: whole[each] for each in counted}
    stages = [
        [{field: value for field, value in stage.items() if field != "busy_s"} for stage in meta["stages"]]
        for meta in (ours, whole)
    ]
    assert stages[0] == stages[1]


@pytest.mark.parametrize("name", STAGES)
def test_the_cascades_have_windows_and_batches_enough_to_be_killed_in(goldens: Path, name: str) -> None:
    meta = json.loads((goldens / f"{name}.jsonl.meta.json").read_bytes())
    assert meta["windows"] >= 15
    assert meta["batches"] >= 30
    assert meta["deterministic"] is not name.startswith("three")
    assert all(stage["pairs"] > 50 for stage in meta["stages"] if "pairs" in stage)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", STAGES)
def test_chains_of_kills_at_random_moments_give_the_golden_bytes(
    goldens: Path, tmp_path: Path, points: Points, name: str
) -> None:
    chance, folder, command = random.Random(name), tmp_path / "0", ()
    for kill in points.of(range(12), sample=2):
        with points.trying("kills: at random moments of a cascade, chained"):
            if not folder.exists():
                command = started(folder, name)
            code = kill_after_seconds(chance.uniform(0.1, 0.6), *command, "--resume", cwd=folder)
            assert code in (-signal.SIGKILL, 3)
            if (folder / f"{name}.jsonl").exists():
                assert rerank(*command, "--resume", cwd=folder).code in (0, 3)
                assert_golden(folder, goldens, name)
                folder = tmp_path / str(kill + 1)
    if folder.exists():
        assert rerank(*command, "--resume", cwd=folder).code == 3
        assert_golden(folder, goldens, name)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", STAGES)
def test_a_chain_of_kills_right_after_a_commit_gives_the_golden_bytes(
    goldens: Path, tmp_path: Path, points: Points, name: str
) -> None:
    folder = tmp_path / "run"
    command, flags = started(folder, name), list[str]()
    for count in points.of((1, 3, 5, 8, 11), sample=2):
        with points.trying("kills: of a cascade, right after a commit"):
            code = kill_after_commits(count, folder / f"{name}.jsonl", *command, *flags, cwd=folder)
            assert code == -signal.SIGKILL
            assert commits(folder / f"{name}.jsonl") >= count
            flags = ["--resume"]
    assert rerank(*command, "--resume", cwd=folder).code == 3
    assert_golden(folder, goldens, name)


def test_a_cascade_is_not_continued_with_other_stages(goldens: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    command = started(folder, "two stages")
    assert kill_after_commits(3, folder / "two stages.jsonl", *command, cwd=folder) == -signal.SIGKILL
    others = [word.replace("keep=3", "keep=4") for word in command if word != "-q"]
    done = rerank(*others, "--resume", cwd=folder)
    assert done.code == 8
    assert "an unfinished output of another run exists (of stage 1: keep was 3, is 4)" in done.said


def test_kept_scores_of_all_stages_are_found_again(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(content())
    stages = ("--stage", "model=fake:seed=1,keep=3", "--stage", "model=fake:seed=2", *SMALL)
    kept = ("--score-cache", "cache", "--overwrite")
    written = []
    for more in ((), kept, kept):
        assert rerank("score", "in.jsonl", "-o", "out.jsonl", *stages, *more, cwd=tmp_path).code == 3
        written.append((tmp_path / "out.jsonl").read_bytes())
    assert written[0] == written[1] == written[2]
    meta = json.loads((tmp_path / "out.jsonl.meta.json").read_bytes())
    assert [stage["batches"] for stage in meta["stages"]] == [0, 0]
    assert all(stage["cached"] == stage["pairs"] for stage in meta["stages"])
