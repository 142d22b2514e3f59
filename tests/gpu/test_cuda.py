"""What only a CUDA machine can show. Run with `pytest tests/gpu`; skipped elsewhere.

Figures are printed, not asserted, unless correctness is at stake.
"""

import gc
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from support.steady import write_steady

from rerank_cli.core.config import BatchConfig, FileConfig, ModelConfig, ReadConfig, RunConfig
from rerank_cli.core.plan import Budget, plan_batches
from rerank_cli.core.scorer import Batch
from rerank_cli.core.stats import Stats
from rerank_cli.engines.torch_cross_encoder import TorchCrossEncoder
from rerank_cli.jobs.score import Run

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]

DRIFT = {  # largest |Δlogit| against fp32, in standard deviations; `mini` multiplies differences
    ("steady", "fp16"): 0.06,
    ("steady", "bf16"): 0.06,
    ("mini", "fp16"): 0.06,
    ("mini", "bf16"): 0.3,
}


@pytest.fixture(autouse=True)
def all_memory() -> Iterator[None]:
    """Give back what a test limited."""
    yield
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1.0)


def generated(root: Path, records: int) -> list[dict[str, object]]:
    import sys

    sys.path.insert(0, str(root / "sample_data"))
    from generate import generate

    return list(generate(records, 20, 7))


def scored(model: ModelConfig, pairs: list[tuple[str, str]]) -> torch.Tensor:
    """The logits of pairs, batched as a run would."""
    scorer = TorchCrossEncoder(model)
    scorer.load()
    prepared = scorer.prepare(pairs)
    plans = plan_batches([pair.cost for pair in prepared], Budget(8192), multiple=1)
    batches = (Batch(tuple(prepared[i] for i in plan.indices), plan.tokens, plan.padded) for plan in plans)
    logits = torch.empty(len(pairs))
    for plan, scores in zip(plans, scorer.score(batches), strict=True):
        logits[list(plan.indices)] = torch.tensor(scores)
    return logits


@pytest.fixture(scope="module")
def pairs(root: Path) -> list[tuple[str, str]]:
    records = [json.loads(line) for line in (root / "sample_data/quickstart.jsonl").open(encoding="utf-8")]
    records += generated(root, 40)
    return [(r["query"], candidate["text"]) for r in records for candidate in r["candidates"]]


@pytest.mark.parametrize(("model", "dtype"), DRIFT)
def test_half_precision_on_cuda_stays_close_to_fp32_on_the_cpu(
    tmp_path: Path, model: str, dtype: str, pairs: list[tuple[str, str]], capsys: pytest.CaptureFixture[str]
) -> None:
    path = "mini" if model == "mini" else str(write_steady(tmp_path / "steady"))
    exact = scored(ModelConfig(model=path, device="cpu", dtype="fp32"), pairs)
    half = scored(ModelConfig(model=path, device="cuda", dtype=dtype), pairs)
    drift = (half - exact).abs() / exact.std()
    with capsys.disabled():
        print(
            f"\n{model} {dtype}: {len(pairs)} pairs, drift max {drift.max():.4f}, mean {drift.mean():.4f} "
            "standard deviations"
        )
    assert float(drift.max()) <= DRIFT[model, dtype]


def test_run_survives_out_of_memory_and_says_so(tmp_path: Path, root: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps(record) + "\n" for record in generated(root, 200)), encoding="utf-8")
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(2.0 * 2**30 / total)
    told: list[str] = []
    config = RunConfig(
        read=ReadConfig(inputs=(str(source),)),
        model=ModelConfig(model="mini", device="cuda"),
        batch=BatchConfig(batch_tokens=1_000_000),
        files=FileConfig(output=str(tmp_path / "out.jsonl")),
    )
    run = Run(config, told.append, Stats(time.monotonic))
    assert run.execute() == 0
    assert run.stats.total.scored == 200
    assert run.stats.total.oom_splits > 0
    assert run.document is not None
    assert run.document["deterministic"] is False
    assert any("out of memory" in sentence for sentence in told)


def test_full_size_architecture_prints_its_throughput(
    shared: Path, tmp_path: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, XLMRobertaConfig

    folder = tmp_path / "xlmr-large"
    AutoTokenizer.from_pretrained(shared / "models/xlmr-tokenizer").save_pretrained(folder)
    config = XLMRobertaConfig(
        vocab_size=250002,
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
        max_position_embeddings=8194,
        type_vocab_size=1,
        num_labels=1,
        layer_norm_eps=1e-5,
    )
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps(record) + "\n" for record in generated(root, 1000)), encoding="utf-8")
    run_config = RunConfig(
        read=ReadConfig(inputs=(str(source),)),
        model=ModelConfig(model=str(folder), device="cuda"),
        files=FileConfig(output=str(tmp_path / "out.jsonl")),
    )
    run = Run(run_config, lambda _sentence: None, Stats(time.monotonic))
    assert run.execute() == 0
    assert run.document is not None
    figures = ("pairs", "pairs_per_s", "tokens_per_s", "padding_share", "busy_share", "wall_s", "dtype", "device")
    peak = torch.cuda.max_memory_allocated() / 2**30
    with capsys.disabled():
        print("\n" + " ".join(f"{name}={run.document[name]}" for name in figures) + f" peak_gpu_gib={peak:.2f}")
