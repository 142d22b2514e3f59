"""A process that has imported the command line and forks one run of it per request: a start costs 20 ms, not 250.

Requests and answers are JSON lines on standard input and output:

    {"arguments": ["score", …], "cwd": "…", "stdin": "path", "folder": "for stdout and stderr",
     "variables": {"RERANK_…": "…"}}  ->  -9

A run is a process of its own, with the code and the ending of the real one; only its imports were done before. What is
about imports, signals during start-up or memory must be tested with `running.rerank` instead.
"""

import gc
import json
import os
import sys
from contextlib import suppress
from importlib import import_module

from rerank_cli.cli import process
from rerank_cli.cli.app import COMMANDS

MEASURING = ("ir_measures", "pytrec_eval", "scipy.stats")  # take a second or two to import


def run(arguments: list[str], cwd: str, stdin: str, folder: str, variables: dict[str, str]) -> None:
    """Be the command; never returns."""
    os.chdir(cwd)
    os.environ.update(variables)
    for number, name, flags in (
        (0, stdin, os.O_RDONLY),
        (1, f"{folder}/stdout", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, f"{folder}/stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        fd = os.open(name, flags, 0o600)
        os.dup2(fd, number)
        os.close(fd)
    sys.argv = ["rerank", *arguments]
    process.main()


def serve() -> None:
    """Fork for each request and answer with the exit code, negative for a signal, until there are no more."""
    for row in COMMANDS.values():
        import_module(row.where.partition(":")[0])
    process.run(["score", os.devnull, "-o", os.devnull, "--engine", "fake", "-q"])  # for what is imported by name
    gc.freeze()
    for line in sys.stdin:
        request = json.loads(line)
        if request["arguments"][:1] in (["eval"], ["compare"]):
            for name in MEASURING:
                with suppress(ImportError):
                    import_module(name)
        child = os.fork()
        if child == 0:
            run(**request)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve()
