"""One living run per output."""

import os
import subprocess
import sys
import threading

import pytest

from rerank_cli.core.errors import OutputBusy, OutputError, Refused
from rerank_cli.files.lock import LINE, Lock

HOLD = (
    "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
)


def test_a_lock_is_held_until_it_is_released(tmp_path):
    path = tmp_path / "out.lock"
    lock = Lock(path)
    with pytest.raises(OutputBusy, match=r"out\.lock"):
        Lock(path)
    lock.release()
    Lock(path).release()


def test_releasing_leaves_no_file(tmp_path):
    Lock(tmp_path / "out.lock").release()
    assert os.listdir(tmp_path) == []


def test_a_lock_file_left_behind_is_free(tmp_path):
    path = tmp_path / "out.lock"
    path.write_bytes(b"")
    Lock(path).release()


def test_the_lock_of_another_process_is_respected_and_dies_with_it(tmp_path):
    path = tmp_path / "out.lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        with pytest.raises(OutputBusy):
            Lock(path)
        process.kill()
        process.wait()
        Lock(path).release()


def test_a_lock_on_a_file_that_was_unlinked_does_not_count(tmp_path):
    path = tmp_path / "out.lock"
    old = Lock(path)
    path.unlink()
    new = Lock(path)  # another file of the same name
    with pytest.raises(OutputBusy):
        Lock(path)
    new.release()
    old.release()


def test_of_many_that_come_and_go_at_once_never_two_hold_it(tmp_path):
    path = tmp_path / "out.lock"
    holders, together = [], []

    def come_and_go(name):
        for _ in range(1000):
            try:
                lock = Lock(path)
            except OutputBusy:
                continue
            holders.append(name)
            together.append(len(holders))
            holders.remove(name)
            lock.release()

    threads = [threading.Thread(target=come_and_go, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(together) == {1}


def test_releasing_a_lock_that_somebody_removed_leaves_the_next_one_alone(tmp_path):
    path = tmp_path / "out.lock"
    first = Lock(path)
    path.unlink()
    second = Lock(path)
    first.release()
    with pytest.raises(OutputBusy):
        Lock(path)
    second.release()
    assert not path.exists()


FOREIGN = [b"", b"mine\n", b"rerank lock", b"rerank lock\n\n", b"rerank lock\nmine\n"]


@pytest.mark.parametrize("content", FOREIGN)
def test_a_file_that_is_no_lock_of_ours_is_locked_as_it_is_and_stays(tmp_path, content):
    path = tmp_path / "uv.lock"
    path.write_bytes(content)
    path.chmod(0o444)
    before = path.stat()
    lock = Lock(path)
    assert not lock.inherited
    with pytest.raises(OutputBusy):
        Lock(path)
    lock.release()
    after = path.stat()
    assert path.read_bytes() == content
    assert (after.st_ino, after.st_mode, after.st_mtime_ns) == (before.st_ino, before.st_mode, before.st_mtime_ns)


def test_a_lock_of_ours_says_so_and_one_left_behind_is_taken_and_removed(tmp_path):
    path = tmp_path / "out.lock"
    lock = Lock(path)
    assert path.read_bytes() == LINE
    assert not lock.inherited
    lock.release()
    path.write_bytes(LINE)
    lock = Lock(path)
    assert lock.inherited
    lock.release()
    assert os.listdir(tmp_path) == []


def test_a_lock_that_somebody_wrote_to_is_theirs(tmp_path):
    path = tmp_path / "out.lock"
    lock = Lock(path)
    path.write_bytes(b"mine\n")
    lock.release()
    assert path.read_bytes() == b"mine\n"


def test_a_link_to_a_lock_of_ours_is_not_removed(tmp_path):
    (tmp_path / "target").write_bytes(LINE)
    path = tmp_path / "out.lock"
    path.symlink_to("target")
    lock = Lock(path)
    with pytest.raises(OutputBusy):
        Lock(path)
    lock.release()
    assert path.is_symlink()
    assert (tmp_path / "target").read_bytes() == LINE


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("nothing", path)])
def test_what_cannot_be_locked_is_refused(tmp_path, make):
    path = tmp_path / "out.lock"
    make(path)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(Refused, match=r"out\.lock"):
        Lock(path)
    assert len(os.listdir("/proc/self/fd")) == before
    assert os.path.lexists(path)


@pytest.mark.parametrize("size", range(len(LINE)))
def test_a_lock_has_its_whole_line_from_when_it_has_its_name(tmp_path, size):
    """A process that may write no more than `size` bytes leaves no lock that is not whole."""
    program = (
        "import resource, signal, sys; from pathlib import Path; from rerank_cli.files.lock import Lock\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)\n"
        "Lock(Path(sys.argv[1]))"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "out.lock", str(size)], capture_output=True)
    assert b"OutputError" in done.stderr
    assert os.listdir(tmp_path) == []


def test_different_outputs_do_not_disturb_each_other(tmp_path):
    first, second = Lock(tmp_path / "a.lock"), Lock(tmp_path / "b.lock")
    first.release()
    second.release()


def test_a_missing_folder_is_an_error_of_the_output(tmp_path):
    with pytest.raises(OutputError, match="missing"):
        Lock(tmp_path / "missing" / "out.lock")


def test_a_lock_that_was_refused_leaves_no_open_file(tmp_path):
    path = tmp_path / "out.lock"
    lock = Lock(path)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(OutputBusy):
            Lock(path)
    assert len(os.listdir("/proc/self/fd")) == before
    lock.release()
