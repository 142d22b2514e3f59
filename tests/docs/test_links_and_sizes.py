"""The documents as files: links lead somewhere, pages begin alike, and the README stays a front page."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.running import ROOT

DOCS = ROOT / "rerank_cli" / "docs"
README = ROOT / "README.md"
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
DOCUMENTS = [
    README,
    ROOT / "rerank_cli" / "README.md",
    ROOT / "rerank_cli" / "models" / "mini" / "README.md",
    ROOT / "tests" / "README.md",
    ROOT / "sample_data" / "README.md",
    ROOT / "sample_data" / "demo" / "README.md",
    *sorted(DOCS.rglob("*.md")),
]


def anchors(document: Path) -> set[str]:
    """The names of a document's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", FENCED.sub("", document.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(document: Path) -> Iterator[tuple[Path, str]]:
    """The files and the headings that a document's relative links name."""
    for link in LINK.findall(FENCED.sub("", document.read_text("utf-8"))):
        if not re.match(r"[a-z]+:", link):
            name, _, heading = link.partition("#")
            yield (document.parent / name if name else document).resolve(), heading


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_links_lead_to_a_file_and_a_heading(document: Path) -> None:
    missing = [str(target) for target, _ in links(document) if not target.exists()]
    assert missing == []
    assert [
        (target.name, heading) for target, heading in links(document) if heading not in {"", *anchors(target)}
    ] == []


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.stem)
def test_a_page_begins_with_a_title_and_what_it_has(page: Path) -> None:
    title, blank, says, after = page.read_text("utf-8").split("\n", 3)[:4]
    assert re.fullmatch(r"# \S.*", title)
    assert (blank, after[:1]) == ("", "\n")
    assert re.fullmatch(r"[A-Z].*\.", says)


def test_every_page_can_be_reached_from_the_readme() -> None:
    assert set(DOCS.glob("*.md")) - {target for target, _ in links(README)} == set()


def test_the_readme_is_a_front_page() -> None:
    text = README.read_text("utf-8")
    assert len(text.encode()) <= 14 * 1024
    assert text.count("\n") <= 250
    assert [line for line in text.splitlines() if len(line) > 160] == []


def test_a_heading_and_a_link_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A `b`, and c?\n\n[x](page.md#a-b-and-c) [y](#none) [z](https://example.org)\n```\n[no](no.md)\n```\n"
    )
    assert anchors(page) == {"a-b-and-c"}
    assert [(target.name, heading) for target, heading in links(page)] == [
        ("page.md", "a-b-and-c"),
        ("page.md", "none"),
    ]


def test_the_scripts_that_make_runs_are_in_the_checkout() -> None:
    named = re.findall(r"\b(?:tests|sample_data)/[\w/]+\.(?:py|jsonl)\b", (ROOT / "Makefile").read_text("utf-8"))
    assert len(named) >= 5
    assert [name for name in named if not (ROOT / name).is_file()] == []
