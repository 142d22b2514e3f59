"""LangChain's documents, written and read by langchain-core itself: the goldens of tests/oracle/langchain.

    python documents.py write    # dumps.jsonl, as langchain_core.load.dumps writes it
    UPDATE_GOLDENS=1 pytest tests/oracle/test_goldens_of_langchain.py
    python documents.py read     # what langchain_core.load.loads reads in our output

It needs langchain-core (1.8.3 made the goldens), in an environment of its own. `documents.mjs` does it in JavaScript.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from langchain_core.documents import Document
from langchain_core.load import dumps, loads

GOLDENS = Path(__file__).parents[2] / "oracle/langchain"
RECORDS: list[dict[str, Any]] = [
    {
        "query": "what boils water",
        "documents": [
            Document(page_content="Herons fish in shallow water.", metadata={"source": "birds.pdf", "page": 3}),
            Document(id="k", page_content="A kettle is for boiling water.", metadata={}),
            Document(page_content="水をわかす道具です。", metadata={"lc": 1, "note": "its metadata have a field lc"}),
            Document(page_content="A kite.", metadata={"nested": {"lc": "not LangChain's"}, "relevance_score": 0.5}),
        ],
    },
    {"query": "what flies", "documents": [Document(page_content="A kite."), Document(page_content="")]},
]


def write() -> None:
    """The input, a record a line."""
    lines = [dumps(record, ensure_ascii=False) + "\n" for record in RECORDS]
    (GOLDENS / "dumps.jsonl").write_text("".join(lines))


def read() -> None:
    """The documents of our output, as they are read."""
    found = []
    for line in (GOLDENS / "dumps.scored.jsonl").read_text().splitlines():
        record = loads(line, allowed_objects=[Document])
        assert all(isinstance(each, Document) for each in record["documents"])
        found.append({"query": record["query"], "documents": [each.model_dump() for each in record["documents"]]})
    made = {"langchain-core": version("langchain-core"), "records": found}
    (GOLDENS / "dumps.read.json").write_text(json.dumps(made, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]]()
