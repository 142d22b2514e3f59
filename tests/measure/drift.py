"""What narrower numbers cost: drift of the logits and nDCG@10 of each engine and dtype against torch in float32.

    python tests/measure/drift.py [--shared ../shared] [--model mini] [--queries 300] [--candidates 50]

On scifact and noveleval of the shared collections; nDCG by ir-measures, on the first stage's candidates and the
collections' own qrels (without ir-measures, no nDCG). The table goes to standard error, the last line of standard
output is JSON.
"""

import argparse
import gzip
import json
import os
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from speed import scifact

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import RerankError
from rerank_cli.engines.choice import open_scorer
from rerank_cli.evaluation.agreement import agreement
from rerank_cli.reranking.in_memory import load_and_score

ENGINES = ("torch:fp32", "torch:bf16", "openvino:fp32", "openvino:bf16", "openvino:int8", "onnx:fp32", "onnx:int8")


def noveleval(shared: Path) -> Iterator[dict[str, Any]]:
    """All its records, in the native format."""
    with gzip.open(shared / "data/noveleval/candidates.jsonl.gz", "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def ndcg(qrels: Path, records: list[dict[str, Any]], logits: list[list[float]]) -> float | None:
    """nDCG@10 of an order, by ir-measures; None where that is not installed."""
    if find_spec("ir_measures") is None:
        return None
    import ir_measures
    from ir_measures import nDCG

    judged = list(ir_measures.read_trec_qrels(str(qrels)))
    asked = {str(record["id"]) for record in records}
    run = [
        ir_measures.ScoredDoc(str(record["id"]), str(candidate["id"]), logit)
        for record, scored in zip(records, logits, strict=True)
        for candidate, logit in zip(record["candidates"], scored, strict=True)
    ]
    kept = [each for each in judged if each.query_id in asked]
    return float(ir_measures.calc_aggregate([nDCG @ 10], kept, run)[nDCG @ 10])


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("RERANK_SHARED", ROOT.parent / "shared")))
    parser.add_argument("--model", default="mini")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--candidates", type=int, default=50)
    parser.add_argument("--max-length", type=int, default=512)
    parser.add_argument("--engines", default=",".join(ENGINES))
    options = parser.parse_args()
    collections = {
        "noveleval": list(noveleval(options.shared)),
        "scifact": list(scifact(options.shared, options.queries, options.candidates)),
    }
    results = []
    for name, records in collections.items():
        queries = [(record["query"], [each["text"] for each in record["candidates"]]) for record in records]
        reference: list[list[float]] = []
        for each in options.engines.split(","):
            engine, dtype = each.split(":")
            config = ModelConfig(
                model=options.model, engine=engine, dtype=dtype, device=options.device, max_length=options.max_length
            )
            try:
                scorer = open_scorer(config)
                started = time.perf_counter()
                logits = load_and_score(scorer, queries)
            except RerankError as fault:
                print(f"{name} {each}: {fault}", file=sys.stderr)
                continue
            seconds = time.perf_counter() - started
            reference = reference or logits
            found = agreement(reference, logits)
            gain = ndcg(options.shared / f"data/{name}/qrels.txt", records, logits)
            results.append({"collection": name, "engine": each, "ndcg_10": gain, "seconds": seconds, **found.as_dict()})
            orders = [f"{part}: {value:.4f}" for part, value in found.as_dict().items() if isinstance(value, float)]
            print(
                f"{name:<10} {each:<14} nDCG@10 {'?' if gain is None else f'{gain:.4f}'}  {'  '.join(orders)}",
                file=sys.stderr,
            )
    print(json.dumps({"model": options.model, "max_length": options.max_length, "results": results}))


if __name__ == "__main__":
    main()
