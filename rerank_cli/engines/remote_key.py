"""The key of an API: from a file, or from the environment; and where it may go.

It never appears in a message, in the statistics, in the journal or among the arguments of a process.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field

from rerank_cli.core.errors import ConfigError
from rerank_cli.engines.remote_address import Target

VARIABLE = "RERANK_API_KEY"
MOST_BYTES = 8192
READABLE_BY_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key, and where it was found."""

    value: str = field(repr=False)
    source: str


def api_key(target: Target, keys: tuple[str, ...], file: str | None, environment: Mapping[str, str]) -> ApiKey | None:
    """The key for a server: of `file`, of the first of the variables `keys` that is set, or of RERANK_API_KEY.

    Raises ConfigError for a file that others can read, for a key that cannot be in a header, and for a key that would
    be sent to another machine without encryption.
    """
    found = _of_file(file) if file is not None else _of_environment((*keys, VARIABLE), environment)
    if found is None:
        return None
    if not found.value.isascii() or not found.value.isprintable() or " " in found.value:
        raise ConfigError(f"{found.source}: holds characters that no key has", "Write the key alone, on one line.")
    if not target.is_encrypted and not target.is_loopback:
        raise ConfigError(
            f"--model: {target.host} is asked without encryption, so others could read the key of {found.source}",
            "Use https, or leave the key out for a server that needs none.",
        )
    return found


def _of_environment(names: tuple[str, ...], environment: Mapping[str, str]) -> ApiKey | None:
    for name in names:
        if value := environment.get(name, "").strip():
            return ApiKey(value, name)
    return None


def _of_file(path: str) -> ApiKey:
    option = f"--api-key-file {path}"
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISREG(mode) and mode & READABLE_BY_OTHERS:
                raise ConfigError(f"{option}: other users can read it", f"Run chmod 600 {path}.")
            content = file.read(MOST_BYTES + 1)
    except OSError as fault:
        raise ConfigError(f"{option}: {fault.strerror}", "Name a file that holds the key alone.") from None
    value = content.decode("latin-1").strip()
    if not value or len(content) > MOST_BYTES:
        raise ConfigError(f"{option}: holds no key", "Name a file that holds the key alone.")
    return ApiKey(value, option)
