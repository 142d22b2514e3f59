"""Between any two formats, query, ids, texts, judgements and teacher scores survive, or the record is refused.

Records are built, and what was written is read, by the plain functions below and not by the formats themselves. Every
object of a record gets fields with names that some format knows: none of them may take the place of the real thing.
"""

import csv
import io
import json
import random
from dataclasses import asdict, dataclass
from itertools import product

import pytest
from support.making import written_score
from support.spellings import BUILT, SPELLINGS, UNDERSTOOD

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.ranking import rank
from rerank_cli.core.records import Blank, Failure, Request
from rerank_cli.files.inputs import Inputs
from rerank_cli.formats.cells import format_of_header
from rerank_cli.formats.dialects import OPTIONS
from rerank_cli.formats.kinds import kind_of
from rerank_cli.formats.known import FORMATS, format_of, marks
from rerank_cli.formats.registry import open_format, read_entries

JSON_FORMATS = sorted(set(FORMATS) - {"trec", "beir"})
SEPARATED = {"csv": ",", "tsv": "\t"}
IN_PLACE = {  # formats whose texts keep their places, with the names of their lists
    "flag-embedding": ("pos", "neg"),
    "sentence-transformers": ("positive", "negative"),
    "labeled-list": ("docs",),
    "tevatron-training": ("positive_passages", "negative_passages"),
    "ms-marco": ("passages",),
}
BARE = {"openai-batch", "nvidia"}  # formats that hold texts, and nothing else of candidates
TOP1000 = "ms-marco-top1000"  # holds ids and texts in columns, and no text with a tab or a line end
SOURCES = [*JSON_FORMATS, *SPELLINGS]
APIS = {"rerank-api": "documents", "voyage": "documents", "mixedbread": "input", "tei": "texts"}
NAMES = sorted(
    OPTIONS
    | {name for format in FORMATS for name in marks(format)}
    | {"id", "text", "title", "score", "index", "previous_score", "truncated", "chunk", "relevance_score", "results"}
    | {"pos_scores", "neg_scores", "pos_ids", "neg_ids", "page_content", "metadata", "type", "meta", "doc", "method"}
    | {"scores", "labels", "positive_ids", "negative_ids", "negative_2", "ids"}
    | {"passage_text", "is_selected", "passage_id"}
    | {
        "segment",
        "contents",
        "content",
        "body",
        "passage",
        "rank",
        "tag",
        "model",
        "lang",
        "text_1",
        "text_2",
        "queries",
        "pageContent",
        "relevanceScore",
        "kwargs",
        "lc",
    }
)
A_PAIR = 10  # records, so that all pairs of formats see more than 4,000


@dataclass(frozen=True)
class Document:
    id: str | int
    text: str
    relevance: int
    logit: float


@dataclass(frozen=True)
class Record:
    id: str | int
    query: str
    documents: tuple[Document, ...]


class Noise:
    """Draws further fields and remembers them."""

    def __init__(self, rng):
        self.rng, self.values = rng, {}

    def around(self, *own, **fields):
        """`fields` and some others, in any order; names in `own` are left alone too."""
        for name in self.rng.sample(NAMES, self.rng.choice((0, 0, 1, 2, 4))):
            if name not in fields and name not in own:
                number = len(self.values)
                value = self.rng.choice(
                    (f"noise {number}", number + 1e6, 0.5 + number, [f"noise {number}"], None, True)
                )
                fields[name] = {"inner": f"noise {number}"} if self.rng.random() < 0.2 else value
                self.values[number] = name, fields[name]
        names = list(fields)
        self.rng.shuffle(names)
        return {name: fields[name] for name in names}

    def row(self, *own, **fields):
        """The same for cells: `fields` and some others, which are texts."""
        for name in self.rng.sample(NAMES, self.rng.choice((0, 0, 1, 2, 4))):
            if name not in fields and name not in own:
                fields[name] = f"noise {len(self.values)}"
                self.values[len(self.values)] = name, fields[name]
        return fields


def drawn(rng, plain=False):
    """A record; with `plain` one whose texts are without tabs and line ends."""
    identify = rng.choice((str, int))
    numbers = rng.sample(range(1000), rng.randrange(1, 6))
    documents = [
        Document(
            identify(n),
            f' "text", {n} \u2028' if plain else rng.choice((f"text {n}", f" text\t{n} \u2028", f'"{n}",\n\r text')),
            rng.randrange(2),
            rng.randrange(-9, 9) / 4,
        )
        for n in numbers
    ]
    return Record(rng.choice((str, int))(rng.randrange(1000)), f"query {rng.random()}", tuple(documents))


def built(format, record, noise):
    """The lines of a record in a format."""
    whole = [asdict(document) for document in record.documents]
    if format == "native":
        body = noise.around(
            id=record.id, query=record.query, candidates=[noise.around("score", **each) for each in whole]
        )
    elif format in APIS:
        documents = [noise.around(**each) for each in whole]
        body = noise.around(id=record.id, query=record.query, **{APIS[format]: documents})
    elif format == "flashrank":
        passages = [noise.around("score", **each) for each in whole]
        body = noise.around(id=record.id, query=record.query, passages=passages)
    elif format == "openai-batch":
        inner = noise.around(query=record.query, documents=[d.text for d in record.documents])
        body = noise.around(custom_id=str(record.id), method="POST", url="/v1/rerank", body=inner)
    elif format in IN_PLACE:
        body = built_in_place(format, record, whole, noise)
    elif format == "langchain":
        documents = [
            noise.around(
                id=d.id, page_content=d.text, metadata=noise.around("score", relevance=d.relevance, logit=d.logit)
            )
            for d in record.documents
        ]
        body = noise.around(id=record.id, query=record.query, documents=documents)
    elif format == "rank-llm":
        candidates = [
            noise.around(docid=d.id, score=1.0, doc=noise.around(text=d.text, relevance=d.relevance, logit=d.logit))
            for d in record.documents
        ]
        query = noise.around(text=record.query, qid=record.id)
        body = noise.around(query=query, candidates=candidates)
    elif format in SEPARATED:
        rows = [{"query_id": record.id, "query": record.query, **each, "docid": each["id"]} for each in whole]
        for row in rows:
            row["label"] = row.pop("relevance")
            del row["id"]
        noisy = noise.row("score", "rank", "previous_score", **dict.fromkeys(rows[0]))
        return table([{**noisy, **row} for row in rows], format)
    elif format == "pairs":
        rows = []
        for d in record.documents:
            own = {"query": record.query, "passage": d.text, "docid": d.id, "label": d.relevance, "logit": d.logit}
            rows.append(noise.around("score", "qid", "text", query_id=record.id, **own))
        return b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    else:
        rows = [
            noise.around("score", query_id=record.id, query=record.query, docid=d.id, **without_id)
            for d, each in zip(record.documents, whole, strict=True)
            for without_id in [{name: value for name, value in each.items() if name != "id"}]
        ]
        return b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    return json.dumps(body).encode() + b"\n"


def table(rows, format):
    """Rows under their header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=SEPARATED[format])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def values_of(format, lines):
    """The objects that lines or rows are."""
    if format in SEPARATED:
        return list(csv.DictReader(io.StringIO(lines.decode(), newline=""), delimiter=SEPARATED[format]))
    if format == TOP1000:
        rows = [line.split("\t") for line in lines.decode().split("\n")[:-1]]
        return [dict(zip(("id", "docid", "query", "text"), row, strict=True)) for row in rows]
    return [json.loads(line) for line in lines.splitlines()]


def built_in_place(format, record, whole, noise):
    """A record of a format whose texts keep their places."""
    about = {"id": record.id, "query": record.query}
    if format == "labeled-list":
        columns = (("docs", "text"), ("labels", "relevance"), ("scores", "logit"), ("ids", "id"))
        return noise.around(**about, **{name: [each[field] for each in whole] for name, field in columns})
    if format == "ms-marco":
        columns = (("passage_text", "text"), ("is_selected", "relevance"), ("passage_id", "id"), ("logit", "logit"))
        rows = [{name: each[field] for name, field in columns} for each in whole]
        if noise.rng.random() < 0.5:
            passages = noise.around("text", "score", **{name: [row[name] for row in rows] for name, _ in columns})
        else:
            passages = [noise.around("text", "score", **row) for row in rows]
        return noise.around("qid", query_id=record.id, query=record.query, passages=passages)
    sides = {name: [each for each in whole if each["relevance"] == yes] for name, yes in sides_of(format)}
    if format == "tevatron-training":
        passages = {
            name: [
                noise.around("score", "relevance", docid=each["id"], text=each["text"], logit=each["logit"])
                for each in side
            ]
            for name, side in sides.items()
        }
        return noise.around("qid", query_id=record.id, query=record.query, **passages)
    lists = {name: [each["text"] for each in side] for name, side in sides.items()}
    lists |= {f"{name}_ids": [each["id"] for each in side] for name, side in sides.items()}
    if format == "sentence-transformers":
        lists["scores"] = [each["logit"] for side in sides.values() for each in side]
    else:
        lists |= {f"{name}_scores": [each["logit"] for each in side] for name, side in sides.items()}
    return noise.around("negative_1", "negative_2", **about, **lists)


def listed_in_place(format, body):
    """What such a record says of each text."""
    if format == "labeled-list":
        nothing = [None] * len(body["docs"])
        rows = zip(*(body.get(name, nothing) for name in ("docs", "labels", "scores", "ids")), strict=True)
        return [dict(zip(("text", "relevance", "logit", "id"), row, strict=True)) for row in rows]
    if format == "ms-marco":
        passages = body["passages"]
        if isinstance(passages, dict):
            names = ("passage_text", "is_selected", "passage_id", "logit")
            rows = zip(*(passages[name] for name in names), strict=True)
            passages = [dict(zip(names, row, strict=True)) for row in rows]
        named = (("text", "passage_text"), ("relevance", "is_selected"), ("id", "passage_id"), ("logit", "logit"))
        return [{field: each.get(name) for field, name in named} for each in passages]
    if format == "tevatron-training":
        return [
            {**each, "id": each.get("docid"), "relevance": yes} for side, yes in sides_of(format) for each in body[side]
        ]
    listed = []
    for side, yes in sides_of(format):
        nothing = [None] * len(body[side])
        ids, logits = (body.get(f"{side}_{name}", nothing) for name in ("ids", "scores"))
        rows = zip(body[side], ids, logits, strict=True)
        listed += [dict(zip(("text", "id", "logit"), row, strict=True)) | {"relevance": yes} for row in rows]
    if format == "sentence-transformers":
        assert not {"negative_1", "negative_2"} & body.keys()
        for each, logit in zip(listed, body.get("scores", [None] * len(listed)), strict=True):
            each["logit"] = logit
    return listed


def sides_of(format):
    """The names of the lists of relevant texts and of the others, each with the judgement of its texts."""
    return zip(IN_PLACE[format], (1, 0), strict=True)


def understood(format, lines):
    """What the lines of one record in a format say, as anybody would read them; None for what a format cannot hold."""
    values = values_of(format, lines)
    body = values[0]
    qid, query = body.get("id"), body.get("query")
    if format == "native":
        listed = body["candidates"]
    elif format in APIS:
        listed = body[APIS[format]]
    elif format == "flashrank":
        listed = body["passages"]
    elif format == "openai-batch":
        assert (body["method"], body["url"]) == ("POST", "/v1/rerank")
        qid, query = body["custom_id"], body["body"]["query"]
        listed = [{"text": each} for each in body["body"]["documents"]]
    elif format in IN_PLACE:
        qid = body.get("query_id") if format in ("tevatron-training", "ms-marco") else qid
        listed = listed_in_place(format, body)
    elif format == "langchain":
        listed = [{**d.get("metadata"), "id": d.get("id"), "text": d["page_content"]} for d in body["documents"]]
    elif format == "rank-llm":
        qid, query = body["query"]["qid"], body["query"]["text"]
        texts = ("text", "segment", "contents", "content", "body", "passage")
        listed = [
            {**c["doc"], "id": c["docid"], "text": next(c["doc"][name] for name in texts if name in c["doc"])}
            for c in body["candidates"]
        ]
    elif format == TOP1000:
        listed = [{"id": row["docid"], "text": row["text"]} for row in values]
        assert {(row["id"], row["query"]) for row in values} == {(qid, query)}
    elif format in (*SEPARATED, "pairs"):
        text = "passage" if format == "pairs" else "text"
        qid, listed = body.get("query_id"), [{**row, "id": row.get("docid"), "text": row[text]} for row in values]
        for row in listed if all(row.get("label", "") != "" for row in values) else ():
            row["relevance"], row["logit"] = int(row["label"]), float(row["logit"])
        assert {(row.get("query_id"), row["query"]) for row in values} == {(qid, query)}
    else:
        qid, listed = body["query_id"], [{**row, "id": row["docid"]} for row in values]
        assert {(row["query_id"], row["query"]) for row in values} == {(qid, query)}
    listed = [{"text": each} if isinstance(each, str) else each for each in listed]
    return qid, query, [{name: each.get(name) for name in ("id", "text", "relevance", "logit")} for each in listed]


@pytest.fixture
def read(tmp_path):
    def entry_of(source, target, lines, **options):
        name, fields = SPELLINGS.get(source, (source, {}))
        path = tmp_path / "in"
        path.write_bytes(lines)
        inputs, config = Inputs((str(path),)), ReadConfig(inputs=(str(path),), format=name, **fields)
        format = open_format(config, WriteConfig(format=target, model="m", **options), inputs)
        entries = [entry for entry in read_entries(format, inputs, config, None) if not isinstance(entry, Blank)]
        assert len(entries) == 1, entries
        return format, entries[0]

    return entry_of


def refused(entry):
    """Whether a record was refused, as it may be; then with a reason and a path."""
    if isinstance(entry, Failure):
        assert entry.path.startswith("$")
        assert entry.reason
        return True
    assert isinstance(entry, Request)
    return False


def check_same(record, format, lines, *ways):
    """Whether lines of `format`, which came by these formats, still say what the record said."""
    qid, query, listed = UNDERSTOOD[format](json.loads(lines)) if format in UNDERSTOOD else understood(format, lines)
    bare = not {*BARE, TOP1000}.isdisjoint((format, *ways))
    assert str(qid) == str(record.id) or (qid in (None, "") and "nvidia" in (format, *ways))
    assert query == record.query
    assert len(listed) == len(record.documents)
    by_text = {each["text"]: each for each in listed}
    for document in record.documents:
        found = by_text[document.text]
        for field in ("id", "relevance", "logit"):
            columns = not {*SEPARATED, TOP1000}.isdisjoint((format, *ways))
            same = str if field == "id" and columns else lambda value: value
            kept = same(found.get(field)) == same(getattr(document, field))
            assert kept or (bare and found.get(field) in (None, "")), (field, found)


def check_reported(format_name, format, lines, noise):
    """Whether each further field is still there, or was reported as dropped."""
    text = json.dumps(values_of(format_name, lines))
    said = " ".join(format.notes).lower()
    counted = "more names" in said
    for number, (name, value) in noise.values.items():
        lost = f"noise {number}" not in text and (not isinstance(value, int | float) or json.dumps(value) not in text)
        if lost and value is not None and value is not True and not counted:
            ranked = name in ("relevance_score", "relevanceScore")  # LangChain's becomes the score
            assert name.lower() in said or (ranked and "candidates[].score" in said), (name, value, said)


def records_of_pair(source, target):
    rng = random.Random(f"{source} {target}")
    for _ in range(A_PAIR):
        plain = source == TOP1000 or (target == TOP1000 and rng.random() < 0.7)
        record, noise = drawn(rng, plain), Noise(rng)
        yield record, noise, BUILT[source](record, noise) if source in BUILT else built(source, record, noise)


@pytest.mark.sampled(150)
@pytest.mark.parametrize(("source", "target"), list(product(SOURCES, JSON_FORMATS)))
def test_whatever_fields_a_record_has_it_survives_there_and_back_or_is_refused(read, source, target):
    survived = 0
    for record, noise, lines in records_of_pair(source, target):
        check_same(record, source, lines)
        format, entry = read(source, target, lines)
        if refused(entry):
            continue
        there = format.header + format.lines_of(entry)
        plain, _ = SPELLINGS.get(source, (source, {}))
        if source != target:
            check_same(record, target, there, source)
            check_reported(target, format, there, noise)
        if plain != target:
            first = there.splitlines()[0]
            known = kind_of([first]).format if target == TOP1000 else format_of_header(first)
            known = known or format_of(json.loads(first))
            assert known == target or marks(known) <= marks(target)
        format, entry = read(target, plain, there)
        if refused(entry):
            continue
        check_same(record, plain, format.header + format.lines_of(entry), source, target)
        survived += 1
    judged = set(IN_PLACE) - {"labeled-list", "ms-marco"}  # formats that need judgements
    refusing = {"tevatron", "rank-llm", *judged, TOP1000}  # what they need, records of BARE lack
    assert (
        survived
        or (source == "openai-batch" and target in refusing)
        or (target in BARE and source in {*refusing, "openai-batch"})
        or (source == TOP1000 and target in judged)
        or (target == TOP1000 and source in {*judged, "nvidia"})
    )


@pytest.mark.sampled(150)
@pytest.mark.parametrize(("source", "target"), list(product(SOURCES, JSON_FORMATS)))
def test_a_score_stands_beside_the_text_that_has_it_in_every_format(read, source, target):
    for record, _, lines in records_of_pair(source, target):
        format, entry = read(source, target, lines, scored=True)
        if refused(entry):
            continue
        logits = {document.text: number / 8 - 1 for number, document in enumerate(record.documents)}
        texts = [next(text for text in logits if scored.rstrip().endswith(text.strip())) for scored in entry.texts]
        out = format.header + format.write(entry, rank([logits[text] for text in texts]))
        if target == TOP1000:  # a ranking of it is a run
            by_id = {str(document.id): document.text for document in record.documents}
            rows = [line.split() for line in out.decode().splitlines()]
            assert {by_id[row[2]]: float(row[4]) for row in rows} == logits
            continue
        values = values_of(target, out)
        body = values[0]
        if target in APIS or target == "openai-batch":
            body = body["response"]["body"] if target == "openai-batch" else body
            results = body if target == "tei" else body.get("results", body.get("data"))
            scores = [(texts[each["index"]], each.get("score", each.get("relevance_score"))) for each in results]
        elif target == "nvidia":
            scores = [(texts[each["index"]], each["logit"]) for each in body["rankings"]]
        elif target == "langchain":
            scores = [(d["page_content"], d["metadata"]["relevance_score"]) for d in body["documents"]]
        elif target in ("tevatron", "pairs", *SEPARATED):
            name = "passage" if target == "pairs" or (source == target == "pairs") else "text"
            scores = [(row[name], float(row["score"])) for row in values]
        elif target in IN_PLACE:
            scores = [(each["text"], each["logit"]) for each in listed_in_place(target, body)]
        elif target == "rank-llm":
            scores = [
                (next(c["doc"][name] for name in ("text", "contents") if name in c["doc"]), c["score"])
                for c in body["candidates"]
            ]
        else:
            scores = [
                (each["text"], each["score"]) for each in body[{"flashrank": "passages"}.get(target, "candidates")]
            ]
        request = entry.body.get("body", entry.body) if target == "openai-batch" else entry.body
        asked = target in (*APIS, "openai-batch") and request.get("raw_scores") is True
        raw = asked or target in ("nvidia", *IN_PLACE)
        assert dict(scores) == {text: logit if raw else written_score(logit) for text, logit in logits.items()}
