"""Fetch models from the Hugging Face hub or its cache.

Timeouts and retries are bounded, damaged downloads are refused, and every fault becomes an error with advice.
"""

import functools
import json
import math
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, TypeVar

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ModelAbsent, ModelError, PassingFault, RerankError
from rerank_cli.models.cached import cached_snapshot
from rerank_cli.models.card import CARD
from rerank_cli.models.config_json import TOKENIZER_FILES
from rerank_cli.models.declared import KNOWN, MODULES, OPTIONAL
from rerank_cli.models.declared import WANTED as DECLARATIONS
from rerank_cli.models.families import foreign_model
from rerank_cli.models.folder import ModelFolder, inspect_folder
from rerank_cli.models.hashes import sha256_of
from rerank_cli.models.kind import read_kind
from rerank_cli.models.libraries import silence_libraries
from rerank_cli.models.prompts import Prompt, prompt_of_model
from rerank_cli.models.weights import weights_of

WEIGHTS = ("model.safetensors", "model-*-of-*.safetensors", "model.safetensors.index.json")
OF_MODULES = "[0-9]*_*/model.safetensors"
SMALL = ["config.json", *DECLARATIONS]  # say whether the model runs, before gigabytes are downloaded
WANTED = [*SMALL, *WEIGHTS, OF_MODULES, *TOKENIZER_FILES, CARD]
SHA256 = re.compile("[0-9a-f]{64}")
T = TypeVar("T")
WITH_SETTINGS = tuple(f"_{kind}" for kind in KNOWN if kind not in OPTIONAL)  # folders of modules, by their names
WITH_WEIGHTS = ("_Dense", "_LayerNorm")
TRIES, LONGEST_WAIT_S = 3, 30.0
DISK_FAULTS = (OSError, PermissionError, NotADirectoryError, FileExistsError)  # which are not network faults
WAYS_OUT = (
    "Three ways out: run `hf download {model}` on a connected machine and copy the hub cache (HF_HOME) or the folder; "
    "use `--model PATH{prompt}` with the folder of the model; use `--model mini`, the small model in this package."
)


def _three_ways(model: str, prompt: Prompt | None) -> str:
    return WAYS_OUT.format(model=model, prompt=f" --prompt {prompt.name}" if prompt is not None else "")


def ways_out(config: ModelConfig) -> str:
    """What to do without the model: no download of one that would not run, no `mini` where a bi-encoder is needed."""
    prompt = prompt_of_model(config.model) if config.prompt is None else None  # a folder has no name to go by
    advice = _three_ways(config.model, prompt)
    if config.engine == "bi-encoder":
        return advice.partition("; use `--model mini`")[0].replace("Three", "Two") + "."
    foreign = foreign_model(config.model)
    if foreign is not None:
        return (
            f"By its name it is {foreign.family}. This version does not run those, downloaded or not. {foreign.advice}"
        )
    return advice


def from_hub(name: str, config: ModelConfig) -> ModelFolder:
    """A checked model of the hub, with the hub's bytes: from the cache if complete, else downloaded.

    Raises ModelError (missing, unreachable, damaged) or PassingFault (the hub is busy).
    """
    silence_libraries(config.offline)
    snapshot = _cached_snapshot(name, config.revision) or _download(name, config)
    folder = inspect_folder(config, snapshot, snapshot.name)
    for path in folder.all_weights:
        refuse_other_bytes(name, path, config.verify)
    return folder


def files_from_hub(name: str, config: ModelConfig) -> tuple[Path, int | None]:
    """The folder of a hub model's small files, from the cache or downloaded, and the bytes of weights not downloaded.

    The bytes are None if the weights are in the folder. Raises what `from_hub` raises.
    """
    from huggingface_hub import HfApi, constants

    silence_libraries(config.offline)
    if (snapshot := _cached_snapshot(name, config.revision)) is not None:
        return snapshot, None
    if config.offline or constants.HF_HUB_OFFLINE:
        raise ModelAbsent(f"{name}: not in the hub cache, and this run is offline", ways_out(config))
    _bound_waiting()
    folder = _asking(name, config, lambda: _fetched(name, config, [*SMALL, *TOKENIZER_FILES, CARD]))
    tree = _asking(name, config, lambda: list(HfApi().list_repo_tree(name, revision=folder.name, recursive=True)))
    sizes = {entry.path: int(entry.size) for entry in tree if hasattr(entry, "size")}
    whole, shards, _ = WEIGHTS
    of_model = (whole,) if whole in sizes else (shards,)
    return folder, sum(
        size for path, size in sizes.items() if any(fnmatch(path, each) for each in (*of_model, OF_MODULES))
    )


def refuse_other_bytes(name: str, path: Path, verify: bool = False) -> None:
    """Remove and refuse a damaged file of the hub cache, which names large files by their SHA-256.

    Only the first link of a snapshot is followed: a store shared by several caches names files differently.
    """
    if not path.is_symlink():
        return
    blob = path.parent / os.readlink(path)
    if not SHA256.fullmatch(blob.name) or blob.parent.name != "blobs" or sha256_of(path, verify) == blob.name:
        return
    with suppress(OSError):
        if not blob.is_symlink():  # otherwise other repositories share the bytes
            blob.unlink()
            path.unlink()
    what_next = "Remove it, then run again" if path.exists() else "It was removed: run again"
    raise ModelError(
        f"{name}: {path}: differs from the hub's file (its SHA-256 differs)",
        f"{what_next} to fetch it again. {_three_ways(name, prompt_of_model(name))}",
    )


def _cached_snapshot(name: str, revision: str | None) -> Path | None:
    """The snapshot in the hub cache, if it has the files that we need; None otherwise."""
    found = cached_snapshot(name, revision, os.environ)
    if found is not None and _is_whole(found):
        return found
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
            f"{name}: {fault}", "Name a folder, a hub id such as BAAI/bge-reranker-v2-m3, or mini."
        ) from None
    return folder if _is_whole(folder) else None


def _is_whole(folder: Path) -> bool:
    """Whether a snapshot has the files that we need."""
    try:
        return (
            _has_all_listed(folder)
            and (folder / "config.json").exists()
            and (folder / "tokenizer.json").exists()
            and bool(weights_of(folder))
            and _has_modules(folder)
        )
    except ModelError:  # a shard is missing
        return False


def _has_all_listed(folder: Path) -> bool:
    """Whether a snapshot has the small files that the hub listed, if the hub's library kept the list."""
    listed = folder.parent.parent / "trees" / f"{folder.name}.json"
    try:
        names = json.loads(listed.read_bytes())["files"]
        wanted = [name for name in ("config.json", *TOKENIZER_FILES) if name in names]
    except (OSError, ValueError, KeyError, TypeError):
        return True
    return all((folder / name).exists() for name in wanted)


def _has_modules(folder: Path) -> bool:
    """Whether the settings and the weights of all modules are there: earlier versions fetched fewer of them."""
    try:
        places = [str(each["path"]) for each in json.loads((folder / MODULES).read_bytes())]
    except (OSError, ValueError, KeyError, TypeError):  # none, or what `declared` refuses
        return True
    needed = [f"{place}/config.json" for place in places if place.endswith(WITH_SETTINGS)]
    needed += [f"{place}/model.safetensors" for place in places if place.endswith(WITH_WEIGHTS)]
    return all((folder / name).exists() for name in needed)


def _download(name: str, config: ModelConfig) -> Path:
    """Download the snapshot, unless its small files say that the model does not run."""
    from huggingface_hub import constants

    if config.offline or constants.HF_HUB_OFFLINE:
        raise ModelAbsent(f"{name}: not in the hub cache, and this run is offline", ways_out(config))
    _bound_waiting()
    read_kind(_asking(name, config, lambda: _fetched(name, config, SMALL)), config)
    return _asking(name, config, lambda: _fetched(name, config, WANTED))


def _fetched(name: str, config: ModelConfig, files: list[str]) -> Path:
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(name, revision=config.revision, allow_patterns=files))


def _asking(name: str, config: ModelConfig, ask: Callable[[], T]) -> T:
    """What the hub answers, with a few retries when it is busy."""
    for attempt in range(1, TRIES + 1):
        try:
            return ask()
        except Exception as fault:  # the HTTP library raises its own exceptions
            explained, wait = _explain(name, config, fault)
        wait = 2.0**attempt if wait is None else wait
        if not isinstance(explained, PassingFault) or attempt == TRIES or wait > LONGEST_WAIT_S:
            break
        time.sleep(wait)
    raise explained


@functools.cache  # a second client would close the first, possibly during a download
def _bound_waiting() -> None:
    """Limit the timeout and the retry delay of the hub's library, which has no such limits."""
    from huggingface_hub import constants

    try:
        from huggingface_hub import set_client_factory
        from huggingface_hub.utils._http import default_client_factory
    except ImportError:
        return  # an unknown version keeps its own limits

    def give_up(response: Any) -> None:
        retry_after = response.headers.get("Retry-After", "")
        # the library would wait that long, several times
        if retry_after.isdigit() and int(retry_after) > LONGEST_WAIT_S:
            raise PassingFault(f"the hub answers {response.status_code}, retry after {retry_after} s")

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
    """The error for a failed download, and the seconds to wait before a retry, if any.

    The hub's library wraps the server's response in other exceptions; the first response in the chain is used.
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
            f"{name}: the hub requires that you accept the model's terms", "Accept them on the hub, then set HF_TOKEN."
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
        return ModelError(f"{name}: cannot be stored in the hub cache ({disk})", "Check the disk and HF_HOME."), None
    return ModelAbsent(f"{name}: not in the hub cache, and the hub cannot be reached", advice), None


def _chain(fault: BaseException | None) -> Iterator[BaseException]:
    """An exception and its causes."""
    while fault is not None:
        yield fault
        fault = fault.__cause__ or fault.__context__
