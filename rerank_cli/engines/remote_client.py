"""Send requests over HTTP: again where that can help, until a deadline, and never to another address.

An answer is limited in size, also after decompression, so that a server cannot fill the memory.
"""

import random
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from rerank_cli import __version__
from rerank_cli.core.errors import ModelError, PassingFault, RerankError
from rerank_cli.engines.remote_address import Target
from rerank_cli.engines.remote_answers import Malformed, is_too_large, parsed, words_of
from rerank_cli.engines.remote_key import ApiKey
from rerank_cli.engines.remote_pace import Pace
from rerank_cli.engines.remote_retry import (
    PASSING,
    TOO_MANY,
    asks_for_retry,
    forbids_retry,
    most_attempts,
    own_wait,
    requested_wait,
)

CONNECT_S, READ_S = 10.0, 300.0  # a server on a CPU is slow
DEADLINE_S = 600.0  # of a request, with all its attempts
GET_S = 30.0  # of a question about the server
MALFORMED_ATTEMPTS = 3  # each of them may be billed
ANSWER_BYTES = 16 * 2**20  # of an answer, and
ANSWER_SHARE = 8  # times the bytes of its request: a server may return the texts
DENIED = {401: "the key", 402: "to work for this account", 403: "the key", 404: "the model or the path"}
UNAUTHORIZED = 401
HIDDEN = "…".encode()  # in place of a key that a server repeats
AGAIN = "The same command with --resume continues."


class Rejected(Exception):
    """The server refuses a request, and would refuse it again."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"{status}: {words}")
        self.status, self.words = status, words

    @property
    def too_large(self) -> bool:
        """Whether fewer or shorter texts may be accepted."""
        return is_too_large(self.status, self.words)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came back: `status` 0 if nothing did, and then `words` say why."""

    status: int
    content: bytes
    headers: Mapping[str, str]
    words: str = ""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class Client:
    """Requests to one server, by any number of threads. `requests` and `retried` count what was sent."""

    def __init__(self, target: Target, key: ApiKey | None, pace: Pace, most: int) -> None:
        self.target, self.key, self._pace = target, key, pace
        self.requests = self.retried = 0
        self.accepted = False  # whether a request was answered with scores
        self._counting = threading.Lock()
        self._chance = random.Random()
        headers = {
            "User-Agent": f"rerank-cli/{__version__}",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        if key is not None:
            headers["Authorization"] = f"Bearer {key.value}"
        self._http = httpx2.Client(
            headers=headers,
            timeout=httpx2.Timeout(READ_S, connect=CONNECT_S, pool=None),
            limits=httpx2.Limits(max_connections=most, max_keepalive_connections=most),
            trust_env=not target.is_loopback,  # a proxy cannot reach this machine
            follow_redirects=False,
        )

    def ask(self, body: bytes) -> Any:
        """The answer to a request, as JSON.

        Raises Rejected for a request that the server refuses, ModelError where it refuses all, PassingFault when all
        attempts failed, Stopped when the run ends.
        """
        spent = 0.0  # seconds, without those of waiting for a turn
        malformed = 0
        attempt = 0
        while True:
            with self._pace.turn() as begun:
                with self._counting:
                    self.requests += 1
                    self.retried += attempt > 0
                began = time.monotonic()
                answer = self._send("POST", self.target.url, body, began + DEADLINE_S - spent)
                spent += time.monotonic() - began
            if answer.is_success:
                try:
                    found = parsed(answer.content)
                except Malformed as fault:
                    malformed += 1
                    answer = _Answer(answer.status, b"", {}, f"the answer is {fault}")
                    if malformed >= MALFORMED_ATTEMPTS:
                        raise self.not_an_api(answer.words) from None
                else:
                    self._pace.succeeded()
                    return found
            if answer.status == TOO_MANY:
                self._pace.slow_down(begun)
            seconds = self._wait_after(answer, attempt)
            spent += seconds
            self._refuse_long_wait(answer, seconds, attempt + 1, spent)
            self._pace.wait(seconds)
            attempt += 1

    def _wait_after(self, answer: _Answer, attempt: int) -> float:
        """Seconds until the next attempt. Raises Rejected, ModelError and PassingFault where there is none."""
        if answer.status and not 200 <= answer.status < 300:
            words = answer.words or words_of(answer.content)
            rejected = Rejected(answer.status, words)
            if 300 <= answer.status < 400:
                raise self.fatal(f"redirects ({answer.status})", "Give the final URL: no redirect is followed.")
            if answer.status in DENIED:
                what = f"refuses {DENIED[answer.status]}: {answer.status} {words}"
                raise self.fatal(what, _advice(answer.status, self.target, self.key))
            passing = answer.status in PASSING or asks_for_retry(answer.headers)
            if rejected.too_large or not passing:
                raise rejected
            if forbids_retry(answer.headers):
                raise self._exhausted(answer, attempt + 1, "it says that a retry will not help")
        wait = requested_wait(answer.headers, time.time(), too_many=answer.status == TOO_MANY)
        if wait is None:
            return own_wait(attempt, self._chance)
        return wait + self._chance.uniform(0, min(1.0, wait / 10))  # so that not all come at once

    def _refuse_long_wait(self, answer: _Answer, seconds: float, attempts: int, spent: float) -> None:
        """Raises PassingFault after the last attempt, and for a wait beyond the deadline."""
        if attempts >= most_attempts(answer.status):
            raise self._exhausted(answer, attempts, "")
        if spent > DEADLINE_S:
            raise self._exhausted(answer, attempts, f"the next one would be in {seconds:.0f} s")

    def _exhausted(self, answer: _Answer, attempts: int, more: str) -> PassingFault:
        said = answer.words or f"{answer.status} {words_of(answer.content)}".strip()
        tries = "1 attempt" if attempts == 1 else f"{attempts} attempts"
        return PassingFault(f"{self.target.host}: {said} ({'; '.join(filter(None, [tries, more]))})", AGAIN)

    def not_an_api(self, words: str) -> RerankError:
        """The error for a server whose answers are not those of a reranking API."""
        what = f"does not answer as a reranking API: {words}"
        return self.fatal(what, "Check the path of the URL, and --api, the kind of the server.")

    def fatal(self, what: str, advice: str) -> RerankError:
        """Nothing can be scored. That may pass if something was scored before."""
        message = f"{self.target.host} {what}"
        return PassingFault(message, f"{advice} {AGAIN}") if self.accepted else ModelError(message, advice)

    def _send(self, method: str, url: str, body: bytes | None, deadline: float) -> _Answer:
        """One request. The key is not in what is returned, also where a server repeats it."""
        most = ANSWER_BYTES + ANSWER_SHARE * len(body or b"")
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            with self._http.stream(method, url, content=body, headers=headers) as response:
                content = bytearray()
                for chunk in response.iter_bytes():
                    content += chunk
                    if len(content) > most:
                        return _Answer(0, b"", {}, f"the answer is longer than {most:,} bytes")
                    if time.monotonic() > deadline:
                        return _Answer(0, b"", {}, "no complete answer in time")
                found = {name.lower(): value for name, value in response.headers.items()}
                return _Answer(response.status_code, self._without_key(bytes(content)), found)
        except httpx2.TimeoutException as fault:
            return _Answer(0, b"", {}, f"no answer in time ({type(fault).__name__})")
        except (httpx2.HTTPError, httpx2.InvalidURL, ssl.SSLError, OSError) as fault:
            return _Answer(0, b"", {}, f"no connection: {fault}")

    def _without_key(self, content: bytes) -> bytes:
        return content if self.key is None else content.replace(self.key.value.encode(), HIDDEN)

    def get(self, url: str) -> Any:
        """A JSON document about the server; None if it has none there.

        Raises PassingFault without an answer and for a server that is not ready, ModelError for a refused key.
        """
        if not url.startswith(f"{self.target.origin}/"):
            raise RuntimeError("a question to another server. This is a bug.")
        answer = self._send("GET", url, None, time.monotonic() + GET_S)
        if not answer.status or answer.status in PASSING:
            said = answer.words or f"{answer.status} {words_of(answer.content)}"
            raise PassingFault(f"{self.target.host}: {said}", "Start the server, or check the URL.")
        if answer.status == UNAUTHORIZED:
            raise ModelError(
                f"{self.target.host} refuses the key: {answer.status}", _advice(answer.status, self.target, self.key)
            )
        try:
            return parsed(answer.content) if answer.is_success else None
        except Malformed:
            return None

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _advice(status: int, target: Target, key: ApiKey | None) -> str:
    """What to do about a status of DENIED."""
    if status == 404:
        return "Check the URL and the name of the model."
    if key is None:
        names = (*(target.profile.keys if target.profile is not None else ()), "RERANK_API_KEY")
        return f"No key was found. Set {' or '.join(names)}, or use --api-key-file."
    return f"The key is that of {key.source}."
