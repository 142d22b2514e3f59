"""Rows of CSV end where Python's csv module ends them, however their bytes come."""

import csv
import io
import re
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from rerank_cli.files.inputs import Inputs
from rerank_cli.files.quoting import State, state_after

PIECES = st.lists(st.sampled_from(['"', '""', ",", "\n", "a", "\r\n", " ", "é"]), max_size=40).map("".join)


@given(PIECES, st.lists(st.integers(0, 60), max_size=6))
@example('"a""b",c', [3])
@example('a"b,"c\nd"', [2, 7])
def test_the_state_is_the_same_in_whatever_pieces_a_row_comes(text, cuts):
    raw = text.encode()
    places = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    state = State.BEGIN
    for begin, end in pairwise(places):
        state = state_after(raw[begin:end], state, b",")
    assert state is state_after(raw, State.BEGIN, b",")


def rows_by_python(text, delimiter):
    """The rows as Python's module reads them from lines that end at a newline alone."""
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    return [row for row in csv.reader(lines, delimiter=delimiter) if row]


@given(text=PIECES, limit=st.sampled_from([3, 7, 1000]), tabs=st.booleans())
def test_rows_of_an_input_are_those_of_pythons_module(tmp_path_factory, text, limit, tabs):
    delimiter = "\t" if tabs else ","
    text = text.replace(",", delimiter)
    path = tmp_path_factory.mktemp("rows") / "in.csv"
    path.write_bytes(text.encode())
    inputs = Inputs((str(path),))
    inputs.join_quoted(delimiter.encode())
    lines = list(inputs.lines(limit))
    assert sum(line.end.offset - line.origin.byte_offset for line in lines) == len(text.encode())
    assert [line.origin.line for line in lines[1:]] == [line.end.line + 1 for line in lines[:-1]]
    by_python = rows_by_python(text, delimiter)
    kept = [line for line in lines if line.too_long or line.raw.strip(b"\r\n")]
    assert len(kept) == len(by_python)
    for line, row in zip(kept, by_python, strict=True):
        whole = text.encode()[line.origin.byte_offset : line.end.offset]
        assert line.too_long == (len(whole.removesuffix(b"\n")) > limit)
        if not line.too_long:
            assert line.raw == whole.removesuffix(b"\n")
        [again] = csv.reader(io.StringIO(whole.decode(), newline="\n"), delimiter=delimiter)
        assert again == row
