"""What transformers makes of a model's configuration and tokenizer, kept so that later starts need no transformers.

transformers does not read `tokenizer.json` as it stands: for many classes it builds the tokenizer from scratch. It also
fills what config.json leaves out. Importing it takes two seconds, so it is asked once for each model and version. The
answer is kept in the user's cache, and in the folder of an exported model. It names the hashes of the files that it is
about, and is not used for others.

A kept answer is two parts: a line of JSON, and the tokenizer as the tokenizers library writes it.
"""

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, fields
from importlib import import_module
from pathlib import Path

from rerank_cli.files.durable import whole_file
from rerank_cli.models.facts import Facts, Resolved
from rerank_cli.models.folder import ModelFolder
from rerank_cli.models.hashes import sha256_of
from rerank_cli.models.lengths import states_positions, usable_positions
from rerank_cli.models.libraries import user_cache, version_of

RESOLVED = "rerank_resolved.bin"  # in an exported folder
SIZES = ("positions", "rows", "ids", "types")  # facts that every model has
FORM = 1  # of a kept answer; another one is asked for again


def resolve(folder: ModelFolder) -> Resolved:
    """The facts and the tokenizer of a model: kept ones, else as transformers reads its files.

    Raises ModelError where transformers cannot use the files.
    """
    about = _about(folder)
    if folder.graph is not None and (exported := _read(folder.path / RESOLVED, _of_the_files(about))) is not None:
        return exported
    if (kept := _read(_kept_path(about), about)) is not None:
        return kept
    resolved: Resolved = import_module("rerank_cli.models.through_transformers").resolved(folder)
    with suppress(OSError):  # without a cache, it is asked again
        _kept_path(about).parent.mkdir(parents=True, exist_ok=True)
        with whole_file(_kept_path(about)) as file:
            file.write(_written(resolved, about))
    return resolved


def positions_of(folder: ModelFolder) -> int:
    """The number of tokens that the model has positions for.

    As config.json states it; what that leaves open transformers knows.
    """
    if states_positions(folder.config):
        return usable_positions(folder.config)
    return resolve(folder).facts.positions


def write_resolved(folder: ModelFolder, target: Path) -> None:
    """Write what is known of a model into the folder of its export."""
    (target / RESOLVED).write_bytes(_written(resolve(folder), _about(folder)))


def resolved_folder() -> Path:
    """The folder of the kept answers."""
    return user_cache() / "resolved"


def _of_the_files(about: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in about.items() if name.endswith("sha256")}


def _about(folder: ModelFolder) -> dict[str, str]:
    """The files that an answer is about, and who gave it."""
    return {
        "config_sha256": sha256_of(folder.path / "config.json", folder.verify),
        "tokenizer_sha256": folder.tokenizer_sha256,
        **{library: version_of(library) for library in ("transformers", "tokenizers")},
    }


def _kept_path(about: dict[str, str]) -> Path:
    return resolved_folder() / hashlib.sha256(json.dumps([FORM, about], sort_keys=True).encode()).hexdigest()[:32]


def _written(resolved: Resolved, about: dict[str, str]) -> bytes:
    tokenizer = resolved.tokenizer.to_str().encode()
    header = {
        "form": FORM,
        "about": about,
        "facts": asdict(resolved.facts),
        "tokenizer_sha256": hashlib.sha256(tokenizer).hexdigest(),
    }
    return json.dumps(header).encode() + b"\n" + tokenizer


def _read(path: Path, about: dict[str, str]) -> Resolved | None:
    """A kept answer about these files; None without one, and for a damaged one."""
    from tokenizers import Tokenizer

    try:
        header, _, tokenizer = path.read_bytes().partition(b"\n")
        found = json.loads(header)
        if found["form"] != FORM or any(found["about"][name] != value for name, value in about.items()):
            return None
        if hashlib.sha256(tokenizer).hexdigest() != found["tokenizer_sha256"]:
            return None
        facts = {each.name: found["facts"][each.name] for each in fields(Facts)}
        facts["special_ids"] = tuple(facts["special_ids"])
        if not all(type(number) is int for number in (*(facts[name] for name in SIZES), *facts["special_ids"])):
            return None
        return Resolved(Facts(**facts), Tokenizer.from_buffer(tokenizer))
    except Exception:  # the library of tokenizers raises plain exceptions
        return None
