"""How the pairs of a batch become requests: those of one query, within the limits of the server."""

from collections.abc import Iterator
from dataclasses import dataclass

from rerank_cli.core.dialects import Profile
from rerank_cli.core.scorer import Batch, RemoteCost

BYTES_PER_TOKEN = 4  # of UTF-8, in English and in Chinese; only for limits and for what a dry run says
AROUND = 512  # bytes of a request besides its texts, and
AROUND_TEXT = 8  # of each text in it


@dataclass(slots=True)
class Job:
    """Some pairs of one query: those of a request, if the server does not find it too large.

    `refused` counts documents that were refused alone, `accepted` those that have a score.
    """

    query: str
    documents: list[str]
    refused: int = 0
    accepted: int = 0
    words: str = ""  # of the last refusal


def divided(batch: Batch, profile: Profile) -> Iterator[Job]:
    """The requests of a batch, which holds the pairs of one query."""
    query = batch.pairs[0].query
    around = AROUND + size_of(query)
    job, bytes_, tokens = Job(query, []), around, 0
    for pair in batch.pairs:
        size = size_of(pair.payload) + AROUND_TEXT
        full = len(job.documents) >= profile.most_documents or bytes_ + size > profile.most_bytes
        full = full or (profile.most_tokens is not None and tokens + pair.cost > profile.most_tokens)
        if full and job.documents:
            yield job
            job, bytes_, tokens = Job(query, []), around, 0
        job.documents.append(pair.payload)
        bytes_ += size
        tokens += pair.cost
    yield job


def cost_of(batch: Batch, profile: Profile) -> RemoteCost:
    """The requests of a batch, and the units that are billed, of which tokens are estimated."""
    jobs = list(divided(batch, profile))
    if not profile.billed:
        return RemoteCost(len(jobs))
    covered = profile.documents_per_unit
    units = batch.tokens if covered is None else sum(-(-len(job.documents) // covered) for job in jobs)
    return RemoteCost(len(jobs), units)


def estimated_tokens(text: str) -> int:
    """About how many tokens a text has: at least 1."""
    return 1 + size_of(text) // BYTES_PER_TOKEN


def size_of(text: str) -> int:
    """The bytes of a text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
