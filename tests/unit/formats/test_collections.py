"""Collections of texts: folders of shards, BEIR folders as the hub has them, and the names of MS MARCO's fields."""

import gzip
import json
import re
import subprocess
import sys
import textwrap

import pytest
from support.making import jsonl
from support.running import ROOT, forked

from rerank_cli.core.errors import ConfigError, InputError
from rerank_cli.files.compression import zstd
from rerank_cli.formats.beir import in_folder, text_files
from rerank_cli.formats.lookup import Lookup


def put(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return str(folder)


def names_in(folder, found):
    return [path.removeprefix(f"{folder}/") for path in found]


SHARDS = [
    "00.json.gz",
    "a.jsonl",
    "b.jsonl.zst",
    "c.ndjson",
    "d.tsv",
    "d.tsv.gz",
    "e.parquet",
    "msmarco_passage_00.gz",
    "part-00000-of-00002.parquet",
]
OTHERS = [
    ".hidden.jsonl",
    "README.md",
    "_SUCCESS",
    "dataset_infos.json",
    "x.tar.gz",
    "x.csv",
    "deeper/a.jsonl",
    "jsonl",
]


def test_a_folder_is_its_shards_in_the_order_of_their_names(tmp_path):
    folder = put(tmp_path, *reversed(SHARDS), *OTHERS)
    assert names_in(folder, text_files([folder])) == SHARDS
    assert text_files(["x", folder])[0] == "x"


def test_json_files_are_shards_where_nothing_else_is(tmp_path):
    folder = put(tmp_path, "b.json", "a.json", "notes.txt")
    assert names_in(folder, text_files([folder])) == ["a.json", "b.json"]


def test_a_folder_without_shards_is_refused(tmp_path):
    with pytest.raises(InputError, match=re.escape(str(tmp_path))) as caught:
        text_files([put(tmp_path, *OTHERS[:3], "x.tar.gz", "deeper/a.jsonl")])
    assert "parquet" in caught.value.advice


@pytest.mark.parametrize("names", [("corpus.jsonl", "queries.jsonl"), ("corpus/a.parquet", "queries/a.parquet")])
def test_a_beir_folder_is_no_corpus(tmp_path, names):
    with pytest.raises(ConfigError, match="BEIR") as caught:
        text_files([put(tmp_path, *names)])
    assert "INPUT" in caught.value.advice


@pytest.mark.parametrize(
    ("there", "queries", "corpus"),
    [
        (("corpus.parquet", "queries.parquet"), ["queries.parquet"], ["corpus.parquet"]),
        (("corpus/c-0.parquet", "queries/q-0.parquet"), ["queries/q-0.parquet"], ["corpus/c-0.parquet"]),
        (("corpus/1.jsonl", "corpus/2.jsonl", "queries.tsv"), ["queries.tsv"], ["corpus/1.jsonl", "corpus/2.jsonl"]),
        (
            ("queries/1.jsonl", "queries/2.jsonl", "corpus.jsonl"),
            ["queries/1.jsonl", "queries/2.jsonl"],
            ["corpus.jsonl"],
        ),
        (("corpus/a.jsonl", "corpus.jsonl.gz", "queries.jsonl"), ["queries.jsonl"], ["corpus.jsonl.gz"]),
    ],
)
def test_a_beir_folder_holds_files_or_folders(tmp_path, there, queries, corpus):
    folder = put(tmp_path, *there, "qrels/test.tsv")
    found = in_folder(folder)
    assert [names_in(folder, part) for part in found] == [queries, corpus]


@pytest.mark.parametrize("there", [("corpus/x.txt", "queries.jsonl"), ("corpus.jsonl", "queries/README.md"), ()])
def test_a_folder_without_one_of_both_is_refused(tmp_path, there):
    with pytest.raises(InputError, match=r"queries\.jsonl" if "queries.jsonl" not in there else r"corpus\.jsonl"):
        in_folder(put(tmp_path, *there))


# names of fields

PUBLISHED = {
    "msmarco-v2-passage": (
        {
            "pid": "msmarco_passage_00_0",
            "passage": "0-60 Times",
            "spans": "(0,10)",
            "docid": "msmarco_doc_00_0",
        },
        "msmarco_passage_00_0",
        "0-60 Times",
    ),
    "msmarco-v2.1-segmented": (
        {
            "docid": "msmarco_v2.1_doc_00_0#0_0",
            "url": "http://0-60.reviews/0-60-times/",
            "title": "0-60 Times",
            "headings": "0-60 Times\n",
            "segment": "Many people",
            "start_char": 0,
            "end_char": 10,
        },
        "msmarco_v2.1_doc_00_0#0_0",
        "Many people",
    ),
    "msmarco-v2.1-doc": ({"url": "u", "title": "t", "headings": "h", "body": "b", "docid": "d#1"}, "d#1", "b"),
    "sentence-transformers/msmarco": ({"passage_id": "7", "passage": "p"}, "7", "p"),
    "beir": ({"_id": "4983", "title": "t", "text": "x", "metadata": {}}, "4983", "x"),
    "queries": ({"qid": 2, "query": "q"}, "2", "q"),
    "both": ({"id": "1", "text": "x", "passage": "y", "segment": "z", "query": "q"}, "1", "x"),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_names_of_ids_and_texts_are_known(tmp_path, name):
    body, docid, text = PUBLISHED[name]
    (tmp_path / "corpus.jsonl").write_bytes(jsonl(body))
    found = Lookup([str(tmp_path / "corpus.jsonl")], 10_000).entries([docid])
    assert found[docid]["text"] == text
    assert found[docid].get("title") == body.get("title")


# whole runs


def lines(*ids):
    return [{"_id": name, "title": f"T{name}", "text": f"text of {name}"} for name in ids]


def packed(folder, name, records):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if name.endswith(".parquet"):
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(records), path)
    elif ".tsv" in name:
        path.write_text("".join(f"{each['_id']}\t{each['title']}\t{each['text']}\n" for each in records))
    else:
        pack = {".gz": gzip.compress, ".zst": zstd.compress}.get(path.suffix, bytes)
        path.write_bytes(pack(jsonl(*records)))


def scored(folder, *options):
    (folder / "run").write_text("q1 Q0 d1 1 2 x\nq1 Q0 d2 2 1 x\nq2 Q0 d3 1 1 x\nq2 Q0 d4 2 1 x\n")
    arguments = ("--run", "run", "-o", "-", "--engine", "fake", "-q", "--output-format", "native", "--score", "logit")
    done = forked("score", *options, *arguments, cwd=folder)
    assert done.code == 0, done.said
    return [{each["id"]: (each["title"], each["text"]) for each in record["candidates"]} for record in done.records]


EXPECTED = [{name: (f"T{name}", f"text of {name}") for name in pair} for pair in (("d1", "d2"), ("d3", "d4"))]


def test_a_collection_in_shards_of_every_kind_is_one(tmp_path):
    packed(tmp_path, "q.jsonl", [{"_id": "q1", "text": "one"}, {"_id": "q2", "text": "two"}])
    for name, docid in (("c/0.parquet", "d4"), ("c/1.jsonl.gz", "d3"), ("c/2.tsv", "d1"), ("more.jsonl.zst", "d2")):
        packed(tmp_path, name, lines(docid))
    assert scored(tmp_path, "--queries", "q.jsonl", "--corpus", "c", "--corpus", "more.jsonl.zst") == EXPECTED


def test_a_beir_folder_of_the_hub_is_read(tmp_path):
    packed(
        tmp_path, "hub/queries/queries-00000-of-00001.parquet", [{"_id": "q1", "text": "a"}, {"_id": "q2", "text": "b"}]
    )
    packed(tmp_path, "hub/corpus/corpus-00000-of-00002.parquet", lines("d1", "d3"))
    packed(tmp_path, "hub/corpus/corpus-00001-of-00002.parquet", lines("d2", "d4"))
    assert scored(tmp_path, "hub") == EXPECTED


@pytest.mark.slow
def test_a_large_parquet_corpus_is_indexed_in_bounded_memory(tmp_path):
    """Rows of a parquet file lie in the index, on disk: ten times the rows take hardly more memory."""
    pytest.importorskip("pyarrow")
    program = textwrap.dedent("""
        import resource, sys
        from pyarrow import Table, parquet
        from rerank_cli.formats.lookup import Lookup
        count = int(sys.argv[1])
        path = sys.argv[2]
        writer = None
        for start in range(0, count, 5000):
            rows = [{"_id": f"d{n}", "title": "", "text": f"{n} " + "word " * 200} for n in range(start, start + 5000)]
            table = Table.from_pylist(rows)
            writer = writer or parquet.ParquetWriter(path, table.schema)
            writer.write_table(table)
        writer.close()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        lookup = Lookup([path], 1 << 20)
        assert lookup.entries([f"d{count - 1}"])[f"d{count - 1}"]["text"].startswith(f"{count - 1} ")
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """)
    grown = {}
    for count in (10_000, 100_000):
        command = [sys.executable, "-c", program, str(count), str(tmp_path / f"{count}.parquet")]
        grown[count] = int(subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout)
    assert grown[100_000] - grown[10_000] < 60 * 1024, grown  # KiB; the texts are 100 MB


def test_a_shard_is_named_where_its_line_is_bad(tmp_path):
    packed(tmp_path, "c/0.jsonl", lines("d1"))
    packed(tmp_path, "c/1.jsonl", lines("d2"))
    with (tmp_path / "c/1.jsonl").open("a") as file:
        file.write(json.dumps({"_id": "d3"}) + "\n")
    (note,) = Lookup(text_files([str(tmp_path / "c")]), 1000).notes
    assert "1.jsonl:2" in note
