"""How to install what an extra of this program needs, in the environment that runs it.

The packages are named, not `rerank-cli[extra]`: that would ask an index for this program too, and pip might be another
environment's.
"""

import re
import shlex
import sys
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec

DISTRIBUTION = "rerank-cli"
OURS = re.compile(rf"{DISTRIBUTION}\[([\w,-]+)\]")
OF_EXTRA = re.compile(r"""extra\s*==\s*["']([\w-]+)["']""")
VERSION = re.compile(r"[\s<>=!~(].*")


def packages_of(extra: str) -> tuple[str, ...]:
    """The requirements of an extra, such as "nncf>=3.2"; () where this program is not installed."""
    try:
        known = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return ()
    found: list[str] = []
    for line in known:
        requirement, _, marker = line.partition(";")
        if extra not in OF_EXTRA.findall(marker):
            continue
        if others := OURS.match(requirement):
            found += [each for other in others[1].split(",") for each in packages_of(other)]
        else:
            found.append(requirement.strip())
    return tuple(found)


def name_of(requirement: str) -> str:
    """The distribution that a requirement names.

    >>> name_of("nncf>=3.2"), name_of("jinja2 (>=3.1)")
    ('nncf', 'jinja2')
    """
    return VERSION.sub("", requirement)


def installation(extra: str) -> str:
    """The command that installs what an extra needs."""
    return install(*(packages_of(extra) or (f"{DISTRIBUTION}[{extra}]",)))


def install(*requirements: str) -> str:
    """The command that installs packages where this program runs."""
    words = shlex.join(requirements)
    python = shlex.quote(sys.executable or "python3")
    if find_spec("pip") is not None:
        return f"{python} -m pip install {words}"
    return f"uv pip install --python {python} {words}"  # environments that uv made have no pip
