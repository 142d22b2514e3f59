"""Prompts of the list and of files: what is accepted, and what is said of the rest."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.running import forked

from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.models.prompts import FILE, known_prompts, prompt_named, prompt_of_model
from rerank_cli.models.question import advice_on_prompt

GOOD: dict[str, Any] = {"frame": ["<s>{query}</s>", "{document}"], "markers": ["<s>", "</s>"], "yes": "yes", "no": "no"}


def written(folder: Path, content: Any) -> str:
    path = folder / "prompt.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


@pytest.mark.parametrize("name", known_prompts())
def test_a_prompt_of_the_list_is_a_valid_file(name: str, tmp_path: Path) -> None:
    content = json.loads(FILE.read_text())[name]
    read = prompt_named(written(tmp_path, content))
    known = known_prompts()[name]
    assert (read.frame, read.yes, read.no, read.sha256) == (known.frame, known.yes, known.no, known.sha256)
    assert all(any(marker in unit for unit in known.frame) for marker in known.markers)


CHAT = "<|im_start|>{}\n{}<|im_end|>\n"
THOUGHT = "<|im_start|>assistant\n<think>\n\n</think>\n\n"
OF_CARDS = {  # the frames, put together again from the models' cards and their authors' code
    "qwen3-reranker": CHAT.format(
        "system",
        "Judge whether the Document meets the requirements based on the Query and the Instruct provided. "
        'Note that the answer can only be "yes" or "no".',
    )
    + CHAT.format("user", "<Instruct>: {instruction}\n<Query>: {query}\n<Document>: {document}")
    + THOUGHT,
    "mxbai-rerank-v2": CHAT.format("system", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.")
    + CHAT.format(
        "user",
        "{instruction}query: {query}\ndocument: {document}\n"
        "You are a search relevance expert who evaluates how well documents match search queries. "
        "For each query-document pair, carefully analyze the semantic relationship between them, then provide your "
        "binary relevance judgment (0 for not relevant, 1 for relevant).\nRelevance:",
    )
    + "<|im_start|>assistant\n",
    "bge-reranker-v2-gemma": "<bos>A: {query}\nB: {document}\n{instruction}",
    "zerank": CHAT.format("system", "{query}") + CHAT.format("user", "{document}") + "<|im_start|>assistant\n",
    "ctxl-rerank-v2": "Check whether a given document contains information helpful to answer the query.\n"
    "<Document> {document}\n<Query> {query}{instruction} ??",
}
SCORES = {  # yes, no, divisor, whether texts are stripped, whether the tokenizer adds its special tokens
    "qwen3-reranker": ("yes", "no", 1, False, False),
    "mxbai-rerank-v2": ("1", "0", 1, False, False),
    "bge-reranker-v2-gemma": ("Yes", None, 1, False, False),
    "zerank": ("Yes", None, 5, True, False),
    "ctxl-rerank-v2": (0, None, 1, False, True),
}
INSTRUCTIONS = {  # the default, and how one is written
    "qwen3-reranker": ("Given a web search query, retrieve relevant passages that answer the query", "{instruction}"),
    "mxbai-rerank-v2": (None, "instruction: {instruction}\n"),
    "bge-reranker-v2-gemma": (
        "Given a query A and a passage B, determine whether the passage contains an answer to the query by providing a "
        "prediction of either 'Yes' or 'No'.",
        "{instruction}",
    ),
    "zerank": (None, "{instruction}"),
    "ctxl-rerank-v2": (None, " {instruction}"),
}


@pytest.mark.parametrize("name", known_prompts())
def test_a_prompt_of_the_list_says_what_its_authors_say(name: str) -> None:
    prompt = known_prompts()[name]
    assert "".join(prompt.frame) == OF_CARDS[name]
    assert (prompt.yes, prompt.no, prompt.divide_by, prompt.strip, prompt.special_tokens) == SCORES[name]
    assert (prompt.instruction, prompt.instruction_as) == INSTRUCTIONS[name]


def test_no_model_has_two_prompts() -> None:
    models = [model for prompt in known_prompts().values() for model in prompt.models]
    assert len(models) == len(set(models))
    for model in models:
        found = prompt_of_model(model)
        assert found is not None
        assert advice_on_prompt(f"/somewhere/{model.rpartition('/')[2]}/").startswith(
            f"By its name it needs --prompt {found.name}:"
        )
    assert prompt_of_model("someone/else") is None


CHANGES: list[dict[str, Any]] = [
    {"yes": "Yes"},
    {"no": None},
    {"divide_by": 5},
    {"frame": ["{document}", "{query}"], "markers": []},
    {"special_tokens": True},
    {"strip": True},
    {"frame": ["<s>{query}</s>{instruction}", "{document}"], "instruction": "Find."},
]


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_a_prompt_changes_its_identity(change: dict[str, Any], tmp_path: Path) -> None:
    before = prompt_named(written(tmp_path, GOOD)).sha256
    content = {key: value for key, value in {**GOOD, **change}.items() if value is not None}
    assert prompt_named(written(tmp_path, content)).sha256 != before
    assert prompt_named(written(tmp_path, {**GOOD, "models": ["a/b"]})).sha256 == before


WRONG: list[tuple[Any, str]] = [
    ("", "object"),
    ("{", "object"),
    ("[" * 100_000, "object"),
    ([GOOD], "object"),
    ({**GOOD, "Frame": []}, "'Frame'"),
    ({"yes": "yes"}, "frame"),
    ({**GOOD, "yes": "no"}, "same"),
    ({**GOOD, "yes": "\ud800"}, "yes"),
    ({**GOOD, "frame": ["{query}{document}\udfff"]}, "frame"),
    ({**GOOD, "instruction_as": "T: {instruction}"}, "instruction_as"),
    ({"frame": ["{query}{document}{instruction}"], "yes": 1, "instruction_as": "T: "}, "instruction_as"),
    (
        {"frame": ["{query}{document}{instruction}"], "yes": 1, "instruction_as": "{instruction}{query}"},
        "instruction_as",
    ),
    ({**GOOD, "strip": 0}, "strip"),
    ('{"frame": ["{query}{document}"], "yes": 1, "divide_by": 1' + "0" * 400 + "}", "divide_by"),
    ({**GOOD, "frame": "{query}{document}"}, "frame"),
    ({**GOOD, "frame": []}, "{query}"),
    ({**GOOD, "frame": ["{query}"]}, "{document}"),
    ({**GOOD, "frame": ["{query}{document}", "{query}"]}, "{query}"),
    ({**GOOD, "frame": ["{query}{document}", ""]}, "frame"),
    ({**GOOD, "frame": ["{query}{document}{instruction}{instruction}"]}, "{instruction}"),
    ({**GOOD, "instruction": "Find."}, "{instruction}"),
    ({**GOOD, "instruction": 7}, "instruction"),
    ({**GOOD, "markers": "<s>"}, "markers"),
    ({**GOOD, "yes": ""}, "yes"),
    ({**GOOD, "yes": -1}, "yes"),
    ({**GOOD, "yes": True}, "yes"),
    ({**GOOD, "no": 2**31}, "no"),
    ({**GOOD, "divide_by": 0}, "divide_by"),
    ({**GOOD, "divide_by": True}, "divide_by"),
    ('{"frame": ["{query}{document}"], "yes": 1, "divide_by": NaN}', "divide_by"),
    ('{"frame": ["{query}{document}"], "yes": 1, "divide_by": 1e999}', "divide_by"),
    ({**GOOD, "special_tokens": 1}, "special_tokens"),
]


@pytest.mark.parametrize(("content", "named"), WRONG)
def test_a_wrong_prompt_is_refused_with_what_is_wrong(content: Any, named: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as fault:
        prompt_named(written(tmp_path, content))
    assert named in fault.value.message
    assert "rerank help models" in fault.value.advice


@pytest.mark.parametrize("name", ["qwen3", "absent.json", ".", "/", "a" * 5000, "\0"])
def test_an_unknown_prompt_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(ConfigError) as fault:
        prompt_named(name)
    assert "qwen3-reranker" in fault.value.advice


def test_the_page_of_models_names_every_prompt_with_its_models() -> None:
    page = forked("help", "models").stdout.decode()
    for prompt in known_prompts().values():
        (row,) = (line for line in page.splitlines() if line.startswith(f"| `{prompt.name}`"))
        assert all(model.rpartition("-")[2] in row for model in prompt.models)
        assert ("none" in row.rpartition("|")[0].rpartition("|")[2]) == (not prompt.takes_instruction)
    assert ModelConfig().prompt is None
