"""What a server of one's own says about itself: its kind, its model, and its limits.

text-embeddings-inference has `/info`, with the commit of the model. vLLM, llama.cpp, infinity and SGLang have the list
of models of OpenAI's API, in which `owned_by` is the kind of the server.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from rerank_cli.core.dialects import PROFILES, Profile
from rerank_cli.core.errors import ConfigError, ModelError
from rerank_cli.core.printable import printable
from rerank_cli.engines.remote_address import SERVERS, Target

OWNERS = {"vllm": "vllm", "llamacpp": "llamacpp", "infinity": "infinity", "sglang": "sglang"}
STABLE = ("id", "root", "max_model_len", "meta")  # fields of a model that do not change when the server starts again

Get = Callable[[str], Any]  # a JSON document by its URL; None if there is none


@dataclass(frozen=True, slots=True)
class Described:
    """A server: the profile that it speaks, its model, and the hash of what it says of that ("" if it says nothing).

    `revision` is the commit of the model, where the server states it.
    """

    profile: Profile
    model: str = ""
    revision: str | None = None
    dtype: str = ""
    sha256: str = ""
    version: str = ""


def describe(target: Target, get: Get) -> Described:
    """Ask a server what it is. Raises ConfigError if its kind is not known, ModelError for a model that it lacks."""
    base = target.origin
    profile = target.profile
    info = get(f"{base}/info") if profile in (None, PROFILES["tei"]) else None
    if isinstance(info, dict) and "model_id" in info:
        return _of_info(info, profile or PROFILES["tei"])
    models = list(_listed(target, get))
    if profile is None:
        profile = _kind(models) or _by_path(urlsplit(target.url).path)
    if profile is None:
        what = f"--model: {target.host} does not say what kind of server it is"
        raise ConfigError(what, f"Add --api with one of {', '.join(SERVERS)}.")
    return _of_models(target, models, profile)


def _of_info(info: dict[str, Any], profile: Profile) -> Described:
    """A server of text-embeddings-inference."""
    most = info.get("max_client_batch_size")
    if type(most) is int and most > 0:
        profile = replace(profile, most_documents=most)
    revision = info.get("model_sha")
    return Described(
        profile,
        printable(str(info["model_id"])),
        str(revision) if revision else None,
        str(info.get("model_dtype") or ""),
        _hash({name: info.get(name) for name in ("model_id", "model_sha", "model_dtype", "max_input_length")}),
        f"{profile.name} {printable(str(info.get('version') or ''))}".strip(),
    )


def _listed(target: Target, get: Get) -> Iterator[dict[str, Any]]:
    """The models of a server, from the list in the folder of the endpoint, or at the usual places."""
    base, path = target.origin, urlsplit(target.url).path
    near = f"{base}{path.rpartition('/')[0]}/models"
    for place in dict.fromkeys((near, f"{base}/v1/models", f"{base}/models")):
        found = get(place)
        if isinstance(found, dict) and isinstance(found.get("data"), list):
            yield from (each for each in found["data"] if isinstance(each, dict) and isinstance(each.get("id"), str))
            return


def _kind(models: list[dict[str, Any]]) -> Profile | None:
    owners = {OWNERS.get(str(model.get("owned_by")).lower()) for model in models}
    name = owners.pop() if len(owners) == 1 else None
    return None if name is None else PROFILES[name]


def _by_path(path: str) -> Profile | None:
    """The only kind of server that has this path; None if several have it, or none."""
    found = [PROFILES[name] for name in SERVERS if path in PROFILES[name].paths]
    return found[0] if len(found) == 1 else None


def _of_models(target: Target, models: list[dict[str, Any]], profile: Profile) -> Described:
    chosen = [model for model in models if target.model in ("", model["id"])]
    names = ", ".join(printable(model["id"]) for model in models[:10])
    if models and not chosen:
        raise ModelError(f"{target.host} has no model {target.model}", f"It has {names}.")
    if len(chosen) > 1:
        raise ConfigError(f"--model: {target.host} has several models", f"Add #NAME to the URL, one of {names}.")
    if not chosen:
        return Described(profile, target.model)
    (model,) = chosen
    return Described(profile, printable(model["id"]), sha256=_hash({name: model.get(name) for name in STABLE}))


def _hash(said: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
