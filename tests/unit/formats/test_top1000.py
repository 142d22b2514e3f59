"""MS MARCO's top1000: four columns without quoting, read by query and written as a run."""

import json

import pytest
from support.making import lines_of
from support.running import forked

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.ranking import rank
from rerank_cli.core.records import Failure, Request
from rerank_cli.files.inputs import Inputs
from rerank_cli.formats.kinds import is_top1000, kind_of
from rerank_cli.formats.registry import open_format, read_entries

# the beginning of two queries of the published file, brought together, with a quote that is not closed
LINES = (
    '188714\t1000052\tfoods and supplements to lower blood sugar\tWatch portion sizes: "Even healthy foods.\n'
    "188714\t1000084\tfoods and supplements to lower blood sugar\tDrink plenty of water. \n"
    '1082792\t1000094\twhat does the golgi apparatus do\t"Start by estimating.\n'
)


def read(tmp_path, content, format="auto", write=None):
    path = tmp_path / "top1000.dev"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    config = ReadConfig(inputs=(str(path),), format=format)
    inputs = Inputs(config.inputs)
    found = open_format(config, write or WriteConfig(), inputs)
    return found, list(read_entries(found, inputs, config, None))


def test_lines_of_a_query_are_a_record_and_quotes_are_part_of_texts(tmp_path):
    format, found = read(tmp_path, LINES)
    assert format.name == "ms-marco-top1000"
    assert [format.to_native(entry) for entry in found] == [
        {
            "id": "188714",
            "query": "foods and supplements to lower blood sugar",
            "candidates": [
                {"id": "1000052", "text": 'Watch portion sizes: "Even healthy foods.'},
                {"id": "1000084", "text": "Drink plenty of water. "},
            ],
        },
        {
            "id": "1082792",
            "query": "what does the golgi apparatus do",
            "candidates": [{"id": "1000094", "text": '"Start by estimating.'}],
        },
    ]
    assert b"".join(format.lines_of(entry) for entry in found) == LINES.encode()


def test_a_ranking_is_a_run(tmp_path):
    format, found = read(tmp_path, LINES)
    assert format.write(found[0], rank([-1.5, 2.0])) == (
        b"188714 Q0 1000084 1 2.0 rerank\n188714 Q0 1000052 2 -1.5 rerank\n"
    )


def test_lines_may_end_as_on_windows(tmp_path):
    format, found = read(tmp_path, LINES.replace("\n", "\r\n"))
    assert format.name == "ms-marco-top1000"
    assert found[1].texts == ('"Start by estimating.',)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1\t2\tq\n", "3 columns"),
        ("1\t2\tq\tp\tx\n", "5 columns"),
        ("1\t\tq\tp\n", "id ''"),
        ("1 1\t2\tq\tp\n", "'1 1'"),
        (b"1\t2\tq\t\xff\n", "UTF-8"),
        ("188714\t7\tanother query\tp\n", "two queries"),
    ],
)
def test_a_line_that_cannot_be_is_a_failure(tmp_path, line, reason):
    content = LINES.encode()[: LINES.index("1082792")] + (line if isinstance(line, bytes) else line.encode())
    _, found = read(tmp_path, content)
    assert [reason in entry.reason for entry in found if isinstance(entry, Failure)] == [True]


def test_a_query_in_pieces_is_refused_as_a_whole_and_never_ranked_in_pieces(tmp_path):
    _, found = read(tmp_path, LINES + "188714\t7\tfoods and supplements to lower blood sugar\tp\n")
    assert [isinstance(entry, Request) for entry in found] == [False, True, False]
    assert all("'188714'" in entry.reason for entry in (found[0], found[2]))


def test_through_a_pipe_the_second_piece_is_refused(tmp_path):
    again = LINES + "188714\t7\tfoods and supplements to lower blood sugar\tp\n"
    done = forked("score", "-", "-o", "-", "--engine", "fake", "-q", stdin=again.encode(), cwd=tmp_path)
    assert done.code == 3
    assert [line.split()[0] for line in done.stdout.splitlines()] == [b"188714"] * 2 + [b"1082792"]
    assert "'188714'" in json.loads(done.said.splitlines()[0])["reason"]


@pytest.mark.parametrize(
    "line",
    [
        b"q1\t0\td1\t1\n",  # judgements
        b"q1\tQ0\td1\t1\t2.5\n",  # a run
        b"D1\thttps://a.b/c\ta title\tits text\n",  # MS MARCO's documents
        b"qid\tdocid\titer\trelevance\n",
        b"a query\ta text\tanother\tmore\n",
        b"1\t2\t\ttext\n",
    ],
)
def test_other_lines_of_four_columns_are_no_top1000(line):
    assert not is_top1000(line.rstrip(b"\n"))
    kind = kind_of([line.rstrip(b"\n")])
    assert kind is None or not kind.format


@pytest.mark.parametrize("text", ["a\tb", "a\nb", "a\r"])
@pytest.mark.parametrize("place", ["query", "text"])
def test_a_text_that_no_column_can_hold_is_refused_with_its_path(place, text):
    record = {"id": "q", "query": "x", "candidates": [{"id": "d", "text": "y"}]}
    (record if place == "query" else record["candidates"][0])[place] = text
    format = open_format(ReadConfig(format="native"), WriteConfig(format="ms-marco-top1000"))
    (failure,) = format.read(iter(lines_of(json.dumps(record).encode() + b"\n")))
    assert failure.path == ("$.query" if place == "query" else "$.candidates[0].text")


def test_scored_and_measured(tmp_path):
    (tmp_path / "top").write_text(LINES)
    (tmp_path / "qrels").write_text("188714\t0\t1000084\t1\n1082792\t0\t1000094\t1\n")
    done = forked("score", "top", "-o", "out.run", "--engine", "fake", "-q", cwd=tmp_path)
    assert done.code == 0, done.said
    done = forked("eval", "out.run", "--qrels", "qrels", "--measures", "R@1000", "--json", cwd=tmp_path)
    assert done.records[0][0]["measures"] == {"R@1000": 1.0}
