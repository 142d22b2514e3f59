"""A shell for commands as people type them: bash, with a `rerank` that is forked from a process with its imports done.

A command that loads a model then takes a second instead of four. The process listens on a socket. The `rerank` on
PATH is a few lines of Python without site packages: they pass on their arguments, environment and standard streams,
and end with the exit code that comes back. Each run is a process of its own with the code of the real one.
"""

import gc
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import NoReturn

CLIENT = """
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    socket.send_fds(server, [b"."], [0, 1, 2])
    request = {{"arguments": sys.argv[1:], "cwd": os.getcwd(), "variables": dict(os.environ)}}
    server.sendall(json.dumps(request).encode() + b"\\n")
    code = int(server.makefile().readline())
sys.exit(code if code >= 0 else 128 - code)
"""
LIBRARIES = ("torch", "transformers", "openvino", "ir_measures", "pytrec_eval", "scipy.stats")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command line ended: its exit code, and both streams in the order in which they were written."""

    code: int
    output: str


class Shell:
    """Command lines in one folder, with the `rerank` of this checkout and this interpreter as `python`."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self._own = tempfile.TemporaryDirectory(prefix="rerank-shell-")
        own = Path(self._own.name)
        self._environment = {**environment, "PATH": f"{own / 'bin'}{os.pathsep}{environment['PATH']}"}
        (own / "client.py").write_text(CLIENT.format(address=str(own / "socket")))
        (own / "bin").mkdir()
        for name, words in (("rerank", ["-IS", str(own / "client.py")]), ("python", [])):
            script = own / "bin" / name
            script.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, *words])} "$@"\n')
            script.chmod(0o755)
        self._server = subprocess.Popen(
            [sys.executable, __file__, own / "socket"], env=self._environment, stdout=subprocess.PIPE
        )
        self._server.stdout.readline()  # it listens

    def run(self, command: str) -> Ended:
        """Run a command line to its end."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        return Ended(done.returncode, done.stdout.decode())

    def close(self) -> None:
        """End the listening process."""
        self._server.kill()
        self._server.communicate()
        self._own.cleanup()


def be_the_command(arguments: list[str], cwd: str, variables: dict[str, str]) -> NoReturn:
    """Run `rerank`; never returns."""
    from rerank_cli.cli import process

    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = ["rerank", *arguments]
    process.main()


def answer(client: socket.socket) -> None:
    """Run the command that a client asks for, and send its exit code, negative for a signal."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, _, _ = socket.recv_fds(client, 1, 3)
    request = json.loads(client.makefile().readline())
    child = os.fork()
    if child == 0:
        client.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        be_the_command(**request)
    for stream in streams:
        os.close(stream)
    _, status = os.waitpid(child, 0)
    client.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def serve(address: str) -> None:
    """Import what commands import, then fork for each of them."""
    from rerank_cli.cli import process

    process.run(["score", os.devnull, "-o", os.devnull, "--engine", "fake", "-q"])
    for name in LIBRARIES:  # what they ask of the environment was set by the run above
        with suppress(ImportError):
            import_module(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(address)
        door.listen()
        print(flush=True)
        while True:
            client, _ = door.accept()
            if os.fork() == 0:
                door.close()
                answer(client)
                os._exit(0)
            client.close()


if __name__ == "__main__":
    serve(sys.argv[1])
