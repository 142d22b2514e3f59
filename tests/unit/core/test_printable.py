"""Text for a terminal: nothing in it can act there."""

import json
import sys
import unicodedata

import pytest

from rerank_cli.core.printable import ACTING, CAP, ascii_json, printable, printable_json, printable_page

DIRECTIONS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
MARKS = "\u061c\u200e\u200f"  # of direction: they have no class of their own
EVERYTHING = "".join(map(chr, range(sys.maxunicode + 1)))
ACTS = "".join(ACTING.findall(EVERYTHING))


@pytest.mark.parametrize("text", ["plain", "with spaces", "é漢字🙂", "tilde~", "", "right to left: עברית", "e\u0301"])
def test_ordinary_text_is_shown_as_it_is(text):
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x00\x07\x7f", "\\x00\\x07\\x7f"),
        ("\x9b31m\x85", "\\x9b31m\\x85"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("\u202eabc\u2066\u200f\u061c", "\\u202eabc\\u2066\\u200f\\u061c"),
        ("caf\udce9", "caf\\udce9"),
    ],
)
def test_what_could_act_on_a_terminal_is_escaped(text, shown):
    assert printable(text) == shown


def test_what_can_act_is_every_control_surrogate_separator_and_change_of_direction():
    wanted = [
        char
        for char in EVERYTHING
        if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}
        or unicodedata.bidirectional(char) in DIRECTIONS
        or char in MARKS
    ]
    assert list(ACTS) == wanted


@pytest.mark.parametrize(
    ("shown", "stays"),
    [
        (printable, ""),
        (printable_json, "\n"),
        (printable_page, "\t\n"),
    ],
)
def test_the_same_characters_act_wherever_text_lands(shown, stays):
    for char in ACTS:
        assert (shown(char) == char) == (char in stays), hex(ord(char))
        assert shown(char) == char or not ACTING.search(shown(char)), hex(ord(char))


def test_json_for_a_terminal_keeps_its_value_and_what_can_be_read():
    acts = ACTS[::-1]  # so that no two surrogates make a pair
    value = {"id": f"字 é {acts}", acts: [1, None]}
    shown = printable_json(json.dumps(value, ensure_ascii=False) + "\n")
    assert ACTING.findall(shown) == ["\n"]
    assert "字 é" in shown
    assert json.loads(shown) == value


@pytest.mark.parametrize("char", [*ACTS[:0x41], "\u202e", "\u2066", "\u2028", "é", "🙂"])
def test_json_in_ascii_keeps_its_value(char):
    line = json.dumps({"raw": f"a{char}b", "z": 1, "a": None}, ensure_ascii=False).encode() + b"\n"
    shown = ascii_json(line)
    assert shown.endswith(b"\n")
    assert all(0x20 <= byte < 0x7F for byte in shown[:-1])
    assert list(json.loads(shown).items()) == list(json.loads(line).items())


@pytest.mark.parametrize("char", ["x", "é", "\x1b"])
def test_a_message_is_capped(char):
    assert len(printable(char * 10 * CAP)) <= CAP * len(printable(char))
