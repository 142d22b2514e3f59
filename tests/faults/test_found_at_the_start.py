"""The table of what a run does with the files it finds, each cell through the command line.

found                             no flag   --resume        --overwrite   both (for cron)
nothing                           start     start           start         start
partial + journal of this run     8         continue        start again   continue
partial + journal of another run  8         8               start again   start again
FILE of this run                  8         nothing to do   run again     nothing to do
FILE of another run               8         8               run           run
FILE and a partial of this run    8         8               start again   continue
"""

import json
import shutil
from pathlib import Path

import pytest
from support.points import Points
from support.running import HANG_S, commits, files_of, forked, kill_after_commits, lines, rerank, started, wait_until

from rerank_cli.files.lock import LINE

RUN = ("score", "in.jsonl", "-o", "out.jsonl", "--model", "fake:slow=0.002", "--batch-tokens", "64")
RUN = (*RUN, "--window-tokens", "256", "-q")
FLAGS = {"no flag": (), "--resume": ("--resume",), "--overwrite": ("--overwrite",), "both": ("--resume", "--overwrite")}

TABLE = {
    "nothing": ("start", "start", "start", "start"),
    "partial of this run": ("8", "continue", "start", "continue"),
    "partial of another run": ("8", "8", "start", "start"),
    "file of this run": ("8", "nothing", "start", "nothing"),
    "file made otherwise": ("8", "8", "start", "start"),
    "file of other options": ("8", "8", "start", "start"),
    "file of other input": ("8", "8", "start", "start"),
    "file of this run, altered": ("8", "8", "start", "start"),
    "file and partial of this run": ("8", "8", "start", "continue"),
}
CELLS = [(found, flag, cell) for found, row in TABLE.items() for flag, cell in zip(FLAGS, row, strict=True)]


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each state, and `golden` with a finished run."""
    base = tmp_path_factory.mktemp("states")
    source = lines(12) + b"bad\n" + lines(4, start=12)

    def folder(name: str, content: bytes = source) -> Path:
        made = base / name
        made.mkdir()
        (made / "in.jsonl").write_bytes(content)
        return made

    golden = folder("golden")
    assert forked(*RUN, cwd=golden).code == 3

    folder("nothing")
    partial = folder("partial of this run")
    assert kill_after_commits(2, partial / "out.jsonl", *RUN, cwd=partial) == -9
    another = folder("partial of another run")
    assert kill_after_commits(2, another / "out.jsonl", *RUN, "--top-k", "1", cwd=another) == -9
    for killed in (partial, another):
        (killed / "out.jsonl.lock").unlink()  # free, and no part of what must stay

    shutil.copytree(golden, base / "file of this run")
    (folder("file made otherwise") / "out.jsonl").write_bytes(b"precious\n")
    assert forked(*RUN, "--top-k", "1", cwd=folder("file of other options")).code == 3
    other = folder("file of other input", source + lines(1, start=90))
    assert forked(*RUN, cwd=other).code == 3
    (other / "in.jsonl").write_bytes(source)
    altered = Path(shutil.copytree(golden, base / "file of this run, altered")) / "out.jsonl"
    altered.write_bytes(altered.read_bytes().replace(b"question 3", b"question 4", 1))
    both = Path(shutil.copytree(partial, base / "file and partial of this run"))
    (both / "out.jsonl").write_bytes(b"precious\n")
    return base


@pytest.mark.parametrize(
    ("found", "flag", "cell"), CELLS, ids=[f"{found}, {flag}: {cell}" for found, flag, cell in CELLS]
)
def test_a_cell_of_the_table(
    states: Path, quick_folder: Path, points: Points, found: str, flag: str, cell: str
) -> None:
    folder = Path(shutil.copytree(states / found, quick_folder / "here"))
    before, golden = files_of(folder), files_of(states / "golden")
    with points.trying("table of states"):
        done = forked(*RUN, *FLAGS[flag], cwd=folder)
        after = files_of(folder)
        assert done.stdout == b""
        if cell == "8":
            assert done.code == 8
            assert after == before
            assert b"--" in done.stderr, "no way on is named"
            return
        assert done.code == (0 if cell == "nothing" else 3), done.said
        if cell == "nothing":
            assert after == before
            return
        assert sorted(after) == sorted(golden)
        for name in ("out.jsonl", "out.jsonl.errors.jsonl"):
            assert after[name] == golden[name], name
        meta = json.loads(after["out.jsonl.meta.json"])
        assert (meta["resumed_records"] > 0) == (cell == "continue")
        assert (meta["records"], meta["scored"], meta["failed"]) == (17, 16, 1)


def test_nothing_to_do_is_said_unless_quiet(states: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(states / "file of this run", tmp_path / "here"))
    assert forked(*RUN, "--resume", cwd=folder).stderr == b""
    loud = [argument for argument in RUN if argument != "-q"]
    done = forked(*loud, "--resume", cwd=folder)
    assert "nothing to do" in done.said


def test_nothing_to_do_does_not_write_the_file_again(states: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(states / "file of this run", tmp_path / "here"))
    before = (folder / "out.jsonl").stat()
    assert forked(*RUN, "--resume", "--overwrite", cwd=folder).code == 0
    after = (folder / "out.jsonl").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize("flags", [("--overwrite",), ("--overwrite", "--resume")], ids=" ".join)
def test_the_old_file_stays_until_the_run_has_succeeded(states: Path, tmp_path: Path, flags: tuple[str, ...]) -> None:
    folder = Path(shutil.copytree(states / "file made otherwise", tmp_path / "here"))
    assert kill_after_commits(2, folder / "out.jsonl", *RUN, *flags, cwd=folder) == -9
    assert (folder / "out.jsonl").read_bytes() == b"precious\n"
    assert commits(folder / "out.jsonl") >= 2
    assert forked(*RUN, "--overwrite", "--resume", cwd=folder).code == 3
    assert (folder / "out.jsonl").read_bytes() == (states / "golden" / "out.jsonl").read_bytes()


@pytest.mark.parametrize(
    "options",
    [
        ("--top-k", "2"),
        ("--score", "logit"),
        ("--no-text",),
        ("--max-length", "512"),
        ("--window-tokens", "128"),
        ("--model", "fake:slow=0.006"),
        ("--query-field", "id"),
    ],
    ids=" ".join,
)
def test_a_changed_option_is_refused_and_named(states: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    folder = Path(shutil.copytree(states / "partial of this run", tmp_path / "here"))
    before = files_of(folder)
    loud = [argument for argument in RUN if argument != "-q"]
    done = forked(*loud, *options, "--resume", cwd=folder)
    assert done.code == 8
    assert f"({options[0]} was " in done.said
    assert files_of(folder) == before


def test_why_it_is_refused_is_said_even_when_quiet(states: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(states / "partial of this run", tmp_path / "here"))
    done = forked(*RUN, "--top-k", "2", "--resume", cwd=folder)
    assert done.code == 8
    assert "(--top-k was not set, is 2)" in done.said


@pytest.mark.parametrize(
    "options", [("--max-errors", "5"), ("--progress", "lines"), ("--stats", "stats.json"), ("-v",)], ids=" ".join
)
def test_an_option_that_changes_no_result_does_not_forbid_to_continue(
    states: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    folder = Path(shutil.copytree(states / "partial of this run", tmp_path / "here"))
    assert forked(*RUN, *options, "--resume", cwd=folder).code == 3
    assert (folder / "out.jsonl").read_bytes() == (states / "golden" / "out.jsonl").read_bytes()


def test_input_that_changed_before_the_last_commit_is_refused(states: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(states / "partial of this run", tmp_path / "here"))
    source = folder / "in.jsonl"
    source.write_bytes(source.read_bytes().replace(b"question 0", b"question 9", 1))
    before = files_of(folder)
    done = forked(*[argument for argument in RUN if argument != "-q"], "--resume", cwd=folder)
    assert done.code == 8
    assert "input" in done.said
    assert files_of(folder) == before
    source.write_bytes(b"")
    assert forked(*RUN, "--resume", cwd=folder).code == 8


def test_input_that_changed_after_the_last_commit_is_simply_read(states: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(states / "partial of this run", tmp_path / "here"))
    source = folder / "in.jsonl"
    source.write_bytes(source.read_bytes() + lines(2, start=50))
    assert forked(*RUN, "--resume", cwd=folder).code == 3
    assert len((folder / "out.jsonl").read_bytes().splitlines()) == 18


def test_standard_input_cannot_be_continued_and_that_is_said_at_the_start(tmp_path: Path) -> None:
    done = rerank("score", "-", "-o", "out.jsonl", "--engine", "fake", stdin=lines(2), cwd=tmp_path)
    assert done.code == 0
    assert "cannot be resumed" in done.said


def test_the_lock_of_a_killed_run_is_free(states: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(states / "partial of this run", tmp_path / "here"))
    (folder / "out.jsonl.lock").write_bytes(LINE)
    assert forked(*RUN, "--resume", cwd=folder).code == 3
    assert not (folder / "out.jsonl.lock").exists()


def test_an_errors_file_that_is_not_ours_survives_a_continued_run_without_overwrite(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(lines(20))
    (tmp_path / "mine.txt").write_bytes(b"precious\n")
    assert kill_after_commits(2, tmp_path / "out.jsonl", *RUN, cwd=tmp_path) == -9
    done = forked(*RUN, "--resume", "--errors", "mine.txt", cwd=tmp_path)
    assert (tmp_path / "mine.txt").read_bytes() == b"precious\n"
    assert done.code == 8


def test_the_cron_recipe_does_what_each_night_needs(tmp_path: Path) -> None:
    cron = (*RUN, "--overwrite", "--resume")
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"

    def night() -> bytes:
        done = rerank(*cron, cwd=tmp_path)
        assert (done.code, done.stdout, done.stderr) == (0, b"", b"")
        return output.read_bytes()

    source.write_bytes(lines(8))
    first = night()
    written = output.stat().st_mtime_ns
    assert night() == first
    assert output.stat().st_mtime_ns == written, "an unchanged input was scored again"

    source.write_bytes(lines(12, start=3))
    assert kill_after_commits(2, output, *cron, cwd=tmp_path) == -9
    assert output.read_bytes() == first
    second = night()
    assert [json.loads(line)["id"] for line in second.splitlines()] == [f"q{n}" for n in range(3, 15)]
    assert json.loads((tmp_path / "out.jsonl.meta.json").read_bytes())["resumed_records"] > 0

    assert kill_after_commits(0, output, *cron, "--overwrite", cwd=tmp_path) in (-9, 0)
    source.write_bytes(lines(3, start=70))
    assert [json.loads(line)["id"] for line in night().splitlines()] == ["q70", "q71", "q72"]
    assert sorted(files_of(tmp_path)) == ["in.jsonl", "out.jsonl", "out.jsonl.meta.json"]


def test_two_nights_that_overlap_do_the_work_once(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(lines(30))
    cron = (*RUN, "--overwrite", "--resume")
    with started(*cron, cwd=tmp_path) as first:
        assert wait_until(lambda: commits(tmp_path / "out.jsonl") >= 1, first)
        with started(*cron, cwd=tmp_path) as second:
            codes = {second.wait(HANG_S), first.wait(HANG_S)}
    assert codes in ({0, 11}, {0})
    assert len((tmp_path / "out.jsonl").read_bytes().splitlines()) == 30
