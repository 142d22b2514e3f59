"""Write a run and judgements with the libraries of others, as goldens that we read.

python -m venv others && others/bin/pip install ranx mteb beir pandas pyarrow
others/bin/python tests/recipes/written_by_others/write.py
"""

import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pandas
import ranx
from beir import util
from mteb.abstasks.abstask import AbsTask

sys.path.insert(0, str(Path(__file__).parent))
from said import QRELS, RUN

GOLDENS = Path(__file__).parents[2] / "oracle" / "written_by_others"


class Task:
    """As much of a task of mteb's as its writer of predictions needs."""

    metadata = SimpleNamespace(name="mteb")
    prediction_file_name = AbsTask.prediction_file_name
    _predictions_path = AbsTask._predictions_path


def by_mteb() -> None:
    model = SimpleNamespace(mteb_model_meta=SimpleNamespace(name="a/model", revision=None))
    path = Task()._predictions_path(GOLDENS)
    path.unlink(missing_ok=True)
    AbsTask._save_task_predictions(Task(), RUN, model, GOLDENS, hf_split="test", hf_subset="default")


def by_ranx() -> None:
    run, qrels = ranx.Run(RUN), ranx.Qrels(QRELS)
    for kind, suffix in (("json", "json"), ("trec", "trec"), ("parquet", "parquet")):
        run.save(str(GOLDENS / f"ranx.run.{suffix}"), kind=kind)
        qrels.save(str(GOLDENS / f"ranx.qrels.{suffix}"), kind=kind)


def by_beir() -> None:
    util.save_runfile(str(GOLDENS / "beir.run.tsv"), RUN, run_name="beir", top_k=10)


def by_pandas() -> None:
    for name, body in (("run", RUN), ("qrels", QRELS)):
        rows = [(qid, docid, score) for qid, scores in body.items() for docid, score in scores.items()]
        table = pandas.DataFrame(rows, columns=["query-id", "corpus-id", "score"])
        table.to_csv(GOLDENS / f"pandas.{name}.tsv", sep="\t", index=False)
        table.to_csv(GOLDENS / f"pandas.{name}.gz", sep="\t", index=False, compression={"method": "gzip", "mtime": 1})
        table.to_json(GOLDENS / f"pandas.{name}.jsonl", orient="records", lines=True, force_ascii=False)
        table.to_parquet(GOLDENS / f"pandas.{name}.parquet")


if __name__ == "__main__":
    GOLDENS.mkdir(exist_ok=True)
    for write in (by_mteb, by_ranx, by_beir, by_pandas):
        write()
    packages = ("mteb", "ranx", "beir", "pandas", "pyarrow")
    (GOLDENS / "versions.txt").write_text("".join(f"{name} {version(name)}\n" for name in packages))
