"""The folder of a training: OUT.partial while it runs, OUT when it is complete, locked for one process.

`rerank-train.json` identifies the training: data, options and base. Trainings with equal notes are the same. In OUT it
also lists our files: a folder with other files is never replaced.
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

NOTE, BEFORE, MODEL, PREVIOUS = "rerank-train.json", "before.json", "model", "previous"
EVAL, CHECKPOINT = "eval", re.compile(r"checkpoint-\d+")  # written by the trainer
FILES = "rerank-files.json"  # in a checkpoint: the list of the trainer's files
KNOWN = re.compile(  # our files in a checkpoint or model without such a list
    r"README\.md|(config|config_sentence_transformers|modules|sentence_bert_config|generation_config)\.json|"
    r"(adapter_)?model(-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.json|adapter_config\.json|"
    r"(optimizer|scheduler|scaler)\.pt|rng_state(_\d+)?\.pth|trainer_state\.json|training_args\.bin|"
    r"(tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json|vocab\.txt|merges\.txt|"
    r"(sentencepiece\.bpe|spiece|spm|tokenizer)\.model|chat_template\.jinja"
)

OUTCOMES = ("training", "held_out", "files", "origins")  # keys of a note that do not identify the training


def _note_in(folder: Path) -> dict[str, Any] | None:
    try:
        note = json.loads((folder / NOTE).read_bytes())
    except (OSError, ValueError):
        return None
    return note if isinstance(note, dict) else None


def _same(folder: Path, note: dict[str, Any]) -> bool:
    """Whether a folder holds the training of this note."""
    found = _note_in(folder) or {}
    known = {name: value for name, value in found.items() if name not in OUTCOMES}
    return bool(known == json.loads(json.dumps(note)))


def note_files(folder: Path) -> None:
    """Write the list of the trainer's files into a checkpoint."""
    write_whole(folder / FILES, json.dumps(_files_in(folder)))


def _files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())


def _foreign_in(folder: Path) -> Path | None:
    """A file in a model folder or checkpoint that no training wrote; the folder itself if it is a link."""
    if not folder.is_dir() or folder.is_symlink():
        return folder
    listed = _listed_in(folder)
    ours = {NOTE, FILES, f"{NOTE}.new", f"{FILES}.new", "README.md.new", f"{STATE}.new", *listed}
    others = (name for name in _files_in(folder) if name not in ours and (listed or not KNOWN.fullmatch(name)))
    return next((folder / name for name in others), None)


def _listed_in(folder: Path) -> list[str]:
    """The files listed in the note of a folder or in a checkpoint; empty without a list."""
    listed = (_note_in(folder) or {}).get("files")
    if listed is None:
        with suppress(OSError, ValueError):
            listed = json.loads((folder / FILES).read_bytes())
    return [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []


def _foreign_in_partial(partial: Path, inherited: bool) -> Path | None:
    """A file in an unfinished folder that no training wrote; the folder itself if nothing is ours."""
    if not partial.is_dir() or partial.is_symlink():
        return partial
    entries = list(partial.iterdir())
    for path in entries:
        if path.name in (MODEL, PREVIOUS) or CHECKPOINT.fullmatch(path.name):
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
        """`reads`: the files that the training reads. Raises ConfigError, Refused, OutputBusy or OutputError."""
        if str(output) == "-":
            raise ConfigError("-o -: a model cannot be written to standard output", "Name a folder.")
        self.final = Path(os.path.realpath(output))
        self.partial = self.final.with_name(self.final.name + ".partial")
        self._resume, self._overwrite = resume, overwrite
        for name in reads:
            real = Path(os.path.realpath(name))
            if any(real.is_relative_to(folder) for folder in (self.final, self.partial)):
                raise ConfigError(f"-o {output}: it contains {name}, which is read", "Choose another folder.")
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
        """Undo the first of the last two renames, if the process was killed between them."""
        previous = self.partial / PREVIOUS
        if os.path.lexists(previous) and not os.path.lexists(self.final):
            previous.rename(self.final)

    def _refuse_foreign(self) -> None:
        final, partial = self.final, self.partial
        if os.path.lexists(final) and (self._overwrite or self._resume) and _note_in(final) is None:
            raise Refused(
                f"{final}: exists and was not written by `rerank train`, so it is not replaced",
                "Choose another folder.",
            )
        if not self._resume:  # with --resume it may be up to date
            self._refuse_foreign_model()
        if os.path.lexists(partial) and (found := _foreign_in_partial(partial, self._lock.inherited)) is not None:
            raise Refused(f"{found}: does not belong to an unfinished training", "Move it away.")
        if not (self._resume or self._overwrite):  # refused for any training
            self._action(None)

    def _refuse_foreign_model(self) -> None:
        """Raises Refused when OUT would be replaced and has files that no training wrote."""
        replaced = self._overwrite and os.path.lexists(self.final)
        if replaced and (found := _foreign_in(self.final)) is not None:
            raise Refused(f"{found}: was not written by `rerank train`", "Move it away, or choose another folder.")

    def _action(self, note: dict[str, Any] | None) -> Action:
        """The action for the existing folders, for a training of this note. Raises Refused."""
        existing = Existing(
            file=os.path.lexists(self.final),
            partial=os.path.lexists(self.partial),
            file_ours=note is not None and _same(self.final, note),
            partial_ours=note is not None and _same(self.partial, note),
            obstacle="other data, model, options or libraries",
        )
        return decide(existing, resume=self._resume, overwrite=self._overwrite, name=str(self.final))

    def begin(self, note: dict[str, Any], report: Report) -> Action:
        """Create OUT.partial, continue it, or find that OUT is up to date.

        Raises Refused for the folder of another training, OutputError.
        """
        action = self._action(note)
        if action is not Action.NOTHING:
            self._refuse_foreign_model()
        try:
            if action is Action.NOTHING:
                report(f"{self.final}: nothing to do, it is up to date")
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
        """The logits of the base on the held-out records, if they were kept."""
        try:
            return json.loads((self.partial / BEFORE).read_bytes())
        except (OSError, ValueError):
            return None

    def keep_logits(self, logits: Any) -> None:
        """Keep the logits of the base on the held-out records. Raises OutputError."""
        try:
            write_whole(self.partial / BEFORE, json.dumps(logits))
        except OSError as fault:
            raise self._fault(fault) from None

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is a checkpoint to continue from."""
        return any(self.partial.glob("checkpoint-*"))

    def finish(self, note: dict[str, Any], card: str) -> None:
        """Write the note and the card into the model folder, and rename it to OUT.

        Its files get the permissions of the umask. Raises OutputError, and Refused when another program has created OUT
        meanwhile, or a file in it.
        """
        model = self.partial / MODEL
        try:
            write_whole(model / "README.md", card)
            names = [name for name in _files_in(model) if name not in (NOTE, FILES)]
            write_whole(model / NOTE, as_json({**note, "files": names}))
            apply_umask(model)
            sync_tree(model)
            found = _foreign_in_partial(self.partial, inherited=True)
            if os.path.lexists(self.final) and found is None:
                mine = self._overwrite and _note_in(self.final) is not None
                found = _foreign_in(self.final) if mine else self.final
            if found is not None:
                raise Refused(
                    f"{found}: appeared during the training; the model is in {model}",
                    "Move one of them away, then run the same command with --resume to finish.",
                )
            if os.path.lexists(self.final):
                model.chmod(stat.S_IMODE(self.final.stat().st_mode))
            swap_folder(model, self.final, self.partial / PREVIOUS)
            sync_folder(self.final.parent)
            shutil.rmtree(self.partial)
        except OSError as fault:
            raise self._fault(fault) from None

    def _fault(self, fault: OSError) -> OutputError:
        return OutputError(f"{self.partial}: {fault.strerror or fault}", "Check the folder and its disk.")

    def close(self) -> None:
        """Release the lock."""
        self._lock.release()


def as_json(note: dict[str, Any]) -> str:
    """A note as indented JSON."""
    return json.dumps(note, indent=2, ensure_ascii=True) + "\n"
