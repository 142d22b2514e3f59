"""Is everything here that a run needs? What `rerank doctor` finds out, one question at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rerank_cli.core.config import ModelConfig, ReadConfig, WriteConfig
from rerank_cli.core.errors import ExitStatus, InputError, RerankError
from rerank_cli.core.records import Blank, Failure, Request
from rerank_cli.core.scorer import Scorer
from rerank_cli.engines.choice import choose_engine, is_fake, open_scorer, refuse_options
from rerank_cli.engines.known_scores import known_scores
from rerank_cli.engines.self_test import self_test
from rerank_cli.files.inputs import Inputs
from rerank_cli.formats.record_format import as_objects
from rerank_cli.formats.registry import open_format, read_entries
from rerank_cli.jobs.surroundings import Finding, caches, device, installed
from rerank_cli.models.find import find_model
from rerank_cli.models.libraries import silence_libraries
from rerank_cli.reranking.in_memory import score_texts

SHOWN = 40  # characters of a document


@dataclass(frozen=True, slots=True)
class Case:
    """A query of which one candidate is the answer, and where the model put that (from 1)."""

    name: str
    query: str
    place: int
    count: int
    margin: float  # of its logit over the best other's


def rank_cases(scorer: Scorer, path: str) -> Iterator[Case]:
    """Rank the cases of a file: native records, each with the id of its answer as `best`.

    Raises InputError for a file of other records.
    """
    read = ReadConfig(inputs=(path,), format="native")
    entries = read_entries(open_format(read, WriteConfig()), Inputs(read.inputs), read, None)
    requests = [_case(entry) for entry in entries if not isinstance(entry, Blank)]
    answers = score_texts(scorer, [(request.query, request.texts) for request in requests])
    for request, logits in zip(requests, answers, strict=True):
        best = _ids(request).index(request.body["best"])
        order = sorted(range(len(logits)), key=logits.__getitem__, reverse=True)
        margin = logits[best] - max(logits[:best] + logits[best + 1 :])
        name = str(request.body.get("id", request.origin))
        yield Case(name, request.query, order.index(best) + 1, len(logits), margin)


def _case(entry: Request | Failure) -> Request:
    if isinstance(entry, Failure) or entry.body.get("best") not in _ids(entry) or len(entry.texts) < 2:
        raise InputError(f"{entry.origin}: not a case", 'A case is a record with the id of its answer as "best".')
    return entry


def _ids(request: Request) -> list[Any]:
    return [each.get("id") for each in as_objects(request.body)]


def examine(config: ModelConfig, cases: Sequence[str] = (), variables: Sequence[Finding] = ()) -> Iterator[Finding]:
    """Findings, cheap ones first; stops at the first that makes the rest pointless.

    `cases` are for `rank_cases`; `variables` are the findings about the environment.
    """
    silence_libraries(config.offline)
    yield from installed()
    yield from caches()
    yield from variables
    try:
        refuse_options(config)
    except RerankError as fault:
        yield Finding.of(fault, "options")
        return
    if not is_fake(config):
        yield (there := device(config.device))
        if there.verdict == "bad":
            yield from _model_there(config)
            return
    try:
        found = None if is_fake(config) else find_model(config)
        name, why = choose_engine(config, found)
        yield Finding("ok", "engine", f"{name} ({why})")
        scorer = open_scorer(config, found)
        yield from _identity(scorer)
        scorer.load()
    except RerankError as fault:
        yield Finding.of(fault, "model")
        return
    yield Finding("ok", "weights", f"sha256 {scorer.identity.weights_sha256 or '(none)'}")
    yield from _self_test(scorer)
    for path in cases:
        yield from _try_cases(scorer, path)
    scorer.close()


def _model_there(config: ModelConfig) -> Iterator[Finding]:
    """Whether the model could be found, where it cannot be loaded."""
    try:
        yield Finding("ok", "model", str(find_model(config).path))
    except RerankError as fault:
        yield Finding.of(fault, "model")


def _try_cases(scorer: Scorer, path: str) -> Iterator[Finding]:
    """What a model makes of cases whose answers are known: right or not, a finding each, and their number."""
    done = []
    try:
        for case in rank_cases(scorer, path):
            done.append(case)
            answer = f"{case.place} of {case.count}, {case.margin:+.2f}  {case.query}"
            yield Finding("ok" if case.place == 1 else "note", f"  {case.name}", answer)
    except RerankError as fault:
        yield Finding.of(fault, "cases")
        return
    first = sum(case.place == 1 for case in done)
    answer = f"{path}: the answer is first in {first} of {len(done)}"
    right = first == len(done)
    yield Finding("ok" if right else "note", "cases", answer, status=ExitStatus.OK if right else ExitStatus.SOME_FAILED)


def _identity(scorer: Scorer) -> Iterator[Finding]:
    identity = scorer.identity
    yield Finding("ok", "model", f"{identity.model}" + (f" at {identity.revision}" if identity.revision else ""))
    yield Finding("ok", "computes", f"{identity.dtype} on {identity.device}, {identity.threads} threads")
    yield Finding(
        "ok", "lengths", f"{identity.max_length} tokens a pair, {identity.query_max_length} of them a query's"
    )
    if identity.prompt is not None:
        asked = "" if identity.instruction is None else f", with the instruction {identity.instruction!r}"
        yield Finding("ok", "prompt", f"{identity.prompt}{asked}")
    for note in scorer.notes:
        yield Finding("note", "model", note)


def _self_test(scorer: Scorer) -> Iterator[Finding]:
    if scorer.identity.engine == "fake":
        yield Finding("note", "self-test", "the fake engine has no model to test")
        return
    try:
        scores = self_test(scorer)
    except RerankError as fault:
        yield Finding.of(fault, "self-test")
        return
    answer = f"'what is panda?': 'hi' {scores['irrelevant']:.4f}, a description of pandas {scores['relevant']:.4f}"
    yield Finding("ok", "self-test", f"{answer}; batch against singles {scores['batch_delta']:.1e}")
    known = known_scores(scorer)
    if not known:
        yield Finding("note", "known scores", "none published for this model")
    for published, ours in known:
        tolerance = published.tolerances[scorer.identity.dtype]
        close = abs(ours - published.expected) <= tolerance
        answer = f"{published.unit} {ours:.5f}, published {published.expected:.5f} ± {tolerance}"
        answer += f" ({published.source})"
        answer = f"{published.query} | {published.document[:SHOWN]}: {answer}"
        if close:
            yield Finding("ok", "known scores", answer)
        else:
            yield Finding("bad", "known scores", answer, "The weights or the libraries differ.", ExitStatus.MODEL)
