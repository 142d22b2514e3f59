"""A file that is there whole or not at all."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.running import HANG_S, environment
from support.tracing import needs_strace

from rerank_cli.files.durable import put_file, umask, whole_file

PROGRAM = """
import sys
from pathlib import Path
from rerank_cli.files.durable import whole_file

with whole_file(Path(sys.argv[1])) as file:
    file.write(b"new")
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    with whole_file(tmp_path / "f") as file:
        file.write(b"some")
        assert not (tmp_path / "f").exists()
        assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600]
    assert (tmp_path / "f").read_bytes() == b"some"
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o666 & ~umask()
    assert names(tmp_path) == ["f"]


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o400])
def test_a_file_keeps_the_permissions_of_the_one_before(tmp_path: Path, mode: int) -> None:
    (tmp_path / "f").write_bytes(b"old")
    (tmp_path / "f").chmod(mode)
    with whole_file(tmp_path / "f") as file:
        file.write(b"new")
    assert (tmp_path / "f").read_bytes() == b"new"
    assert (tmp_path / "f").stat().st_mode & 0o777 == mode


def begun(path: Path, fault: type[BaseException]) -> None:
    with whole_file(path) as file:
        file.write(b"new")
        raise fault


@pytest.mark.parametrize("fault", [OSError, KeyboardInterrupt])
def test_nothing_is_left_of_a_file_that_is_not_whole(tmp_path: Path, fault: type[BaseException]) -> None:
    (tmp_path / "f").write_bytes(b"old")
    with pytest.raises(fault):
        begun(tmp_path / "f", fault)
    assert (tmp_path / "f").read_bytes() == b"old"
    assert names(tmp_path) == ["f"]


@needs_strace
def test_a_file_is_on_disk_before_it_takes_its_name_and_then_its_name_is(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = ["strace", "-f", "-qq", "-y", "-o", log, "-e", "trace=write,fsync,rename"]
    program = [sys.executable, "-c", PROGRAM, tmp_path / "out" / "f"]
    (tmp_path / "out").mkdir()
    subprocess.run([*command, *program], check=True, env=environment(), timeout=HANG_S)
    calls = re.findall(r"^\d+ +(\w+)\(.*" + re.escape(f"{tmp_path}/out") + r"(/\.f)?", log.read_text(), re.MULTILINE)
    assert calls == [("write", "/.f"), ("fsync", "/.f"), ("rename", ""), ("fsync", "")]


def test_a_folder_that_is_not_there_is_an_error_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "none" / "f"):
        pass
    assert os.listdir(tmp_path) == []


# what the user named a file for


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_file_that_was_named_is_swapped_in_with_its_permissions(tmp_path: Path, mode: int) -> None:
    old = tmp_path / "report.html"
    old.write_bytes(b"old and longer\n")
    old.chmod(mode)
    before = old.stat().st_ino
    put_file(old, b"new\n")
    assert old.read_bytes() == b"new\n"
    assert (old.stat().st_ino != before, old.stat().st_mode & 0o777) == (True, mode)
    assert names(tmp_path) == ["report.html"]


def test_a_link_that_was_named_stays_a_link(tmp_path: Path) -> None:
    for target in ("there", "not there yet"):
        (tmp_path / "link").unlink(missing_ok=True)
        (tmp_path / "link").symlink_to(target)
        (tmp_path / "there").write_bytes(b"old\n")
        put_file(str(tmp_path / "link"), b"new\n")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / target).read_bytes() == b"new\n"


def test_devices_and_fifos_are_written_in_place(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    reader = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    put_file(tmp_path / "fifo", b"new\n")
    assert os.read(reader, 100) == b"new\n"
    os.close(reader)
    put_file("/dev/null", b"new\n")
    with pytest.raises(OSError, match="28"):
        put_file("/dev/full", b"new\n")
    assert names(tmp_path) == ["fifo"]


def test_a_file_that_is_open_already_by_a_number_is_written_in_place(tmp_path: Path) -> None:
    with (tmp_path / "f").open("wb", buffering=0) as file:
        file.write(b"before\n")
        put_file(f"/dev/fd/{file.fileno()}", b"new\n")
    assert (tmp_path / "f").read_bytes() == b"before\nnew\n"


def test_a_file_that_may_not_be_replaced_and_came_to_be_stays(tmp_path: Path) -> None:
    def made() -> None:
        with whole_file(tmp_path / "f", replace=False) as file:
            file.write(b"new")
            (tmp_path / "f").write_bytes(b"mine")

    with pytest.raises(FileExistsError):
        made()
    assert (tmp_path / "f").read_bytes() == b"mine"
    assert names(tmp_path) == ["f"]


def test_a_name_as_long_as_a_name_may_be_has_room(tmp_path: Path) -> None:
    for name in ("x" * 255, "é" * 127):
        put_file(tmp_path / name, b"new\n")
        assert (tmp_path / name).read_bytes() == b"new\n"
