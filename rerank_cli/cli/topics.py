"""The pages of `rerank help`: the files in docs/, and what each is about."""

from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
ORDER = (
    "guide",
    "formats",
    "models",
    "apis",
    "stages",
    "configuration",
    "reliability",
    "security",
    "speed",
    "training",
    "cli",
    "changelog",
)
WORDS = {  # what people ask for: the page and the heading of the section that has it
    "cron": ("guide", "Run it every night"),
    "exit-codes": ("guide", "Run it every night"),
    "resume": ("guide", "Stop and resume"),
    "errors": ("guide", "Handle bad records"),
    "progress": ("guide", "Watch a run"),
    "stdin": ("guide", "Use a pipe"),
    "cost": ("guide", "Estimate the cost"),
    "trec": ("guide", "Rerank a TREC run"),
    "fields": ("guide", "Read other field names"),
    "chunk": ("guide", "Score long documents"),
    "ids": ("guide", "Read other field names"),
    "cohere": ("apis", "A provider"),
    "vllm": ("apis", "A server of your own"),
    "api-key": ("apis", "Keys"),
    "cascade": ("stages", "What comes out"),
    "fusion": ("stages", "Fuse with the first stage"),
    "rrf": ("stages", "Fuse with the first stage"),
    "langchain": ("guide", "Read other formats"),
    "memory": ("reliability", "What you can rely on"),
    "disk": ("configuration", "Caches"),
    "python": ("guide", "Use it from Python"),
    "gpu": ("guide", "Choose a GPU and a precision"),
    "offline": ("guide", "Work without a network"),
    "install": ("guide", "Check the installation"),
    "config": ("configuration", "A file for a job"),
    "environment": ("configuration", "Environment variables"),
    "caches": ("configuration", "Caches"),
    "mini": ("models", "mini"),
    "engines": ("models", "Engines"),
    "dtype": ("models", "Precision"),
}
FOR_DEVELOPERS = ("decisions", "limits", "experiments", "release")


def topics() -> list[str]:
    """The names of the pages for users: those known first, in the order in which they are read."""
    found = sorted(path.stem for path in DOCS.glob("*.md") if path.stem not in FOR_DEVELOPERS)
    return sorted(found, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


def for_developers() -> list[str]:
    """The names of the pages for those who change the code."""
    return [name for name in FOR_DEVELOPERS if (DOCS / f"{name}.md").is_file()]


def page(topic: str) -> str:
    """The Markdown text of a page."""
    return (DOCS / f"{topic}.md").read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """A section of a page, with its heading.

    >>> section("# A\\n\\n## B\\n\\nb\\n\\n## C\\n", "B")
    '## B\\n\\nb\\n'
    """
    start = f"\n{text}".index(f"\n## {heading}\n")
    end = text.find("\n## ", start)
    return text[start : len(text) if end < 0 else end].rstrip("\n") + "\n"


def about(text: str) -> str:
    """What a page is about: its heading, or its first sentence where the heading is a single word.

    >>> about("# How fast is it?\\n\\nFast."), about("# Formats\\n\\nWhat can be read. And more.")
    ('How fast is it?', 'What can be read')
    """
    heading, _, rest = text.lstrip().partition("\n")
    heading = heading.lstrip("# ").strip()
    paragraph = " ".join(rest.strip().partition("\n\n")[0].replace("`", "").split())
    first = paragraph.partition(". ")[0].removesuffix(".")
    return first if first and not first.startswith("#") and " " not in heading else heading


def described(names: list[str]) -> list[tuple[str, str]]:
    """Each of these topics with what it is about."""
    return [(name, about(page(name))) for name in names]
