"""An output file that is absent until it is complete.

FILE appears by one rename at the end. Until then FILE.partial and FILE.journal hold all committed records, under
FILE.lock, and a killed run is resumed from its last commit. `existing` decides what a run does with existing files.
"""

import os
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from rerank_cli.core.plan import Budget
from rerank_cli.core.records import Mark
from rerank_cli.core.stats import Counters
from rerank_cli.files import ownership
from rerank_cli.files.append_only import AppendOnlyFile
from rerank_cli.files.compression import compressor
from rerank_cli.files.disk_errors import disk_errors
from rerank_cli.files.durable import sync_folder, write_durably
from rerank_cli.files.finishing import (
    complete_killed_run,
    errors_to_replace,
    finish_renames,
    finishing_line,
    make_ready,
    meta_json,
)
from rerank_cli.files.journal import VERSION, Commit, FoundJournal, Journal, Place, encode, read_journal
from rerank_cli.files.lock import Lock
from rerank_cli.files.paths import Paths, errors_lock


class FileOutput:
    """An `Output` for a regular file. It holds the locks from construction to `close`.

    A parquet table cannot be written in pieces: FILE.partial then holds JSON lines, and the table is written from it at
    the end.
    """

    def __init__(self, paths: Paths, overwrite: bool = True, resumable: bool = True) -> None:
        """Take the locks and read the journal. Raises OutputBusy, Refused or OutputError.

        `overwrite`: whether FILE and ERRORS may be replaced. `resumable`: whether the command has --resume.
        """
        self.paths, self._overwrite, self._resumable = paths, overwrite, resumable
        self._locks = [Lock(paths.beside(".lock"))]
        self._files: list[AppendOnlyFile] = []
        self._journal: Journal | None = None
        self._unfinished = self.finished = False  # whether files may be of this run; whether FILE is final
        self._committed = Commit()
        self._lines: list[bytes] = []
        self._failures: list[bytes] = []
        self._compress = compressor(str(paths.final))
        self.found: FoundJournal | None = None
        try:
            if (lock := errors_lock(paths.errors)) != paths.beside(".lock"):
                self._locks.append(Lock(lock, "--errors"))
            with self.disk_errors("read"):
                journal = paths.beside(".journal")
                self.found = read_journal(journal) if ownership.is_journal(journal) else None
        except BaseException:
            self._release()
            raise

    def complete_killed_run(self) -> None:
        """Complete the renames of a killed run. Raises OutputError, and Refused for another program's meta data."""
        if complete_killed_run(self.paths, self.found, self._resumable):
            self.found = None

    def refuse_foreign(self) -> None:
        """Raises Refused when the run would write or remove another program's file next to FILE."""
        with self.disk_errors("read"):
            ownership.refuse_foreign(self.paths, self._locks[0].inherited)

    def start(self, fingerprint: dict[str, Any], resolved: dict[str, Any]) -> Commit:
        """Start a new run: its journal replaces any other atomically."""
        header = {"kind": "header", "version": VERSION, "fingerprint": fingerprint, "resolved": resolved}
        content = encode(header)
        self._unfinished = True
        try:
            with self.disk_errors("write"):
                self._open_files()
                write_durably(self.paths.beside(".journal"), content)
        except BaseException:
            for file in self._files:
                file.discard()
            raise
        self.found = FoundJournal(header, Commit(), finishing=False, size=len(content))
        return self.resume()

    def resume(self) -> Commit:
        """Open the files at the last commit and return it. Anything after it is truncated."""
        if self.found is None:
            raise ValueError("no journal to resume from. This is a bug.")
        found, paths = self.found, self.paths
        self._unfinished = True
        with self.disk_errors("write"):
            self._open_files()
            known = (found.commit.output, found.commit.errors)
            for file, written, final in zip(self._files, known, (paths.final, paths.errors), strict=True):
                file.begin(written, replaces=self._source_of_mode(final))
            self._journal = Journal(paths.beside(".journal"), found.size)
            sync_folder(paths.final.parent)
        self._committed = found.commit
        return found.commit

    def _open_files(self) -> None:
        for path in (self.paths.beside(".partial"), self.paths.errors_partial)[len(self._files) :]:
            self._files.append(AppendOnlyFile(path))

    def write(self, line: bytes) -> None:
        """Take an output line; nothing is written before `commit`."""
        self._lines.append(line)

    def fail(self, line: bytes) -> None:
        """Take a line of the errors file; nothing is written before `commit`."""
        self._failures.append(line)

    def commit(self, counters: Counters, end: Mark, budgets: tuple[Budget, ...]) -> None:
        """Write all lines to disk: data first, then the journal line that records it. Raises OutputError."""
        lines, self._lines = b"".join(self._lines), []
        failures, self._failures = b"".join(self._failures), []
        with self.disk_errors("write"):
            for file, block in zip(self._files, (self._compress(lines) if lines else b"", failures), strict=True):
                file.append(block)
                file.sync()
            output, errors = (file.extent for file in self._files)
            self._committed = Commit(counters, Place.of(end), output, errors, budgets)
            self._append(self._committed.as_dict())

    def _source_of_mode(self, path: Path) -> Path:
        """The file whose permissions a new file gets: the previous one, else FILE, which may be private."""
        return path if os.path.exists(path) else self.paths.final

    def _append(self, line: dict[str, Any]) -> None:
        if self._journal is None:
            raise ValueError("the output is not open. This is a bug.")
        self._journal.append(line)

    def finish(self, meta: dict[str, Any]) -> None:
        """Make FILE and its meta data final.

        The journal announces the renames, so the next run completes them after a kill.
        """
        with self.disk_errors("write"):
            output, errors = self._files
            moved = self._resumable and not os.path.exists(self.paths.beside(".journal"))  # all of it, perhaps
            output.check_in_place(resumable=moved)
            errors.check_in_place(resumable=moved)
            failed = errors.extent.size > 0
            if not self._overwrite:
                ownership.refuse_what_appeared(self.paths, failed, "--resume" if self._resumable else "--overwrite")
            ownership.refuse_foreign_meta(self.paths)
            if not output.extent.size:
                output.append(self._compress(b""))  # an empty .gz has bytes too
                output.sync()
            complete = replace(self._committed, output=make_ready(self.paths, output.extent), errors=errors.extent)
            replaces = errors_to_replace(self.paths, failed)
            write_durably(
                self.paths.beside(".meta.json.partial"),
                meta_json(self.paths, meta, complete),
                like=self._source_of_mode(self.paths.beside(".meta.json")),
            )
            self._append(finishing_line(self.paths, complete, replaces))
            finish_renames(self.paths, failed, replaces)
        self._unfinished, self.finished = False, True

    def disk_errors(self, verb: Literal["read", "write"]) -> AbstractContextManager[None]:
        """A block in which an OSError becomes an OutputError."""
        return disk_errors(self.paths, verb, self._resumable)

    def close(self) -> None:
        """Close the files and release the locks, also after an error."""
        for file in self._files:
            file.close()
        if self._journal is not None:
            self._journal.close()
        self._release()

    def _release(self) -> None:
        for lock in reversed(self._locks):
            lock.release(keep=lock is self._locks[0] and self._unfinished and ownership.needs_the_lock(self.paths))
