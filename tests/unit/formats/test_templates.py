"""Texts composed from fields."""

import pytest
from support.making import jsonl, lines_of

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.records import Failure
from rerank_cli.formats.json_values import Malformed
from rerank_cli.formats.registry import open_format
from rerank_cli.formats.templates import Template


def rendered(template, *sources, marked=""):
    places = tuple((source, f"$[{index}]") for index, source in enumerate(sources))
    return Template.of("--doc-template", template).render(places, marked)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{title} {text}", "T X"),
        ("lang:zh {text}", "lang:zh X"),
        ("{text}", "X"),
        ("{{{text}}}", "{X}"),
        ("{meta.page}: {text}", "3: X"),
        ("{lang} {text}", "de X"),
        ("{empty} {text} {empty}", "X"),
        ("{price}", "1.5"),
    ],
)
def test_fields_stand_where_they_are_named(template, text):
    candidate = {"title": "T", "text": "X", "meta": {"page": 3}, "empty": "", "price": 1.5}
    assert rendered(template, candidate, {"lang": "de", "title": "of the record"})[0] == text


@pytest.mark.parametrize(
    ("template", "text", "span"),
    [
        ("{title}: {text}.", "T: XY.", (3, 5)),
        ("  {text}  ", "XY", (0, 2)),
        ("{title}", "T", None),
        ("{text}{text}", "XYXY", (2, 4)),
    ],
)
def test_the_place_of_the_marked_field_is_known(template, text, span):
    assert rendered(template, {"title": "T", "text": "XY"}, marked="text") == (text, span)


def test_white_space_of_the_field_itself_counts_for_its_place():
    text, (start, end) = rendered("{text}", {"text": "  X "}, marked="text")
    assert text == "X"
    assert (start, end) == (-2, 2)


@pytest.mark.parametrize(
    "template", ["text", "", "{}", "{0!r}", "{text:>3}", "{text", "text}", "{text!s}", "\udcff{text}"]
)
def test_what_is_no_template_is_refused(template):
    with pytest.raises(ConfigError, match="--doc-template"):
        Template.of("--doc-template", template)


@pytest.mark.parametrize("value", [None, True, [], {}])
def test_only_strings_and_numbers_are_texts(value):
    with pytest.raises(Malformed, match=r"\$\[0\].title"):
        rendered("{title}", {"title": value})


def test_an_unknown_field_is_an_error_with_its_place():
    read = ReadConfig(format="native", doc_template="{title} {text}", query_template="{lang}: {query}")
    format = open_format(read, WriteConfig())
    bodies = [
        {"query": "w", "lang": "de", "candidates": [{"text": "X", "title": "T"}, "bare"]},
        {"query": "w", "candidates": []},
        {"query": "w", "lang": "de", "candidates": [{"text": "X", "title": "T"}]},
    ]
    first, second, third = format.read(iter(lines_of(jsonl(*bodies))))
    assert isinstance(first, Failure)
    assert first.path == "$.candidates[1].title"
    assert isinstance(second, Failure)
    assert second.path == "$.lang"
    assert (third.query, third.texts, third.fields) == ("de: w", ("T X",), ((2, 3),))


def test_fields_of_other_names_are_named_so_in_templates():
    read = ReadConfig(
        format="native", query_field="q", candidates_field="hits", text_field="body", doc_template="{t}: {body}"
    )
    format = open_format(read, WriteConfig())
    (entry,) = format.read(iter(lines_of(jsonl({"q": "w", "hits": [{"body": "X", "t": "T"}]}))))
    assert (entry.query, entry.texts, entry.fields) == ("w", ("T: X",), ((3, 4),))
