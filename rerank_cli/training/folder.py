"""Where a training happens: OUT.partial while it goes on, OUT when it is whole, and one living training for each.

`rerank-train.json` in them says which training it is: data, options and base; two of the same note are the same one.
In OUT it also lists the files that are ours: a folder that holds others is left alone, whatever the flags.
"""

import json
import os
import re
import shutil
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from rerank_cli.core.errors import ConfigError, OutputError, Refused
from rerank_cli.core.protocols import Report
from rerank_cli.files.durable import sync_folder
from rerank_cli.files.existing import Action, Existing, decide
from rerank_cli.files.folders import apply_umask, swap_folder, sync_tree
from rerank_cli.files.lock import Lock
from rerank_cli.training.checkpoints import STATE, write_whole

NOTE, BEFORE, MODEL, FORMER = "rerank-train.json", "before.json", "model", "former"
EVAL, CHECKPOINT = "eval", re.compile(r"checkpoint-\d+")  # made by the trainer
FILES = "rerank-files.json"  # in a checkpoint: what the trainer wrote there
KNOWN = re.compile(  # in a checkpoint that has no such list, and in a model of a note that has none
    r"README\.md|(config|config_sentence_transformers|modules|sentence_bert_config|generation_config)\.json|"
    r"(adapter_)?model(-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.json|adapter_config\.json|"
    r"(optimizer|scheduler|scaler)\.pt|rng_state(_\d+)?\.pth|trainer_state\.json|training_args\.bin|"
    r"(tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json|vocab\.txt|merges\.txt|"
    r"(sentencepiece\.bpe|spiece|spm|tokenizer)\.model|chat_template\.jinja"
)

OUTCOMES = ("training", "held_out", "files", "origins")  # of a note: what the training came to, not which one it is


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


def note_files(folder: Path) -> None:
    """List in a checkpoint the files that the trainer wrote there."""
    write_whole(folder / FILES, json.dumps(_files_in(folder)))


def _files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())


def _foreign_in(folder: Path) -> Path | None:
    """A file in a model's folder or a checkpoint that no training put there; a link in a folder's place itself."""
    if not folder.is_dir() or folder.is_symlink():
        return folder
    listed = _listed_in(folder)
    ours = {NOTE, FILES, f"{NOTE}.new", f"{FILES}.new", "README.md.new", f"{STATE}.new", *listed}
    others = (name for name in _files_in(folder) if name not in ours and (listed or not KNOWN.fullmatch(name)))
    return next((folder / name for name in others), None)


def _listed_in(folder: Path) -> list[str]:
    """The files that the note in a folder names, or the list in a checkpoint; none where there is neither."""
    listed = (_note_in(folder) or {}).get("files")
    if listed is None:
        with suppress(OSError, ValueError):
            listed = json.loads((folder / FILES).read_bytes())
    return [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []


def _foreign_in_partial(partial: Path, inherited: bool) -> Path | None:
    """What lies in an unfinished folder and was not put there by a training; the folder itself if nothing is ours."""
    if not partial.is_dir() or partial.is_symlink():
        return partial
    entries = list(partial.iterdir())
    for path in entries:
        if path.name in (MODEL, FORMER) or CHECKPOINT.fullmatch(path.name):
            found = _foreign_in(path)
        elif path.name == EVAL:
            found = next((each for each in path.rglob("*") if each.suffix != ".csv"), None)
        else:
            found = None if path.name.removesuffix(".new") in (NOTE, BEFORE) and path.is_file() else path
        if found is not None:
            return found
    return None if entries or inherited else partial


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
        try:
            self.final.parent.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise OutputError(f"{self.final.parent}: {fault.strerror}", "Check the folder and its disk.") from None
        self._lock = Lock(self.final.with_name(self.final.name + ".lock"))
        try:
            self._put_back()
            self._refuse_foreign()
        except BaseException:
            self._lock.release()
            raise

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
        if not self._resume:  # else there may be nothing to do
            self._refuse_foreign_model()
        if os.path.lexists(partial) and (found := _foreign_in_partial(partial, self._lock.inherited)) is not None:
            raise Refused(f"{found}: is not of an unfinished training of ours", "Move it away.")
        if not (self._resume or self._overwrite):  # refused already, whichever training it is
            self._action(None)

    def _refuse_foreign_model(self) -> None:
        """Raises Refused when OUT would be replaced and holds what no training put there."""
        replaced = self._overwrite and os.path.lexists(self.final)
        if replaced and (found := _foreign_in(self.final)) is not None:
            raise Refused(f"{found}: was not put there by `rerank train`", "Move it away, or choose another folder.")

    def _action(self, note: dict[str, Any] | None) -> Action:
        """What is done with what is found, for a training of this note. Raises Refused."""
        existing = Existing(
            file=os.path.lexists(self.final),
            partial=os.path.lexists(self.partial),
            file_ours=note is not None and _same(self.final, note),
            partial_ours=note is not None and _same(self.partial, note),
            obstacle="other data, model, options or libraries",
        )
        return decide(existing, resume=self._resume, overwrite=self._overwrite, name=str(self.final))

    def begin(self, note: dict[str, Any], report: Report) -> Action:
        """Make OUT.partial, or take it as it was left by this training, or see that OUT is what it would come to.

        Raises Refused for another training's, OutputError.
        """
        action = self._action(note)
        if action is not Action.NOTHING:
            self._refuse_foreign_model()
        try:
            if action is Action.NOTHING:
                report(f"{self.final}: nothing to do, this very training made it")
            elif action is Action.CONTINUE:
                report(f"continuing the training in {self.partial}")
            else:
                if os.path.lexists(self.partial):
                    shutil.rmtree(self.partial)
                self.partial.mkdir()
                try:
                    write_whole(self.partial / NOTE, as_json(note))
                except OSError:
                    shutil.rmtree(self.partial, ignore_errors=True)
                    raise
        except OSError as fault:
            raise self._fault(fault) from None
        return action

    def finished_note(self) -> dict[str, Any]:
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
            write_whole(self.partial / BEFORE, json.dumps(logits))
        except OSError as fault:
            raise self._fault(fault) from None

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is anything to continue from."""
        return any(self.partial.glob("checkpoint-*"))

    def finish(self, note: dict[str, Any], card: str) -> None:
        """Write note and card beside the model, and put it in its place.

        Its files get the permissions that the umask leaves. Raises OutputError, and Refused when somebody else has put
        a folder there meanwhile, or a file into one of ours.
        """
        made = self.partial / MODEL
        try:
            write_whole(made / "README.md", card)
            names = [name for name in _files_in(made) if name not in (NOTE, FILES)]
            write_whole(made / NOTE, as_json({**note, "files": names}))
            apply_umask(made)
            sync_tree(made)
            found = _foreign_in_partial(self.partial, inherited=True)
            if os.path.lexists(self.final) and found is None:
                mine = self._overwrite and _note_in(self.final) is not None
                found = _foreign_in(self.final) if mine else self.final
            if found is not None:
                raise Refused(
                    f"{found}: has come to be while the training went on; the model is in {made}",
                    "Move one of them away; the same command with --resume then only finishes.",
                )
            if os.path.lexists(self.final):
                made.chmod(stat.S_IMODE(self.final.stat().st_mode))
            swap_folder(made, self.final, self.partial / FORMER)
            sync_folder(self.final.parent)
            shutil.rmtree(self.partial)
        except OSError as fault:
            raise self._fault(fault) from None

    def _fault(self, fault: OSError) -> OutputError:
        return OutputError(f"{self.partial}: {fault.strerror or fault}", "Check the folder and its disk.")

    def close(self) -> None:
        """Let others have it."""
        self._lock.release()


def as_json(note: dict[str, Any]) -> str:
    """A note for people to read."""
    return json.dumps(note, indent=2, ensure_ascii=True) + "\n"
