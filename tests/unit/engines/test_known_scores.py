"""Published scores: the file is whole, models are found by their names, and a start is checked against one of them."""

import json
import math
import re
from collections.abc import Iterator, Sequence

import pytest

from rerank_cli.core.dtypes import DTYPES
from rerank_cli.core.errors import ExitStatus, ModelError
from rerank_cli.core.scorer import Batch, Identity, PreparedPair, Traits
from rerank_cli.engines.known_scores import FAR, FILE, check_start, known_model, known_models, known_scores

BGE = "BAAI/bge-reranker-v2-m3"
(REVISION,) = known_models()[BGE].revisions


class Published:
    """A scorer that gives the published logits of a model, each moved by `off`."""

    def __init__(
        self, model: str = BGE, revision: str | None = REVISION, off: float = 0.0, dtype: str = "fp32"
    ) -> None:
        self.identity = Identity(
            engine="torch", model=model, revision=revision, weights_sha256="", tokenizer_sha256="", config_sha256="",
            device="cpu", dtype=dtype, max_length=512, query_max_length=256, threads=1, versions={},
        )  # fmt: skip
        self.traits, self.notes, self.off = Traits(1, 1024, 32), [], off
        self.asked: list[tuple[str, str]] = []

    def load(self) -> None: ...

    def close(self) -> None: ...

    def prepare(self, pairs: Sequence[tuple[str, str]]) -> list[PreparedPair]:
        self.asked += pairs
        return [PreparedPair(1, truncated=False, payload=pair) for pair in pairs]

    def score(self, batches: Iterator[Batch]) -> Iterator[list[float]]:
        known = {(each.query, each.document): each for each in known_models()[BGE].scores}
        for batch in batches:
            found = [known[pair.payload] for pair in batch.pairs]
            yield [self.off + (logit_of(each.expected) if each.unit == "sigmoid" else each.expected) for each in found]


def logit_of(share: float) -> float:
    return math.log(share / (1 - share))


def test_the_file_is_whole() -> None:
    document = json.loads(FILE.read_text(encoding="utf-8"))
    assert {unit: set(table) for unit, table in document["tolerances"].items()} == {
        "logit": set(DTYPES),
        "sigmoid": set(DTYPES),
        "maxsim": set(DTYPES),
    }
    assert all(
        set(source) == {"text", "dtype"} and source["dtype"] in DTYPES for source in document["sources"].values()
    )
    assert all(set(pairs) == {"query", "documents"} and pairs["documents"] for pairs in document["pairs"].values())
    for name, model in known_models().items():
        assert name == "mini" or re.fullmatch(r"[\w.-]+/[\w.-]+", name)
        assert all(re.fullmatch("[0-9a-f]{40}", revision) for revision in model.revisions)
        assert model.scores
        for score in model.scores:
            assert math.isfinite(score.expected)
            assert score.unit != "sigmoid" or 0 < score.expected < 1
            assert score.tolerances["fp32"] <= score.tolerances["int8"]


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("mini", "mini"),
        (BGE, BGE),
        ("./models/bge-reranker-v2-m3/", BGE),
        ("someone/bge-reranker-v2-m3-ko", "dragonkue/bge-reranker-v2-m3-ko"),
        ("org/unknown", None),
    ],
)
def test_a_model_is_known_by_its_id_or_the_name_of_its_folder(name: str, known: str | None) -> None:
    found = known_model(Published(name))
    assert (found and found.name) == known


def test_the_scores_of_a_model_are_compared_one_by_one() -> None:
    assert all(abs(published.expected - ours) < 1e-9 for published, ours in known_scores(Published()))
    assert len(known_scores(Published())) == 7
    assert known_scores(Published("org/unknown")) == []


def test_a_start_is_checked_with_one_pair_that_tells_models_apart() -> None:
    scorer = Published()
    check_start(scorer)
    ((_, document),) = scorer.asked
    assert document.startswith("Jupiter"), "0.786: a score near 0 or 1 is that of many models"


@pytest.mark.parametrize(("off", "dtype"), [(2.0, "fp32"), (-2.0, "bf16"), (-2.0, "fp16")])
def test_a_score_that_is_far_off_ends_the_run_with_6(off: float, dtype: str) -> None:
    with pytest.raises(ModelError) as fault:
        check_start(Published(off=off, dtype=dtype))
    assert fault.value.status == ExitStatus.MODEL
    assert "0.7857" in str(fault.value)


@pytest.mark.parametrize("off", [-0.2, 0.0, 0.2])
def test_rounding_does_not_end_a_run(off: float) -> None:
    check_start(Published(off=off))
    assert FAR > 1


@pytest.mark.parametrize(("model", "revision"), [("./bge-reranker-v2-m3", None), (BGE, "f" * 40), ("mini", None)])
def test_no_other_folder_and_no_other_revision_is_checked_at_the_start(model: str, revision: str | None) -> None:
    scorer = Published(model, revision, off=9.0)
    check_start(scorer)
    assert scorer.asked == []


def test_a_start_is_not_judged_by_a_pair_that_was_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = Published(off=9.0)
    monkeypatch.setattr(
        scorer, "prepare", lambda pairs: [PreparedPair(1, truncated=True, payload=pair) for pair in pairs]
    )
    check_start(scorer)
    assert known_scores(scorer) == []


def test_a_score_that_is_no_number_ends_the_run() -> None:
    with pytest.raises(ModelError):
        check_start(Published(off=math.nan))
