"""All that a CUDA machine can show, in some minutes: speed, drift, and the checks of tests/gpu. JSON comes last.

    python tests/measure/gpu.py [--shared ../shared] [--small] [--only fixed:256,drift]

It uses the torch that is installed (`make gpu-bench` makes no environment and reads no constraints). Without CUDA, or
with --small, it goes through the same steps with few pairs and a small shape, so that it works the first time it meets
a GPU. What each step found is printed as soon as it ends, so that a time limit loses one step only (--only takes the
others again); a step that failed makes the exit status 1.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LENGTHS = ("fixed:64", "fixed:256", "fixed:512", "lognormal")
PAIRS = {"fixed:64": 16_000, "fixed:256": 4_000, "fixed:512": 2_000, "lognormal": 4_800}  # about a million tokens each
STEPS = (*LENGTHS, "drift", "checks")


def told(name: str, *command: str) -> Any:
    """Run a step; its last line of JSON, or what it said, with its exit status."""
    print(f"== {name}", file=sys.stderr, flush=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *command], stdout=subprocess.PIPE, env=environment, cwd=ROOT, text=True, check=False
    )
    lines = done.stdout.strip().splitlines() or [""]
    found: dict[str, Any] = {"exit": done.returncode}
    try:
        found.update(json.loads(lines[-1]))
    except ValueError:
        found["said"] = lines[-5:]
    print(json.dumps({name: found}), file=sys.stderr, flush=True)
    return found


def main() -> None:
    """Measure and report."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("RERANK_SHARED", ROOT.parent / "shared")))
    parser.add_argument("--small", action="store_true", default=not torch.cuda.is_available())
    parser.add_argument("--rounds", default="2")
    parser.add_argument("--only", default=",".join(STEPS), help="steps, separated by commas")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = torch.cuda.get_device_name() if device == "cuda" else "cpu"
    started = time.time()
    document: dict[str, Any] = {"device": name, "torch": torch.__version__, "small": options.small}
    wanted = [step for step in STEPS if step in options.only.split(",")]
    shape = "xlmr-mini" if options.small else "xlmr-large"
    weights = ["--random-weights", shape, "--tokenizer", str(options.shared / "models/xlmr-tokenizer")]
    peers = ["--peers", "sentence-transformers,FlagEmbedding"]
    sizes = "4" if options.small else "32,128,256"
    engines = "torch:fp32" if device == "cpu" else "torch:fp16,torch:bf16"
    rounds = "1" if options.small else options.rounds
    for lengths in (step for step in wanted if step in LENGTHS):
        pairs = "8" if options.small else str(PAIRS[lengths])
        document[lengths] = told(
            lengths, "-m", "rerank_cli", "bench", "--device", device, "--lengths", lengths,
            "--pairs", pairs, "--rounds", rounds, "--batch-sizes", sizes, "--engines", engines, *weights, *peers,
        )  # fmt: skip
    few = ["--queries", "2", "--candidates", "4"] if options.small else []
    dtypes = "torch:fp32,torch:bf16" if device == "cpu" else "torch:fp32,torch:fp16,torch:bf16"
    shared = ["--shared", str(options.shared), "--device", device]
    if "drift" in wanted:
        document["drift"] = told("drift", "tests/measure/drift.py", *shared, "--engines", dtypes, *few)
    if "checks" in wanted:
        document["checks"] = told("checks", "-m", "pytest", "tests/gpu", "-q", "-p", "no:cacheprovider")
    document["seconds"] = round(time.time() - started, 1)
    print(json.dumps(document))
    sys.exit(int(any(document[step]["exit"] for step in wanted)))


if __name__ == "__main__":
    main()
