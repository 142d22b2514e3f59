"""`rerank cache`: what is kept on disk between runs."""

import json
from pathlib import Path
from typing import Annotated

from rerank_cli.cli import options as o
from rerank_cli.core.sizes import mebibytes
from rerank_cli.display.cache_lines import cache_as_json, cache_lines
from rerank_cli.display.messages import print_json, print_line
from rerank_cli.jobs.cache import clear_cache, clear_folder, kept_by_user, kept_in


def cache_command(
    folder: Annotated[
        str | None,
        o.argument("[DIR]", "The folder of --score-cache or --vectors. Without one: graphs and notes of all runs."),
    ] = None,
    clear: Annotated[bool, o.option("clear", "Remove all of it. It is made again when it is needed.")] = False,
    as_json: Annotated[bool, o.option("json", "Print one line of JSON instead.")] = False,
) -> int:
    """Show what is kept on disk between runs, how large it is and when it was used, or clear it.

    \b
    rerank cache
    rerank cache scores/
    rerank cache scores/ --clear
    """
    if clear:
        freed = clear_cache() if folder is None else clear_folder(Path(folder))
        if as_json:
            print_json(json.dumps({"removed_bytes": freed}))
        else:
            print_line(f"removed {mebibytes(freed)}")
        return 0
    found = list(kept_by_user() if folder is None else kept_in(Path(folder)))
    if as_json:
        print_json(json.dumps(cache_as_json(found)))
        return 0
    for line in cache_lines(found):
        print_line(line)
    if not found:
        print_line("nothing is kept yet")
    return 0
