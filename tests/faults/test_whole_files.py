"""Further files that a command writes: complete or unchanged; and the advice of an error helps."""

import json
import os
import resource
import shutil
from pathlib import Path

import pytest
from support.points import Points
from support.running import commits, files_of, forked, lines, rerank, started, wait_until

from rerank_cli.cli.limits import REPORTS

OPTIONS = ("--model", "fake", "--batch-tokens", "64", "--window-tokens", "256", "-q")
SLOW = ("--model", "fake:slow=0.01", *OPTIONS[2:])
JUDGED = b"".join(
    b'{"id":"q%d","query":"q","candidates":[{"id":"a","text":"x","relevance":1,"index":0},'
    b'{"id":"b","text":"y","relevance":0,"index":1}]}\n' % n
    for n in range(40)
)
OLD = b"".join(REPORTS.values()) + b"old report\n" * 2000  # as a report of ours begins: others are refused


@pytest.fixture
def folder(quick_folder: Path) -> Path:
    (quick_folder / "in.jsonl").write_bytes(lines(6))
    (quick_folder / "judged.jsonl").write_bytes(JUDGED)
    return quick_folder


WRITERS = {
    "--stats": ("score", "in.jsonl", "-o", "-", *OPTIONS, "--stats"),
    "--stats of a dry run": ("score", "in.jsonl", "--dry-run", *OPTIONS, "--stats"),
    "--per-query": ("eval", "judged.jsonl", "--per-query"),
    "--html": ("eval", "judged.jsonl", "--html"),
    "--html of compare": ("compare", "judged.jsonl", "judged.jsonl", "--html"),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("writer", WRITERS)
def test_a_file_that_cannot_be_written_whole_is_as_it_was(folder: Path, points: Points, writer: str) -> None:
    """The limit of the file size stops a write anywhere, as a full disk does."""
    target, done = folder / "target", (*WRITERS[writer], "target")
    assert forked(*done, cwd=folder).code == 0
    whole = len(target.read_bytes())
    for size in points.of([*range(0, whole, max(1, whole // 40)), whole - 1], sample=2):
        with points.trying("whole files: a limit of the file size"):
            target.write_bytes(OLD)
            limit = (size, resource.RLIM_INFINITY)
            ended = rerank(*done, cwd=folder, prepare=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))  # noqa: B023
            if ended.code == 0:  # figures of time are of other lengths
                continue
            assert ended.code == 5, ended.said
            assert target.read_bytes() == OLD
            assert sorted(files_of(folder)) == ["in.jsonl", "judged.jsonl", "target"]


@pytest.mark.parametrize("writer", WRITERS)
def test_links_are_followed_permissions_kept_and_devices_written(folder: Path, points: Points, writer: str) -> None:
    (folder / "real").write_bytes(OLD)
    (folder / "real").chmod(0o640)
    (folder / "target").symlink_to("real")
    with points.trying("whole files: links, permissions, devices", count=3):
        assert forked(*WRITERS[writer], "target", cwd=folder).code == 0
        assert (folder / "target").is_symlink()
        assert (folder / "real").read_bytes() != OLD
        assert (folder / "real").stat().st_mode & 0o777 == 0o640
        assert forked(*WRITERS[writer], "/dev/null", cwd=folder).code == 0
        assert forked(*WRITERS[writer], "/dev/full", cwd=folder).code == 5


def test_statistics_that_could_not_be_written_are_written_by_resume(folder: Path, points: Points) -> None:
    run = ("score", "in.jsonl", "-o", "out.jsonl", *OPTIONS)
    with points.trying("whole files: statistics of a finished run"):
        done = forked(*run, "--stats", "/dev/full", cwd=folder)
        assert done.code == 5
        assert "--resume" in done.said
        before = (folder / "out.jsonl").stat()
        assert forked(*run, "--stats", "stats.json", "--resume", cwd=folder).code == 0
        assert (folder / "out.jsonl").stat().st_mtime_ns == before.st_mtime_ns
        stats, meta = (json.loads((folder / name).read_bytes()) for name in ("stats.json", "out.jsonl.meta.json"))
        assert stats["records"] == 6
        assert stats.items() <= meta.items()
        shutil.copy(folder / "stats.json", folder / "again.json")
        assert forked(*run, "--stats", "fresh.json", "--overwrite", cwd=folder).code == 0
        assert json.loads((folder / "fresh.json").read_bytes()).keys() == stats.keys()


@pytest.mark.slow
def test_convert_never_advises_what_it_lacks_and_its_advice_leads_on(folder: Path, points: Points) -> None:
    run = ("convert", "judged.jsonl", "-o", "out.jsonl")
    assert forked(*run, cwd=folder).code == 0
    golden = (folder / "out.jsonl").read_bytes()
    for size in points.of(range(64, len(golden), 64), sample=3):
        with points.trying("whole files: a conversion without room"):
            for name in set(files_of(folder)) - {"judged.jsonl"}:
                (folder / name).unlink()
            limit = (size, resource.RLIM_INFINITY)
            done = rerank(*run, cwd=folder, prepare=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))  # noqa: B023
            assert done.code == 5, done.said
            assert "--resume" not in done.said
            assert "--overwrite" in done.said
            again = forked(*run, cwd=folder)
            assert again.code in (0, 8)
            assert "--resume" not in again.said
            assert again.code == 0 or "--overwrite" in again.said
            assert forked(*run, "--overwrite", cwd=folder).code == 0
            assert (folder / "out.jsonl").read_bytes() == golden
            assert set(files_of(folder)) == {"judged.jsonl", "out.jsonl", "out.jsonl.meta.json"}


@pytest.mark.parametrize("again", [False, True], ids=["gone", "another folder of its name"])
def test_a_folder_moved_under_a_run_is_said_and_resume_continues_there(
    folder: Path, points: Points, again: bool
) -> None:
    here, there = folder / "here", folder / "there"
    here.mkdir()
    (here / "in.jsonl").write_bytes(lines(30))
    run = ("score", "in.jsonl", "-o", "out.jsonl", *SLOW)
    with points.trying("whole files: a folder moved under a run"):
        with started(*run, cwd=here) as process:
            assert wait_until(lambda: commits(here / "out.jsonl") >= 2, process)
            here.rename(there)
            if again:
                here.mkdir()
            said = process.communicate()[1].decode()
        assert process.returncode == 5, said
        assert f"moved to {there}" in said
        assert "--resume" in said
        assert "--overwrite" not in said
        assert forked(*run, "--resume", cwd=there).code == 0
        assert len((there / "out.jsonl").read_bytes().splitlines()) == 30
        assert json.loads((there / "out.jsonl.meta.json").read_bytes())["resumed_records"] == 30


@pytest.mark.slow
def test_a_partial_that_was_replaced_under_a_run_is_said_with_overwrite_as_the_way_on(
    folder: Path, points: Points
) -> None:
    (folder / "in.jsonl").write_bytes(lines(30))
    (folder / "elsewhere").mkdir()
    run = ("score", "in.jsonl", "-o", "out.jsonl", *SLOW)
    for change in (os.unlink, lambda path: path.rename(folder / "elsewhere" / path.name)):
        with points.trying("whole files: a partial gone under a run"):
            with started(*run, cwd=folder) as process:
                assert wait_until(lambda: commits(folder / "out.jsonl") >= 2, process)
                change(folder / "out.jsonl.partial")
                said = process.communicate()[1].decode()
            assert process.returncode == 5, said
            assert "--overwrite" in said
            assert forked(*run, "--overwrite", cwd=folder).code == 0
            for name in ("out.jsonl", "out.jsonl.meta.json"):
                (folder / name).unlink()


def test_errors_beside_a_stream_replace_an_old_file_only_when_there_is_something_to_say(
    folder: Path, points: Points
) -> None:
    errors = folder / "errors"
    errors.write_bytes(OLD)
    errors.chmod(0o640)
    run = ("score", "in.jsonl", "-o", "-", "--errors", "errors", "--overwrite", "-q")
    with points.trying("whole files: the errors of a stream", count=3):
        assert forked(*run, "--model", "./no-such-model", cwd=folder).code == 6
        assert errors.read_bytes() == OLD
        (folder / "in.jsonl").write_bytes(b"bad\n" + lines(3))
        assert forked(*run, "--model", "fake", cwd=folder).code == 3
        assert json.loads(errors.read_bytes())["line"] == 1
        assert errors.stat().st_mode & 0o777 == 0o640
        (folder / "in.jsonl").write_bytes(lines(3))
        assert forked(*run, "--model", "fake", cwd=folder).code == 0
        assert errors.read_bytes() == b""
    assert sorted(files_of(folder)) == ["errors", "in.jsonl", "judged.jsonl"]
