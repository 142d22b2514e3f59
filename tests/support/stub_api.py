"""A reranking API on the loopback, for tests: every dialect of the table, and every way to misbehave.

The score of a document is a number from 0 to 1 that follows from the two texts. What it was asked stands in `asked`.
A fault is a function of the request's handler; `faults` gives the one of a request, by its number from 1.

    python -m support.stub_api llamacpp --port 8080 --latency 0.05      (with PYTHONPATH=tests)
"""

import argparse
import functools
import gzip
import io
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from zlib import crc32

from rerank_cli.core.dialects import PROFILES, Profile

Fault = Callable[["Handler"], None]
Answering = Callable[[list[dict[str, Any]]], Any]  # from the right results to what is sent instead
OWNED_BY = {"vllm": "vllm", "llamacpp": "llamacpp", "infinity": "infinity", "sglang": "sglang"}
SHA = "0123456789abcdef0123456789abcdef01234567"


def score_of(query: str, document: str) -> float:
    """The score of a pair, as it is written in JSON."""
    return crc32(document.encode("utf-8", "surrogatepass"), crc32(query.encode("utf-8", "surrogatepass"))) / 2**32


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: its path, its headers in lower case, its body."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]


@dataclass(slots=True)
class Stub:
    """The API: how it answers, what goes wrong, and what it was asked."""

    profile: Profile
    faults: Callable[[int], Fault | None] = lambda _number: None
    key: str = ""  # without it, requests are refused
    latency: float = 0.0  # seconds
    remember: bool = True
    sha: str = SHA  # of the model, for a server that states it
    asked: list[Asked] = field(default_factory=list)
    number: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    closing: threading.Event = field(default_factory=threading.Event)
    base: str = ""

    @property
    def url(self) -> str:
        """The address of its endpoint."""
        return self.base + self.profile.paths[0]

    def results(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """The right results for a request, best first."""
        names = self.profile.dialect
        scored = [
            {"index": index, names.score: score_of(body["query"], text)}
            for index, text in enumerate(body[names.documents])
        ]
        return sorted(scored, key=lambda each: -each[names.score])

    def answer(self, results: Any) -> Any:
        """The whole answer with these results, in the dialect."""
        names = self.profile.dialect
        if not names.results:
            return results
        usage: dict[str, Any] = {"usage": {"total_tokens": 7}, "model": "stub"}
        if self.profile.units[:1] == ("meta",):
            usage = {"id": "1", "meta": {"billed_units": {"search_units": 1}, "api_version": {"version": "2"}}}
        return {"object": names.object or "list", names.results: results, **usage}


class Handler(BaseHTTPRequestHandler):
    """Speaks the dialect of its stub."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # a response in one write
    stub: Stub
    body: dict[str, Any]

    def do_GET(self) -> None:
        stub, name = self.stub, self.stub.profile.name
        if self.path == "/info" and name == "tei":
            about = {"model_id": "stub/model", "model_sha": stub.sha, "model_dtype": "float16", "version": "1.9.0"}
            self.send_json({**about, "max_client_batch_size": stub.profile.most_documents})
        elif self.path == "/v1/models" and name in OWNED_BY:
            self.send_json({"data": [{"id": "stub-model", "owned_by": OWNED_BY[name], "created": 1}]})
        else:
            self.send_json({"detail": "Not Found"}, 404)

    def do_POST(self) -> None:
        stub = self.stub
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.body = json.loads(content)
        with stub.lock:
            stub.number += 1
            number = stub.number
            stub.in_flight += 1
            stub.most_in_flight = max(stub.most_in_flight, stub.in_flight)
            if stub.remember:
                headers = {name.lower(): value for name, value in self.headers.items()}
                stub.asked.append(Asked(self.path, headers, self.body))
        try:
            if stub.latency:
                stub.closing.wait(stub.latency)
            fault = stub.faults(number)
            if stub.key and self.headers.get("Authorization") != f"Bearer {stub.key}":
                self.send_json({"message": "invalid api token"}, 401)
            elif self.path not in stub.profile.paths:
                self.send_json({"detail": "Not Found"}, 404)
            elif fault is not None:
                fault(self)
            else:
                self.well()
        except ConnectionError:
            pass
        finally:
            with stub.lock:
                stub.in_flight -= 1

    def well(self) -> None:
        """As it should be."""
        self.send_json(self.stub.answer(self.stub.results(self.body)))

    def send_json(self, value: Any, status: int = 200, **headers: str) -> None:
        """A value as the response; `_` in a header's name is a dash."""
        self.send_bytes(json.dumps(value).encode(), status, Content_Type="application/json", **headers)

    def send_bytes(self, content: bytes, status: int = 200, **headers: str) -> None:
        """Bytes as the response."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def drop(self) -> None:
        """Close the connection."""
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        return


class Server(ThreadingHTTPServer):
    """A server that says nothing of clients that went away."""

    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def refused(status: int, said: Any = "no", **headers: str) -> Fault:
    """A status with words and headers."""
    return lambda handler: handler.send_json({"message": said}, status, **headers)


def page(status: int = 200) -> Fault:
    """An HTML page, as of a proxy."""
    return lambda handler: handler.send_bytes(b"<html>Sign in to the network</html>", status, Content_Type="text/html")


def with_results(change: Answering) -> Fault:
    """An answer with other results."""
    return lambda handler: handler.send_json(handler.stub.answer(change(handler.stub.results(handler.body))))


def raw(content: bytes, **headers: str) -> Fault:
    """Other bytes as a success."""
    return lambda handler: handler.send_bytes(content, **headers)


def cut(handler: Handler) -> None:
    """Half of an answer, then the end of the connection."""
    content = json.dumps(handler.stub.answer(handler.stub.results(handler.body))).encode()
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2])
    handler.drop()


def hang_up(handler: Handler) -> None:
    """No answer at all."""
    handler.drop()


def stall(handler: Handler) -> None:
    """No answer, and the connection stays."""
    handler.stub.closing.wait()
    handler.drop()


def drip(handler: Handler) -> None:
    """An answer that never ends, a byte at a time."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(10**6))
    handler.end_headers()
    while not handler.stub.closing.wait(0.01):
        handler.wfile.write(b" ")
        handler.wfile.flush()


def huge(handler: Handler) -> None:
    """An answer without an end, as fast as it goes."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    block = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    while not handler.stub.closing.is_set():
        handler.wfile.write(block)


def bomb(handler: Handler) -> None:
    """A few kilobytes that become a quarter of a gigabyte."""
    handler.send_bytes(bomb_bytes(), Content_Encoding="gzip", Content_Type="application/json")


@functools.cache
def bomb_bytes() -> bytes:
    """256 MiB of spaces, compressed."""
    made, stream = io.BytesIO(), b" " * 2**20
    with gzip.GzipFile(fileobj=made, mode="wb", compresslevel=1) as file:
        for _ in range(256):
            file.write(stream)
    return made.getvalue()


def redirected(to: str) -> Fault:
    """Another address."""
    return lambda handler: handler.send_bytes(b"", 307, Location=to)


@contextmanager
def serving(stub: Stub, port: int = 0) -> Iterator[Stub]:
    """The stub as a server in threads of this process, which are daemons."""
    handler = type("OneStub", (Handler,), {"stub": stub})
    server = Server(("127.0.0.1", port), handler)
    stub.base = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield stub
    finally:
        stub.closing.set()
        server.shutdown()
        server.server_close()


def main() -> None:
    """Serve until the end of standard input."""
    parser = argparse.ArgumentParser()
    parser.add_argument("profile", choices=PROFILES)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0)
    given = parser.parse_args()
    with serving(Stub(PROFILES[given.profile], latency=given.latency, remember=False), given.port) as stub:
        print(stub.url, flush=True)
        input()


if __name__ == "__main__":
    main()
