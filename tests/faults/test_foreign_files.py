"""Somebody else's files where a run writes: whatever they are and whatever the flags, they are the same afterwards.

FILE and ERRORS may be replaced with --overwrite: the user has named them.
"""

import json
import os
import re
import signal
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from support.points import Points
from support.running import HANG_S, commits, files_of, forked, kill_after_commits, lines, started, wait_until

from rerank_cli.files.paths import Paths

GOOD, MIXED = lines(6), lines(3) + b"bad\n" + lines(3, start=3)
OPTIONS = ("--model", "fake", "--batch-tokens", "64", "--window-tokens", "256", "-q")
SLOW = ("--model", "fake:slow=0.01", *OPTIONS[2:])
RUNS = {
    "score": ("score", "in.jsonl", *OPTIONS),
    "convert": ("convert", "in.jsonl", "-q"),
}
FLAGS = {
    "score": ((), ("--resume",), ("--overwrite",), ("--resume", "--overwrite")),
    "convert": ((), ("--overwrite",)),
}
OUTPUTS = (("out.jsonl", None), ("out.parquet", None), ("out.jsonl", "far/errors"))


def text(path: Path) -> None:
    path.write_bytes(b"mine\n")


def empty(path: Path) -> None:
    path.touch()


def other_json(path: Path) -> None:
    path.write_bytes(b'{\n  "version": 1,\n  "packages": []\n}\n')


def folder(path: Path) -> None:
    path.mkdir()
    (path / "note").write_bytes(b"mine\n")


def link(path: Path) -> None:
    target = path.with_name("target of a link")
    target.write_bytes(b"mine\n")
    path.symlink_to(target)


def link_to_nothing(path: Path) -> None:
    path.symlink_to("nothing")


KINDS: tuple[Callable[[Path], None], ...] = (text, empty, other_json, folder, link, link_to_nothing)


def state(root: Path) -> dict[str, tuple[int, bytes]]:
    """What every path below a folder is and holds."""
    found = {}
    for path in sorted(root.rglob("*")):
        inside = os.readlink(path).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(root))] = (path.lstat().st_mode, inside)
    return found


def places() -> list[tuple[str, tuple[str, str | None], str]]:
    """Each command with each output and each path that it may write, as seen from its folder."""
    found = []
    for command, (output, errors) in product(RUNS, OUTPUTS):
        paths = Paths.of(f"/x/{output}", errors and f"/x/{errors}").all()
        found += [(command, (output, errors), str(path.relative_to("/x"))) for path in paths]
    return found


EVERYTHING = [
    (command, named, place, kind, flags, content)
    for command, named, place in places()
    for kind, flags, content in product(KINDS, FLAGS[command], (GOOD, MIXED))
]


def test_a_file_of_somebody_else_anywhere_a_run_writes_is_the_same_afterwards(
    quick_folder: Path, points: Points
) -> None:
    codes = set()
    for number, (command, (output, errors), place, kind, flags, content) in enumerate(points.of(EVERYTHING, sample=60)):
        with points.trying("foreign files: where a run writes"):
            here = quick_folder / str(number)
            (here / "far").mkdir(parents=True)
            (here / "in.jsonl").write_bytes(content)
            kind(here / place)
            before = state(here)
            named = ("-o", output, *(("--errors", errors) if errors else ()))
            done = forked(*RUNS[command], *named, *flags, cwd=here)
            about = (command, output, errors, place, kind.__name__, flags, done.code, done.said)
            paths = Paths.of(str(here / output), errors and str(here / errors))
            may_go = {str(path.relative_to(here)) for path in (paths.final, paths.errors) if "--overwrite" in flags}
            after = state(here)
            assert {name: after.get(name) for name in before if name not in may_go} == {
                name: entry for name, entry in before.items() if name not in may_go
            }, about
            assert done.code in (0, 2, 3, 8), about
            if done.code == 8:
                named = "|".join(re.escape(str(path)) for path in (here / place, (here / place).resolve()))
                assert re.search(f"error: ({named})[: ]", done.said), about
            left = {name for name in after if name.endswith((".partial", ".journal", ".tmp"))} - before.keys()
            assert not left, about
            codes.add(done.code)
    assert codes >= {0, 3, 8}


# two outputs and one errors file


def interrupted(folder: Path, *options: str) -> tuple[str | Path, ...]:
    """A run on a.jsonl that was killed with work and errors committed; returns its command."""
    (folder / "mixed.jsonl").write_bytes(b"bad\n" + lines(30))
    (folder / "good.jsonl").write_bytes(GOOD)
    command = ("score", "mixed.jsonl", "-o", "a.jsonl", *SLOW, *options)
    assert kill_after_commits(2, folder / "a.jsonl", *command, cwd=folder) == -signal.SIGKILL
    return command


OTHERS = {
    "the same errors file": ("-o", "b.jsonl", "--errors", "errors"),
    "its output as errors file": ("-o", "b.jsonl", "--errors", "a.jsonl"),
    "its partial output": ("-o", "a.jsonl.partial"),
    "its partial output as errors file": ("-o", "b.jsonl", "--errors", "a.jsonl.partial"),
    "its journal": ("-o", "a.jsonl.journal"),
    "its journal as errors file of a stream": ("-o", "-", "--errors", "a.jsonl.journal"),
    "its errors, not yet named": ("-o", "b.jsonl", "--errors", "a.jsonl.errors.jsonl.partial"),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.slow
def test_no_other_run_takes_away_the_work_of_an_interrupted_one(quick_folder: Path, points: Points, other: str) -> None:
    golden = quick_folder / "golden"
    golden.mkdir()
    command = interrupted(golden, "--errors", "errors")
    assert forked(*command, "--resume", cwd=golden).code == 3
    for source, flags in points.of(list(product(("good.jsonl", "mixed.jsonl"), FLAGS["score"])), sample=2):
        with points.trying("foreign files: another run's unfinished work"):
            here = quick_folder / f"{source} {flags}"
            here.mkdir()
            command = interrupted(here, "--errors", "errors")
            done = forked("score", source, *OTHERS[other], *OPTIONS, *flags, cwd=here)
            assert done.code in ((0, 3) if other == "the same errors file" else (2, 8)), done.said
            made = (here / "errors").exists()
            again = forked(*command, "--resume", cwd=here)
            if made:  # the other run's errors, which are not ours to replace
                assert again.code == 8
                (here / "errors").unlink()
                again = forked(*command, "--resume", cwd=here)
            assert again.code == 3, again.said
            for name in ("a.jsonl", "errors"):
                assert (here / name).read_bytes() == (golden / name).read_bytes()
            assert json.loads((here / "a.jsonl.meta.json").read_bytes())["resumed_records"] > 0


@pytest.mark.parametrize("output", ["b.jsonl", "errors", "-"])
def test_two_runs_at_once_never_share_an_errors_file(quick_folder: Path, points: Points, output: str) -> None:
    (quick_folder / "in.jsonl").write_bytes(MIXED)
    run = ("score", "in.jsonl", "-o", "a.jsonl", "--errors", "errors", *SLOW)
    other = ("score", "in.jsonl", "-o", output, *OPTIONS, *(() if output == "errors" else ("--errors", "errors")))
    with started(*run, cwd=quick_folder) as first:
        assert wait_until(lambda: commits(quick_folder / "a.jsonl") >= 0, first)
        first.send_signal(signal.SIGSTOP)
        for flags in ((), ("--overwrite",)):
            with points.trying("foreign files: an errors file of two runs"):
                assert forked(*other, *flags, cwd=quick_folder).code == 11
        first.send_signal(signal.SIGCONT)
        assert first.wait(HANG_S) == 3
    assert sorted(files_of(quick_folder)) == ["a.jsonl", "a.jsonl.meta.json", "errors", "in.jsonl"]


def test_a_run_without_failures_leaves_the_errors_of_another_output_alone(quick_folder: Path, points: Points) -> None:
    (quick_folder / "mixed.jsonl").write_bytes(MIXED)
    (quick_folder / "good.jsonl").write_bytes(GOOD)
    a = ("-o", "a.jsonl", "--errors", "errors", *OPTIONS, "--overwrite")
    assert forked("score", "mixed.jsonl", *a, cwd=quick_folder).code == 3
    errors = (quick_folder / "errors").read_bytes()
    with points.trying("foreign files: errors of another output", count=2):
        b = ("-o", "b.jsonl", "--errors", "errors", *OPTIONS, "--overwrite")
        assert forked("score", "good.jsonl", *b, cwd=quick_folder).code == 0
        assert (quick_folder / "errors").read_bytes() == errors
        assert forked("score", "good.jsonl", *a, cwd=quick_folder).code == 0
        assert not (quick_folder / "errors").exists(), "its own, of records that are fine now"


@pytest.mark.slow
def test_a_file_that_appears_while_a_run_goes_on_is_not_replaced(quick_folder: Path, points: Points) -> None:
    (quick_folder / "in.jsonl").write_bytes(MIXED + lines(20, start=20))
    run = ("score", "in.jsonl", "-o", "out.jsonl", *SLOW)
    names = ("out.jsonl", "out.jsonl.errors.jsonl", "out.jsonl.meta.json")
    for name, flags in ((names[0], ()), (names[1], ()), (names[2], ()), (names[2], ("--overwrite",))):
        with points.trying("foreign files: appearing while a run goes on"):
            with started(*run, *flags, cwd=quick_folder) as process:
                assert wait_until(lambda: commits(quick_folder / "out.jsonl") >= 0, process)
                (quick_folder / name).write_bytes(b"mine\n")
                assert process.wait(HANG_S) == 8
            assert (quick_folder / name).read_bytes() == b"mine\n"
            (quick_folder / name).unlink()
            assert forked(*run, "--resume", cwd=quick_folder).code == 3
            for made in names:
                (quick_folder / made).unlink()


def test_errors_are_put_on_another_disk_too(quick_folder: Path, tmp_path: Path, points: Points) -> None:
    if os.stat(quick_folder).st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("there is one disk only")
    (tmp_path / "in.jsonl").write_bytes(MIXED)
    with points.trying("foreign files: errors on another disk"):
        named = ("-o", "out.jsonl", "--errors", quick_folder / "errors")
        assert forked("score", "in.jsonl", *named, *OPTIONS, cwd=tmp_path).code == 3
        assert json.loads((quick_folder / "errors").read_bytes())["line"] == 4
        assert sorted(files_of(tmp_path)) == ["in.jsonl", "out.jsonl", "out.jsonl.meta.json"]
        assert list(files_of(quick_folder)) == ["errors"]
