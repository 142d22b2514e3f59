"""What we write, as the libraries of others read it: goldens that `tests/recipes/read_back/record.py` made.

`UPDATE_GOLDENS=1 pytest tests/oracle/test_goldens_of_others.py` writes our outputs; then run that script.
"""

import json
import os
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from support.running import ROOT, forked

GOLDENS = Path(__file__).with_name("read_back")
SPEC = spec_from_file_location("cases", ROOT / "tests/recipes/read_back/cases.py")
assert SPEC
assert SPEC.loader
cases = module_from_spec(SPEC)
SPEC.loader.exec_module(cases)


@pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.output)
def test_we_still_write_what_they_read(case: Any, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(record) + "\n" for record in cases.RECORDS))
    options = ("--output-format", cases.FORMATS[case.output], "--engine", "fake", "-q")
    done = forked("score", "in.jsonl", "-o", case.output, *options, cwd=tmp_path)
    assert done.code == 0, done.said
    written = (tmp_path / case.output).read_bytes()
    if os.environ.get("UPDATE_GOLDENS"):
        GOLDENS.mkdir(exist_ok=True)
        (GOLDENS / case.output).write_bytes(written)
    assert written == (GOLDENS / case.output).read_bytes()


def reads() -> list[Any]:
    return [
        pytest.param(case, reader, id=f"{case.output} by {reader}") for case in cases.CASES for reader in case.readers
    ]


@pytest.mark.parametrize(("case", "reader"), reads())
def test_they_read_what_the_input_said(case: Any, reader: str) -> None:
    read = json.loads((GOLDENS / f"{case.output}.read.json").read_text())[reader]["read"]
    if isinstance(read, dict):
        documents = {query: sorted(scores) for query, scores in read.items()}
        assert documents == {
            record["id"]: sorted(each["id"] for each in record["candidates"]) for record in cases.RECORDS
        }
        return
    assert len(read) == len(cases.ROWS)
    by_id = {row["docid"]: row for row in cases.ROWS}
    last: dict[str, float] = {}
    for row in read:
        own = by_id[row["docid"]]
        assert (row["query_id"], row["query"], str(row["label"])) == (own["query_id"], own["query"], own["label"])
        assert row.get("text", row.get("passage")) == own["text"]
        assert float(row["logit"]) <= last.get(row["query_id"], float("inf"))
        last[row["query_id"]] = float(row["logit"])
