"""The format of a file by its suffix."""

from pathlib import Path

from rerank_cli.core.errors import ConfigError

COMPRESSED = (".gz", ".zst")
FORMATS_OF = {".csv": "csv", ".tsv": "tsv", ".run": "trec", ".trec": "trec"}


def suffix_of(path: str) -> str:
    """The suffix of a path in lower case, without that of compression.

    >>> suffix_of("a/b.CSV.gz"), suffix_of("b.gz"), suffix_of("-")
    ('.csv', '', '')
    """
    name = Path(path).name.lower()
    for ending in COMPRESSED:
        name = name.removesuffix(ending)
    return Path(name).suffix


def of_suffix(path: str) -> str | None:
    """The format of a file by its suffix; None if the suffix is not that of a format."""
    return FORMATS_OF.get(suffix_of(path))


def _as_lines(output: str) -> str:
    """The name of a .json output with the suffix .jsonl.

    >>> _as_lines("my.json.d/a.JSON.gz")
    'my.json.d/a.jsonl.gz'
    """
    place = output.lower().rindex(".json")
    return f"{output[:place]}.jsonl{output[place + 5 :]}"


def output_format(output: str, chosen: str, *, by_user: bool) -> str:
    """The format to write to `-o`: that of its suffix, else `chosen`.

    Raises ConfigError for .json, and if the suffix contradicts a format that the user chose (`by_user`).
    """
    if suffix_of(output) == ".json":
        raise ConfigError(
            f"-o {output}: the output is JSON lines, not one JSON document",
            f"Name it {_as_lines(output)}; jq -s . FILE.jsonl converts it to one document.",
        )
    named = of_suffix(output)
    if named is None or (by_user and chosen == named):
        return chosen
    if by_user:
        raise ConfigError(
            f"-o {output}: its suffix is that of {named}, but --output-format is {chosen}",
            "Leave --output-format out, or rename the output.",
        )
    return named
