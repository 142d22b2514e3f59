"""The rules of the http engine: addresses, keys, waits, the number in flight, and what an answer says."""

import contextlib
import math
import os
import random
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rerank_cli.core.config import DEFAULT_MODEL, ModelConfig
from rerank_cli.core.dialects import HOSTED, PROFILES
from rerank_cli.core.errors import ConfigError, RerankError
from rerank_cli.core.scorer import NoScore
from rerank_cli.engines.choice import open_scorer
from rerank_cli.engines.remote_address import Target, is_remote, target_of
from rerank_cli.engines.remote_answers import Malformed, body_of, is_too_large, parsed, scores_of, words_of
from rerank_cli.engines.remote_key import api_key
from rerank_cli.engines.remote_pace import Pace, Stopped
from rerank_cli.engines.remote_retry import own_wait, requested_wait

COHERE, TEI = PROFILES["cohere"], PROFILES["tei"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["index", "score", "x"]), inner),
    max_leaves=12,
)


def target(url: str) -> Target:
    return target_of(ModelConfig(model=url))


# addresses


@pytest.mark.parametrize("name", HOSTED)
def test_a_provider_is_asked_over_https_at_the_path_of_its_profile(name: str) -> None:
    found = target_of(ModelConfig(model=f"{name}:some-model"))
    assert found.model == "some-model"
    assert found.is_encrypted
    assert found.url.endswith(PROFILES[name].paths[0])
    assert target_of(ModelConfig(model="some-model", api=name)) == found


@pytest.mark.parametrize(
    ("model", "url", "name"),
    [
        ("http://127.0.0.1:8080/v1/rerank", "http://127.0.0.1:8080/v1/rerank", ""),
        ("HTTPS://host/rerank/", "https://host/rerank", ""),
        ("http://[::1]:80/rerank#a/b", "http://[::1]:80/rerank", "a/b"),
    ],
)
def test_a_server_is_named_by_its_url_with_its_model_after_a_hash(model: str, url: str, name: str) -> None:
    found = target(model)
    assert (found.url, found.model, found.profile) == (url, name, None)


def test_the_kind_of_a_server_gives_the_path_that_its_url_lacks() -> None:
    found = target_of(ModelConfig(model="http://127.0.0.1:3000", api="tei"))
    assert found.url == "http://127.0.0.1:3000/rerank"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model": "nobody:x"}, "nobody is no provider"),
        ({"model": "cohere:"}, "name of the model is missing"),
        ({"model": "vllm:x"}, "kind of server"),
        ({"model": "cohere:x", "api": "jina"}, "the model is"),
        ({"model": "http://127.0.0.1", "api": "nobody"}, "--api nobody"),
        ({"model": "http://"}, "URL is not valid"),
        ({"model": "http://host:99999/"}, "URL is not valid"),
        ({"model": "http://a b/"}, "URL is not valid"),
        ({"model": "http://u:secret@host/"}, "password"),
        ({"model": "http://host/rerank?key=secret"}, "query"),
        ({"model": DEFAULT_MODEL, "engine": "http"}, "names no provider"),
        ({"model": DEFAULT_MODEL, "api": "cohere"}, "names no provider"),
        ({"model": "mini", "api": "cohere", "engine": "torch"}, "asks no server"),
        ({"model": "cohere:x", "offline": True}, "--offline"),
        ({"model": "cohere:x", "dtype": "fp16"}, "--dtype"),
        ({"model": "cohere:x", "revision": "main"}, "--revision"),
        ({"model": "cohere:x", "label": 1}, "--label"),
        ({"model": "cohere:x", "prompt": "p"}, "--prompt"),
        ({"model": "cohere:x", "instruction": "i"}, "--instruction"),
        ({"model": "cohere:x", "long_docs": "chunk"}, "--long-docs"),
        ({"model": "cohere:x", "requested": ("max_length",)}, "--max-length"),
    ],
)
def test_what_is_no_address_and_what_no_server_can_follow_is_refused(options: dict[str, object], words: str) -> None:
    config = ModelConfig(**options)  # type: ignore[arg-type]
    with pytest.raises(ConfigError) as fault:
        open_scorer(config)
    assert words in fault.value.message
    assert "secret" not in f"{fault.value.message}{fault.value.advice}"


def test_a_model_that_compares_documents_with_each_other_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINA_API_KEY", "k")
    with pytest.raises(ConfigError, match="jina-reranker-v3"):
        open_scorer(ModelConfig(model="jina:jina-reranker-v3"))


def test_a_folder_wins_over_a_provider_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cohere:x").mkdir()
    assert not is_remote(ModelConfig(model="cohere:x"))


# keys


def test_a_key_is_that_of_the_file_then_of_the_provider_then_ours(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("of-file\n")
    file.chmod(0o600)
    variables = {"CO_API_KEY": "of-cohere", "RERANK_API_KEY": "of-rerank"}
    hosted = target("cohere:x")
    for path, environment, value in [
        (str(file), variables, "of-file"),
        (None, variables, "of-cohere"),
        (None, {"RERANK_API_KEY": "of-rerank"}, "of-rerank"),
    ]:
        found = api_key(hosted, COHERE.keys, path, environment)
        assert found is not None
        assert found.value == value
        assert value not in repr(found)
    assert api_key(hosted, COHERE.keys, None, {"CO_API_KEY": " "}) is None


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644, 0o660])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "key"
    file.write_text("planted")
    file.chmod(mode)
    with pytest.raises(ConfigError, match="--api-key-file") as fault:
        api_key(target("cohere:x"), (), str(file), {})
    assert "planted" not in fault.value.message


@pytest.mark.parametrize("content", ["", "\n", "two words", "two\nlines", "é", "x" * 9000, "a\x00b"])
def test_what_is_no_key_is_refused_without_showing_it(tmp_path: Path, content: str) -> None:
    file = tmp_path / "key"
    file.write_bytes(content.encode("latin-1"))
    file.chmod(0o600)
    with pytest.raises(ConfigError) as fault:
        api_key(target("cohere:x"), (), str(file), {})
    assert not content.strip() or content not in fault.value.message


@pytest.mark.parametrize("host", ["example.com", "10.0.0.1", "127.0.0.1.example.com", "localhost.example.com", "[::2]"])
def test_a_key_never_goes_to_another_machine_without_encryption(host: str) -> None:
    with pytest.raises(ConfigError, match="RERANK_API_KEY") as fault:
        api_key(target(f"http://{host}/rerank"), (), None, {"RERANK_API_KEY": "planted"})
    assert "planted" not in fault.value.message
    assert api_key(target(f"https://{host}/rerank"), (), None, {"RERANK_API_KEY": "k"}) is not None
    assert api_key(target(f"http://{host}/rerank"), (), None, {}) is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"])
def test_a_key_may_go_to_this_machine(host: str) -> None:
    assert api_key(target(f"http://{host}:1/rerank"), (), None, {"RERANK_API_KEY": "k"}) is not None


# waits


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after": "Fri, 01 Jan 2027 00:00:30 GMT"}, 30),
        ({"retry-after": "Fri, 01 Jan 2020 00:00:00 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "nan", "retry-after": "9"}, 9),
        ({"x-ratelimit-reset": "1798761610"}, 10),
        ({"x-ratelimit-reset": "7"}, 7),
        ({"x-ratelimit-reset-requests": "1h2m3s"}, 3723),
        ({"x-ratelimit-reset-tokens": "120ms"}, 0.12),
        ({"x-ratelimit-reset": "never"}, None),
    ],
)
def test_the_wait_is_what_the_server_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert requested_wait(headers, now=1798761600.0) == pytest.approx(seconds)


@given(
    st.dictionaries(
        st.sampled_from(["retry-after", "retry-after-ms", "x-ratelimit-reset", "x-ratelimit-reset-tokens"]), st.text()
    ),
    st.floats(0, 1e10),
)
def test_no_header_gives_a_wait_that_is_no_number_of_seconds(headers: dict[str, str], now: float) -> None:
    seconds = requested_wait(headers, now)
    assert seconds is None or 0 <= seconds < math.inf


@given(st.integers(0, 200), st.integers())
def test_own_waits_are_bounded(attempt: int, seed: int) -> None:
    assert 0 <= own_wait(attempt, random.Random(seed)) <= 60


# pace


class Instant(Pace):
    """A pace of which the waits move a clock, and are noted."""

    def __init__(self, most: int, a_minute: float | None) -> None:
        self.clock = 0.0
        super().__init__(most, a_minute, lambda: self.clock)

    def wait(self, seconds: float) -> None:
        self.clock += max(0.0, seconds)


def test_requests_begin_at_the_rate_that_is_allowed() -> None:
    pace = Instant(8, a_minute=30)
    starts = []
    for _ in range(5):
        with pace.turn():
            starts.append(pace.clock)
    assert starts == [0, 2, 4, 6, 8]


def test_the_number_in_flight_is_halved_once_for_those_in_flight_together_and_grows_again() -> None:
    pace = Instant(8, None)
    turns = [pace.turn() for _ in range(8)]
    begun = [turn.__enter__() for turn in turns]
    for each in begun:
        pace.slow_down(each)
    for turn in turns:
        turn.__exit__(None, None, None)
    assert pace.limit == 4
    for expected in (1, 2, 4, 2):  # halved down to one; then as many successes as are in flight add one
        if expected == 1:
            for _ in range(5):
                with pace.turn() as number:
                    pace.slow_down(number)
            assert pace.limit == 1
    pace.succeeded()
    assert pace.limit == 2
    pace.succeeded()
    assert pace.limit == 2
    pace.succeeded()
    assert pace.limit == 3
    for _ in range(1000):
        pace.succeeded()
    assert pace.limit == 8


def test_no_more_are_in_flight_than_the_limit() -> None:
    pace = Pace(3, None, lambda: 0.0)
    lock, inside, most = threading.Lock(), [0], [0]
    full = threading.Barrier(3)

    def work() -> None:
        for _ in range(20):
            with pace.turn():
                with lock:
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                full.wait()  # three at once, so none is waited for in vain
                with lock:
                    inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 3


def test_a_run_that_ends_ends_all_waits() -> None:
    pace = Pace(1, None, lambda: 0.0)
    ended = []

    def work() -> None:
        try:
            with pace.turn():
                pace.wait(threading.TIMEOUT_MAX)
        except Stopped:
            ended.append(1)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    pace.stop()
    for thread in threads:
        thread.join()
    assert len(ended) == 3


# answers


@pytest.mark.parametrize("name", PROFILES)
def test_a_request_has_the_fields_of_its_dialect_and_asks_for_no_selection(name: str) -> None:
    profile = PROFILES[name]
    body = parsed(body_of(profile, "m", "q\ud800", ["a", "\ud800b"], whole=False))
    assert body["model"] == "m"
    assert body["query"] == "q\ufffd"
    assert body[profile.dialect.documents] == ["a", "\ufffdb"]
    assert not {"top_n", "top_k"} & body.keys()
    assert not body.get(profile.dialect.echo)
    assert "model" not in parsed(body_of(profile, "", "q", ["a"], whole=False))


@pytest.mark.parametrize("name", ["tei", "voyage"])
def test_long_texts_are_truncated_or_refused_as_requested(name: str) -> None:
    profile = PROFILES[name]
    (option,) = profile.cut
    for whole in (False, True):
        assert parsed(body_of(profile, "m", "q", ["a"], whole=whole))[option] is not whole


def test_scores_come_in_the_order_of_the_documents() -> None:
    answer = {"results": [{"index": 1, "relevance_score": 0.75}, {"index": 0, "relevance_score": 2}]}
    assert scores_of(answer, COHERE.dialect, 2) == [2.0, 0.75]
    assert scores_of([{"index": 0, "score": 0.1}], TEI.dialect, 1) == [pytest.approx(0.1, rel=1e-7)]


@pytest.mark.parametrize(
    ("results", "reasons"),
    [
        ([(0, 1)], [None, "no score of this"]),
        ([], ["no score of this", "no score of this"]),
        ([(0, 1), (1, math.nan)], [None, "nan"]),
        ([(0, 1), (1, math.inf)], [None, "inf"]),
        ([(0, 1), (1, 1e39)], [None, "1e+39"]),
        ([(0, 1), (1, 10**400)], [None, "1000000"]),
        ([(0, 1), (1, "0.5")], [None, "no number"]),
        ([(0, 1), (1, True)], [None, "no number"]),
        ([(0, 1), (1, None)], [None, "no number"]),
        ([(0, 1), (0, 1)], ["index 0 twice", "index 0 twice"]),
        ([(1, 1), (2, 1)], ["index 2 of 2", "index 2 of 2"]),  # counted from 1
        ([(-1, 1), (0, 1)], ["index -1 of 2", "index -1 of 2"]),
        ([(True, 1), (0, 1)], ["index True", "index True"]),
        ([([], 1), (0, 1)], ["index []", "index []"]),
        ([(None, 1), (0, 1)], ["index None", "index None"]),
        ([("0", 1), (1, 1)], ["index 0 of", "index 0 of"]),
    ],
)
def test_a_document_without_a_score_that_can_be_trusted_has_none(
    results: list[tuple[object, object]], reasons: list[str | None]
) -> None:
    answer = {"results": [{"index": index, "relevance_score": score} for index, score in results]}
    found = scores_of(answer, COHERE.dialect, 2)
    for each, reason in zip(found, reasons, strict=True):
        if reason is None:
            assert each == 1.0
        else:
            assert isinstance(each, NoScore)
            assert reason in each.reason


@given(JSON, st.integers(1, 4))
def test_any_answer_gives_a_finite_score_or_a_reason_for_each_document(answer: object, count: int) -> None:
    for value, dialect in ((answer, TEI.dialect), ({"results": answer}, COHERE.dialect)):
        try:
            found = scores_of(value, dialect, count)
        except Malformed:
            continue
        assert len(found) == count
        assert all(isinstance(each, NoScore) or math.isfinite(each) for each in found)


@given(st.binary(max_size=50))
def test_any_bytes_are_json_or_malformed_and_have_words(content: bytes) -> None:
    with contextlib.suppress(Malformed):
        parsed(content)
    assert len(words_of(content)) < 1000


def test_deep_json_is_malformed() -> None:
    with pytest.raises(Malformed):
        parsed(b"[" * 10**6)
    assert words_of(b"[" * 10**6)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"message": "invalid api token"}', "invalid api token"),
        (b'{"detail": [{"loc": ["body"], "msg": "field required"}]}', "field required"),
        (b'{"error": {"code": 500, "message": "input is too large"}}', "input is too large"),
        (b'{"error": "Model is overloaded", "error_type": "overloaded"}', "Model is overloaded"),
        (b"upstream\r\n error\x1b[31m", "upstream error\\x1b[31m"),
    ],
)
def test_the_words_of_a_server_are_shown_in_one_line(content: bytes, words: str) -> None:
    assert words_of(content) == words


@pytest.mark.parametrize(
    ("status", "words", "large"),
    [
        (413, "", True),
        (500, "input (3005 tokens) is too large to process. increase the physical batch size", True),
        (500, "context deadline exceeded", False),
        (500, "at most once", False),
        (500, "internal error", False),
        (429, "too many requests", False),
        (503, "too many requests", False),
        (400, "model not found", False),
    ],
)
def test_what_is_too_large_is_told_from_other_refusals(status: int, words: str, large: bool) -> None:
    assert is_too_large(status, words) is large


def test_a_key_is_in_no_error_of_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RERANK_API_KEY", "sk-planted")
    with pytest.raises(RerankError) as fault:
        open_scorer(ModelConfig(model="http://example.com/rerank"))
    assert "sk-planted" not in f"{fault.value!r}{fault.value.message}{fault.value.advice}"
    assert os.environ["RERANK_API_KEY"] == "sk-planted"
