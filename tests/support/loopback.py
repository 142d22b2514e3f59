"""A model hub on the loopback, for tests: it serves one model under any name, and fails on request.

What a name's fault is decided by `Hub.faults`; a name without one is served well.
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

REVISION = "0123456789abcdef0123456789abcdef01234567"
LARGE = ".safetensors"  # kept by hash, as large files are on the hub
INFO, TREE = "info", "tree"  # parts of the protocol that are no files

Answer = Callable[["Handler"], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, and where: a part of the protocol (None: all of them), and the methods it is asked by."""

    answer: Answer
    at: str | None = None
    methods: tuple[str, ...] = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: when, for which model, by which method, for which part."""

    at: float
    name: str
    method: str
    part: str


@dataclass(slots=True)
class Hub:
    """The files it serves, the faults of its names, and what it was asked for."""

    files: dict[str, bytes]
    faults: dict[str, Fault] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    """Speaks as much of the hub's protocol as a download needs."""

    protocol_version = "HTTP/1.1"
    hub: Hub
    part: str

    def do_GET(self) -> None:
        words = self.path.partition("?")[0].strip("/").split("/")
        api = words[:2] == ["api", "models"]
        name = "/".join(words[2:4] if api else words[:2])
        self.part = (TREE if "tree" in words else INFO) if api else "/".join(words[words.index("resolve") + 2 :])
        self.hub.asked.append(Asked(time.monotonic(), name, self.command, self.part))
        fault = self.hub.faults.get(name)
        if fault is not None and fault.at in (None, self.part) and self.command in fault.methods:
            fault.answer(self)
        else:
            self.well()

    do_HEAD = do_GET

    @property
    def content(self) -> bytes:
        """What a healthy hub holds of the part that is asked for."""
        files = self.hub.files
        if self.part == INFO:
            return json.dumps(
                {"id": "x", "sha": REVISION, "siblings": [{"rfilename": name} for name in files]}
            ).encode()
        if self.part == TREE:
            return json.dumps([self._listed(name, content) for name, content in files.items()]).encode()
        return files.get(self.part, b"")

    @staticmethod
    def _listed(name: str, content: bytes) -> dict[str, object]:
        listed = {"type": "file", "path": name, "size": len(content), "oid": git_hash(content)}
        if name.endswith(LARGE):
            digest = hashlib.sha256(content).hexdigest()
            listed["lfs"] = {"oid": digest, "size": len(content), "pointerSize": 134}
        return listed

    def well(self) -> None:
        """As it should be."""
        if self.part not in (INFO, TREE) and self.part not in self.hub.files:
            status(404, X_Error_Code="EntryNotFound")(self)
        else:
            self.start(len(self.content))
            self.send(self.content)

    def start(self, length: int) -> None:
        """The headers of a good answer."""
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.send_header("X-Repo-Commit", REVISION)
        whole = self.content
        self.send_header(
            "ETag", f'"{hashlib.sha256(whole).hexdigest() if self.part.endswith(LARGE) else git_hash(whole)}"'
        )
        self.end_headers()

    def send(self, body: bytes) -> None:
        """The body, if one is asked for."""
        if self.command == "GET":
            self.wfile.write(body)
            self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        return


def git_hash(content: bytes) -> str:
    """The name of a blob in git, by which small files are known."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def status(code: int, body: bytes = b"", **headers: str) -> Answer:
    """A status, with headers (_ for -)."""

    def answer(handler: Handler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.send(body)

    return answer


def silence(handler: Handler) -> None:
    """No answer, on an open connection."""
    handler.hub.closing.wait()
    handler.close_connection = True


def stall(handler: Handler) -> None:
    """The headers and half of the body, and then nothing, on an open connection."""
    handler.start(len(handler.content))
    handler.send(handler.content[: len(handler.content) // 2])
    silence(handler)


def cut(handler: Handler) -> None:
    """The headers and a little of the body, and the connection is closed."""
    handler.start(len(handler.content))
    handler.send(handler.content[: len(handler.content) // 4])
    handler.close_connection = True


def shorter(handler: Handler) -> None:
    """A shorter file, with the length of what is sent."""
    handler.start(len(handler.content) // 2)
    handler.send(handler.content[: len(handler.content) // 2])


def wrong(handler: Handler) -> None:
    """A file of the right length with one byte changed, late in it."""
    at = len(handler.content) * 3 // 4
    handler.start(len(handler.content))
    handler.send(handler.content[:at] + bytes([handler.content[at] ^ 1]) + handler.content[at + 1 :])


def garbage(handler: Handler) -> None:
    """What is no HTTP."""
    handler.wfile.write(b"\x00\xff\x15\x03 not HTTP\r\n\r\n" * 4)
    handler.close_connection = True


def hang_up(handler: Handler) -> None:
    """The connection is closed silently."""
    handler.close_connection = True


def redirect(handler: Handler) -> None:
    """To itself, for ever."""
    status(302, Location=handler.path)(handler)


class Server(ThreadingHTTPServer):
    """Takes as many connections at once as come."""

    daemon_threads = True
    request_queue_size = 256


@contextmanager
def hub_of(folder: Path) -> Iterator[Hub]:
    """A hub that serves the files of a folder."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    hub = Hub({path.relative_to(folder).as_posix(): path.read_bytes() for path in files})
    server = Server(("127.0.0.1", 0), type("HubHandler", (Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield hub
    finally:
        hub.closing.set()
        server.shutdown()
        server.server_close()
