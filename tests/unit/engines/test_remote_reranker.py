"""The http engine against an API on the loopback that misbehaves in every way: right scores, or a clear reason."""

import dataclasses
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import pytest
from support.stub_api import (
    Fault,
    Handler,
    Stub,
    bomb,
    cut,
    drip,
    hang_up,
    huge,
    page,
    raw,
    redirected,
    refused,
    score_of,
    serving,
    stall,
    with_results,
)

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.decimals import as_float32
from rerank_cli.core.dialects import PROFILES
from rerank_cli.core.errors import ConfigError, ModelError, PassingFault
from rerank_cli.core.scorer import Batch, Logit, NoScore, PreparedPair
from rerank_cli.engines import remote_client, remote_retry
from rerank_cli.engines.remote_address import target_of
from rerank_cli.engines.remote_reranker import RemoteReranker
from rerank_cli.engines.remote_server import describe

DOCUMENTS = ["a rose", "", "é 日本", "sage " * 40, "a rose ", "\ud800"]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that no server asks for are a millisecond, and a server that stalls is given up soon."""
    monkeypatch.setattr(remote_retry, "FIRST_S", 0.001)
    monkeypatch.setattr(remote_client, "READ_S", 0.2)
    for name in ("RERANK_API_KEY", *chain.from_iterable(profile.keys for profile in PROFILES.values())):
        monkeypatch.delenv(name, raising=False)


def engine(stub: Stub, **options: Any) -> RemoteReranker:
    return RemoteReranker(ModelConfig(**{"model": f"{stub.url}#m", "api": stub.profile.name, **options}))


def batches(scorer: RemoteReranker, queries: Sequence[str], documents: Sequence[str] = DOCUMENTS) -> Iterator[Batch]:
    for query in queries:
        pairs: list[PreparedPair] = scorer.prepare([(query, text) for text in documents])
        yield Batch(tuple(pairs), sum(pair.cost for pair in pairs), 0)


def expected(query: str, documents: Sequence[str] = DOCUMENTS) -> list[float]:
    return [as_float32(score_of(query, text.replace("\ud800", "\ufffd"))) for text in documents]


def scored(stub: Stub, queries: Sequence[str], **options: Any) -> list[Sequence[Logit]]:
    scorer = engine(stub, **options)
    found = list(scorer.score(batches(scorer, queries)))
    scorer.close()
    return found


@pytest.mark.parametrize("name", PROFILES)
def test_every_dialect_gives_the_scores_in_order(name: str) -> None:
    with serving(Stub(PROFILES[name])) as stub:
        if name in ("vllm", "infinity", "llamacpp", "sglang"):  # which have a list of models
            found = scored(stub, ["one", "two", "three"], model=stub.url)
        else:
            found = scored(stub, ["one", "two", "three"])
        assert found == [expected(query) for query in ("one", "two", "three")]
        assert stub.number == 3


@pytest.mark.parametrize("name", ["vllm", "infinity", "llamacpp", "sglang", "tei"])
def test_a_server_says_which_kind_it_is(name: str) -> None:
    with serving(Stub(PROFILES[name])) as stub:
        scorer = RemoteReranker(ModelConfig(model=stub.url))
        assert scorer.identity.api == name
        assert scorer.traits.has_logits == (name == "tei")
        assert scorer.is_verified == (name == "tei")
        assert scorer.figures()["remote_model"] == ("verified" if name == "tei" else "not verifiable")


def test_a_server_of_an_unknown_kind_is_asked_for() -> None:
    with serving(Stub(PROFILES["voyage"])) as stub, pytest.raises(ConfigError, match="--model"):
        RemoteReranker(ModelConfig(model=stub.url))


def test_a_path_that_one_kind_of_server_has_says_which_it_is() -> None:
    with serving(Stub(PROFILES["mixedbread"])) as stub:
        assert RemoteReranker(ModelConfig(model=stub.url)).identity.api == "llamacpp"


def test_a_model_that_the_server_lacks_is_refused() -> None:
    with serving(Stub(PROFILES["vllm"])) as stub, pytest.raises(ModelError, match="another"):
        RemoteReranker(ModelConfig(model=f"{stub.url}#another"))


def test_another_commit_of_the_model_is_another_identity() -> None:
    identities = []
    for sha in ("a" * 40, "a" * 40, "b" * 40):
        with serving(Stub(PROFILES["tei"], sha=sha)) as stub:
            identity = RemoteReranker(ModelConfig(model=stub.url)).identity
            identities.append((identity.revision, identity.config_sha256))
    assert identities[0] == identities[1] != identities[2]


@pytest.mark.parametrize("most", [1, 2, 4, 32])
@pytest.mark.parametrize("concurrency", [1, 3])
def test_requests_hold_one_query_and_no_more_than_the_server_takes(most: int, concurrency: int) -> None:
    profile = dataclasses.replace(PROFILES["tei"], most_documents=most)
    with serving(Stub(profile)) as stub:
        queries = [f"query {number}" for number in range(20)]
        assert scored(stub, queries, concurrency=concurrency) == [expected(query) for query in queries]
        assert stub.number == 20 * -(-len(DOCUMENTS) // most)
        assert max(len(asked.body["texts"]) for asked in stub.asked) <= most
        assert stub.most_in_flight <= concurrency


@pytest.mark.parametrize(("bytes_", "tokens"), [(512 + 1 + 3 * 308, None), (10**6, 3 * 77)])
def test_requests_are_cut_by_bytes_and_by_tokens(
    bytes_: int, tokens: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = ["x" * 300] * 10
    profile = dataclasses.replace(PROFILES["voyage"], most_bytes=bytes_, most_tokens=tokens)
    monkeypatch.setitem(PROFILES, "voyage", profile)
    with serving(Stub(PROFILES["voyage"])) as stub:
        scorer = engine(stub)
        (found,) = scorer.score(batches(scorer, ["q"], documents))
        assert found == expected("q", documents)
        assert sorted(len(asked.body["documents"]) for asked in stub.asked) == [1, 3, 3, 3]


def test_as_many_requests_are_in_flight_as_are_allowed() -> None:
    with serving(Stub(PROFILES["cohere"], latency=0.02)) as stub:
        scored(stub, [f"query {number}" for number in range(40)], concurrency=6)
        assert stub.most_in_flight == 6


PASSING: dict[str, Fault] = {
    "429 without a wait": refused(429),
    "429 retry-after": refused(429, Retry_After="0"),
    "429 retry-after-ms": refused(429, Retry_After_Ms="1"),
    "429 a date": refused(429, Retry_After="Fri, 01 Jan 2021 00:00:00 GMT"),
    "429 reset": refused(429, X_RateLimit_Reset="0"),
    "408": refused(408),
    "500": refused(500),
    "502 html": page(502),
    "503 loading": refused(503, {"error": "Loading model"}),
    "529": refused(529),
    "409 that may be tried again": refused(409, X_Should_Retry="true"),
    "html": page(),
    "nothing": raw(b""),
    "half of the JSON": raw(b'{"results": [{"index": 0, "rele'),
    "no UTF-8": raw(b"\xff\xfe"),
    "gzip that is none": raw(b"plain", Content_Encoding="gzip"),
    "cut": cut,
    "hang up": hang_up,
    "stall": stall,
    "huge": huge,
    "bomb": bomb,
}


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes_changes_nothing(fault: str) -> None:
    with serving(Stub(PROFILES["llamacpp"], lambda number: PASSING[fault] if number in (1, 3) else None)) as stub:
        scorer = engine(stub, model=stub.url, concurrency=2)
        queries = ["one", "two", "three", "four"]
        assert list(scorer.score(batches(scorer, queries))) == [expected(query) for query in queries]
        figures = scorer.figures()
        assert (figures["requests"], figures["retried_requests"]) == (6, 2)


@pytest.mark.parametrize("fault", [*PASSING, "drip"])
@pytest.mark.parametrize("good", [0, 2])
def test_a_fault_that_stays_ends_the_run_with_what_the_server_said(
    fault: str, good: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_client, "DEADLINE_S", 0.5 if fault == "drip" else 600)
    answer = drip if fault == "drip" else PASSING[fault]
    with serving(Stub(PROFILES["llamacpp"], lambda number: answer if number > good else None)) as stub:
        scorer = engine(stub, model=stub.url, concurrency=1)
        queries = [f"query {number}" for number in range(good + 2)]
        found: list[Sequence[Logit]] = []
        with pytest.raises((PassingFault, ModelError)) as ending:
            found.extend(scorer.score(batches(scorer, queries)))
        never_json = fault in ("html", "nothing", "half of the JSON", "no UTF-8")
        assert isinstance(ending.value, ModelError if never_json and not good else PassingFault)
        assert stub.base.removeprefix("http://") in ending.value.message
        if fault in ("huge", "bomb"):  # else a slow machine would give up by the time
            assert "the answer is longer than" in ending.value.message
        status = int(fault[:3]) if fault[:3].isdigit() else 0
        assert stub.number <= good + remote_retry.most_attempts(status)


@pytest.mark.parametrize("status", [401, 402, 403, 404])
@pytest.mark.parametrize("good", [0, 1])
def test_a_refused_key_ends_the_run_at_once(status: int, good: int) -> None:
    with serving(Stub(PROFILES["llamacpp"], lambda number: refused(status) if number > good else None)) as stub:
        scorer = engine(stub, model=stub.url, concurrency=1)
        with pytest.raises(PassingFault if good else ModelError, match=str(status)):
            list(scorer.score(batches(scorer, [f"query {number}" for number in range(9)])))
        assert stub.number <= good + 2  # one may be on its way


def test_no_redirect_is_followed_and_no_key_goes_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERANK_API_KEY", "planted")
    with serving(Stub(PROFILES["cohere"])) as elsewhere, serving(Stub(PROFILES["cohere"])) as stub:
        stub.faults = lambda _number: redirected(elsewhere.url)
        with pytest.raises(ModelError, match="redirects"):
            scored(stub, ["one"])
        assert not elsewhere.asked
        assert stub.asked[0].headers["authorization"] == "Bearer planted"


def test_a_server_that_asks_for_a_very_long_wait_is_not_waited_for() -> None:
    with serving(Stub(PROFILES["cohere"], lambda _number: refused(429, Retry_After="86400"))) as stub:
        with pytest.raises(PassingFault, match="in 864"):
            scored(stub, ["one"])
        assert stub.number == 1


def test_a_server_that_forbids_a_retry_is_not_asked_again() -> None:
    with serving(Stub(PROFILES["cohere"], lambda _number: refused(500, X_Should_Retry="false"))) as stub:
        with pytest.raises(PassingFault, match="500"):
            scored(stub, ["one"])
        assert stub.number == 1


def too_many(limit: int, status: int, words: str) -> Fault:
    def answer(handler: Any) -> None:
        if len(handler.body["documents"]) > limit:
            handler.send_json({"message": words}, status)
        else:
            handler.well()

    return answer


@pytest.mark.parametrize(("status", "words"), [(413, "no"), (500, "input is too large"), (400, "too many documents")])
def test_what_is_too_large_is_halved(status: int, words: str) -> None:
    with serving(Stub(PROFILES["llamacpp"], lambda _number: too_many(2, status, words))) as stub:
        assert scored(stub, ["one", "two"], model=stub.url) == [expected("one"), expected("two")]


@pytest.mark.parametrize("bad", range(len(DOCUMENTS)))
def test_one_bad_document_is_found_and_has_the_words_of_the_server(bad: int) -> None:
    def faults(_number: int) -> Fault:
        def answer(handler: Any) -> None:
            if DOCUMENTS[bad].replace("\ud800", "\ufffd") in handler.body["documents"]:
                handler.send_json({"detail": [{"msg": "this document is bad"}]}, 422)
            else:
                handler.well()

        return answer

    with serving(Stub(PROFILES["llamacpp"], faults)) as stub:
        (found,) = scored(stub, ["one"], model=stub.url)
        for position, (score, right) in enumerate(zip(found, expected("one"), strict=True)):
            if position == bad:
                assert score == NoScore("the server refuses this document: 422 this document is bad")
            else:
                assert score == right


def test_a_query_that_is_refused_costs_few_requests() -> None:
    def faults(_number: int) -> Fault:
        return lambda handler: (
            handler.send_json({"message": "bad query"}, 400) if handler.body["query"] == "bad" else handler.well()
        )

    with serving(Stub(PROFILES["llamacpp"], faults)) as stub:
        scorer = engine(stub, model=stub.url)
        documents = [f"document {number}" for number in range(64)]
        good, bad = scorer.score(batches(scorer, ["good", "bad"], documents))
        assert good == expected("good", documents)
        assert all(isinstance(each, NoScore) and "bad query" in each.reason for each in bad)
        assert stub.number <= 1 + 2 * 7


def test_requests_that_are_all_refused_end_the_run() -> None:
    with serving(Stub(PROFILES["llamacpp"], lambda _number: refused(400, "unknown model"))) as stub:
        with pytest.raises(ModelError, match="400"):
            scored(stub, [f"query {number}" for number in range(1000)], model=stub.url, concurrency=2)
        assert stub.number < 100


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda results: results[:-1], "no score"),
        (lambda results: [*results, results[0]], "twice"),
        (lambda results: [{**each, "index": each["index"] + 1} for each in results], "index"),
        (lambda results: [{**each, "relevance_score": float("nan")} for each in results], "nan"),
    ],
)
def test_results_that_are_wrong_are_reasons_and_never_scores(change: Any, reason: str) -> None:
    with serving(Stub(PROFILES["llamacpp"], lambda number: with_results(change) if number == 2 else None)) as stub:
        first, second, third = scored(stub, ["one", "two", "three"], model=stub.url, concurrency=1)
        assert [first, third] == [expected("one"), expected("three")]
        wrong = [each for each in second if isinstance(each, NoScore)]
        assert wrong
        assert all(reason in each.reason for each in wrong)


def test_what_is_billed_is_counted_and_estimated_beforehand() -> None:
    with serving(Stub(PROFILES["cohere"])) as stub:
        scorer = engine(stub)
        documents = [f"document {number}" for number in range(250)]
        (batch,) = batches(scorer, ["one"], documents)
        cost = scorer.cost_of(batch)
        assert (cost.requests, cost.units) == (1, 3)
        assert not stub.asked
        list(scorer.score(iter([batch])))
        assert scorer.figures()["billed"] == 1  # as the stub says


def test_requests_carry_the_key_and_nothing_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CO_API_KEY", "planted")
    with serving(Stub(PROFILES["cohere"], key="other")) as stub:
        scorer = engine(stub)
        with pytest.raises(ModelError) as fault:
            list(scorer.score(batches(scorer, ["one"])))
        assert "planted" not in f"{fault.value!r} {fault.value.message} {fault.value.advice}"
        assert "CO_API_KEY" in fault.value.advice
        assert "planted" not in repr(scorer.identity)
        assert stub.asked[0].headers["authorization"] == "Bearer planted"


REPEATING: dict[str, Fault] = {
    "401": refused(401, "bad key planted-key"),
    "500": refused(500, "planted-key", Retry_After="0"),
    "422": refused(422, "planted-key"),
    "text": raw(b"denied: planted-key"),
    "no results": raw(b'{"message": "planted-key"}'),
    "a score": with_results(lambda results: [{**each, "relevance_score": "planted-key"} for each in results]),
    "an index": with_results(lambda results: [{**each, "index": "planted-key"} for each in results]),
}


@pytest.mark.parametrize("name", REPEATING)
def test_a_key_that_a_server_repeats_is_shown_nowhere(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERANK_API_KEY", "planted-key")
    with serving(Stub(PROFILES["llamacpp"], lambda _number: REPEATING[name])) as stub:
        try:
            shown = repr(scored(stub, ["one"], model=stub.url))
        except (ModelError, PassingFault) as ending:
            shown = f"{ending!r} {ending.message} {ending.advice}"
        assert "planted-key" not in shown
        assert stub.asked[0].headers["authorization"] == "Bearer planted-key"


@pytest.mark.parametrize("path", ["", "/", "/rerank", "/a/b/rerank"])
def test_questions_about_a_server_go_to_that_server(path: str) -> None:
    asked: list[str] = []
    target = target_of(ModelConfig(model=f"http://127.0.0.1:81{path}"))
    with pytest.raises(ConfigError):
        describe(target, asked.append)
    assert asked
    assert all(url.startswith("http://127.0.0.1:81/") for url in asked)


def test_a_record_does_not_fail_for_another_with_its_query() -> None:
    def faults(_number: int) -> Fault:
        return lambda handler: (
            handler.send_json({"message": "bad"}, 422)
            if any("bad" in text for text in handler.body["documents"])
            else handler.well()
        )

    with serving(Stub(PROFILES["llamacpp"], faults)) as stub:
        scorer = engine(stub, model=stub.url)
        documents = ["bad 1", "bad 2", "good 1", "good 2"]
        (found,) = scorer.score(batches(scorer, ["one"], documents))
        assert found[2:] == expected("one", documents)[2:]
        assert all(isinstance(each, NoScore) for each in found[:2])


def test_waiting_for_a_turn_is_no_part_of_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_client, "DEADLINE_S", 0.2)
    queries = [f"query {number}" for number in range(6)]
    with serving(Stub(PROFILES["llamacpp"])) as stub:
        found = scored(stub, queries, model=stub.url, requests_per_minute=600.0)  # the last waits for 0.5 s
        assert found == [expected(query) for query in queries]
        assert stub.number == len(queries)


def test_a_server_that_is_not_ready_is_a_passing_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Stub(PROFILES["llamacpp"])) as stub:
        monkeypatch.setattr(Handler, "do_GET", lambda handler: handler.send_json({"message": "loading"}, 503))
        with pytest.raises(PassingFault, match="503"):
            RemoteReranker(ModelConfig(model=stub.url))
