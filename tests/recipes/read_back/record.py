"""Read the outputs of `cases.py` with the libraries of others, and keep what they read as goldens.

python -m venv others && others/bin/pip install pandas polars datasets ranx pytrec-eval-terrier
others/bin/python tests/recipes/read_back/record.py
"""

import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import datasets
import pandas
import polars
import pytrec_eval
import ranx

sys.path.insert(0, str(Path(__file__).parent))
from cases import CASES

GOLDENS = Path(__file__).parents[2] / "oracle" / "read_back"


def separator(path: Path) -> str:
    return "\t" if path.suffix == ".tsv" else ","


def by_pandas(path: Path) -> Any:
    table = pandas.read_csv(path, sep=separator(path), **AS_TEXT)
    return json.loads(table.to_json(orient="records"))


AS_TEXT = {"dtype": str, "keep_default_na": False}  # else pandas takes NA for nothing and 007 for 7


def of_dataset(make: Callable[..., datasets.Dataset], path: Path, **options: Any) -> Any:
    with TemporaryDirectory() as cache:
        return [dict(row) for row in make(str(path), cache_dir=cache, **options)]


def as_texts(path: Path) -> dict[str, Any]:
    names = path.read_text().partition("\n")[0].split(separator(path))
    features = datasets.Features({name: datasets.Value("string") for name in names})
    return {"features": features, "keep_default_na": False}


def by_polars(path: Path) -> Any:
    return polars.read_csv(path, infer_schema=False).to_dicts()


def by_ranx(path: Path) -> Any:
    return {
        query: {name: float(score) for name, score in documents.items()}
        for query, documents in ranx.Run.from_file(str(path), kind="trec").to_dict().items()
    }


def by_pytrec_eval(path: Path) -> Any:
    with path.open() as file:
        return pytrec_eval.parse_run(file)


READERS: dict[str, Callable[[Path], Any]] = {
    "pandas.read_csv": by_pandas,
    "pandas.read_json": lambda path: json.loads(pandas.read_json(path, lines=True).to_json(orient="records")),
    "datasets.Dataset.from_csv": lambda path: of_dataset(datasets.Dataset.from_csv, path, **as_texts(path)),
    "datasets.Dataset.from_json": lambda path: of_dataset(datasets.Dataset.from_json, path),
    "polars.read_csv": by_polars,
    "ranx.Run.from_file": by_ranx,
    "pytrec_eval.parse_run": by_pytrec_eval,
}
PACKAGES = {"pytrec_eval": "pytrec-eval-terrier"}


def main() -> None:
    for case in CASES:
        found = {}
        for reader in case.readers:
            package = reader.partition(".")[0]
            read = READERS[reader](GOLDENS / case.output)
            found[reader] = {"version": version(PACKAGES.get(package, package)), "read": read}
        text = json.dumps(found, ensure_ascii=False, indent=1)
        (GOLDENS / f"{case.output}.read.json").write_text(text + "\n")
        print(case.output, *case.readers)


if __name__ == "__main__":
    main()
