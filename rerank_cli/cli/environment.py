"""Which variables of the environment are read: those that describe the machine or the person, and no others.

A nightly job that still sets a variable of an earlier version would silently give another result. So these names are
refused, command by command. Any other RERANK_* is ignored: Kubernetes sets RERANK_SERVICE_HOST for a service `rerank`.
"""

from collections.abc import Mapping
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

from typer.core import TyperCommand

from rerank_cli.cli.toml_text import toml_text
from rerank_cli.core.errors import ConfigError

PREFIX = "RERANK_"
OPTIONS = ("model", "device", "engine", "dtype", "threads", "offline", "progress", "config")  # those with a variable
READ = frozenset({*OPTIONS, "cache", "api-key"})  # `api-key` is read by the http engine

FIELDS = "format query-field candidates-field text-field id-field candidate-id-field "
RECORDS = FIELDS + "columns limit max-line-bytes max-candidates run run-columns skip-self queries corpus "
TEMPLATES = "query-template doc-template "
RESULTS = FIELDS + "run-columns skip-self qrels measures html json "
EARLIER = {  # a closed list: the options of each command whose variables earlier versions read; nothing is added
    "score": RECORDS
    + TEMPLATES
    + "output output-format top-k min-score no-text score overwrite resume errors max-errors strict revision "
    "max-length query-max-length long-docs chunk-overlap batch-tokens window-tokens stats dry-run quiet verbose",
    "check": RECORDS + TEMPLATES,
    "convert": RECORDS + "output output-format overwrite errors quiet",
    "eval": RESULTS + "before relevance-field per-query",
    "compare": RESULTS + "moved",
    "train": FIELDS
    + "output loss eval run run-columns skip-self qrels epochs max-steps batch-size negatives learning-rate warmup "
    "weight-decay lora lora-rank freeze-embeddings train-dtype seed checkpoints early-stopping relevance-field "
    "teacher-field resume overwrite limit revision max-length quiet",
    "mine": "output pool negatives ranks margin seed query-template doc-template overwrite revision mine-dtype "
    "max-length quiet",
    "export": "output export-format export-dtype export-overwrite records limit revision max-length query-max-length",
    "bench": "lengths pairs engines batch-tokens peers batch-sizes rounds growth plot random-weights tokenizer "
    "revision max-length",
    "doctor": "revision max-length query-max-length acceptance cases",
}
LIKE = 0.87  # how alike a variable and a name of ours are, with the prefix that they share
SERVICES = (PREFIX + "SERVICE_", PREFIX + "PORT")  # as Kubernetes names them, for a service `rerank`
TRUE = ("1", "true", "t", "yes", "y", "on")


def variable(name: str) -> str:
    """The variable of an option.

    >>> variable("api-key")
    'RERANK_API_KEY'
    """
    return PREFIX + name.upper().replace("-", "_")


def refuse_earlier_variables(command: TyperCommand, environment: Mapping[str, str]) -> None:
    """Raises ConfigError, with the TOML to write, for variables that earlier versions read for this command.

    An empty variable is none: it never was read.
    """
    lines = {}
    for name in EARLIER.get(command.name or "", "").split():
        if value := environment.get(variable(name)):
            option = name.removeprefix(f"{command.name}-")
            lines[variable(name)] = f"{option} = {toml_text(value_of(option, value, command))}"
    if not lines:
        return
    shown = ", ".join(f"`{line}`" for line in lines.values())
    each = "" if len(lines) == 1 else ", each on its own line"
    raise ConfigError(
        f"{', '.join(lines)} in the environment: no longer read",
        f"Unset {'it' if len(lines) == 1 else 'them'}, and write into the file of --config{each}: {shown}",
    )


def near_misses(environment: Mapping[str, str]) -> list[tuple[str, str]]:
    """Variables that look like ours and that no command reads, each with a sentence on what was probably meant.

    >>> near_misses({"RERANK_TREADS": "4", "RERANK_SERVICE_HOST": "10.0.0.1"})
    [('RERANK_TREADS', 'not read: close to RERANK_THREADS')]
    """
    read = {variable(name) for name in READ}
    earlier = {
        variable(name): name.removeprefix(f"{command}-") for command, names in EARLIER.items() for name in names.split()
    }
    found = []
    for name in sorted(environment):
        if not name.upper().startswith(PREFIX) or name.startswith(SERVICES) or name in read or not environment[name]:
            continue
        if name in earlier:
            found.append((name, f"no longer read: use --config or --{earlier[name]}"))
        elif close := get_close_matches(name.upper(), [*read, *earlier], n=1, cutoff=LIKE):
            found.append((name, f"not read: close to {close[0]}"))
    return found


def value_of(option: str, text: str, command: TyperCommand) -> bool | int | float | str | list[str]:
    """The value that a variable had for an option of `command`; the text itself where the option cannot have it."""
    known: Any = next((each for each in command.params if f"--{option}" in each.opts), None)
    if known is None:
        return text
    if known.multiple:
        return text.split()
    annotation = known.type_descriptor.annotation
    if annotation is bool:
        return text.strip().lower() in TRUE
    with suppress(ValueError):
        if annotation is int:
            return int(text)
        if annotation is float:
            return float(text)
    return text
