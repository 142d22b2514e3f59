"""How fast the http engine is with a stub of a given latency: requests/s, their share of what is possible, memory.

PYTHONPATH=.:tests python tests/measure/remote.py              (a minute; the stub is a process on the same cores)
PYTHONPATH=.:tests python tests/measure/remote.py --records 100000 --latency 0 --concurrency 32
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from support.running import COMMAND, environment

DOCUMENTS, CHARACTERS = 20, 900


def write_records(path: Path, count: int, documents: int) -> None:
    """Records of passages that differ from each other."""
    text = ("a rose is a rose is a rose and sage is sage " * 40)[:CHARACTERS]
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            candidates = [f"{number} {place} {text}" for place in range(documents)]
            file.write(json.dumps({"id": str(number), "query": f"query {number}", "candidates": candidates}) + "\n")


def measure(folder: Path, records: int, documents: int, latency: float, concurrency: int) -> None:
    """One run, and its line."""
    path, out = folder / f"{records}.jsonl", folder / "out"
    if not path.exists():
        write_records(path, records, documents)
    arguments = [sys.executable, "-m", "support.stub_api", "llamacpp", "--latency", str(latency)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as stub:
        assert stub.stdout is not None
        url = stub.stdout.readline().strip()
        options = ["--model", url, "--concurrency", str(concurrency), "--no-text", "--overwrite", "-q"]
        subprocess.run([*COMMAND, "score", path, "-o", out, *options], check=True, env=environment())
        stub.kill()
    found = json.loads(Path(f"{out}.meta.json").read_text())
    rate = found["requests"] / found["scoring_s"]
    share = f"{rate * latency / concurrency:.0%} of {concurrency / latency:.0f}" if latency else ""
    memory = found["peak_memory_bytes"] / 2**20
    mode = f"{latency * 1000:.0f} ms, {concurrency} in flight, {records:,} records"
    print(f"{mode}: {rate:.0f} requests/s {share}, peak {memory:.0f} MiB", flush=True)


def main() -> None:
    """The table, or one line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int)
    parser.add_argument("--documents", type=int, default=DOCUMENTS)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--concurrency", type=int, default=8)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.records:
            measure(Path(folder), given.records, given.documents, given.latency, given.concurrency)
            return
        for records, latency, concurrency in ((1500, 0.05, 8), (6000, 0.05, 32), (6000, 0.0, 8), (6000, 0.0, 32)):
            measure(Path(folder), records, given.documents, latency, concurrency)


if __name__ == "__main__":
    main()
