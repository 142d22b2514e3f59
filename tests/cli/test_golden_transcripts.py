"""Whole conversations: arguments and standard input in, standard output, standard error and exit code out.

A transcript is a text file in transcripts/:

    $ rerank score - -o - --engine fake
    --- stdin
    …
    --- stdout
    …
    --- stderr
    …
    --- exit 0

What differs from run to run (times, rates, versions, folders) stands as <word>. Commands run in the folder
sample_data. `UPDATE_TRANSCRIPTS=1 pytest tests/cli/test_golden_transcripts.py` writes the outcome into the files: read
the difference before you keep it.
"""

import os
import re
import shlex
from pathlib import Path

import pytest
from support.running import ROOT, Finished, forked

TRANSCRIPTS = sorted(Path(__file__).with_name("transcripts").glob("*.txt"))
VARYING = [
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<time>"),
    (r"\b(wall_s|scoring_s|pairs_per_s|tokens_per_s|stage_\d_s)=[0-9.]+", r"\1=<figure>"),
    (r"^(ok   (?:torch|transformers|tokenizers|huggingface_hub|safetensors|orjson|typer|rich) +)\S+$", r"\1<version>"),
    (r"^(ok   rerank +).*$", r"\1<version>, <python>"),
    (r"not valid JSON: [^:]*? \(character \d+\)", "not valid JSON: <where>"),  # the words are the parser's
    (r"^(ok   (?:(?:hub|graph|tokenizer) cache|hash notes) +).*$", r"\1<folder>"),
    (r"^(ok   extra \w+ +).*(; for )", r"\1<versions>\2"),
]


def parsed(text: str) -> tuple[list[str], dict[str, str]]:
    """The arguments of a transcript, and its parts by name; the part `exit` holds the code."""
    command, _, rest = text.partition("\n")
    assert command.startswith("$ rerank")
    pieces = re.split(r"^--- (stdin|stdout|stderr|exit)[ \n]", rest, flags=re.MULTILINE)
    return shlex.split(command)[2:], dict(zip(pieces[1::2], pieces[2::2], strict=True))


def masked(output: bytes) -> str:
    text = output.decode()
    for pattern, word in VARYING:
        text = re.sub(pattern, word, text, flags=re.MULTILINE)
    return text


def transcript(arguments: list[str], stdin: str, done: Finished) -> str:
    parts = [f"$ rerank {shlex.join(arguments)}\n"]
    if stdin:
        parts.append(f"--- stdin\n{stdin}")
    parts += [f"--- stdout\n{masked(done.stdout)}", f"--- stderr\n{masked(done.stderr)}", f"--- exit {done.code}\n"]
    return "".join(parts)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_conversation_goes_as_written_down(path: Path, tmp_path: Path) -> None:
    arguments, parts = parsed(path.read_text())
    stdin = parts.get("stdin", "")
    done = forked(*arguments, stdin=stdin.encode(), cwd=ROOT / "sample_data", HF_HOME=str(tmp_path))
    outcome = transcript(arguments, stdin, done)
    if os.environ.get("UPDATE_TRANSCRIPTS"):
        path.write_text(outcome)
    assert outcome == path.read_text()


def test_there_are_transcripts_of_every_command() -> None:
    commands = {parsed(path.read_text())[0][0] for path in TRANSCRIPTS}
    assert commands >= {"score", "check", "doctor"}
