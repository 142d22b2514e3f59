"""Install each file of a distribution in a fresh environment, without extras, and try the commands of a first day.

    python tests/recipes/dist/try_install.py [--pip-args "…"] dist/*

Each environment is in a temporary folder that is removed afterwards. Each command runs in a folder of its own, so that
nothing comes from the checkout. Ends with exit code 1 at the first command that fails.
"""

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = (
    "--version",
    "--help",
    "check in.jsonl",
    "help guide",
    "score in.jsonl -o out.jsonl --model mini --offline -q",
    "doctor --model mini --offline",
)


def size_mb(folder: Path) -> float:
    """The size of a folder's files in MB."""
    return sum(path.lstat().st_size for path in folder.rglob("*")) / 1e6


def tried(distribution: Path, pip_args: list[str]) -> None:
    """Install one file and run the commands. Raises CalledProcessError where it cannot be installed."""
    with tempfile.TemporaryDirectory() as name:
        environment, work = Path(name) / "environment", Path(name) / "work"
        work.mkdir()
        (work / "in.jsonl").write_bytes((ROOT / "sample_data/multilingual.jsonl").read_bytes())
        venv.create(environment, with_pip=True)
        pip = [str(environment / "bin/pip"), "install", "--quiet", "--disable-pip-version-check", *pip_args]
        start = time.monotonic()
        subprocess.run([*pip, str(distribution)], check=True)
        took = time.monotonic() - start
        print(f"{distribution.name}: installed in {took:.0f} s, {size_mb(environment):,.0f} MB", flush=True)
        variables = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
        for command in COMMANDS:
            done = subprocess.run(
                [environment / "bin/rerank", *shlex.split(command)],
                cwd=work,
                env=variables,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
            print(f"  rerank {command}: exit {done.returncode}, {len(done.stdout):,} bytes", flush=True)
            if done.returncode:
                sys.stderr.buffer.write(done.stdout + done.stderr)
                sys.exit(1)
        lines = (work / "out.jsonl").read_bytes().count(b"\n")
        print(f"  out.jsonl: {lines} records", flush=True)


def main() -> None:
    """Try each file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, help="an sdist or a wheel")
    parser.add_argument("--pip-args", default="", help="more words for pip, such as an index")
    options = parser.parse_args()
    for distribution in options.files:
        tried(distribution.resolve(), shlex.split(options.pip_args))


if __name__ == "__main__":
    main()
