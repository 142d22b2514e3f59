"""The Hugging Face hub and its cache: where a model comes from that is not here.

Silence and waiting are bounded, damaged downloads are refused, and every fault becomes a sentence with the ways out.
"""

import functools
import json
import math
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ModelError, PassingFault, RerankError
from rerank_cli.models.config_json import TOKENIZER_FILES
from rerank_cli.models.folder import ModelFolder, inspect_folder
from rerank_cli.models.hashes import sha256_of
from rerank_cli.models.libraries import silence_libraries
from rerank_cli.models.modules_json import WANTED as WANTED_OF_BI_ENCODERS
from rerank_cli.models.weights import weights_of

WEIGHTS = ("model.safetensors", "model-*-of-*.safetensors", "model.safetensors.index.json")
WANTED = ["config.json", *WEIGHTS, *TOKENIZER_FILES, *WANTED_OF_BI_ENCODERS]
SHA256 = re.compile("[0-9a-f]{64}")
TRIES, LONGEST_WAIT_S = 3, 30.0
DISK_FAULTS = (OSError, PermissionError, NotADirectoryError, FileExistsError)  # and no kind of network fault
WAYS_OUT = (
    "Three ways out: on a connected machine `hf download {model}` and copy the hub cache (HF_HOME) or the folder here; "
    "`--model PATH` with a folder that holds the model; `--model mini` for the small model inside this package."
)


def ways_out(config: ModelConfig) -> str:
    """What to do without the model; `mini` is no way where a bi-encoder is needed."""
    advice = WAYS_OUT.format(model=config.model)
    if config.engine == "bi-encoder":
        return advice.partition("; `--model mini`")[0].replace("Three", "Two") + "."
    return advice


def from_hub(name: str, config: ModelConfig) -> ModelFolder:
    """A model of the hub, checked, its weights byte for byte what the hub holds: cached if complete, else fetched now.

    Raises ModelError (missing, unreachable, damaged) or PassingFault (the hub asks us to come back later).
    """
    silence_libraries(config.offline)
    snapshot = _cached_snapshot(name, config.revision) or _download(name, config)
    folder = inspect_folder(name, snapshot, snapshot.name, config.engine)
    for path in folder.weights:
        refuse_other_bytes(name, path)
    return folder


def refuse_other_bytes(name: str, path: Path) -> None:
    """The hub cache keeps a large file under its SHA-256: one that has another was damaged, and is taken out.

    Only the first link of a snapshot is followed: a store that several caches share names files otherwise.
    """
    if not path.is_symlink():
        return
    blob = path.parent / os.readlink(path)
    if not SHA256.fullmatch(blob.name) or blob.parent.name != "blobs" or sha256_of(path) == blob.name:
        return
    with suppress(OSError):
        if not blob.is_symlink():  # else the bytes are not this repository's alone
            blob.unlink()
            path.unlink()
    what_next = "Remove it, then run again" if path.exists() else "It was removed: run again"
    raise ModelError(
        f"{name}: {path}: is not what the hub holds (its SHA-256 differs)",
        f"{what_next} to fetch it anew. {WAYS_OUT.format(model=name)}",
    )


def _cached_snapshot(name: str, revision: str | None) -> Path | None:
    """The snapshot in the hub cache, if it has what we need, whatever else of the repository it lacks."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=WANTED, local_files_only=True))
    except LocalEntryNotFoundError as fault:
        incomplete = getattr(fault, "snapshot_path", None)
        if incomplete is None:
            return None
        folder = Path(incomplete)
    except HFValidationError as fault:
        raise ModelError(
            f"{name}: {fault}", "Give a folder, a hub id such as BAAI/bge-reranker-v2-m3, or mini."
        ) from None
    try:
        whole = (
            _has_all_listed(folder)
            and (folder / "config.json").exists()
            and (folder / "tokenizer.json").exists()
            and weights_of(folder)
        )
    except ModelError:  # a shard is missing
        whole = False
    return folder if whole else None


def _has_all_listed(folder: Path) -> bool:
    """Whether a snapshot has the small files that the hub listed, where the hub's library kept its list."""
    listed = folder.parent.parent / "trees" / f"{folder.name}.json"
    try:
        names = json.loads(listed.read_bytes())["files"]
        wanted = [name for name in ("config.json", *TOKENIZER_FILES) if name in names]
    except (OSError, ValueError, KeyError, TypeError):
        return True
    return all((folder / name).exists() for name in wanted)


def _download(name: str, config: ModelConfig) -> Path:
    """The snapshot, fetched now; tried again a few times when the hub asks us to wait."""
    from huggingface_hub import constants, snapshot_download

    if config.offline or constants.HF_HUB_OFFLINE:
        raise ModelError(f"{name}: not in the hub cache, and we are offline", ways_out(config))
    _bound_waiting()
    for attempt in range(1, TRIES + 1):
        try:
            return Path(snapshot_download(name, revision=config.revision, allow_patterns=WANTED))
        except Exception as fault:  # whatever the HTTP stack of the day raises
            explained, wait = _explain(name, config, fault)
        wait = 2.0**attempt if wait is None else wait
        if not isinstance(explained, PassingFault) or attempt == TRIES or wait > LONGEST_WAIT_S:
            break
        time.sleep(wait)
    raise explained


@functools.cache  # a second client would close the first, perhaps under a download
def _bound_waiting() -> None:
    """Give the hub's library a limit on silence, which it has not, and on how long the hub may make it wait."""
    from huggingface_hub import constants

    try:
        from huggingface_hub import set_client_factory
        from huggingface_hub.utils._http import default_client_factory
    except ImportError:
        return  # a library that is built otherwise keeps its own limits

    def give_up(response: Any) -> None:
        asked = response.headers.get("Retry-After", "")
        if asked.isdigit() and int(asked) > LONGEST_WAIT_S:  # the library would sleep as long, several times
            raise PassingFault(f"the hub answers {response.status_code} and asks to come back in {asked} s")

    def limited(request: Any) -> None:
        limits = request.extensions.get("timeout", {})
        kinds = ("connect", "read", "write", "pool")
        request.extensions["timeout"] = {kind: limits.get(kind) or constants.HF_HUB_DOWNLOAD_TIMEOUT for kind in kinds}

    def client() -> Any:
        made, hooks = default_client_factory(), {"request": limited, "response": give_up}
        made.event_hooks = {kind: [*made.event_hooks.get(kind, ()), hook] for kind, hook in hooks.items()}
        return made

    set_client_factory(client)


def _explain(name: str, config: ModelConfig, fault: BaseException) -> tuple[RerankError, float | None]:
    """What a failed download means, and how many seconds the hub asks us to wait, if it does.

    The hub's library wraps the answer of the server in other exceptions; the first answer in the chain counts.
    """
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    advice = ways_out(config)
    chain = list(_chain(fault))
    busy = next((each for each in chain if isinstance(each, PassingFault)), None)
    if busy is not None:
        return PassingFault(f"{name}: {busy.message}", f"Try again then. {advice}"), math.inf
    answer = next((each for each in chain if isinstance(each, HfHubHTTPError)), None)
    if isinstance(answer, RevisionNotFoundError):
        return ModelError(f"{name}: no revision {config.revision!r} on the hub", "Check --revision."), None
    if isinstance(answer, GatedRepoError):
        return ModelError(
            f"{name}: the hub wants you to accept its terms first", "Accept them, then set HF_TOKEN."
        ), None
    if isinstance(answer, RepositoryNotFoundError):
        return ModelError(f"{name}: the hub has no such model, or it is private", f"Check the name. {advice}"), None
    if answer is not None:
        code = answer.response.status_code
        if code == 429 or code >= 500:
            asked = answer.response.headers.get("Retry-After", "")
            return PassingFault(f"{name}: the hub answers {code}", f"Try again later. {advice}"), float(
                asked
            ) if asked.isdigit() else None
        return ModelError(f"{name}: the hub answers {code}", advice), None
    disk = next((each for each in chain if isinstance(each, OSError) and type(each) in DISK_FAULTS), None)
    if disk is not None and disk.errno is not None:
        return ModelError(f"{name}: cannot be kept in the hub cache ({disk})", "Check the disk and HF_HOME."), None
    return ModelError(f"{name}: not in the hub cache, and the hub cannot be reached", advice), None


def _chain(fault: BaseException | None) -> Iterator[BaseException]:
    """A fault and what it came from."""
    while fault is not None:
        yield fault
        fault = fault.__cause__ or fault.__context__
