"""Where a training happens: OUT.partial while it goes on, OUT when it is whole, and one living training for each.

`rerank-train.json` in them says which training it is: data, options and base; two of the same note are the same one.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rerank_cli.errors import ConfigError, OutputError, Refused
from rerank_cli.journal import sync_folder
from rerank_cli.lock import Lock
from rerank_cli.states import Action, decide

NOTE, BEFORE, MODEL, FORMER = "rerank-train.json", "before.json", "model", "former"
OURS = (NOTE, BEFORE, MODEL, FORMER, "eval")  # the last is made by the trainer

OUTCOMES = ("training", "held_out")  # of a note: what the training came to, not which one it is

Tell = Callable[[str], None]


def written(path: Path, text: str) -> None:
    """Put `text` into a file that is there whole or not at all."""
    made = path.with_name(path.name + ".new")
    made.write_text(text, encoding="utf-8")
    made.replace(path)


def _note_in(folder: Path) -> dict[str, Any] | None:
    try:
        note = json.loads((folder / NOTE).read_bytes())
    except (OSError, ValueError):
        return None
    return note if isinstance(note, dict) else None


def _same(folder: Path, note: dict[str, Any]) -> bool:
    """Whether the training in a folder is the one of this note."""
    found = _note_in(folder) or {}
    known = {name: value for name, value in found.items() if name not in OUTCOMES}
    return bool(known == json.loads(json.dumps(note)))


def _is_ours(partial: Path) -> bool:
    """Whether all that lies in an unfinished folder was put there by a training."""
    names = [path.name.removesuffix(".new") for path in partial.iterdir()] if partial.is_dir() else ["a file"]
    return all(name in OURS or name.startswith("checkpoint-") for name in names)


class TrainingFolder:
    """OUT and OUT.partial, locked from construction to `close`."""

    def __init__(self, output: Path, resume: bool, overwrite: bool, reads: Iterable[str]) -> None:
        """`reads`: what the training reads. Raises ConfigError, Refused, OutputBusy or OutputError."""
        if str(output) == "-":
            raise ConfigError("-o -: a model is a folder", "Name one.")
        self.final = Path(os.path.realpath(output))
        self.partial = self.final.with_name(self.final.name + ".partial")
        self._resume, self._overwrite = resume, overwrite
        for name in reads:
            real = Path(os.path.realpath(name))
            if any(real.is_relative_to(folder) for folder in (self.final, self.partial)):
                raise ConfigError(f"-o {output}: {name} is read, and lies there", "Choose another folder.")
        self._refuse_foreign()
        try:
            self.final.parent.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise OutputError(f"{self.final.parent}: {fault.strerror}", "Check the folder and its disk.") from None
        self._lock = Lock(self.final.with_name(self.final.name + ".lock"))
        self._put_back()

    def _put_back(self) -> None:
        """Undo the first of the two last renames, if the process was killed between them."""
        former = self.partial / FORMER
        if os.path.lexists(former) and not os.path.lexists(self.final):
            former.rename(self.final)

    def _refuse_foreign(self) -> None:
        final, partial = self.final, self.partial
        if os.path.lexists(final) and (self._overwrite or self._resume) and _note_in(final) is None:
            raise Refused(
                f"{final}: exists and was not made by `rerank train`, so nothing replaces it", "Choose another folder."
            )
        if os.path.lexists(partial) and not _is_ours(partial):
            raise Refused(f"{partial}: is not an unfinished training of ours", "Move it away.")
        if not (self._resume or self._overwrite):  # refused already, whichever training it is
            self._action(None)

    def _action(self, note: dict[str, Any] | None) -> Action:
        """What is done with what is found, for a training of this note. Raises Refused."""
        return decide(
            file=os.path.lexists(self.final),
            file_ours=note is not None and _same(self.final, note),
            partial=os.path.lexists(self.partial),
            partial_ours=note is not None and _same(self.partial, note),
            resume=self._resume,
            overwrite=self._overwrite,
            name=str(self.final),
            obstacle="other data, model, options or libraries",
        )

    def begin(self, note: dict[str, Any], tell: Tell) -> Action:
        """Make OUT.partial, or take it as it was left by this training, or see that OUT is what it would come to.

        Raises Refused for another training's, OutputError.
        """
        action = self._action(note)
        try:
            if action is Action.NOTHING:
                tell(f"{self.final}: nothing to do, this very training made it")
            elif action is Action.CONTINUE:
                tell(f"continuing the training in {self.partial}")
            else:
                if os.path.lexists(self.partial):
                    shutil.rmtree(self.partial)
                self.partial.mkdir()
                written(self.partial / NOTE, as_json(note))
        except OSError as fault:
            raise self._fault(fault) from None
        return action

    def finished(self) -> dict[str, Any]:
        """The note of the model in OUT."""
        return _note_in(self.final) or {}

    def kept_logits(self) -> Any:
        """What was measured before the training, if that is there."""
        try:
            return json.loads((self.partial / BEFORE).read_bytes())
        except (OSError, ValueError):
            return None

    def keep_logits(self, logits: Any) -> None:
        """Keep what was measured before the training. Raises OutputError."""
        try:
            written(self.partial / BEFORE, json.dumps(logits))
        except OSError as fault:
            raise self._fault(fault) from None

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is anything to continue from."""
        return any(self.partial.glob("checkpoint-*"))

    def finish(self, note: dict[str, Any], card: str) -> None:
        """Write note and card beside the model, and put it in its place.

        Raises OutputError, and Refused when somebody else has put a folder there meanwhile.
        """
        made, former = self.partial / MODEL, self.partial / FORMER
        try:
            written(made / NOTE, as_json(note))
            written(made / "README.md", card)
            _sync(made)
            if os.path.lexists(self.final):
                if not self._overwrite or _note_in(self.final) is None:
                    raise Refused(
                        f"{self.final}: has come to be while the training went on; the model is in {made}",
                        "Move one of them away; the same command with --resume then only finishes.",
                    )
                self.final.rename(former)
            try:
                made.rename(self.final)
            except OSError:
                self._put_back()
                raise
            sync_folder(self.final.parent)
            shutil.rmtree(self.partial)
        except OSError as fault:
            raise self._fault(fault) from None

    def _fault(self, fault: OSError) -> OutputError:
        return OutputError(f"{self.partial}: {fault.strerror or fault}", "Check the folder and its disk.")

    def close(self) -> None:
        """Let others have it."""
        self._lock.release()


def _sync(folder: Path) -> None:
    """Make the files in a folder durable, and their names."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            sync_folder(path)
    sync_folder(folder)


def as_json(note: dict[str, Any]) -> str:
    """A note for people to read."""
    return json.dumps(note, indent=2, ensure_ascii=True) + "\n"
