"""What is written here and read by the libraries of others: the input, the outputs, and their calls.

Each output is kept in tests/oracle/read_back. `record.py` reads it with the libraries that people read it with, in an
environment of its own, and keeps what came of it. tests/oracle/test_goldens_of_others.py needs none of these libraries.
It tests that we still write these bytes, and that what they read is what the input said.
"""

from typing import NamedTuple

ROWS = [
    {"query_id": "q1", "query": 'shoes, "red"', "docid": "d1", "text": "Two\nlines, and a comma.", "label": "1"},
    {"query_id": "q1", "query": 'shoes, "red"', "docid": "d2", "text": '"Quoted" from the start', "label": "0"},
    {"query_id": "q2", "query": "größer 東京", "docid": "007", "text": " blanks\tand a tab ", "label": "0"},
    {"query_id": "q2", "query": "größer 東京", "docid": "NA", "text": "A lone \r, and the end.\r\n", "label": "1"},
]
RECORDS = [
    {
        "id": name,
        "query": next(row["query"] for row in ROWS if row["query_id"] == name),
        "candidates": [
            {"id": row["docid"], "text": row["text"], "relevance": int(row["label"])}
            for row in ROWS
            if row["query_id"] == name
        ],
    }
    for name in ("q1", "q2")
]


class Case(NamedTuple):
    """An output, and the calls of libraries that read it: their names stand in `record.py`."""

    output: str
    readers: tuple[str, ...]


CASES = (
    Case("scored.csv", ("pandas.read_csv", "datasets.Dataset.from_csv", "polars.read_csv")),
    Case("scored.tsv", ("pandas.read_csv",)),
    Case("pairs.jsonl", ("pandas.read_json", "datasets.Dataset.from_json")),
    Case("scored.run", ("ranx.Run.from_file", "pytrec_eval.parse_run")),
)
FORMATS = {"scored.csv": "csv", "scored.tsv": "tsv", "pairs.jsonl": "pairs", "scored.run": "trec"}
