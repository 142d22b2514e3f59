"""Torn, shortened and altered partials and journals: resumed to the golden bytes, or refused; never a wrong result."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.points import Points
from support.running import commits, files_of, forked, kill_after_commits, run_into, started, wait_until

MEMORY = Path("/dev/shm")  # waiting for a disk would be most of the time
OPTIONS = ("--model", "fake:composition=1", "--batch-tokens", "16", "--window-tokens", "40", "-q")
COUNTS = ("records", "scored", "failed", "blank", "pairs", "windows", "batches", "deterministic")
FORMS = ["out.jsonl", "out.jsonl.gz"]
STATES = ["killed", "finishing", "finishing, errors renamed"]
PARTIAL, ERRORS, JOURNAL = ".partial", ".errors.jsonl.partial", ".journal"
GARBAGE = (b"{", b"\n", b'{"id": "forged"}\n', b'{"kind":"commit"}\n', bytes(4096), b"\xff" * 70_000)
Files = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Torn:
    """A folder where a run was stopped, the files that it left there, and those of the same run left alone."""

    folder: Path
    form: str
    left: Files
    golden: Files

    def command(self, *flags: str) -> tuple[str, ...]:
        return ("score", "in.jsonl", "-o", self.form, *OPTIONS, *flags)

    def resume(self, files: Files, *flags: str) -> int:
        """Make the folder hold these files and resume: golden, or refused and nothing changed; the exit code."""
        put(self.folder, files)
        done = forked(*self.command("--resume", *flags), cwd=self.folder)
        after = files_of(self.folder)
        assert done.code in (0, 3, 8), done.said
        if done.code == 8:
            assert after == files
            return 8
        assert after.keys() == self.golden.keys()
        meta = f"{self.form}.meta.json"
        assert counts(after.pop(meta)) == counts(self.golden[meta])
        assert after == {name: content for name, content in self.golden.items() if name != meta}
        return done.code

    def changed(self, suffix: str, content: bytes) -> Files:
        """The files that were left, with one of them replaced."""
        return {**self.left, self.form + suffix: content}


def counts(meta: bytes) -> dict[str, Any]:
    found = json.loads(meta)
    return {name: found[name] for name in COUNTS}


def put(folder: Path, files: Files) -> None:
    """Make a folder hold these files and no others."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)


def source() -> bytes:
    """Small records, bad ones among them."""
    lines = [b'{"id":%d,"query":"q","candidates":["tea","a cup of tea no %d"]}\n' % (n, n) for n in range(12)]
    return b"".join([*lines[:4], b"bad\n", *lines[4:7], b"\xff\n", *lines[7:9], b"{}\n", *lines[9:]])


def stopped(folder: Path, form: str, state: str) -> Files:
    """What is left in a new folder by a run that was stopped in this state, its lock left out."""
    obstacle = folder / f"{form}.{'meta.json' if 'renamed' in state else 'errors.jsonl'}"
    run = ("score", "in.jsonl", "-o", form, *OPTIONS, "--overwrite")
    assert run_into(obstacle, folder / "in.jsonl", folder / form, *run) == 5  # it stands in the way of a rename
    left = {name: content for name, content in files_of(folder).items() if not name.endswith(".lock")}
    lines = left[form + JOURNAL].splitlines(keepends=True)
    assert [json.loads(line)["kind"] for line in (lines[0], lines[-1])] == ["header", "finishing"]
    if state == "killed":  # in the fourth window, some bytes of it written
        assert len(lines) >= 6
        commit = json.loads(lines[3])
        del left[f"{form}.meta.json.partial"]
        left[form + JOURNAL] = b"".join(lines[:4]) + lines[4][:30]
        left[form + PARTIAL] = left[form + PARTIAL][: commit["output"]["size"] + 20]
        left[form + ERRORS] = left[form + ERRORS][: commit["errors"]["size"] + 10]
    return left


@pytest.fixture(scope="module")
def base() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="rerank-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


def torn_of(base: Path, form: str, state: str) -> Torn:
    """A run stopped in this state, and left alone."""
    folder = base / form
    put(folder, {"in.jsonl": source()})
    assert forked("score", "in.jsonl", "-o", form, *OPTIONS, cwd=folder).code == 3
    golden = files_of(folder)
    put(folder, {"in.jsonl": source()})
    return Torn(folder, form, stopped(folder, form, state), golden)


@pytest.fixture(scope="module", params=[(form, state) for form in FORMS for state in STATES], ids=" ".join)
def torn(request: pytest.FixtureRequest, base: Path) -> Torn:
    return torn_of(base, *request.param)


@pytest.fixture(scope="module")
def killed(base: Path) -> Torn:
    return torn_of(base, "out.jsonl", "killed")


@pytest.fixture(scope="module")
def finishing(base: Path) -> Torn:
    return torn_of(base, "out.jsonl", "finishing")


def last_two(content: bytes, between: bytes = b"\n") -> range:
    """Every offset within the last two lines (or of what begins with `between`), and their beginning."""
    ends = [place for place in range(len(content)) if content.startswith(between, place)]
    if between == b"\n":
        ends = [0, *(place + 1 for place in ends)][:-1]
    return range(ends[-2] if len(ends) > 1 else 0, len(content))


def test_as_it_was_left_it_resumes(torn: Torn) -> None:
    assert torn.resume(torn.left) in (0, 3)


CUTS = [("out.jsonl", "killed", suffix) for suffix in (PARTIAL, ERRORS, JOURNAL)]
CUTS += [("out.jsonl", "finishing", suffix) for suffix in (PARTIAL, JOURNAL)]
CUTS += [("out.jsonl.gz", state, PARTIAL) for state in STATES[:2]]  # its other files are as those of a plain one


@pytest.mark.parametrize(("form", "state", "suffix"), CUTS, ids=[" ".join(cut) for cut in CUTS])
def test_a_tail_cut_anywhere_in_the_last_two_lines_is_never_wrong(
    base: Path, points: Points, form: str, state: str, suffix: str
) -> None:
    torn = torn_of(base, form, state)
    content = torn.left[form + suffix]
    member = suffix == PARTIAL and form.endswith(".gz")
    for size in points.of(last_two(content, b"\x1f\x8b\x08" if member else b"\n"), sample=3):
        with points.trying(f"torn files: {suffix[1:]} cut"):
            code = torn.resume(torn.changed(suffix, content[:size]))
            assert code == 3 or suffix != JOURNAL, "a journal with a torn tail still tells where the last commit was"


@pytest.mark.parametrize("suffix", [PARTIAL, ERRORS, JOURNAL])
def test_bytes_beyond_the_last_commit_are_thrown_away(killed: Torn, points: Points, suffix: str) -> None:
    content = killed.left[killed.form + suffix]
    for tail in GARBAGE:
        with points.trying("torn files: garbage appended"):
            assert killed.resume(killed.changed(suffix, content + tail)) == 3


@pytest.mark.parametrize("suffix", [PARTIAL, ERRORS, JOURNAL])
def test_garbage_after_a_run_that_was_finishing_is_never_wrong(finishing: Torn, points: Points, suffix: str) -> None:
    content = finishing.left[finishing.form + suffix]
    for tail in GARBAGE:
        with points.trying("torn files: garbage appended"):
            finishing.resume(finishing.changed(suffix, content + tail))


@pytest.mark.parametrize("suffix", [PARTIAL, ERRORS])
def test_an_altered_byte_in_committed_data_is_refused_and_overwrite_starts_anew(
    killed: Torn, points: Points, suffix: str
) -> None:
    commit = json.loads(killed.left[killed.form + JOURNAL].splitlines()[3])
    size = commit["output" if suffix == PARTIAL else "errors"]["size"]
    content = killed.left[killed.form + suffix]
    for place in points.of(range(0, size, 9), sample=2):
        with points.trying("torn files: a committed byte altered"):
            altered = killed.changed(suffix, flipped(content, place, 0x01))
            assert killed.resume(altered) == 8
            if place % 180 == 0:
                assert killed.resume(altered, "--overwrite") == 3


def flipped(content: bytes, place: int, pattern: int) -> bytes:
    return content[:place] + bytes([content[place] ^ pattern]) + content[place + 1 :]


def test_an_altered_byte_anywhere_in_the_journal_is_never_wrong(finishing: Torn, points: Points) -> None:
    content = finishing.left[finishing.form + JOURNAL]
    header = content.index(b"\n")
    for place in points.of(range(len(content)), sample=8):
        with points.trying("torn files: a byte of the journal altered"):
            altered = flipped(content, place, (0x01, 0x20, 0xFF)[place % 3])  # each bit: tests/properties
            code = finishing.resume(finishing.changed(JOURNAL, altered))
            assert code == (8 if place <= header else 3)


def reordered(lines: list[bytes]) -> Iterator[list[bytes]]:
    """Each line dropped, doubled, and swapped with each other line."""
    for place in range(len(lines)):
        yield lines[:place] + lines[place + 1 :]
        yield lines[: place + 1] + lines[place:]
        for other in range(place):
            swapped = list(lines)
            swapped[place], swapped[other] = swapped[other], swapped[place]
            yield swapped


def test_journal_lines_lost_doubled_or_swapped_are_never_wrong(torn: Torn, points: Points) -> None:
    lines = torn.left[torn.form + JOURNAL].splitlines(keepends=True)
    for changed in points.of(list(reordered(lines)), sample=3):
        with points.trying("torn files: journal lines lost, doubled or swapped"):
            code = torn.resume(torn.changed(JOURNAL, b"".join(changed)))
            assert (changed[0] == lines[0]) or code == 8, "without its header it is no journal"


def test_a_missing_file_is_never_wrong(torn: Torn, points: Points) -> None:
    for name in torn.left.keys() - {"in.jsonl", f"{torn.form}.meta.json.partial", f"{torn.form}.errors.jsonl"}:
        with points.trying("torn files: a file missing"):
            assert torn.resume({other: content for other, content in torn.left.items() if other != name}) == 8


def test_an_empty_or_foreign_journal_is_refused(torn: Torn, points: Points) -> None:
    for content in (b"", b"\n", b"{}\n", b"\xff\xfe\x00" * 50, b'{"kind":"header"}\n'):
        with points.trying("torn files: a foreign journal"):
            assert torn.resume(torn.changed(JOURNAL, content)) == 8


# stopped between its last renames


@pytest.mark.parametrize("flags", [(), ("--overwrite",)], ids=["--resume", "--resume --overwrite"])
def test_a_run_stopped_between_its_renames_is_finished_by_the_next(torn: Torn, flags: tuple[str, ...]) -> None:
    assert torn.resume(torn.left, *flags) in (0, 3)


DAMAGES: dict[str, Callable[[Files], Files]] = {
    "shortened": lambda files: {**files, "out.jsonl.partial": files["out.jsonl.partial"][:-40]},
    "altered": lambda files: {**files, "out.jsonl.partial": files["out.jsonl.partial"].replace(b"tea", b"ten", 1)},
    "missing errors": lambda files: {name: files[name] for name in files if name != "out.jsonl.errors.jsonl.partial"},
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_finished_run_whose_files_were_damaged_before_their_renames_is_never_passed_off_as_whole(
    finishing: Torn, damage: str
) -> None:
    assert finishing.resume(DAMAGES[damage](finishing.left)) == 8


def test_the_last_renames_are_made_where_the_files_are_now(finishing: Torn, tmp_path: Path) -> None:
    put(finishing.folder, finishing.left)
    here = tmp_path / "copy"
    shutil.copytree(finishing.folder, here)
    assert forked(*finishing.command("--resume"), cwd=here).code in (0, 3)
    for name in ("out.jsonl", "out.jsonl.errors.jsonl"):
        assert (here / name).read_bytes() == finishing.golden[name]
    assert files_of(finishing.folder) == finishing.left, "files of another folder"


def test_the_last_renames_are_finished_in_a_folder_that_was_moved(base: Path, tmp_path: Path) -> None:
    torn = torn_of(base, "out.jsonl", "finishing, errors renamed")
    put(torn.folder, torn.left)
    here = tmp_path / "moved"
    shutil.move(torn.folder, here)
    assert forked(*torn.command("--resume"), cwd=here).code in (0, 3)
    for name in ("out.jsonl", "out.jsonl.errors.jsonl"):
        assert (here / name).read_bytes() == torn.golden[name]


def test_the_last_renames_of_a_run_continued_with_another_errors_file_are_finished(tmp_path: Path) -> None:
    lines = [b'{"id":%d,"query":"q","candidates":["tea","a cup of tea no %d"]}\n' % (n, n) for n in range(40)]
    (tmp_path / "in.jsonl").write_bytes(b"".join(lines) + b"bad\n")
    command = ("score", "in.jsonl", "-o", "out.jsonl", "--model", "fake:slow=0.01", *OPTIONS[2:])
    assert kill_after_commits(2, tmp_path / "out.jsonl", *command, "--errors", "one.jsonl", cwd=tmp_path) == -9
    obstacle = tmp_path / "out.jsonl.meta.json"
    with started(*command, "--resume", "--errors", "two.jsonl", cwd=tmp_path) as process:
        assert wait_until(lambda: commits(tmp_path / "out.jsonl") >= 3, process)
        obstacle.mkdir()  # it stands in the way of a rename
        assert process.wait() == 5
    obstacle.rmdir()
    done = forked(*command, "--resume", "--errors", "two.jsonl", cwd=tmp_path)
    assert done.code in (0, 3), done.said
    assert (tmp_path / "out.jsonl").read_bytes().count(b"\n") == 40
    assert (tmp_path / "two.jsonl").read_bytes().count(b"\n") == 1
