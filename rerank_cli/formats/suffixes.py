"""What the name of a file says of the format of its records."""

from pathlib import Path

from rerank_cli.core.errors import ConfigError

COMPRESSED = (".gz", ".zst")
FORMATS_OF = {".csv": "csv", ".tsv": "tsv", ".run": "trec", ".trec": "trec"}


def suffix_of(path: str) -> str:
    """The suffix of a path in lower case, that of compression left out.

    >>> suffix_of("a/b.CSV.gz"), suffix_of("b.gz"), suffix_of("-")
    ('.csv', '', '')
    """
    name = Path(path).name.lower()
    for ending in COMPRESSED:
        name = name.removesuffix(ending)
    return Path(name).suffix


def of_suffix(path: str) -> str | None:
    """The format that a file has by its name; None where the name says nothing."""
    return FORMATS_OF.get(suffix_of(path))


def _as_lines(output: str) -> str:
    """The name of an output of JSON, for JSON lines.

    >>> _as_lines("my.json.d/a.JSON.gz")
    'my.json.d/a.jsonl.gz'
    """
    place = output.lower().rindex(".json")
    return f"{output[:place]}.jsonl{output[place + 5 :]}"


def output_format(output: str, chosen: str, *, by_user: bool) -> str:
    """The format to write to `-o`: that of its suffix, else the `chosen` one.

    Raises ConfigError for .json, and for a suffix of another format than the one that the user chose (`by_user`).
    """
    if suffix_of(output) == ".json":
        raise ConfigError(
            f"-o {output}: what is written is JSON lines, and .json names one JSON document",
            f"Write to {_as_lines(output)}, or make one of it: jq -s . FILE.jsonl",
        )
    named = of_suffix(output)
    if named is None or (by_user and chosen == named):
        return chosen
    if by_user:
        raise ConfigError(
            f"-o {output}: its name says {named}, --output-format says {chosen}", "Leave one out, or rename the output."
        )
    return named
