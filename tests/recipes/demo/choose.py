"""Choose the questions of `make demo` from public collections: `sample_data/demo/questions.jsonl`.

    python tests/recipes/demo/choose.py --shared FOLDER > sample_data/demo/questions.jsonl

The rule was written before a model scored any of them, but for the place where the Arabic questions begin: at first it
was that of the Chinese ones, which are the same questions. It reads places and judgements, never a score of a model:

- SelQA, dev split: every 50th question from the first on, 8 in all, with all its sentences in BM25's order.
- XQuAD, 6 Chinese and 6 Arabic questions over English paragraphs: from every 33rd question on (beginning with the 1st
  in Chinese, the 17th in Arabic), the first one whose paragraph is among the first 20 candidates. Those 20 are taken:
  some of BM25's best for the same question in English, in random order. `english` is that question, for readers.
"""

import argparse
import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SENTENCES, EVERY_SENTENCE = 8, 50
PARAGRAPHS, EVERY_PARAGRAPH, CANDIDATES = 6, 33, 20
STARTS = {"zh": 0, "ar": 16}  # the questions are translations of each other: take others in each language


def lines(path: Path) -> Iterator[str]:
    """The lines of a text file, gzipped or not."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        yield from file


def grades(path: Path) -> dict[tuple[str, str], int]:
    """The grade of each judged (query id, document id) of a TREC qrels file."""
    columns = (line.split() for line in lines(path))
    return {(query, document): int(grade) for query, _, document, grade in columns}


def record(lang: str, source: str, query: dict[str, Any], found: list[dict[str, Any]]) -> dict[str, Any]:
    """One line of the file that is written."""
    return {"id": f"{source}-{query['id']}", "lang": lang, "query": query["query"], "candidates": found}


def of_selqa(folder: Path) -> Iterator[dict[str, Any]]:
    """English questions, each with the sentences of one section of Wikipedia."""
    judged = grades(folder / "qrels.txt")
    questions = [json.loads(line) for line in lines(folder / "candidates.jsonl.gz")]
    for query in questions[::EVERY_SENTENCE][:SENTENCES]:
        found = [each | {"relevance": judged.get((query["id"], each["id"]), 0)} for each in query["candidates"]]
        yield record("en", "selqa", query, found)


def of_xquad(folder: Path, lang: str, english: dict[str, str]) -> Iterator[dict[str, Any]]:
    """Questions in `lang`, each with paragraphs in English; `english` are the same questions in English, by id."""
    judged = grades(folder / "qrels.txt")
    texts = {each["_id"]: each["text"] for each in map(json.loads, lines(folder / "corpus.jsonl.gz"))}
    listed: dict[str, list[str]] = {}
    for line in lines(folder / "first-stage.run.gz"):
        query, _, document, *_ = line.split()
        listed.setdefault(query, []).append(document)
    questions = [json.loads(line) for line in lines(folder / "queries.jsonl")]
    for start in range(STARTS[lang], EVERY_PARAGRAPH * PARAGRAPHS, EVERY_PARAGRAPH):
        for query in questions[start:]:
            first = listed[query["_id"]][:CANDIDATES]
            if any(judged.get((query["_id"], document), 0) for document in first):
                found = [
                    {"id": document, "text": texts[document], "relevance": judged.get((query["_id"], document), 0)}
                    for document in first
                ]
                made = record(lang, "xquad", {"id": f"{lang}-{query['_id']}", "query": query["text"]}, found)
                yield {**made, "english": english[query["_id"]]}
                break


def chosen(shared: Path) -> Iterator[dict[str, Any]]:
    """All records of the demo."""
    yield from of_selqa(shared / "data/selqa-dev")
    english = (json.loads(line) for line in lines(shared / "data/xquadr-en/candidates.jsonl.gz"))
    queries = {each["id"]: each["query"] for each in english}
    for lang in ("zh", "ar"):
        yield from of_xquad(shared / f"data/xquad-x-{lang}-en", lang, queries)


def main() -> None:
    """Write the records to standard output."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True, help="folder with data/selqa-dev and data/xquad-x-…")
    for each in chosen(parser.parse_args().shared):
        sys.stdout.write(json.dumps(each, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
