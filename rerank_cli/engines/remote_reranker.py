"""The `http` engine: a reranking API gives the scores.

A batch holds the pairs of one query. It is divided into requests by the limits of the server. Several are in flight,
and the scores come in the order of the batches. Which texts the server truncates cannot be seen from here.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.dialects import LISTWISE, Profile
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.scorer import Batch, Identity, Logit, NoScore, PreparedPair, RemoteCost, Traits
from rerank_cli.engines.lanes import side_by_side
from rerank_cli.engines.remote_address import checked_target
from rerank_cli.engines.remote_answers import Malformed, billed, body_of, scores_of
from rerank_cli.engines.remote_client import Client, Rejected
from rerank_cli.engines.remote_key import api_key
from rerank_cli.engines.remote_pace import Pace, Stopped
from rerank_cli.engines.remote_requests import Job, cost_of, divided, estimated_tokens
from rerank_cli.engines.remote_server import Described, describe

WINDOW_REQUESTS = 256  # of 2,000 tokens, about ten passages
REFUSED_AT_FIRST = 3  # so many refused queries and none accepted: the requests are at fault, not the texts
SURE = 2  # so many documents of a request refused alone, and none accepted: others are not tried one by one


@dataclass(slots=True)
class _Units:
    """What the server billed."""

    billed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class RemoteReranker:
    """A RemoteScorer. Constructing it asks a server of one's own for its model; a provider is not asked."""

    def __init__(self, config: ModelConfig) -> None:
        """Raises ConfigError for an address, a key or an option that cannot be used, PassingFault without a server."""
        self.notes: list[str] = []
        target = checked_target(config)
        keys = target.profile.keys if target.profile is not None else ()
        key = api_key(target, keys, config.api_key_file, os.environ)
        if not target.is_encrypted and not target.is_loopback:
            self.notes.append(f"{target.host} is asked without encryption: others can read the texts on the way")
        self._pace = Pace(config.concurrency, config.requests_per_minute, time.monotonic)
        self._a_minute = config.requests_per_minute
        self._client = Client(target, key, self._pace, config.concurrency)
        hosted = target.profile is not None and target.profile.is_hosted and target.url == target.profile.url
        described = (
            Described(target.profile, target.model)
            if hosted and target.profile is not None
            else describe(target, self._client.get)
        )
        self.profile = described.profile
        self._model = target.model
        self._whole = config.long_docs == "error"
        _refuse_for_profile(self.profile, described.model or target.model, self._whole)
        self._lanes = config.concurrency
        self._units = _Units()
        self._refused_jobs = 0
        self._fault: BaseException | None = None  # the first that ends the run
        self.billed_unit = self.profile.billed
        self.is_verified = described.revision is not None
        self.traits = Traits(
            multiple=0,
            batch_tokens=2000,
            window_batches=WINDOW_REQUESTS,
            has_logits=self.profile.score == "logit",
            per_query=True,
            is_remote=True,
        )
        self.identity = _identity(config, described)

    def load(self) -> None:
        """Nothing is loaded, and no request is sent only to try: it would be billed."""

    def prepare(self, pairs: Sequence[tuple[str, str]]) -> list[PreparedPair]:
        """Estimate the tokens of each pair."""
        prepared, last, tokens = [], None, 0
        for query, text in pairs:
            if query != last:
                last, tokens = query, estimated_tokens(query)
            prepared.append(PreparedPair(tokens + estimated_tokens(text), truncated=False, payload=text, query=query))
        return prepared

    def content(self, pair: PreparedPair) -> bytes:
        """The two texts."""
        query = pair.query.encode("utf-8", "surrogatepass")
        return b"%d:%b%b" % (len(query), query, pair.payload.encode("utf-8", "surrogatepass"))

    def score(self, batches: Iterator[Batch]) -> Iterator[Sequence[Logit]]:
        """Yield the scores of each batch, in order. Raises ModelError and PassingFault."""
        sent: deque[int] = deque()  # documents of each batch that has no scores yet

        def jobs() -> Iterator[Job]:
            for batch in batches:
                sent.append(len(batch.pairs))
                yield from divided(batch, self.profile)

        scores: list[Logit] = []
        try:
            for some in side_by_side(self._answer, self._lanes, jobs(), ahead=2 * self._lanes, join=False):
                scores += some
                if len(scores) == sent[0]:
                    sent.popleft()
                    yield scores
                    scores = []
        except Stopped:
            raise self._fault or RuntimeError("requests ended before the run. This is a bug.") from None

    def _answer(self, job: Job) -> list[Logit]:
        """The scores of a job. After an error that ends the run no other request is sent."""
        try:
            return self._scores(job, job.documents)
        except Stopped:
            raise
        except BaseException as fault:
            self._fault = self._fault or fault
            self._pace.stop()
            raise

    def _scores(self, job: Job, documents: list[str]) -> list[Logit]:
        """The scores of some documents of a job. Those that the server refuses are halved, down to one."""
        client = self._client
        body = body_of(self.profile, self._model, job.query, documents, whole=self._whole)
        try:
            answer = client.ask(body)
            scores = scores_of(answer, self.profile.dialect, len(documents))
        except Malformed as fault:
            raise client.not_an_api(f"the answer has {fault}") from None
        except Rejected as fault:
            return self._after_refusal(job, documents, fault)
        client.accepted = True
        job.accepted += len(documents)
        with self._units.lock:
            self._units.billed += billed(answer, self.profile.units)
        return scores

    def _after_refusal(self, job: Job, documents: list[str], fault: Rejected) -> list[Logit]:
        job.words = f"{fault.status} {fault.words}"
        if len(documents) == 1:
            job.refused += 1
            if job.refused == 1 and not job.accepted:
                self._refused_jobs += 1
            if self._refused_jobs >= REFUSED_AT_FIRST and not self._client.accepted:
                raise self._client.fatal(f"refuses all requests: {job.words}", "Check the model and --api.")
            return [NoScore(f"the server refuses this document: {job.words}")]
        if job.refused >= SURE and not job.accepted:
            return [NoScore(f"the server refuses documents of this query: {job.words}")] * len(documents)
        middle = len(documents) // 2
        return [*self._scores(job, documents[:middle]), *self._scores(job, documents[middle:])]

    def cost_of(self, batch: Batch) -> RemoteCost:
        """The requests of a batch, and the units that are billed."""
        return cost_of(batch, self.profile)

    def seconds_for(self, requests: int) -> float | None:
        """How long so many requests take at --requests-per-minute."""
        return None if self._a_minute is None else requests * 60 / self._a_minute

    def figures(self) -> dict[str, Any]:
        """What was sent."""
        return {
            "requests": self._client.requests,
            "retried_requests": self._client.retried,
            "billed": self._units.billed if self.billed_unit else None,
            "billed_unit": self.billed_unit or None,
            "remote_model": "verified" if self.is_verified else "not verifiable",
        }

    def close(self) -> None:
        """Close the connections."""
        self._pace.stop()
        self._client.close()


def _refuse_for_profile(profile: Profile, model: str, whole: bool) -> None:
    if model.rpartition("/")[2].startswith(LISTWISE):
        raise ConfigError(
            f"--model: {model} compares the documents of a request with each other, so a score "
            "would depend on how requests are cut",
            "Use a model that scores each document alone.",
        )
    if whole and not profile.whole:
        raise ConfigError(
            f"--long-docs error: {profile.name} servers have no such option", "Leave it out: the server decides."
        )


def _identity(config: ModelConfig, described: Described) -> Identity:
    return Identity(
        engine="http",
        model=config.model if not described.model or described.model in config.model else described.model,
        revision=described.revision,
        weights_sha256="",
        tokenizer_sha256="",
        config_sha256=described.sha256,
        device="server",
        dtype=described.dtype,
        max_length=0,
        query_max_length=0,
        threads=0,
        versions={"server": described.version} if described.version else {},
        api=described.profile.name,
        score_kind=described.profile.score,
    )
