"""Where a remote model is: a provider's, as in `cohere:rerank-v3.5`, or a server of one's own, by its URL.

    --model cohere:rerank-v3.5                      a provider and its model
    --model http://127.0.0.1:8080/v1/rerank         a server; it is asked what it is, or --api names its kind
    --model http://127.0.0.1:8000/v1/rerank#NAME    the model of a server that has several

A hub id has no colon, so the text alone distinguishes these from other models.
"""

import ipaddress
import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from rerank_cli.core.config import DEFAULT_MODEL, ModelConfig
from rerank_cli.core.dialects import HOSTED, PROFILES, URLS, Profile, scheme_of
from rerank_cli.core.errors import ConfigError

FAKE = "fake"
SERVERS = tuple(name for name, profile in PROFILES.items() if not profile.is_hosted)
PROVIDERS = f"Providers: {', '.join(f'{name}:MODEL' for name in HOSTED)}."
OWN = "For a server of your own give its URL, as in http://127.0.0.1:8080/v1/rerank."


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go: the profile, if it is known by then, the URL, and the model to name ("" for none)."""

    profile: Profile | None
    url: str
    model: str

    @property
    def host(self) -> str:
        """The host with its port, for messages."""
        return urlsplit(self.url).netloc

    @property
    def origin(self) -> str:
        """The URL without its path."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def is_encrypted(self) -> bool:
        """Whether requests are encrypted on the way."""
        return self.url.startswith("https:")

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine, by its address. A name other than localhost may be anywhere."""
        name = urlsplit(self.url).hostname or ""
        if name == "localhost":
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False


def is_remote(config: ModelConfig) -> bool:
    """Whether a server is meant: by the engine, by --api, or by a provider or a URL as the model.

    Raises ConfigError for a model with a scheme that is neither, and for --api with an engine that runs models here.
    """
    remote = config.engine == "http" or (config.engine == "auto" and (config.api is not None or _is_address(config)))
    if config.api is not None and not remote:
        raise ConfigError(f"--api {config.api}: the {config.engine} engine asks no server", "Leave one of them out.")
    return remote


def _is_address(config: ModelConfig) -> bool:
    scheme = scheme_of(config.model)
    if scheme is None or scheme == FAKE or os.path.exists(config.model):
        return False
    if scheme not in (*URLS, *PROFILES):
        raise ConfigError(f"--model {config.model}: {scheme} is no provider that is known", f"{PROVIDERS} {OWN}")
    return True


def checked_target(config: ModelConfig) -> Target:
    """The target of a run. Raises ConfigError as `target_of`, and for options that no server can follow."""
    target = target_of(config)
    _refuse_options(config)
    return target


def _refuse_options(config: ModelConfig) -> None:
    """Raises ConfigError for --offline, and for options that mean a model on this machine."""
    if config.offline:
        raise ConfigError(
            "--offline: the http engine sends the texts to a server",
            "Leave --offline out, or use a model on this machine.",
        )
    local = {
        "--dtype": config.dtype != "auto",
        "--revision": config.revision is not None,
        "--label": config.label is not None,
        "--prompt": config.prompt is not None,
        "--instruction": config.instruction is not None,
        "--max-length": "max_length" in config.requested,
        "--query-max-length": "query_max_length" in config.requested,
        "--long-docs chunk": config.long_docs == "chunk",
    }
    for option, given in local.items():
        if given:
            raise ConfigError(f"{option}: the server decides that, not the http engine", "Leave it out.")


def target_of(config: ModelConfig) -> Target:
    """Where the requests for a remote model go. Raises ConfigError for what is no address."""
    named = None if config.api is None else _profile(config.api)
    scheme = scheme_of(config.model)
    if scheme in URLS:
        return _server(config.model, named)
    if scheme is None and named is not None and named.is_hosted and config.model != DEFAULT_MODEL:
        return Target(named, named.url, config.model)
    if scheme not in PROFILES:
        raise ConfigError(f"--model {config.model}: names no provider and no server", f"{PROVIDERS} {OWN}")
    profile, model = PROFILES[scheme], config.model.partition(":")[2]
    if named not in (None, profile):
        raise ConfigError(f"--api {config.api}: the model is {scheme}'s", "Leave one of them out.")
    if not profile.is_hosted:
        raise ConfigError(f"--model {config.model}: {scheme} is a kind of server, not a provider", OWN)
    if not model:
        raise ConfigError(f"--model {config.model}: the name of the model is missing", PROVIDERS)
    return Target(profile, profile.url, model)


def _profile(name: str) -> Profile:
    if name not in PROFILES:
        raise ConfigError(f"--api {name}: unknown", f"Use one of {', '.join(PROFILES)}.")
    return PROFILES[name]


def _server(model: str, profile: Profile | None) -> Target:
    """A server by its URL. The message never shows what may be a password."""
    try:
        parts = urlsplit(model)
        valid = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid or not model.isascii() or not model.isprintable() or " " in model:
        raise ConfigError("--model: the URL is not valid", OWN)
    if "@" in parts.netloc:
        raise ConfigError(
            "--model: the URL has a name or a password, which other users of this machine could read",
            "Put the key into RERANK_API_KEY, or into a file for --api-key-file.",
        )
    if parts.query:
        raise ConfigError("--model: the URL has a query (after ?)", "Leave it out. A key belongs in RERANK_API_KEY.")
    path = parts.path.rstrip("/")
    if not path and profile is not None:
        path = profile.paths[0]
    return Target(profile, f"{parts.scheme.lower()}://{parts.netloc}{path}", parts.fragment)
