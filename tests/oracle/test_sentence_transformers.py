"""Our engine compared with sentence-transformers' CrossEncoder: the same token ids, the same logits.

Both models are scored in float32 at max_length 256. The comparison is shown to have teeth: it fails when queries are
swapped or positions are off by one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from sentence_transformers import CrossEncoder
from support.tiny import edit_json, write_reranker

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.plan import Budget, plan_batches
from rerank_cli.core.scorer import Batch, PreparedPair
from rerank_cli.engines.torch_cross_encoder import TorchCrossEncoder

MAX_LENGTH = 256
TOLERANCE = 1e-4  # of the logits' standard deviation

Pair = tuple[str, str]


@dataclass(frozen=True)
class Both:
    """The same model twice: ours, and the oracle."""

    ours: TorchCrossEncoder
    oracle: CrossEncoder
    pairs: int  # to score: fewer in `make test`


SLOW = [pytest.param(each, marks=pytest.mark.slow) for each in ("mini", "random_xlmr")]


@pytest.fixture(scope="module", params=["steady", *SLOW])
def both(request: pytest.FixtureRequest, root: Path, path_of: Callable[[str], str]) -> Both:
    if request.param == "random_xlmr":
        folder = request.getfixturevalue("random_xlmr")
    else:
        folder = path_of("steady") if request.param == "steady" else root / "rerank_cli/models/mini"
    ours = TorchCrossEncoder(
        ModelConfig(model=str(folder), device="cpu", dtype="fp32", max_length=MAX_LENGTH, query_max_length=192)
    )
    ours.load()
    oracle = CrossEncoder(
        str(folder),
        max_length=MAX_LENGTH,
        device="cpu",
        activation_fn=torch.nn.Identity(),
        model_kwargs={"dtype": torch.float32},
        local_files_only=True,
    )
    return Both(ours, oracle, 60 if request.param == "steady" else 200)


def ours_of(scorer: TorchCrossEncoder, pairs: list[Pair]) -> torch.Tensor:
    """Our logits, batched as a run would."""
    prepared = scorer.prepare(pairs)
    plans = plan_batches([pair.cost for pair in prepared], Budget(1024), multiple=1)
    batches = (Batch(tuple(prepared[i] for i in plan.indices), plan.tokens, plan.padded) for plan in plans)
    logits = torch.empty(len(pairs))
    for plan, scores in zip(plans, scorer.score(batches), strict=True):
        logits[list(plan.indices)] = torch.tensor(scores)
    return logits


def oracle_of(both: Both, pairs: list[Pair]) -> torch.Tensor:
    return torch.from_numpy(both.oracle.predict(pairs, batch_size=16, convert_to_numpy=True)).flatten()


def worst(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    """The largest difference, in standard deviations of the oracle's logits."""
    return float((ours - theirs).abs().max() / theirs.std())


def theirs_ids(both: Both, pair: Pair) -> list[int]:
    return list(both.oracle.tokenizer(*pair, truncation="longest_first", max_length=MAX_LENGTH)["input_ids"])


def rules_agree(prepared: PreparedPair, ours: TorchCrossEncoder, pair: Pair) -> bool:
    """Theirs cuts the longer text first. That is our rule unless it would cut into the query."""
    query = len(ours.prepare([(pair[0], "")])[0].payload.ids)
    return not prepared.truncated or 2 * query < MAX_LENGTH


@pytest.mark.sampled(1)
def test_token_ids_equal_those_of_sentence_transformers(both: Both, mixed_pairs: list[Pair]) -> None:
    prepared = both.ours.prepare(mixed_pairs)
    compared = [i for i, pair in enumerate(mixed_pairs) if rules_agree(prepared[i], both.ours, pair)]
    assert len(compared) == len(mixed_pairs)
    assert sum(prepared[i].truncated for i in compared) >= 20
    assert [list(prepared[i].payload.ids) for i in compared] == [theirs_ids(both, mixed_pairs[i]) for i in compared]


def test_logits_equal_those_of_sentence_transformers(
    both: Both, mixed_pairs: list[Pair], capsys: pytest.CaptureFixture[str]
) -> None:
    some = mixed_pairs[: both.pairs]
    ours, theirs = ours_of(both.ours, some), oracle_of(both, some)
    with capsys.disabled():
        print(
            f"\n{both.ours.identity.model.rsplit('/', 1)[-1]}: {len(some)} pairs, "
            f"max |Δlogit| {float((ours - theirs).abs().max()):.2e}, standard deviation {float(theirs.std()):.3f}"
        )
    assert float(theirs.std()) >= 1
    assert worst(ours, theirs) <= TOLERANCE


def test_comparison_fails_when_queries_are_swapped(both: Both, mixed_pairs: list[Pair]) -> None:
    some = mixed_pairs[:20]
    swapped = [(some[i - 1][0], some[i][1]) for i in range(len(some))]
    assert worst(ours_of(both.ours, swapped), oracle_of(both, some)) > 100 * TOLERANCE


def test_comparison_fails_when_positions_are_off_by_one(both: Both, mixed_pairs: list[Pair]) -> None:
    some = mixed_pairs[:20]
    features = both.oracle.tokenizer(
        *map(list, zip(*some, strict=True)), truncation=True, padding=True, max_length=MAX_LENGTH, return_tensors="pt"
    )
    model = both.oracle.model
    first = 0 if model.config.model_type == "bert" else model.config.pad_token_id + 1
    positions = first + torch.arange(features["input_ids"].shape[1]).expand(len(some), -1)
    ours = ours_of(both.ours, some)
    with torch.inference_mode():
        right = model(**features, position_ids=positions).logits.flatten()
        wrong = model(**features, position_ids=positions + 1).logits.flatten()
    assert worst(ours, right) <= TOLERANCE
    assert worst(ours, wrong) > 10 * TOLERANCE


@pytest.mark.parametrize("names", [["input_ids", "attention_mask"], ["input_ids", "token_type_ids", "attention_mask"]])
def test_token_types_are_given_where_the_tokenizer_gives_them(tmp_path: Path, names: list[str]) -> None:
    """The template of tokenizer.json types the document; whether a model was trained so, its tokenizer's inputs say."""
    folder = write_reranker(tmp_path / "tiny")
    edit_json(folder / "tokenizer_config.json", model_input_names=names)
    ours = TorchCrossEncoder(ModelConfig(model=str(folder), device="cpu", dtype="fp32", max_length=64))
    ours.load()
    oracle = CrossEncoder(str(folder), device="cpu", activation_fn=torch.nn.Identity(), local_files_only=True)
    pairs = [("what is panda ?", "a panda"), ("hi", "what is hi ? a b c d e f g")]
    assert ours_of(ours, pairs).tolist() == pytest.approx(oracle.predict(pairs).tolist(), abs=1e-7)
    assert ours._text_model.inputs == names
