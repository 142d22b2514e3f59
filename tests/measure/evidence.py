"""Does a model help? First stage and reranked, on every shared collection: the table of docs/models.md, JSON last.

    python tests/measure/evidence.py [--shared ../shared] [--out FOLDER] [--only noveleval,…] [--beside NAME=FOLDER …]
        [options of rerank score]

Each collection is reranked by one `rerank score`, from its folder or file to a TREC run in FOLDER, and measured by one
`rerank eval` against its first stage. With the same FOLDER, what is done is not done again. `--beside` adds a column
with the runs of an earlier FOLDER.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
COLLECTIONS = (
    "scifact",
    "noveleval",
    "selqa-dev",
    "xquadr-en",
    "xquadr-de",
    "xquadr-zh",
    "xquadr-ar",
    "xquad-x-zh-en",
    "xquad-x-ar-en",
)


def reranked(folder: Path, target: Path, more: list[str]) -> None:
    """One collection as a run."""
    run = ["--run", str(folder / "first-stage.run.gz")]
    beir = (folder / "queries.jsonl").is_file()
    source = [str(folder), *run] if beir else [str(folder / "candidates.jsonl.gz"), "--output-format", "trec"]
    command = [sys.executable, "-m", "rerank_cli", "score", *source, "-o", str(target), "--resume", *more]
    subprocess.run(command, check=True, cwd=ROOT)


def measured(folder: Path, target: Path) -> dict[str, Any]:
    """Its measures, and those of the first stage."""
    command = [sys.executable, "-m", "rerank_cli", "eval", str(target), "--qrels", str(folder / "qrels.txt")]
    command += ["--before", str(folder / "first-stage.run.gz"), "--common-queries", "--json"]  # for --sample
    done = subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE)
    (found,) = json.loads(done.stdout)
    return dict(found)


def ndcg(made: dict[str, Any]) -> dict[str, Any]:
    """The row of the reported measure."""
    return next(each for each in made["differences"] if each["measure"] == "nDCG@10")


def main() -> None:
    """Rerank, measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("RERANK_SHARED", ROOT.parent / "shared")))
    parser.add_argument("--out", type=Path, default=ROOT / "evidence")
    parser.add_argument("--only", default=",".join(COLLECTIONS))
    parser.add_argument("--beside", action="append", default=[], type=lambda given: given.split("=", 1))
    options, more = parser.parse_known_args()
    more = more or ["--model", "mini"]
    options.out.mkdir(parents=True, exist_ok=True)
    found = {}
    named = "".join(f" {name} |" for name, _ in options.beside)
    print(f"| collection | queries | first stage nDCG@10 |{named} reranked | gain [95 %] | p | better, worse, same |")
    print("|---" * (7 + len(options.beside)) + "|")
    for name in options.only.split(","):
        folder, target = options.shared.resolve() / "data" / name, options.out.resolve() / f"{name}.run"
        reranked(folder, target, more)
        found[name] = made = measured(folder, target)
        row = ndcg(made)
        runs = [Path(other).resolve() / f"{name}.run" for _, other in options.beside]
        others = "".join(f" {ndcg(measured(folder, run))['after']:.3f} |" if run.is_file() else " |" for run in runs)
        interval = f"{row['gain']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
        p_value = "< 0.001" if row["p_value"] < 0.001 else f"{row['p_value']:.3f}"
        counts = f"{row['better']}, {row['worse']}, {row['same']}"
        print(
            f"| {name} | {made['judged_queries']} | {row['before']:.3f} |{others} {row['after']:.3f} | {interval} "
            f"| {p_value} | {counts} |",
            flush=True,
        )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
