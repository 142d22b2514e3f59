"""Results into a file that is absent or complete.

FILE appears in one rename at the very end. Until then FILE.partial and FILE.journal hold all committed work under
FILE.lock, and a killed run is continued from its last commit. `existing` decides
what a run does with the files it finds.
"""

import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import quote, unquote_to_bytes

import orjson

from rerank_cli.core.errors import OutputError, Refused
from rerank_cli.core.plan import Budget
from rerank_cli.core.records import Mark
from rerank_cli.core.stats import Counters
from rerank_cli.files import ownership
from rerank_cli.files.append_only import Appended, matches
from rerank_cli.files.compression import compressor
from rerank_cli.files.durable import content_of, sync_folder, write_durably
from rerank_cli.files.existing import differing
from rerank_cli.files.finishing import finish_renames, is_complete, made_final, replaced_errors
from rerank_cli.files.journal import VERSION, Commit, Found, Journal, Place, Written, encode, read_journal
from rerank_cli.files.lock import Lock
from rerank_cli.files.paths import Paths, errors_lock

KEPT = "What was committed is kept in {}; make room, then run the same command with --resume."
NOT_KEPT = "Make room, then run the same command with --overwrite."
UNREADABLE = "Nothing was changed. See to the disk and who may read that file, then run the same command again."

T = TypeVar("T")


class FileOutput:
    """The protocol of the module's docstring, for one regular file; holds the lock from construction to `close`.

    A parquet table cannot be written piece by piece: FILE.partial then holds JSON lines, and the table is made of it at
    the end, beside it.
    """

    def __init__(self, paths: Paths, overwrite: bool = True, resumable: bool = True) -> None:
        """Take the locks and read the journal. Raises OutputBusy, Refused or OutputError.

        `overwrite`: whether FILE and ERRORS may be replaced. `resumable`: whether --resume continues what is committed.
        """
        self.paths, self._overwrite, self._resumable = paths, overwrite, resumable
        self._locks = [Lock(paths.beside(".lock"))]
        self._files: list[Appended] = []
        self._journal: Journal | None = None
        self._unfinished = False  # whether files beside FILE may be ours; before that they were there already
        self._last = Commit()
        self._lines: list[bytes] = []
        self._failures: list[bytes] = []
        self._pack = compressor(str(paths.final))
        self.found: Found | None = None
        try:
            if (lock := errors_lock(paths.errors)) != paths.beside(".lock"):
                self._locks.append(Lock(lock, "--errors"))
            self.found = self._guarded(self._read_journal, "read")
        except BaseException:
            self._release()
            raise

    def _read_journal(self) -> Found | None:
        path = self.paths.beside(".journal")
        return read_journal(path) if ownership.is_journal(path) else None

    def finish_interrupted(self) -> None:
        """Make the last renames of a run that was complete and then killed between two of them.

        Files that are not as that run left them are not touched: they count as a damaged partial output. Raises
        Refused when somebody else's meta data would be replaced.
        """
        if self.found is None or not self.found.finishing:
            return
        commit, theirs, replaces = self.found.commit, self.paths, self.found.replaces
        if name := os.fsdecode(unquote_to_bytes(self.found.errors_path)):
            theirs = replace(theirs, errors=theirs.final.parent / name)
        if self._guarded(lambda: is_complete(theirs, commit, replaces), "read"):
            self._guarded(lambda: ownership.refuse_foreign_meta(theirs), "read")
            self._guarded(lambda: finish_renames(theirs, commit.errors.size > 0, replaces))
            self.found = None

    @property
    def has_file(self) -> bool:
        """Whether FILE exists."""
        return os.path.exists(self.paths.final)

    @property
    def has_partial(self) -> bool:
        """Whether anything of an unfinished run of ours is here."""
        return self._guarded(lambda: ownership.is_journal(self.paths.beside(".journal")), "read")

    def refuse_foreign(self) -> None:
        """Raises Refused when a file that a run writes or removes beside FILE is somebody else's."""
        self._guarded(lambda: ownership.refuse_foreign(self.paths, self._locks[0].inherited), "read")

    def why_not_continued(self, fingerprint: dict[str, Any]) -> str | None:
        """Why the partial found is not of a run with this fingerprint, or damaged; None when it can be continued."""
        found = self.found
        if found is None:
            return "there is no readable journal"
        if difference := differing(found.header["fingerprint"], fingerprint):
            return difference
        for path, known in (
            (self.paths.beside(".partial"), found.commit.output),
            (self.paths.errors_partial, found.commit.errors),
        ):
            if not self._guarded(lambda path=path, known=known: matches(path, known), "read"):  # type: ignore[misc]
                return f"{path.name} is missing or damaged"
        return None

    def finished_meta(self, fingerprint: dict[str, Any]) -> dict[str, Any] | None:
        """The meta data of FILE if FILE is just as a run with this fingerprint left it."""
        content = self._guarded(lambda: content_of(self.paths.beside(".meta.json")), "read")
        try:
            meta: dict[str, Any] = orjson.loads(content)
            known = Written(int(meta["output_bytes"]), int(meta["output_crc32"]))
            same = not differing(dict(meta["fingerprint"]), fingerprint)
        except (ValueError, KeyError, TypeError):
            return None
        ours = same and self._guarded(lambda: matches(self.paths.final, known, exactly=True), "read")
        return meta if ours else None

    def refuse_errors_file(self, overwrite: bool) -> None:
        """An errors file of that name is not ours to replace without --overwrite."""
        if os.path.isdir(self.paths.errors):
            raise Refused(f"{self.paths.errors}: the errors file would be a folder", "Move it away.")
        if os.path.lexists(self.paths.errors) and not overwrite:
            raise Refused(f"{self.paths.errors}: the errors file exists", "Move it away, or add --overwrite.")

    def start(self, fingerprint: dict[str, Any], resolved: dict[str, Any]) -> Commit:
        """Begin a new run: its journal replaces any other in one step."""
        header = {"kind": "header", "version": VERSION, "fingerprint": fingerprint, "resolved": resolved}
        content = encode(header)
        self._unfinished = True
        try:
            self._guarded(self._open)
            self._guarded(lambda: write_durably(self.paths.beside(".journal"), content))
        except BaseException:
            for file in self._files:
                file.discard()
            raise
        self.found = Found(header, Commit(), False, len(content))
        return self.resume()

    def resume(self) -> Commit:
        """Open the files at the last commit and return it. What lies beyond it is cut off."""
        if self.found is None:
            raise ValueError("there is no journal to continue. This is a bug.")
        found, paths = self.found, self.paths
        self._unfinished = True

        def begun() -> None:
            self._open()
            for file, known, final in zip(
                self._files, (found.commit.output, found.commit.errors), (paths.final, paths.errors), strict=True
            ):
                file.begin(known, replaces=self._existing(final))
            self._journal = Journal(paths.beside(".journal"), found.size)
            sync_folder(paths.final.parent)

        self._guarded(begun)
        self._last = found.commit
        return found.commit

    def _open(self) -> None:
        for path in (self.paths.beside(".partial"), self.paths.errors_partial)[len(self._files) :]:
            self._files.append(Appended(path))

    def write(self, line: bytes) -> None:
        """See Output."""
        self._lines.append(line)

    def fail(self, line: bytes) -> None:
        """See Output."""
        self._failures.append(line)

    def commit(self, counters: Counters, end: Mark, budget: Budget) -> None:
        """See Output. Data first, then the journal line that vouches for it."""
        lines, self._lines = b"".join(self._lines), []
        failures, self._failures = b"".join(self._failures), []

        def written() -> None:
            for file, block in zip(self._files, (self._pack(lines) if lines else b"", failures), strict=True):
                file.append(block)
                file.sync()
            output, errors = (file.written for file in self._files)
            self._last = Commit(counters, Place.of(end), output, errors, budget)
            self._append(self._last.as_dict())

        self._guarded(written)

    def _existing(self, path: Path) -> Path:
        """Whose permissions a new file gets: its forerunner's, or FILE's, which may be private for a reason."""
        return path if os.path.exists(path) else self.paths.final

    def _errors_path(self) -> str:
        """Where the errors file will be, from FILE's folder if it lies there: the folder may be moved meanwhile."""
        errors, folder = self.paths.errors, self.paths.final.parent
        return quote(os.fsencode(errors.name if errors.parent == folder else errors))

    def _append(self, line: dict[str, Any]) -> None:
        if self._journal is None:
            raise ValueError("the output is not open. This is a bug.")
        self._journal.append(line)

    def finish(self, meta: dict[str, Any]) -> None:
        """See Output. The renames are announced in the journal, so that a kill between two of them is made good."""

        def finished() -> None:
            output, errors = self._files
            moved = self._resumable and not os.path.exists(self.paths.beside(".journal"))  # all of it, perhaps
            output.check_in_place(resumable=moved)
            errors.check_in_place(resumable=moved)
            failed = errors.written.size > 0
            if not self._overwrite:
                ownership.refuse_what_appeared(self.paths, failed, "--resume" if self._resumable else "--overwrite")
            ownership.refuse_foreign_meta(self.paths)
            if not output.written.size:
                output.append(self._pack(b""))  # an empty .gz is not a file of no bytes
                output.sync()
            made = made_final(self.paths, output.written)
            replaces = replaced_errors(self.paths, failed)
            whole = {**meta, "output_bytes": made.size, "output_crc32": made.crc}
            if failed:
                named = {"errors_file": self._errors_path(), "errors_bytes": errors.written.size}
                whole |= {**named, "errors_crc32": errors.written.crc}
            content = orjson.dumps(whole, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
            write_durably(
                self.paths.beside(".meta.json.partial"), content, like=self._existing(self.paths.beside(".meta.json"))
            )
            complete = replace(self._last, output=made, errors=errors.written).as_dict("finishing")
            known = None if replaces is None else asdict(replaces)
            self._append({**complete, "errors_path": self._errors_path(), "replaces": known})
            finish_renames(self.paths, failed, replaces)

        self._guarded(finished)
        self._unfinished = False

    def _guarded(self, action: Callable[[], T], verb: Literal["read", "write"] = "write") -> T:
        """What `action` returns. Raises OutputError when the disk fails it: what cannot be read is not thrown away."""
        try:
            return action()
        except OSError as fault:
            kept = KEPT.format(self.paths.beside(".partial").name) if self._resumable else NOT_KEPT
            advice = kept if verb == "write" else UNREADABLE
            place = fault.filename or self.paths.final
            raise OutputError(f"{place}: cannot {verb} ({fault.strerror or fault})", advice) from fault

    def close(self) -> None:
        """See Output."""
        for file in self._files:
            file.close()
        if self._journal is not None:
            self._journal.close()
        self._release()

    def _release(self) -> None:
        for lock in reversed(self._locks):
            lock.release(keep=lock is self._locks[0] and self._unfinished and ownership.needs_the_lock(self.paths))
