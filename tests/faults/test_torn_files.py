"""Torn, shortened and altered partials and journals: resumed to the golden bytes, or refused; never a wrong result."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from running import files_of, kill_after_commits, lines, rerank

OPTIONS = ("--model", "fake:composition=1,slow=0.002", "--batch-tokens", "64", "--window-tokens", "256", "-q")
RUN = ("score", "in.jsonl", "-o", "out.jsonl", *OPTIONS)
FILES = ("out.jsonl.partial", "out.jsonl.journal", "out.jsonl.errors.jsonl.partial")


@dataclass(frozen=True, slots=True)
class Torn:
    """A folder with a run killed half-way, and the files of the same run left alone."""

    folder: Path
    golden: dict[str, bytes]

    def copy(self, to: Path) -> Path:
        return Path(shutil.copytree(self.folder, to))


@pytest.fixture(scope="module")
def torn(tmp_path_factory: pytest.TempPathFactory) -> Torn:
    base = tmp_path_factory.mktemp("torn")
    source = lines(6) + b"bad\n" + lines(6, start=6) + b"\xff\n" + lines(6, start=12)
    for name in ("golden", "killed"):
        (base / name).mkdir()
        (base / name / "in.jsonl").write_bytes(source)
    assert rerank(*RUN, cwd=base / "golden").code == 3
    assert kill_after_commits(4, base / "killed" / "out.jsonl", *RUN, cwd=base / "killed") == -9
    return Torn(base / "killed", files_of(base / "golden"))


def assert_golden_or_refused(torn: Torn, folder: Path) -> int:
    """Resume; returns the exit code."""
    before = {name: content for name, content in files_of(folder).items() if not name.endswith(".lock")}
    done = rerank(*RUN, "--resume", cwd=folder)
    after = files_of(folder)
    assert done.code in (3, 8), done.said
    if done.code == 8:
        assert after == before
    else:
        for name in ("out.jsonl", "out.jsonl.errors.jsonl"):
            assert after[name] == torn.golden[name], name
    return done.code


def offsets_of_the_last_two_lines(content: bytes, count: int) -> list[int]:
    """`count` offsets spread over the last two lines, their edges among them."""
    start = content.rfind(b"\n", 0, content.rfind(b"\n", 0, len(content) - 1)) + 1
    step = max(1, (len(content) - start) // count)
    return sorted({start, len(content) - 1, *range(start, len(content), step)})


def test_as_it_was_left_it_resumes(torn: Torn, tmp_path: Path) -> None:
    assert assert_golden_or_refused(torn, torn.copy(tmp_path / "here")) == 3


@pytest.mark.parametrize("name", ["out.jsonl.partial", "out.jsonl.journal"])
def test_a_tail_cut_anywhere_in_the_last_two_lines_is_never_wrong(torn: Torn, tmp_path: Path, name: str) -> None:
    content = (torn.folder / name).read_bytes()
    for number, offset in enumerate(offsets_of_the_last_two_lines(content, 5)):
        folder = torn.copy(tmp_path / str(number))
        (folder / name).write_bytes(content[:offset])
        code = assert_golden_or_refused(torn, folder)
        if name.endswith(".journal"):
            assert code == 3, "a journal with a torn tail still tells where the last commit was"


@pytest.mark.parametrize("name", FILES)
def test_bytes_beyond_the_last_commit_are_thrown_away(torn: Torn, tmp_path: Path, name: str) -> None:
    for number, tail in enumerate((b"{", b'{"id": "forged"}\n', b"\x00" * 4096)):
        folder = torn.copy(tmp_path / str(number))
        (folder / name).write_bytes((folder / name).read_bytes() + tail)
        assert assert_golden_or_refused(torn, folder) == 3


@pytest.mark.parametrize("name", ["out.jsonl.partial", "out.jsonl.errors.jsonl.partial"])
def test_an_altered_byte_in_committed_data_is_refused_and_overwrite_starts_anew(
    torn: Torn, tmp_path: Path, name: str
) -> None:
    folder = torn.copy(tmp_path / "here")
    content = bytearray((folder / name).read_bytes())
    content[10] ^= 1
    (folder / name).write_bytes(content)
    assert assert_golden_or_refused(torn, folder) == 8
    assert rerank(*RUN, "--resume", "--overwrite", cwd=folder).code == 3
    assert (folder / "out.jsonl").read_bytes() == torn.golden["out.jsonl"]


def test_an_altered_byte_anywhere_in_the_journal_is_never_wrong(torn: Torn, tmp_path: Path) -> None:
    content = (torn.folder / "out.jsonl.journal").read_bytes()
    for number, offset in enumerate(range(7, len(content), len(content) // 5)):
        folder = torn.copy(tmp_path / str(number))
        altered = bytearray(content)
        altered[offset] ^= 0x04
        (folder / "out.jsonl.journal").write_bytes(altered)
        assert_golden_or_refused(torn, folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_never_wrong(torn: Torn, tmp_path: Path, name: str) -> None:
    folder = torn.copy(tmp_path / "here")
    (folder / name).unlink()
    assert assert_golden_or_refused(torn, folder) == 8


def test_an_empty_or_foreign_journal_is_refused(torn: Torn, tmp_path: Path) -> None:
    for number, content in enumerate((b"", b"\n", b"{}\n", b"\xff\xfe\x00" * 50, b'{"kind":"header"}\n')):
        folder = torn.copy(tmp_path / str(number))
        (folder / "out.jsonl.journal").write_bytes(content)
        assert assert_golden_or_refused(torn, folder) == 8


@pytest.fixture
def between_renames(torn: Torn, tmp_path: Path) -> Path:
    """A run that was complete and stopped before its last renames: a folder stood where its errors belong."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "in.jsonl").write_bytes((torn.folder / "in.jsonl").read_bytes())
    assert kill_after_commits(2, folder / "out.jsonl", *RUN, cwd=folder) == -9
    (folder / "out.jsonl.errors.jsonl").mkdir()
    done = rerank(*RUN, "--resume", "--overwrite", cwd=folder)
    assert done.code == 5, done.said
    assert b'"kind":"finishing"' in (folder / "out.jsonl.journal").read_bytes()
    (folder / "out.jsonl.errors.jsonl").rmdir()
    return folder


@pytest.mark.parametrize("flags", [("--resume",), ("--resume", "--overwrite")], ids=" ".join)
def test_a_run_stopped_between_its_renames_is_finished_by_the_next(
    torn: Torn, between_renames: Path, flags: tuple[str, ...]
) -> None:
    assert rerank(*RUN, *flags, cwd=between_renames).code in (0, 3)
    after = files_of(between_renames)
    for name in ("out.jsonl", "out.jsonl.errors.jsonl"):
        assert after[name] == torn.golden[name]
    assert sorted(after) == sorted(torn.golden)


@pytest.mark.parametrize("damage", ["shortened", "altered", "missing errors"])
def test_a_finished_run_whose_files_were_damaged_before_their_renames_is_never_passed_off_as_whole(
    torn: Torn, between_renames: Path, damage: str
) -> None:
    partial = between_renames / "out.jsonl.partial"
    content = partial.read_bytes()
    if damage == "shortened":
        partial.write_bytes(content[:-40])
    elif damage == "altered":
        partial.write_bytes(content.replace(b"question 1", b"question 0", 1))
    else:
        (between_renames / "out.jsonl.errors.jsonl.partial").unlink()
    done = rerank(*RUN, "--resume", cwd=between_renames)
    after = files_of(between_renames)
    assert done.code != 0
    if "out.jsonl" in after:
        assert after["out.jsonl"] == torn.golden["out.jsonl"]
        assert after["out.jsonl.errors.jsonl"] == torn.golden["out.jsonl.errors.jsonl"]
    else:
        assert done.code == 8
