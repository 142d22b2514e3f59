"""Text for a terminal: nothing in it can act there."""

import sys
import unicodedata

import pytest

from rerank_cli.core.printable import CAP, printable


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


def test_no_character_of_unicode_reaches_a_terminal_as_a_control():
    everything = map(chr, range(sys.maxunicode + 1))
    for char in everything:
        if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} or unicodedata.bidirectional(char) in {
            *("LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI")
        }:
            assert printable(char).isascii(), hex(ord(char))
            assert printable(char).isprintable(), hex(ord(char))


@pytest.mark.parametrize("char", ["x", "é", "\x1b"])
def test_a_message_is_capped(char):
    assert len(printable(char * 10 * CAP)) <= CAP * len(printable(char))
