"""Speed for rerank_cli/docs/speed.md: `rerank bench` on several collections and models, one JSON document last.

    python tests/measure/speed.py [--shared ../shared] [--only mini-generated,…] [more options of rerank bench]

The lengths are those of sample_data/generate.py, and of scifact where the shared collections are there; XLM-R's shapes
have random weights and the true tokenizer.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "sample_data")]

from generate import generate


def scifact(shared: Path, records: int, candidates: int = 20) -> Iterator[dict[str, Any]]:
    """The first queries of scifact with the top of their first stage, in the native format."""
    folder = shared / "data/scifact"
    with gzip.open(folder / "corpus.jsonl.gz", "rt", encoding="utf-8") as file:
        corpus = {doc["_id"]: f"{doc['title']} {doc['text']}" for doc in map(json.loads, file)}
    queries = {q["_id"]: q["text"] for q in map(json.loads, (folder / "queries.jsonl").open(encoding="utf-8"))}
    ranked: dict[str, list[str]] = {}
    with gzip.open(folder / "first-stage.run.gz", "rt", encoding="utf-8") as file:
        for qid, _, docid, *_ in map(str.split, file):
            ranked.setdefault(qid, []).append(docid)
    for qid, docids in list(ranked.items())[:records]:
        chosen = [{"id": docid, "text": corpus[docid]} for docid in docids[:candidates]]
        yield {"id": qid, "query": queries[qid], "candidates": chosen}


def written(path: Path, records: Iterator[dict[str, Any]]) -> str:
    """The records in a file; its name."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return str(path)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=8, help="records of 20 candidates")
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("RERANK_SHARED", ROOT.parent / "shared")))
    parser.add_argument("--only", default="mini-generated,mini-scifact,xlmr-mini-generated")
    options, more = parser.parse_known_args()
    tokenizer = str(options.shared / "models/xlmr-tokenizer")
    documents: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        generated = written(Path(folder) / "generated.jsonl", generate(options.records, 20, 7))
        few = written(Path(folder) / "few.jsonl", generate(3, 16, 7))
        runs = {"mini-generated": [generated, "--max-length", "512"]}
        if (options.shared / "data").is_dir():
            collection = written(Path(folder) / "scifact.jsonl", scifact(options.shared, options.records))
            runs["mini-scifact"] = [collection, "--max-length", "256"]
            runs["xlmr-mini-generated"] = [generated, "--random-weights", "xlmr-mini", "--tokenizer", tokenizer]
            runs["xlmr-large-generated"] = [few, "--random-weights", "xlmr-large", "--tokenizer", tokenizer]
        for name in options.only.split(","):
            if name not in runs:
                print(f"{name}: skipped, the shared collections are not there (--shared)", file=sys.stderr)
                continue
            command = [sys.executable, "-m", "rerank_cli", "bench", *runs[name], "--device", "cpu", *more]
            done = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT)
            documents[name] = json.loads(done.stdout.splitlines()[-1])
    print(json.dumps(documents))


if __name__ == "__main__":
    main()
