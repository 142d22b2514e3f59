"""Full, small and forbidden disks, and files that are not what they seem.

Whatever stops a run, what was committed is kept and continues to the golden bytes; and no file is ever written,
replaced or removed that the user did not name for it.
"""

import json
import os
import resource
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
from support.points import Points
from support.running import (
    HANG_S,
    Finished,
    Zygote,
    commits,
    files_of,
    forked,
    lines,
    rerank,
    run_into,
    started,
    wait_until,
)

from rerank_cli.files.journal import read_journal
from rerank_cli.files.paths import Paths

GOOD, BAD, BLANK = 48, 8, 8
SMALL = ("--batch-tokens", "64", "--window-tokens", "256", "-q")  # a commit every few records
OPTIONS = ("--model", "fake:composition=1", *SMALL)
FLAGS = ((), ("--resume",), ("--overwrite",), ("--resume", "--overwrite"))
SCORES = ("--no-text", "--top-k", "1")  # an output smaller than its journal
FORMS = {
    "plain": ("out.jsonl",),
    "gz": ("out.jsonl.gz",),
    "zst": ("out.jsonl.zst",),
    "scores": ("out.jsonl", *SCORES),
    "replacing": ("out.jsonl", "--overwrite"),
}
OLD = b"precious\n"
META = b'{"fingerprint": {}, "output_bytes": 4, "output_crc32": 0}\n'  # of an earlier run
NAMES = {form: options[0] for form, options in FORMS.items()}
Run = Callable[..., Finished]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")


def content() -> bytes:
    """Good records with bad and blank lines among them."""
    parts = []
    for number in range(0, GOOD, 6):
        parts += [lines(6, start=number), b'{"query": 7, "candidates": ["%d"]}\n' % number, b"\n"]
    return b"".join(parts)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The input, far from any small disk."""
    path = tmp_path_factory.mktemp("source") / "in.jsonl"
    path.write_bytes(content())
    return path


@pytest.fixture(scope="module")
def goldens(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """The files of uninterrupted runs, one for each form of output."""
    made = {}
    for form in FORMS:
        folder = tmp_path_factory.mktemp(form)
        assert forked(*command(source, form), cwd=folder).code == 3
        made[form] = files_of(folder)
    return made


def command(source: Path, form: str = "plain") -> tuple[str | Path, ...]:
    return ("score", source, "-o", *FORMS[form], *OPTIONS)


def kept(folder: Path, name: str, golden: bytes) -> int:
    """The records that stand in the partial output, which must be a part of the golden one."""
    found = read_journal(folder / f"{name}.journal")
    if found is None:
        return 0
    partial = folder / f"{name}.partial"
    committed = partial.read_bytes()[: found.commit.output.size] if partial.exists() else b""
    assert len(committed) == found.commit.output.size
    assert golden.startswith(committed)
    return found.commit.counters.records


def assert_whole(folder: Path, golden: dict[str, bytes], name: str, resumed: int | None = None) -> None:
    """The files are those of an uninterrupted run, and no others."""
    found = {file: body for file, body in files_of(folder).items() if not file.startswith("ballast")}
    assert sorted(found) == sorted(golden)
    for file in (name, f"{name}.errors.jsonl"):
        assert found[file] == golden[file], file
    meta, expected = (json.loads(files[f"{name}.meta.json"]) for files in (found, golden))
    assert (meta["records"], meta["scored"], meta["failed"], meta["blank"]) == (GOOD + BAD, GOOD, BAD, BLANK)
    for count in ("pairs", "truncated", "windows", "input_sha256", "output_bytes", "output_crc32", "deterministic"):
        assert meta[count] == expected[count], count
    if resumed is not None:
        assert meta["resumed_records"] == resumed


def assert_stopped_and_resumed(
    run: Run, folder: Path, form: str, golden: dict[str, bytes], source: Path, make_room: Callable[[], None]
) -> int:
    """Run where there is little room; if it stops, continue once there is more. Returns the first exit code."""
    name, wanted = NAMES[form], command(source, form)
    there = files_of(folder).get(name)
    done = run(*wanted)
    assert done.code in (3, 5), done.said
    if done.code == 5:
        assert files_of(folder).get(name) == there
        before = kept(folder, name, golden[name])
        again = run(*wanted, "--resume")
        assert again.code in (3, 5), again.said  # there may be room for the rest where there was none for a new file
        if again.code == 5:
            assert kept(folder, name, golden[name]) >= before
            before = kept(folder, name, golden[name])
            make_room()
            last = run(*wanted, "--resume")
            assert last.code in (0, 3), last.said
        finished = (folder / f"{name}.meta.json").read_bytes()
        assert json.loads(finished)["resumed_records"] <= max(before, GOOD + BAD)
    assert_whole(folder, golden, name)
    return done.code


# full disks


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A disk of 256 KiB that only its own runs see under its name; `seen` is the way there for everybody else."""

    zygote: Zygote
    place: Path
    seen: Path

    def run(self, *arguments: str | Path) -> Finished:
        return self.zygote.run(*arguments, cwd=self.place)

    def mount(self, option: str) -> None:
        subprocess.run(["nsenter", "-t", str(self.zygote.pid), "-m", "mount", "-o", option, self.place], check=True)

    def clear(self, keep: str = "") -> None:
        for path in list(self.seen.iterdir()):
            if not keep or not path.name.startswith(keep):
                path.unlink()

    def leave_bytes(self, count: int) -> None:
        """Fill it up but for `count` bytes (in whole pages)."""
        room = os.statvfs(self.seen)
        (self.seen / "ballast").write_bytes(bytes(max(0, room.f_bavail * room.f_bsize - count)))

    def leave_files(self, count: int) -> None:
        """Fill it up but for `count` more files."""
        for number in range(max(0, os.statvfs(self.seen).f_ffree - count)):
            (self.seen / f"ballast-{number}").touch()

    def make_room(self) -> None:
        for path in list(self.seen.glob("ballast*")):
            path.unlink()


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    place = tmp_path_factory.mktemp("small")
    mounting = ["unshare", "-m", "--propagation", "private", "sh", "-c"]
    mounting += ['mount -t tmpfs -o size=256k,nr_inodes=32 small "$0" && exec "$@"', str(place)]
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("nsenter") is None:
        pytest.skip("mounting a small disk needs root, unshare and nsenter")
    tried = subprocess.run([*mounting, "true"], capture_output=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted: {tried.stderr.decode(errors='replace').strip()}")
    zygote = Zygote(*mounting)
    assert zygote.run("--version", cwd=place).code == 0
    yield SmallDisk(zygote, place, Path(f"/proc/{zygote.pid}/root{place}"))
    zygote.close()


def test_a_disk_that_fills_up_stops_the_run_and_with_more_room_it_goes_on(
    disk: SmallDisk, goldens: dict[str, dict[str, bytes]], source: Path, points: Points
) -> None:
    pages = [(form, count) for form in ("plain", "gz", "zst", "scores", "replacing") for count in range(28)]
    codes = set()
    for form, count in points.of(pages, sample=6):
        with points.trying("disks: full after so many pages"):
            disk.clear()
            if form == "replacing":
                (disk.seen / "out.jsonl").write_bytes(OLD)
            disk.leave_bytes(4096 * count)
            codes.add(assert_stopped_and_resumed(disk.run, disk.seen, form, goldens[form], source, disk.make_room))
    assert codes == {3, 5}


def test_a_disk_without_room_for_another_file_stops_the_run_and_with_more_room_it_goes_on(
    disk: SmallDisk, goldens: dict[str, dict[str, bytes]], source: Path, points: Points
) -> None:
    codes = set()
    for count in range(7):
        with points.trying("disks: no room for another file"):
            disk.clear()
            disk.leave_files(count)
            codes.add(
                assert_stopped_and_resumed(disk.run, disk.seen, "plain", goldens["plain"], source, disk.make_room)
            )
    assert codes == {3, 5}
    disk.clear()


@pytest.fixture(scope="module")
def limited() -> Iterator[Zygote]:
    """Runs of which the limits can be set."""
    zygote = Zygote()
    yield zygote
    zygote.close()


def test_a_file_that_may_not_grow_beyond_any_size_stops_the_run_and_without_the_limit_it_goes_on(
    limited: Zygote, goldens: dict[str, dict[str, bytes]], source: Path, quick_folder: Path, points: Points
) -> None:
    def limit(size: int) -> None:
        resource.prlimit(limited.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def run(*arguments: str | Path) -> Finished:
        return limited.run(*arguments, cwd=folder)

    # the journal, which is gone afterwards, may be larger than the scores alone
    largest = {form: max(map(len, goldens[form].values())) + 8192 for form in ("plain", "gz", "scores")}
    sizes = [(form, size) for form, most in largest.items() for size in range(0, most, most // 160)]
    codes = set()
    for number, (form, size) in enumerate(points.of(sizes, sample=6)):
        with points.trying("disks: a limit of the file size"):
            folder = quick_folder / str(number)
            folder.mkdir()
            limit(size)
            codes.add(
                assert_stopped_and_resumed(
                    run, folder, form, goldens[form], source, lambda: limit(resource.RLIM_INFINITY)
                )
            )
            shutil.rmtree(folder)
    assert codes == {3, 5}


needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")


@needs_full
def test_a_full_device_is_never_taken_for_one_that_holds_what_was_written(
    source: Path, quick_folder: Path, points: Points
) -> None:
    good = quick_folder / "good.jsonl"
    good.write_bytes(lines(6))
    cases = {
        "-o": (("score", good, "-o", "/dev/full"), 5),
        "--errors beside a stream": (("score", source, "-o", "-", "--errors", "/dev/full"), 5),
        "--errors that nothing goes to": (("score", good, "-o", "-", "--errors", "/dev/full"), 0),
        "--errors beside a file": (("score", source, "-o", "out.jsonl", "--errors", "/dev/full"), 2),
        "--stats": (("score", good, "-o", "out.jsonl", "--stats", "/dev/full"), 5),
    }
    for name, (arguments, code) in cases.items():
        with points.trying("disks: /dev/full"):
            done = forked(*arguments, *OPTIONS, cwd=quick_folder)
            assert done.code == code, (name, done.said)
            if code == 5:
                assert "No space left" in done.said
    assert len((quick_folder / "out.jsonl").read_bytes().splitlines()) == 6  # the statistics alone were lost


def test_a_disk_that_is_read_only_is_5_before_a_model_is_looked_for_and_changes_nothing(
    disk: SmallDisk, source: Path, points: Points
) -> None:
    stopped = ("score", source, "-o", "out.jsonl", *OPTIONS, "--strict")
    states: dict[str, Callable[[], object]] = {
        "nothing": lambda: None,
        "partial": lambda: disk.run(*stopped),
        "file": lambda: disk.run(*command(source)),
        "file and partial": lambda: (disk.run(*command(source)), disk.run(*stopped, "--overwrite")),
    }
    for state, flags in product(states, FLAGS):
        with points.trying("disks: read-only"):
            disk.clear()
            states[state]()
            disk.mount("remount,ro")
            try:
                before = files_of(disk.seen)
                done = disk.run("score", source, "-o", "out.jsonl", "--model", "./no-such-model", *flags)
                assert done.code == 5, (state, flags, done.said)
                assert "Read-only" in done.said
                assert files_of(disk.seen) == before
            finally:
                disk.mount("remount,rw")
    disk.clear()


# rights


@pytest.fixture(scope="module")
def bound() -> Iterator[Zygote]:
    """Runs that the modes of files bind, as they do not bind root."""
    before: list[str] = []
    if os.geteuid() == 0:
        before = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"]
        if shutil.which("setpriv") is None or subprocess.run([*before, "true"], check=False).returncode:
            pytest.skip("root's rights cannot be put away: there is no working setpriv")
    zygote = Zygote(*before)
    yield zygote
    zygote.close()


def test_a_folder_that_may_not_be_written_is_5_before_any_work_is_done(
    bound: Zygote, source: Path, quick_folder: Path, points: Points
) -> None:
    uses = {"-o": (), "--errors": ("-o", "out.jsonl"), "--stats": ("-o", "out.jsonl")}
    for mode, option, flags in points.of(list(product(range(8), uses, FLAGS)), sample=16):
        with points.trying("rights: a folder of any mode"):
            for path in quick_folder.iterdir():
                path.unlink() if path.is_file() else path.rmdir()
            folder = quick_folder / "folder"
            folder.mkdir()
            folder.chmod(mode << 6)
            run = ("score", source, *uses[option], option, folder / "x", *OPTIONS, *flags)
            done = bound.run(*run, cwd=quick_folder)
            folder.chmod(0o700)
            writable = mode & 0o3 == 0o3
            if mode == 7 or (writable and option == "--stats"):
                assert done.code == 3, (oct(mode), option, done.said)
            elif writable:  # it cannot be opened to make a rename in it durable
                assert done.code in (3, 5), (oct(mode), option, done.said)
            else:
                assert done.code == 5, (oct(mode), option, done.said)
                assert files_of(folder) == files_of(quick_folder) == {}
            for path in folder.iterdir():
                path.unlink()


def test_an_input_that_may_not_be_read_is_4_and_nothing_is_written(
    bound: Zygote, quick_folder: Path, points: Points
) -> None:
    source = quick_folder / "in.jsonl"
    source.write_bytes(lines(3))
    for mode in (0o000, 0o200, 0o300, 0o077):
        with points.trying("rights: an input that may not be read"):
            source.chmod(mode)
            done = bound.run("score", source, "-o", "out.jsonl", *OPTIONS, cwd=quick_folder)
            source.chmod(0o600)
            assert done.code == 4
            assert "permission denied" in done.said.lower()
            assert list(files_of(quick_folder)) == ["in.jsonl"]


def modes_of(folder: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


@pytest.mark.parametrize("umask", [0o077, 0o022, 0o000], ids=oct)
def test_new_files_follow_the_umask_while_the_run_goes_on_and_after(
    source: Path, quick_folder: Path, points: Points, umask: int
) -> None:
    def run(*flags: str) -> int:
        wanted = ("score", source, "-o", "out.jsonl", "--stats", "stats.json", *OPTIONS, *flags)
        return rerank(*wanted, cwd=quick_folder, prepare=lambda: os.umask(umask) and None).code

    with points.trying("rights: the umask", count=2):
        assert run("--strict") == 4
        stopped = modes_of(quick_folder)
        assert {"out.jsonl.partial", "out.jsonl.journal", "out.jsonl.errors.jsonl.partial"} <= stopped.keys()
        assert run("--resume") == 3
        final = modes_of(quick_folder)
        assert {"out.jsonl", "out.jsonl.errors.jsonl", "out.jsonl.meta.json", "stats.json"} == final.keys()
        for name, mode in {**stopped, **final}.items():
            assert mode == 0o666 & ~umask, (name, oct(mode))


def test_replaced_files_keep_their_modes_and_a_partial_is_never_more_open_than_they_are(
    bound: Zygote, goldens: dict[str, dict[str, bytes]], source: Path, quick_folder: Path, points: Points
) -> None:
    modes = [owner << 6 | others for owner in (4, 5, 6, 7) for others in range(64)]  # what a resumed run may read
    names = ("out.jsonl", "out.jsonl.errors.jsonl", "out.jsonl.meta.json")
    for mode in points.of(modes, sample=4):
        with points.trying("rights: the mode of a file that is replaced"):
            for path in quick_folder.iterdir():
                path.unlink()
            for name in names:
                (quick_folder / name).write_bytes(META if name.endswith(".meta.json") else OLD)
                (quick_folder / name).chmod(mode)
            wanted = (*command(source), "--overwrite")
            assert bound.run(*wanted, "--strict", cwd=quick_folder).code == 4
            stopped = modes_of(quick_folder)
            for name in ("out.jsonl.partial", "out.jsonl.errors.jsonl.partial"):
                assert not stopped[name] & 0o077 & ~mode, (name, oct(stopped[name]), oct(mode))
            done = bound.run(*wanted, "--resume", cwd=quick_folder)
            assert done.code == 3, (oct(mode), done.said)
            assert modes_of(quick_folder) == dict.fromkeys(names, mode)
            assert_whole(quick_folder, goldens["plain"], "out.jsonl")


def test_a_run_that_replaces_read_only_files_and_stops_anywhere_goes_on(
    bound: Zygote, quick_folder: Path, points: Points
) -> None:
    def limit(size: int) -> None:
        resource.prlimit(bound.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    names = ("out.jsonl", "out.jsonl.errors.jsonl", "out.jsonl.meta.json")
    source = quick_folder / "in.jsonl"
    source.write_bytes(lines(1) + b"bad\n" + lines(1, start=1))  # so little that each file is the largest for a while
    wanted = ("score", source, "-o", "out.jsonl", *OPTIONS, *SCORES, "--overwrite")
    codes = set()
    for size in points.of(range(0, 6144, 32), sample=5):
        with points.trying("rights: read-only files and a limit of the file size"):
            for name in names:
                (quick_folder / name).unlink(missing_ok=True)
                (quick_folder / name).write_bytes(META if name.endswith(".meta.json") else OLD)
                (quick_folder / name).chmod(0o444)
            limit(size)
            code = bound.run(*wanted, cwd=quick_folder).code
            again = bound.run(*wanted, "--resume", cwd=quick_folder).code if code == 5 else 3
            limit(resource.RLIM_INFINITY)
            assert (code, again) in ((3, 3), (5, 5), (5, 3))  # meta data of what was left may be shorter
            if again == 5:
                assert (quick_folder / "out.jsonl").read_bytes() == OLD
                done = bound.run(*wanted, "--resume", cwd=quick_folder)
                assert done.code in (0, 3), (size, done.said)
            codes.add(code)
            assert modes_of(quick_folder) == {
                "in.jsonl": modes_of(quick_folder)["in.jsonl"],
                **dict.fromkeys(names, 0o444),
            }
            assert len((quick_folder / "out.jsonl").read_bytes().splitlines()) == 2
            assert len((quick_folder / "out.jsonl.errors.jsonl").read_bytes().splitlines()) == 1
            assert json.loads((quick_folder / "out.jsonl.meta.json").read_bytes())["records"] == 3
    assert codes == {3, 5}


# one file by two names


DISGUISES = {  # of in.jsonl, as seen from the folder it is in
    "its name": "in.jsonl",
    "dotted": "./in.jsonl",
    "through a folder and back": "far/../in.jsonl",
    "absolute": "{folder}/in.jsonl",
    "a doubled slash": "{folder}//in.jsonl",
    "a symbolic link": "link.jsonl",
    "a link to a link": "link-to-link.jsonl",
    "a hard link": "hard.jsonl",
    "through a folder's link": "here/in.jsonl",
    "a hard link in another folder": "far/hard.jsonl",
    "/dev/stdin": "/dev/stdin",
    "/proc/self/fd/0": "/proc/self/fd/0",
    "/dev/fd/0": "/dev/fd/0",
}
USES = {"-o": (), "--errors": ("-o", "x.jsonl"), "--stats": ("-o", "x.jsonl"), "--errors of a stream": ("-o", "-")}
BESIDE = ("partial", "journal", "journal.tmp", "lock", "meta.json", "meta.json.partial", "errors.jsonl")


@pytest.fixture
def disguised(quick_folder: Path) -> Path:
    """in.jsonl, and other names for it."""
    (quick_folder / "in.jsonl").write_bytes(lines(6))
    (quick_folder / "far").mkdir()
    (quick_folder / "link.jsonl").symlink_to("in.jsonl")
    (quick_folder / "link-to-link.jsonl").symlink_to(quick_folder / "link.jsonl")
    (quick_folder / "hard.jsonl").hardlink_to(quick_folder / "in.jsonl")
    (quick_folder / "far" / "hard.jsonl").hardlink_to(quick_folder / "in.jsonl")
    (quick_folder / "here").symlink_to(".")
    return quick_folder


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file and link of a folder, with its mode and what it holds or leads to."""
    found = {}
    for path in sorted(folder.rglob("*")):
        inside = os.readlink(path).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(folder))] = (path.lstat().st_mode, inside)
    return found


def test_an_output_that_is_the_input_in_any_disguise_is_2_and_nothing_is_touched(
    disguised: Path, points: Points
) -> None:
    before = tree(disguised)
    inputs = ["in.jsonl", "link.jsonl", "-", "/dev/stdin"]
    everything = list(product(inputs, DISGUISES.values(), USES, ((), ("--resume", "--overwrite"))))
    for named, disguise, use, flags in points.of(everything, sample=20):
        with points.trying("one file by two names: the output is the input"):
            option = use.split()[0]
            written = disguise.format(folder=disguised)
            run = ("score", named, *USES[use], option, written, *OPTIONS, *flags)
            done = forked(*run, cwd=disguised, stdin=disguised / "in.jsonl")
            assert done.code == 2, (named, disguise, use, done.said)
            assert done.stdout == b""
            assert tree(disguised) == before


def test_an_input_that_stands_where_the_run_writes_beside_its_output_is_2(disguised: Path, points: Points) -> None:
    for suffix, link in product(BESIDE, (os.symlink, os.link)):
        with points.trying("one file by two names: the input beside the output"):
            beside = disguised / f"out.jsonl.{suffix}"
            link(disguised / "in.jsonl", beside)
            before = tree(disguised)
            for named in ("in.jsonl", beside.name):
                done = forked("score", named, "-o", "out.jsonl", *OPTIONS, "--overwrite", cwd=disguised)
                assert done.code == 2, (suffix, named, done.said)
                assert tree(disguised) == before
            beside.unlink()


@pytest.mark.parametrize("mode", ["ab", "r+b"])
def test_standard_output_that_is_the_input_is_2_and_nothing_is_touched(
    disguised: Path, points: Points, mode: str
) -> None:
    before = tree(disguised)
    for output in ("-", "/dev/stdout"):
        with points.trying("one file by two names: standard output is the input"):
            with (disguised / "in.jsonl").open(mode) as stdout:
                run = ("score", "in.jsonl", "-o", output, *OPTIONS)
                with started(*run, cwd=disguised, stdout=stdout) as process:
                    assert process.wait(HANG_S) == 2
            assert tree(disguised) == before


def test_an_output_inherited_as_a_number_that_is_the_input_is_2(disguised: Path, points: Points) -> None:
    before = tree(disguised)
    with (disguised / "in.jsonl").open("r+b") as file, points.trying("one file by two names: an inherited number"):
        number = file.fileno()
        run = ("score", "in.jsonl", "-o", f"/proc/self/fd/{number}", *OPTIONS, "--overwrite")
        with started(*run, cwd=disguised, pass_fds=[number]) as process:
            assert process.wait(HANG_S) == 2
    assert tree(disguised) == before


def test_a_fifo_that_is_input_and_output_is_2_and_no_run_waits_for_itself(quick_folder: Path, points: Points) -> None:
    os.mkfifo(quick_folder / "fifo")
    run = ("score", "fifo", "-o", "fifo", *OPTIONS)
    with points.trying("one file by two names: a FIFO"), started(*run, cwd=quick_folder) as process:
        assert process.wait(HANG_S) == 2


# links and names


LINKS = {
    "a link to a file": ("out.jsonl", "far/real.jsonl", True),
    "a link to nothing yet": ("out.jsonl", "far/real.jsonl", False),
    "a link to a link": ("second.jsonl", "far/real.jsonl", True),
    "a link to a link to nothing yet": ("second.jsonl", "far/real.jsonl", False),
    "a link by its folder": ("near/real.jsonl", "far/real.jsonl", True),
}


@pytest.mark.parametrize("link", LINKS)
def test_an_output_that_is_a_link_replaces_what_it_leads_to_and_stays_a_link(
    source: Path, goldens: dict[str, dict[str, bytes]], quick_folder: Path, points: Points, link: str
) -> None:
    named, target, exists = LINKS[link]
    (quick_folder / "far").mkdir()
    (quick_folder / "near").symlink_to("far")
    (quick_folder / "out.jsonl").symlink_to("far/real.jsonl")
    (quick_folder / "second.jsonl").symlink_to("out.jsonl")
    if exists:
        (quick_folder / target).write_bytes(b"old\n")
    links = {name: entry for name, entry in tree(quick_folder).items() if stat.S_ISLNK(entry[0])}
    with points.trying("links: the output", count=2):
        run = ("score", source, "-o", named, *OPTIONS, "--overwrite")
        assert forked(*run, "--strict", cwd=quick_folder).code == 4
        assert (quick_folder / target).exists() == exists
        assert forked(*run, "--resume", cwd=quick_folder).code == 3
        after = tree(quick_folder)
        assert {name: entry for name, entry in after.items() if stat.S_ISLNK(entry[0])} == links
        assert (quick_folder / target).read_bytes() == goldens["plain"]["out.jsonl"]
        assert sorted(files_of(quick_folder / "far")) == [
            "real.jsonl",
            "real.jsonl.errors.jsonl",
            "real.jsonl.meta.json",
        ]


def test_errors_and_statistics_that_are_links_are_written_where_they_lead(
    source: Path, goldens: dict[str, dict[str, bytes]], quick_folder: Path, points: Points
) -> None:
    (quick_folder / "far").mkdir()
    for name in ("errors", "stats"):
        (quick_folder / name).symlink_to(f"far/{name}")
    with points.trying("links: the errors and the statistics", count=2):
        run = ("score", source, "-o", "out.jsonl", "--errors", "errors", "--stats", "stats", *OPTIONS)
        assert forked(*run, cwd=quick_folder).code == 3
        assert (quick_folder / "errors").is_symlink()
        assert (quick_folder / "stats").is_symlink()
        assert (quick_folder / "far" / "errors").read_bytes() == goldens["plain"]["out.jsonl.errors.jsonl"]
        assert json.loads((quick_folder / "far" / "stats").read_bytes())["records"] == GOOD + BAD


def test_a_folder_is_never_an_output(disguised: Path, points: Points) -> None:
    (disguised / "link-to-folder").symlink_to("far")
    before = tree(disguised)
    names = ["", ".", "..", "/", "far", "far/", "./far/.", "here", "link-to-folder", str(disguised / "far")]
    for name, use in product(names, USES):
        with points.trying("names: a folder as output"):
            run = ("score", "in.jsonl", *USES[use], use.split()[0], name, *OPTIONS, "--overwrite", "--resume")
            assert forked(*run, cwd=disguised).code == 2, (name, use)
            assert tree(disguised) == before


def test_a_fifo_as_output_gets_the_golden_bytes_and_stays_a_fifo(
    source: Path, goldens: dict[str, dict[str, bytes]], quick_folder: Path, points: Points
) -> None:
    fifo = quick_folder / "fifo"
    os.mkfifo(fifo)
    with points.trying("names: a FIFO as output"), started(*command_to(source, fifo), cwd=quick_folder) as process:
        assert fifo.read_bytes() == goldens["plain"]["out.jsonl"]
        assert process.wait(HANG_S) == 3
        assert fifo.is_fifo()
        assert [path.name for path in quick_folder.iterdir()] == ["fifo"]


def command_to(source: Path, output: Path) -> tuple[str | Path, ...]:
    return ("score", source, "-o", output, *OPTIONS)


def test_a_name_that_leaves_no_room_for_those_beside_it_is_refused_before_any_work_is_done(
    source: Path, goldens: dict[str, dict[str, bytes]], quick_folder: Path, points: Points
) -> None:
    sizes = list(range(225, 262))
    for size, flags in product(points.of(sizes, sample=4), ((), ("--resume", "--overwrite"))):
        with points.trying("names: longer and longer"):
            name = "x" * size
            done = forked("score", source, "-o", name, *OPTIONS, *flags, cwd=quick_folder)
            assert done.code in (3, 2, 5), (size, done.said)
            if done.code == 3:
                assert (quick_folder / name).read_bytes() == goldens["plain"]["out.jsonl"]
            else:
                assert files_of(quick_folder) == {}, size
            for path in quick_folder.iterdir():
                path.unlink()


def test_a_folder_that_stands_where_the_run_writes_stops_it_and_once_removed_it_goes_on(
    source: Path, goldens: dict[str, dict[str, bytes]], quick_folder: Path, points: Points
) -> None:
    for path in Paths.of("out.jsonl", None).all():
        with points.trying("names: a folder where the run writes"):
            folder = quick_folder / path.name
            here = folder.with_name(f"run-{folder.name}")
            here.mkdir()
            (here / folder.name).mkdir()
            done = forked(*command(source), cwd=here)
            assert done.code in (2, 5, 8), (folder.name, done.said)
            assert not (here / "out.jsonl").is_file()
            (here / folder.name).rmdir()
            assert forked(*command(source), "--resume", cwd=here).code in (0, 3)
            assert_whole(here, goldens["plain"], "out.jsonl")


def test_the_last_renames_of_a_killed_run_touch_no_file_but_its_own(quick_folder: Path, points: Points) -> None:
    (quick_folder / "in.jsonl").write_bytes(lines(6))
    obstacle, output = quick_folder / "out.jsonl.meta.json", quick_folder / "out.jsonl"  # for its last renames
    assert run_into(obstacle, quick_folder / "in.jsonl", output, "score", "in.jsonl", "-o", "out.jsonl", *OPTIONS) == 5
    assert b'"kind":"finishing"' in (quick_folder / "out.jsonl.journal").read_bytes()
    (quick_folder / "mine.txt").write_bytes(b"precious\n")
    for flags in ((), ("--resume",)):
        with points.trying("names: another errors file after a kill"):
            run = ("score", "in.jsonl", "-o", "out.jsonl", *OPTIONS, "--errors", "mine.txt", *flags)
            assert forked(*run, cwd=quick_folder).code in (0, 8)
            assert (quick_folder / "mine.txt").read_bytes() == b"precious\n"


# two runs on one output


SLOW = ("--model", "fake:slow=0.01", *SMALL)


@contextmanager
def held(folder: Path, *options: str, count: int, other_than: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A run on out.jsonl that stands still after so many commits (-1: when it has its lock), or has ended.

    `other_than` is the journal that was there before it.
    """
    output = folder / "out.jsonl"

    def far_enough() -> bool:
        return Path(f"{output}.lock").exists() and journal_of(output) != other_than and commits(output) >= count

    with started("score", "in.jsonl", "-o", "out.jsonl", *SLOW, *options, cwd=folder) as process:
        if wait_until(far_enough, process):
            process.send_signal(signal.SIGSTOP)
        yield process


def journal_of(output: Path) -> int:
    """Which journal is next to the output; -1 for none."""
    try:
        return Path(f"{output}.journal").stat().st_ino
    except FileNotFoundError:
        return -1


def end_of(process: subprocess.Popen[bytes]) -> int:
    """Let it go on to its end; its exit code."""
    process.send_signal(signal.SIGCONT)
    return process.wait(HANG_S)


def shared_output(folder: Path) -> Path:
    """A folder with an input, and other names for its output."""
    folder.mkdir()
    (folder / "in.jsonl").write_bytes(lines(30))
    (folder / "link.jsonl").symlink_to("out.jsonl")
    (folder / "here").symlink_to(".")
    return folder


def alone(folder: Path, *options: str) -> bytes:
    """What an undisturbed run makes of the input."""
    return forked("score", "in.jsonl", "-o", "-", "--model", "fake", *SMALL, *options, cwd=folder).stdout


MOMENTS = (-1, 0, 3)  # commits of the first run: it has not begun, has begun, is far on


def test_a_second_run_on_one_output_is_11_by_whatever_name_and_the_first_is_not_disturbed(
    quick_folder: Path, points: Points
) -> None:
    for count in points.of(MOMENTS, sample=1):
        folder = shared_output(quick_folder / str(count))
        names = ["out.jsonl", "./out.jsonl", str(folder / "out.jsonl"), "link.jsonl", "here/out.jsonl"]
        with held(folder, count=count) as first:
            before = files_of(folder)
            for name, flags in points.of(list(product(names, FLAGS)), sample=3):
                with points.trying("two runs: at once on one output"):
                    done = forked("score", "in.jsonl", "-o", name, *SLOW, *flags, cwd=folder)
                    assert done.code == 11, (name, flags, done.said)
                    assert files_of(folder) == before
            assert end_of(first) == 0
        assert (folder / "out.jsonl").read_bytes() == alone(folder)


@pytest.mark.slow
def test_the_lock_of_a_killed_run_is_free(quick_folder: Path, points: Points) -> None:
    for count in points.of(MOMENTS, sample=2):
        folder = shared_output(quick_folder / str(count))
        with points.trying("two runs: the first was killed"):
            with held(folder, count=count) as first:
                first.kill()
            assert (folder / "out.jsonl.lock").exists()
            assert forked("score", "in.jsonl", "-o", "out.jsonl", *SLOW, "--resume", cwd=folder).code == 0
            assert not (folder / "out.jsonl.lock").exists()
            assert (folder / "out.jsonl").read_bytes() == alone(folder)


@pytest.mark.slow
def test_with_the_lock_removed_two_runs_still_never_make_one_file_together(quick_folder: Path, points: Points) -> None:
    everything = list(product(MOMENTS, (("--overwrite",), ("--overwrite", "--resume"))))
    for number, (count, flags) in enumerate(points.of(everything, sample=2)):
        folder = shared_output(quick_folder / str(number))
        output, other = folder / "out.jsonl", ("--top-k", "1")
        wholes = [alone(folder), alone(folder, *other)]
        with points.trying("two runs: the lock was removed"), held(folder, count=count) as first:
            Path(f"{output}.lock").unlink()
            with held(folder, *other, *flags, count=1, other_than=journal_of(output)) as second:
                for process, whole in zip((first, second), wholes, strict=True):
                    before = output.read_bytes() if output.exists() else None
                    code = end_of(process)
                    assert code in (0, 5, 8, 11)
                    assert output.exists() == (code == 0 or before is not None)
                    if output.exists():
                        assert output.read_bytes() == (whole if code == 0 else before)


@pytest.mark.slow
def test_with_the_lock_removed_a_third_run_shares_with_nobody(quick_folder: Path, points: Points) -> None:
    folder = shared_output(quick_folder / "here")
    third = ("score", "in.jsonl", "-o", "out.jsonl", *SLOW, "--overwrite")
    output = folder / "out.jsonl"
    with points.trying("two runs: a third after the lock was removed", count=2):
        with held(folder, count=2) as first:
            Path(f"{output}.lock").unlink()
            with held(folder, "--overwrite", count=2, other_than=journal_of(output)) as second:
                if second.poll() is None:
                    assert forked(*third, cwd=folder).code == 11
                end_of(first)
                if second.poll() is None:
                    assert forked(*third, cwd=folder).code == 11, "the first took the second's lock with it"
                end_of(second)
        assert forked(*third, cwd=folder).code == 0
        assert output.read_bytes() == alone(folder)
