"""How far a logit moves when its batch is composed otherwise: `make determinism`.

Scores the same pairs with `mini` in batches of 1, 2, 7, 32 and 64 rows, taken in shuffled order (so that padding is at
its worst), and as the planner batches a whole window; in float32 and bfloat16. Each is compared with its dtype's
batches of one. Prints the largest |Δlogit|, the standard deviation of the logits, and how much of each query's ten best
stays; the last line is one JSON document.

    python tests/measure/determinism.py [INPUT.jsonl] [--pairs 600]
"""

import argparse
import gzip
import json
import random
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
from rerank_cli.core.config import ModelConfig
from rerank_cli.core.plan import Budget, plan_batches
from rerank_cli.core.ranking import rank
from rerank_cli.core.scorer import Batch, PreparedPair
from rerank_cli.engines.torch_cross_encoder import TorchCrossEncoder

COMPOSITIONS = (1, 2, 7, 32, 64, "window")
TOP = 10


def records_of(path: Path, pairs: int) -> list[tuple[str, list[str]]]:
    """Queries with their candidates' texts, until there are enough pairs."""
    records: list[tuple[str, list[str]]] = []
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            texts = [text if isinstance(text, str) else text["text"] for text in record["candidates"]]
            records.append((record["query"], texts))
            if sum(len(texts) for _, texts in records) >= pairs:
                break
    return records


def compositions(scorer: TorchCrossEncoder, prepared: list[PreparedPair], rows: int | str) -> Iterator[list[int]]:
    """The batches, as positions of pairs; a batch's longest pair comes first, as engines are promised."""
    costs = [pair.cost for pair in prepared]
    if rows == "window":
        for plan in plan_batches(costs, Budget(scorer.traits.batch_tokens), multiple=1):
            yield list(plan.indices)
        return
    order = random.Random(0).sample(range(len(prepared)), len(prepared))
    for start in range(0, len(order), int(rows)):
        yield sorted(order[start : start + int(rows)], key=costs.__getitem__, reverse=True)


def logits_in(scorer: TorchCrossEncoder, prepared: list[PreparedPair], rows: int | str) -> list[float]:
    """Every pair's logit, scored in batches composed like that."""
    plans = list(compositions(scorer, prepared, rows))
    batches = (
        Batch(tuple(prepared[i] for i in plan), sum(prepared[i].cost for i in plan), prepared[plan[0]].cost * len(plan))
        for plan in plans
    )
    logits = [0.0] * len(prepared)
    for plan, values in zip(plans, scorer.score(batches), strict=True):
        for index, value in zip(plan, values, strict=True):
            logits[index] = value
    return logits


def agreement(ours: list[float], theirs: list[float], sizes: list[int]) -> tuple[float, float]:
    """Of the queries' ten best: the share that both have, and the share of queries with the same order."""
    start, shared, same, total = 0, 0, 0, 0
    for size in sizes:
        first, second = (rank(logits[start : start + size], top_k=TOP).indices for logits in (ours, theirs))
        shared, total = shared + len({*first} & {*second}), total + len(first)
        same += first == second
        start += size
    return shared / total, same / len(sizes)


def measure(path: Path, pairs: int) -> dict[str, Any]:
    """The table, row by row."""
    records = records_of(path, pairs)
    sizes = [len(texts) for _, texts in records]
    rows: list[dict[str, Any]] = []
    single: dict[str, list[float]] = {}
    for dtype in ("fp32", "bf16"):
        scorer = TorchCrossEncoder(ModelConfig(model="mini", device="cpu", dtype=dtype))
        scorer.load()
        prepared = scorer.prepare([(query, text) for query, texts in records for text in texts])
        for composition in COMPOSITIONS:
            logits = logits_in(scorer, prepared, composition)
            single.setdefault(dtype, logits)
            for reference in {dtype: 0, "fp32": 0}:
                delta = max(abs(a - b) for a, b in zip(logits, single[reference], strict=True))
                top, order = agreement(logits, single[reference], sizes)
                row = {"dtype": dtype, "rows": composition, "against": f"{reference}, one by one", "max_delta": delta}
                rows.append({**row, "top10": top, "same_top10_order": order})
                print(
                    f"{dtype}  rows {composition!s:>6}  against {reference} one by one  max |Δlogit| {delta:.2e}  "
                    f"top-10 agreement {top:.4f}  same order {order:.4f}",
                    flush=True,
                )
    spread = statistics.pstdev(single["fp32"])
    return {"input": path.name, "pairs": sum(sizes), "queries": len(sizes), "sd_of_logits": spread, "rows": rows}


def main() -> None:
    """Print the table, and one JSON line last."""
    parser = argparse.ArgumentParser(description="How far a logit moves when its batch is composed otherwise.")
    parser.add_argument("input", nargs="?", type=Path, default=ROOT / "sample_data" / "quickstart.jsonl")
    parser.add_argument("--pairs", type=int, default=600)
    chosen = parser.parse_args()
    found = measure(chosen.input, chosen.pairs)
    print(f"{found['pairs']} pairs, {found['queries']} queries, standard deviation {found['sd_of_logits']:.3f}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
