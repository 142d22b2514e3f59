"""A small file system that loses power: what a run's recorded calls left for certain, and what they may have left.

It promises no more than POSIX does: the bytes of a file are durable when it was synced, its name when its folder was.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

CALLS = ("openat", "write", "lseek", "ftruncate", "fsync", "rename", "unlink")  # what a recording must hold
LINE = re.compile(r"^\d+ +(\w+)\((.*)\) += (-?\d+)", re.MULTILINE)
TEXT = re.compile(r'^"((?:\\x[0-9a-f]{2})*)"$')

Files = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Call:
    """One system call that succeeded: its arguments as strace shows them, texts as bytes; and what it returned."""

    name: str
    arguments: tuple[str | bytes, ...]
    result: int


def recorded(log: Path, folder: Path) -> list[Call]:
    """The calls of a log that change a folder, paths without it (the folder itself is `.`), locks left out."""
    text = log.read_text()
    found = LINE.findall(text)
    assert len(found) == len(text.splitlines()), "a line of the log is of another form"
    calls = []
    for name, arguments, result in found:
        values = tuple(_value(part, folder) for part in arguments.split(", "))
        if int(result) >= 0 and not any(isinstance(value, bytes) and value.endswith(b".lock") for value in values):
            calls.append(Call(name, values, int(result)))
    return calls


def _value(shown: str, folder: Path) -> str | bytes:
    match = TEXT.match(shown)
    if match is None:
        assert not shown.startswith('"'), "a text was cut"
        return shown
    text = bytes.fromhex(match[1].replace("\\x", ""))
    if text == bytes(folder):
        return b"."
    return text.removeprefix(bytes(folder) + b"/")


@dataclass(slots=True, eq=False)
class Inode:
    """A file's durable bytes, and what was done to it since: (offset, bytes written) or (size, None) for a cut."""

    durable: bytes = b""
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    def content(self, lost: bool = False) -> bytes:
        """As every reader sees it; or (`lost`) the unsynced bytes as zeros."""
        content = bytearray(self.durable)
        for place, block in self.pending:
            if block is None:
                content[place:] = bytes(max(0, place - len(content)))
            else:
                content[len(content) :] = bytes(max(0, place - len(content)))
                content[place : place + len(block)] = bytes(len(block)) if lost else block
        return bytes(content)

    def sync(self) -> None:
        """Make it durable as it is."""
        self.durable, self.pending = self.content(), []


class Disk:
    """One folder."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        """Begin with durable files."""
        self.names = {name: Inode(content) for name, content in files.items()}
        self.durable = dict(self.names)
        self._changes: list[tuple[str, str, Inode]] = []  # since then: the name that went, the one that came
        self._open: dict[str, tuple[Inode | None, bool]] = {}  # by descriptor; whether it appends
        self._places: dict[str, int] = {}

    def do(self, call: Call) -> None:
        """Make a call."""
        getattr(self, f"_{call.name}")(call, *call.arguments)

    def _change(self, old: str, new: str, inode: Inode) -> None:
        self._changes.append((old, new, inode))
        self.names = changed(self.names, [(old, new, inode)])

    def _openat(self, call: Call, _at: str, path: bytes, flags: str, *_mode: str) -> None:
        fd, name = str(call.result), path.decode()
        self._places[fd] = 0
        if name == ".":
            self._open[fd] = None, False
            return
        if name not in self.names:
            assert "O_CREAT" in flags, call
            self._change("", name, Inode())
        inode = self.names[name]
        if "O_TRUNC" in flags:
            inode.pending.append((0, None))
        self._open[fd] = inode, "O_APPEND" in flags

    def _file(self, fd: str) -> Inode:
        inode, _ = self._open[fd]
        assert inode is not None
        return inode

    def _write(self, call: Call, fd: str, block: bytes, _size: str) -> None:
        inode, appends = self._file(fd), self._open[fd][1]
        place = len(inode.content()) if appends else self._places[fd]
        inode.pending.append((place, block[: call.result]))
        self._places[fd] = place + call.result

    def _pwrite64(self, call: Call, fd: str, block: bytes, _size: str, place: str) -> None:
        self._file(fd).pending.append((int(place), block[: call.result]))

    def _lseek(self, call: Call, fd: str, *_rest: str) -> None:
        self._places[fd] = call.result

    def _ftruncate(self, _call: Call, fd: str, size: str) -> None:
        self._file(fd).pending.append((int(size), None))

    def _fsync(self, _call: Call, fd: str) -> None:
        inode, _ = self._open[fd]
        if inode is None:
            self.durable, self._changes = self.names, []
        else:
            inode.sync()

    def _fdatasync(self, call: Call, fd: str) -> None:
        self._fsync(call, fd)

    def _rename(self, _call: Call, old: bytes, new: bytes) -> None:
        self._change(old.decode(), new.decode(), self.names[old.decode()])

    def _unlink(self, _call: Call, path: bytes) -> None:
        self._change(path.decode(), "", self.names[path.decode()])

    def target(self, call: Call) -> str:
        """The name that a call on a descriptor is about; `.` for the folder, "" when it has none any more."""
        inode, _ = self._open[str(call.arguments[0])]
        return "." if inode is None else next((name for name, other in self.names.items() if other is inode), "")

    def now(self) -> Files:
        """The files as every reader sees them."""
        return {name: inode.content() for name, inode in self.names.items()}

    def losses(self) -> Iterator[tuple[str, Files]]:
        """What may be there after a loss of power at this moment, by kind of loss."""
        changes = self._changes
        yield "all that was not synced is gone", contents(self.durable)
        yield "names kept, unsynced bytes gone", contents(self.names)
        for count in range(1, len(changes)):
            some = changed(self.durable, changes[:count])
            yield "names kept up to one of them, unsynced bytes gone", contents(some)
        for lost in range(len(changes) - 1):
            some = changed(self.durable, changes[:lost] + changes[lost + 1 :])
            yield "one change of names is lost, later ones kept", contents(some)
        yield (
            "names and sizes kept, unsynced bytes are zeros",
            {name: inode.content(lost=True) for name, inode in self.names.items()},
        )
        for survivor in {*self.durable.values(), *self.names.values()}:
            if survivor.pending:
                for names in (self.names, self.durable):
                    yield "unsynced bytes of one file survive, others do not", contents(names, survivor)


def changed(names: Mapping[str, Inode], changes: Sequence[tuple[str, str, Inode]]) -> dict[str, Inode]:
    """Names after some changes."""
    result = dict(names)
    for old, new, inode in changes:
        result.pop(old, None)
        if new:
            result[new] = inode
    return result


def contents(names: Mapping[str, Inode], survivor: Inode | None = None) -> Files:
    """Durable bytes under these names, and of the survivor what was not synced too."""
    return {name: inode.content() if inode is survivor else inode.durable for name, inode in names.items()}
