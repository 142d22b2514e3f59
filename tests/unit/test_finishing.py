"""A file that is there whole or not at all."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from running import environment
from tracing import needs_strace

from rerank_cli.finishing import umask, whole_file

PROGRAM = """
import sys
from pathlib import Path
from rerank_cli.finishing import whole_file

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
    subprocess.run([*command, *program], check=True, env=environment(), timeout=60)
    calls = re.findall(r"^\d+ +(\w+)\(.*" + re.escape(f"{tmp_path}/out") + r"(/\.f)?", log.read_text(), re.MULTILINE)
    assert calls == [("write", "/.f"), ("fsync", "/.f"), ("rename", ""), ("fsync", "")]


def test_a_folder_that_is_not_there_is_an_error_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "none" / "f"):
        pass
    assert os.listdir(tmp_path) == []
