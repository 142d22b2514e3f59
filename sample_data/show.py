"""Show people what reranking did: for each record the new top three, where they came from, and whether the best won.

The files quickstart.jsonl and multilingual.jsonl name the best answer of every query. This reads them after
`rerank score` and says how far those answers moved up. It expects whole lists (no --top-k).
It prints what stands in the data, so control characters are shown as escapes and never reach the terminal.

    rerank score sample_data/quickstart.jsonl -o out.jsonl --model mini
    python sample_data/show.py out.jsonl
"""

import argparse
import io
import json
import os
import shutil
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BIDI_CONTROLS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


def visible(char: str) -> str:
    """The character, or its escape where it would act on the terminal instead of being seen."""
    if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} or unicodedata.bidirectional(char) in BIDI_CONTROLS:
        return char.encode("unicode_escape").decode()
    return char


def columns(char: str) -> int:
    """How many columns a character takes on a terminal: 2 for a Chinese one, 0 for an accent put on another."""
    if unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def cut(text: str, width: int) -> str:
    """The text on one line, safe to print, and not wider than width; "..." stands for what was cut off."""
    chars = "".join(map(visible, " ".join(text.split())))
    if sum(map(columns, chars)) <= width:
        return chars
    used, kept = 3, 0
    while used + columns(chars[kept]) <= width:
        used += columns(chars[kept])
        kept += 1
    return chars[:kept] + "..."


def place_of_best(record: dict[str, Any]) -> int | None:
    """The new place of the best answer, from 1; None where the record does not name one, 0 where it is missing."""
    best = record.get("best")
    ids = [candidate.get("id") for candidate in record["candidates"]]
    if best is None:
        return None
    return ids.index(best) + 1 if best in ids else 0


def block(record: dict[str, Any], width: int) -> Iterator[str]:
    """The lines for one record: the query with its mark, then the first three candidates."""
    place = place_of_best(record)
    mark = {None: "", 0: "[best is missing] ", 1: "[best is first] "}.get(place, f"[best is at {place}] ")
    yield cut(f"{mark}{record.get('id', '')} {record['query']}", width)
    for now, candidate in enumerate(record["candidates"][:3], 1):
        star = "*" if place == now else " "
        head = f" {star}{candidate['score']:9.4f}  {candidate['index'] + 1:3} -> {now}  "
        text = str(candidate.get("text", f"(no text) {candidate.get('id', '')}"))
        yield head + cut(text, max(10, width - len(head)))
    yield ""


def records_of(path: Path) -> Iterator[dict[str, Any]]:
    """The records of an output file, or the end of the program with a message that names the line."""
    try:
        lines = path.open("rb")
    except OSError as error:
        sys.exit(f"{path}: {error.strerror}")
    with lines:
        for number, line in enumerate(lines, 1):
            try:
                record: dict[str, Any] = json.loads(line)
                [(candidate["index"] + 1, candidate["score"] + 1) for candidate in record["candidates"]]
                yield record | {"query": str(record["query"])}
            except (ValueError, TypeError, KeyError) as error:
                sys.exit(f"{path}:{number}: not an output record of `rerank score` in the native format ({error!r})")


def summary(places: list[tuple[int, int]]) -> str:
    """What became of the best answers, from their places before and after; 0 where one is missing."""
    before, after = (sum(1 / each[when] for each in places if each[when]) / len(places) for when in (0, 1))
    higher = sum(0 < new < old for old, new in places)
    first = sum(new == 1 for _, new in places)
    return (
        f"best answers of {len(places)} questions: {higher} moved up, {first} are first; "
        f"mean reciprocal rank {before:.2f} before, {after:.2f} after"
    )


def main() -> None:
    """Print a block for every record, then the summary."""
    parser = argparse.ArgumentParser(description="Show the result of reranking a file that names its best answers.")
    parser.add_argument("output", type=Path, help="what `rerank score` wrote")
    path = parser.parse_args().output
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal that cannot show a character gets its escape
        sys.stdout.reconfigure(errors="backslashreplace")
    width = shutil.get_terminal_size().columns
    places = []
    for record in records_of(path):
        print(*block(record, width), sep="\n")
        place = place_of_best(record)
        if place is not None:
            places.append((record["candidates"][place - 1]["index"] + 1 if place else 0, place))
    if places:
        print(summary(places))
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:  # the reader has seen enough; keep the interpreter from flushing once more and complaining
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(141)
