"""Hostile text (escape sequences, C0 and C1 controls, changes of direction, line separators, lone surrogates, markup)
that comes by data, names, options, models or the environment is shown, and reaches neither a terminal nor a pipe in a
form that could act on it; nor does the bar send a terminal sequences that are not on a short list.
"""

import fcntl
import gzip
import json
import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import typer
from support.points import Points
from support.running import Zygote, forked
from support.terminals import on_terminal

from rerank_cli.cli.app import app

KINDS = {  # none holds a NUL, a colon or a comma, which an argument or a list of faults cannot
    "escape sequences": "\x1b[45;5m\x1b[2J\x1b[?1049h\x1bc\x1b(0\x1b[6n",
    "commands to the system": "\x1b]0;owned\x07\x1b]52;c;eA==\x1b\\\x1bP$q\x1b\\",
    "C0 controls": "\x07\x08\x0b\x0c\r\x0e\x1a\x7f\t\n",
    "C1 controls": "\u009b2J\u009d0;owned\u009c\u0090\u0085\u0080",
    "changes of direction": "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c",
    "line separators": "\u2028\u2029\x85\x1c\x1d\x1e",
    "bytes that are not UTF-8": "\udcff\udc9b2J\udcc2",
    "markup": "[red]x[/red][/foo][link=x]y[/link][bold][not closed \\[",
}
MARK = "HERE"
EVERYTHING = MARK + "".join(KINDS.values())
CODES = (0, 2, 3, 4, 5, 6, 8, 11)  # no bug, and no death

# What rich may send for the bar and the table: hide and show the cursor; go to the start of the line and clear it and
# those above; these colours of text: none, bold, dim, bold red, one of eight, of their bright ones, or of 256.
LINES = r"\r\x1b\[2K(?:\x1b\[1A\x1b\[2K)*|\r(?:\x1b\[1A\x1b\[2K)+"
RICH = re.compile(LINES + r"|\x1b\[\?25[lh]|\x1b\[(?:0|1|2|1;31|3[0-7]|9[0-7]|38;5;\d{1,3})m")
DIRECTIONS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
DISPLAYS = ("bar", "lines", "none")
GOOD: dict[str, Any] = {"id": "q1", "query": "q", "candidates": [{"id": "d1", "text": "a"}]}
NewFolder = Callable[[], Path]


def assert_harmless(shown: bytes, bar: bool = False) -> None:
    """UTF-8 with no control but the newline, no change of direction, no line separator; `bar`: and what RICH lists."""
    text = RICH.sub("", shown.decode("utf-8")) if bar else shown.decode("utf-8")
    wrong = {
        char
        for char in text
        if (unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") and char != "\n")
        or unicodedata.bidirectional(char) in DIRECTIONS
        or char in "\u200e\u200f\u061c"
    }
    assert wrong == set(), text[:2000]
    assert "Traceback" not in text, text


def clean(text: str) -> str:
    """What of a text can stand in a record."""
    return text.encode("utf-8", "ignore").decode()


def line(record: Any) -> bytes:
    """A line of input; bytes are unchanged."""
    return (record if isinstance(record, bytes) else json.dumps(record, ensure_ascii=False).encode()) + b"\n"


@dataclass(frozen=True, slots=True)
class Place:
    """A way for a text to get into what is said: `{}` stands for it in arguments and variables.

    `before` prepares the folder, in which in.jsonl holds a good and a bad line. `silent` places do not say the text,
    which must do no harm there all the same; in names of files it has no slash.
    """

    name: str
    arguments: tuple[str, ...]
    before: Callable[[Path, str], object] | None = None
    variables: dict[str, str] = field(default_factory=dict)
    silent: bool = False
    of_file: bool = False

    def prepared(self, folder: Path, text: str) -> tuple[list[str], dict[str, str]]:
        """Prepare the folder; the arguments and the variables."""
        text = text.replace("/", "") if self.of_file else text
        (folder / "in.jsonl").write_bytes(line(GOOD) + b"bad\n")
        if self.before is not None:
            self.before(folder, text)
        variables = {name: value.replace("{}", text) for name, value in self.variables.items()}
        return [argument.replace("{}", text) for argument in self.arguments], variables


# in records

FAKE = ("--engine", "fake")
SCORE = ("score", "in.jsonl", "-o", "out.jsonl", *FAKE)
RECORDS: dict[str, Callable[[str], Any]] = {
    "query": lambda text: {"id": 1, "query": text, "candidates": [text]},
    "candidate": lambda text: {"query": "q", "candidates": [text, {"text": text}]},
    "field names": lambda text: {text: 1, "query": "q"},
    "names of a candidate's fields": lambda text: {"query": "q", "candidates": [{text: 1}]},
    "id": lambda text: {"id": text, "query": "q", "candidates": ["a", 7]},
    "id of a wrong kind": lambda text: {"id": {text: 1}, "query": "q", "candidates": ["a"]},
    "value of a wrong kind": lambda text: {"query": 7, "candidates": text},
    "no JSON": lambda text: text.encode().replace(b"\n", b""),
    "no UTF-8": lambda text: b'{"query": "\xff\x9b2J", "' + text.encode().replace(b"\n", b"") + b'": 1}',
    "number": lambda text: b'{"query": 123456789012345678901234567890, "candidates": []}',
}


def in_records() -> Iterator[Place]:
    """Scored, with errors in a file and on standard error, and checked: after a good record, and alone."""
    for what, make in RECORDS.items():
        for alone in (False, True):
            where = f"{what} {'alone' if alone else 'after a good one'}"

            def before(folder: Path, text: str, make: Any = make, alone: bool = alone) -> None:
                (folder / "in.jsonl").write_bytes((b"" if alone else line(GOOD)) + line(make(clean(text))))

            names, texts = "field" in what, alone and what in ("query", "candidate")
            yield Place(f"{where}, scored", (*SCORE, "--strict"), before, silent=not names)
            yield Place(f"{where}, errors on stderr", ("score", "in.jsonl", "-o", "-", *FAKE), before, silent=True)
            yield Place(f"{where}, checked", ("check", "in.jsonl"), before, silent=not names and not texts)


# in names


def a_file(name: str = "{}", content: bytes = b"") -> Callable[[Path, str], object]:
    return lambda folder, text: (folder / name.replace("{}", text)).write_bytes(content)


def a_folder(folder: Path, text: str) -> None:
    (folder / text).mkdir()


def bad_journal(folder: Path, text: str) -> None:
    a_file("{}.journal", os.fsencode(text))(folder, text)
    a_file("{}.partial")(folder, text)


held: list[int] = []  # file descriptors of locks


@pytest.fixture(autouse=True)
def _let_go() -> Iterator[None]:
    yield
    while held:
        os.close(held.pop())


def locked(folder: Path, text: str) -> None:
    """This process holds the lock of the output."""
    held.append(os.open(folder / f"{text}.lock", os.O_RDWR | os.O_CREAT))
    fcntl.flock(held[-1], fcntl.LOCK_EX)


def done_before(folder: Path, text: str) -> None:
    assert forked("score", "in.jsonl", "-o", text, *FAKE, cwd=folder).code == 3


def of_another_run(folder: Path, text: str) -> None:
    """An unfinished output whose fingerprint holds the text."""
    small = ("--model", "fake:lose_at=2", "--batch-tokens", "4", "--window-tokens", "4", "--query-field", clean(text))
    (folder / "in.jsonl").write_bytes(line({**GOOD, clean(text): "q"}) * 9)
    assert forked("score", "in.jsonl", "-o", "out.jsonl", *small, cwd=folder).code == 75


CUT = gzip.compress(line(GOOD))[:-8]
TO = ("score", "in.jsonl", "-o", "{}", *FAKE)
FROM = ("score", "{}", "-o", "out.jsonl", *FAKE)
IN_NAMES = [
    Place("input that is not there", FROM),
    Place("input that is not there, checked", ("check", "{}")),
    Place("input that is a folder", FROM, a_folder),
    Place("input cut short", FROM, a_file(content=CUT)),
    Place("input cut short, checked", ("check", "{}"), a_file(content=CUT)),
    Place("input with a bad record", (*FROM, "--strict"), a_file(content=line(GOOD) + b"bad\n")),
    Place("input with bad records only", FROM, a_file(content=b"bad\n")),
    Place("input checked", ("check", "in.jsonl", "{}"), a_file(content=b"bad\n")),
    Place("input that is the output", ("score", "{}", "-o", "{}", *FAKE), a_file(content=line(GOOD))),
    Place("output", TO),
    Place("output, verbose", (*TO, "-v")),
    Place("output that is there", TO, a_file()),
    Place("output in no folder", ("score", "in.jsonl", "-o", "{}/out", *FAKE)),
    Place("output that is a folder", TO, a_folder),
    Place("output with an errors file", TO, a_file("{}.errors.jsonl")),
    Place("output that is busy", TO, locked),
    Place("output with a damaged journal", (*TO, "--resume"), bad_journal),
    Place("output begun anew", (*TO, "--resume", "--overwrite"), bad_journal),
    Place("output that is done", (*TO, "--resume"), done_before),
    Place("output that is done, refused", TO, done_before),
    Place("errors file in no folder", (*SCORE, "--errors", "{}/e")),
    Place("errors file that is a folder", (*SCORE, "--errors", "{}"), a_folder),
    Place("errors file that is there", (*SCORE, "--errors", "{}"), a_file()),
    Place("errors file", (*SCORE, "--errors", "{}")),
    Place("errors file that is the input", (*FROM, "--errors", "{}"), a_file()),
    Place("statistics in no folder", (*SCORE, "--stats", "{}/s")),
    Place("statistics that are a folder", (*SCORE, "--stats", "{}"), a_folder),
    Place("statistics that are the output", (*TO, "--stats", "{}")),
]
IN_WORDS = [
    Place("fingerprint of another run", (*SCORE, "--resume"), of_another_run),
    Place("name of a fake model", (*SCORE, "--model", "fake{}", "-v")),
    Place("name of a fake fault", ("score", "in.jsonl", "-o", "out.jsonl", "--model", "fake:{}")),
    Place("name of a fake model, doctor", ("doctor", "--model", "fake{}")),
    Place("command", ("{}",)),
    Place("option", ("score", "--{}")),
    Place("short option", ("score", "-{}"), silent=True),
    Place("value of a flag", ("score", "--overwrite={}"), silent=True),
]
BASES = {
    "score": ("score", "in.jsonl", "-o", "out.jsonl"),
    "check": ("check", "in.jsonl"),
    "doctor": ("doctor", "--model", "fake"),
    "models": ("models", "mini"),
    "bench": ("bench", "--model", "./absent"),
    "export": ("export", "-o", "out", "--model", "./absent"),
    "convert": ("convert", "in.jsonl", "-o", "out.jsonl"),
    "eval": ("eval", "in.jsonl", "--qrels", "absent"),
    "compare": ("compare", "in.jsonl", "in.jsonl"),
    "train": ("train", "in.jsonl", "-o", "tuned", "--model", "./absent"),
    "mine": ("mine", "in.jsonl", "-o", "mined.jsonl", "--pool", "in.jsonl", "--model", "./absent"),
    "cache": ("cache", "."),
}
ELSEWHERE = ("bench", "eval", "compare", "train", "mine")  # these end at another fault first
UNSPOKEN = ("--id-field", "--revision", "--tokenizer", "--engines", "--api-key-file")  # not repeated


def in_options() -> Iterator[Place]:
    """Every option that takes a value, by flag and by variable."""
    for command, known in typer.main.get_command(app).commands.items():
        options = [option for option in known.params if option.param_type_name == "option" and not option.is_flag]
        for option in options:
            flag, variable = option.opts[0], option.envvar
            base = BASES[command] if flag in ("--engine", "--model") or command != "score" else SCORE
            if flag == "--model":
                continue  # a class of its own, below
            if flag == "--output":
                base = ("score", "in.jsonl", *FAKE)
            if flag == "--run-columns":
                base = (*(word for word in base if word != "in.jsonl"), "--run", "in.jsonl")
            of_file = flag in ("--output", "--errors", "--stats", "--score-cache")
            is_number = option.type_descriptor.annotation in (int, float)  # refused, and not repeated
            silent = of_file or is_number or flag in UNSPOKEN or command in ELSEWHERE
            yield Place(f"{command} {flag}", (*base, flag, "{}"), None, {}, silent, of_file)
            if variable is not None:
                yield Place(f"{command} {variable}", base, None, {variable: "{}"}, silent, of_file)


def in_surroundings() -> Iterator[Place]:
    """Variables that are not ours, but may be looked at."""
    names = ("HF_HOME", "HF_ENDPOINT", "HF_TOKEN", "HOME", "TERM", "COLUMNS", "LINES", "LANG", "LC_ALL", "TMPDIR")
    for name, base in product(names, (SCORE, BASES["doctor"])):
        yield Place(f"{base[0]}, {name}", base, variables={name: "{}"}, silent=True)


PLACES = [
    *in_records(),
    *(Place(place.name, place.arguments, place.before, of_file=True) for place in IN_NAMES),
    *IN_WORDS,
    *in_options(),
    *in_surroundings(),
]


@pytest.fixture
def new_folder(quick_folder: Path) -> NewFolder:
    """Makes empty folders."""

    def made() -> Path:
        folder = quick_folder / str(sum(1 for _ in quick_folder.iterdir()))
        folder.mkdir()
        return folder

    return made


def test_there_are_places_for_each_option_and_each_kind_of_text() -> None:
    assert len(PLACES) > 150
    assert len({place.name for place in PLACES}) == len(PLACES)
    for kind, text in KINDS.items():
        if kind != "markup":  # which is text: that it is shown is what counts
            with pytest.raises((AssertionError, UnicodeError)):
                assert_harmless(text.encode("utf-8", "surrogateescape"), bar=True)


def assert_said(place: Place, shown: bytes) -> None:
    """The text did get there, unless the place is silent."""
    assert place.silent or MARK.encode() in shown, (place.name, shown)


@pytest.mark.slow
def test_hostile_text_is_harmless_in_a_pipe_wherever_it_comes_from(points: Points, new_folder: NewFolder) -> None:
    some = {kind: MARK + KINDS[kind] for kind in ("bytes that are not UTF-8", "markup")}
    texts = {"all kinds at once": EVERYTHING, "all characters": clean(EVERYTHING), **some}
    places = [place for place in PLACES if not place.variables]
    for number, (kind, place) in enumerate(points.of(list(product(texts, places)), sample=20)):
        with points.trying(f"terminal safety: in a pipe, {kind}"):
            folder = new_folder()
            arguments, _ = place.prepared(folder, texts[kind])
            progress = ["--progress", DISPLAYS[number % 3]] if place.arguments[0] == "score" else []
            done = forked(*arguments, *([] if "--progress" in arguments else progress), cwd=folder)
            assert_harmless(done.stderr)
            if "-" not in arguments:
                assert_harmless(done.stdout)
            assert_said(place, done.stderr + done.stdout)
            if kind == "markup" and not place.silent:
                assert "[red]x" in done.said + done.stdout.decode(), (place.name, done)
            assert done.code in CODES, (place.name, done)


def test_hostile_text_is_harmless_on_a_terminal_wherever_it_comes_from(points: Points, new_folder: NewFolder) -> None:
    cases = [(place, "") for place in PLACES if place.arguments[0] != "score"]
    cases += [(place, DISPLAYS[number % 3]) for number, place in enumerate(PLACES) if place.arguments[0] == "score"]
    for place, progress in points.of(cases, sample=2):
        with points.trying(f"terminal safety: on a terminal, {f'progress {progress}' if progress else 'a report'}"):
            folder = new_folder()
            arguments, variables = place.prepared(folder, EVERYTHING)
            if progress and "--progress" not in arguments and "RERANK_PROGRESS" not in variables:
                arguments += ["--progress", progress]
            aside = subprocess.DEVNULL if "-" in arguments else None
            with on_terminal(*arguments, cwd=folder, stdout=aside, **variables) as terminal:
                code = terminal.code()
            assert_harmless(terminal.shown, bar=True)
            assert_said(place, terminal.shown)
            assert code in CODES, (place.name, terminal.shown)


def test_the_bar_and_the_table_are_drawn_with_the_sequences_on_the_list_alone(
    points: Points, new_folder: NewFolder
) -> None:
    surroundings: list[dict[str, str]] = [{}, {"NO_COLOR": "1"}, {"TERM": "linux"}]
    for columns, variables in points.of(list(product((20, 80, 200), surroundings)), sample=2):
        with points.trying("terminal safety: the bar's own sequences"):
            folder = new_folder()
            (folder / "in.jsonl").write_bytes(line(GOOD) * 30 + b"bad\n")
            run = ("score", "in.jsonl", "-o", "out.jsonl", "--model", "fake:slow=0.1,slow_load=0.3", "-v")
            small = ("--batch-tokens", "8", "--window-tokens", "40")
            with on_terminal(*run, *small, cwd=folder, columns=columns, **variables) as terminal:
                assert terminal.code() == 3, terminal.shown
            assert b"\x1b[?25l" in terminal.shown
            assert_harmless(terminal.shown, bar=True)


def test_records_shown_on_a_terminal_are_harmless_and_the_same_records(points: Points, new_folder: NewFolder) -> None:
    text = clean(EVERYTHING)
    rich = {"id": text, text: 1, "query": text, "candidates": [text, {"text": "字 é", "score": 1e16}]}
    for progress in points.of(DISPLAYS, sample=2):
        with points.trying("terminal safety: records shown on a terminal"):
            folder = new_folder()
            (folder / "in.jsonl").write_bytes(line(rich) + line({text: 1}))
            arguments = ("score", "in.jsonl", "-o", "-", *FAKE, "--progress", progress)
            piped = forked(*arguments, cwd=folder)
            with on_terminal(*arguments, cwd=folder) as terminal:
                assert terminal.code() == piped.code == 3
            assert_harmless(terminal.shown, bar=True)
            shown = re.findall(r'\{"id":.*', RICH.sub("", terminal.shown.decode()))
            assert [json.loads(each) for each in shown] == piped.records
            assert "字 é" in shown[0], "what is harmless can be read"


@pytest.mark.slow
def test_nothing_but_records_goes_to_standard_output_whatever_the_progress(
    points: Points, new_folder: NewFolder
) -> None:
    for progress in points.of((*DISPLAYS, "auto"), sample=2):
        with points.trying("terminal safety: standard output beside a terminal"):
            folder = new_folder()
            (folder / "in.jsonl").write_bytes(line(GOOD) * 10)
            arguments = ("score", "in.jsonl", "-o", "-", *FAKE, "--progress", progress)
            with (
                open(folder / "records", "wb") as records,
                on_terminal(*arguments, cwd=folder, stdout=records.fileno()) as terminal,
            ):
                assert terminal.code() == 0
            assert (folder / "records").read_bytes() == forked(*arguments, cwd=folder).stdout
            assert len((folder / "records").read_bytes().splitlines()) == 10


def test_files_with_hostile_names_are_read_and_written(points: Points, new_folder: NewFolder) -> None:
    for text in KINDS.values():
        with points.trying("terminal safety: hostile names work"):
            folder, name = new_folder(), text.replace("/", "")
            (folder / name).write_bytes(line(GOOD) + b"bad\n")
            done = forked("score", name, "-o", f"{name}.out", "--errors", f"{name}.bad", *FAKE, "-v", cwd=folder)
            assert done.code == 3, done.said
            assert_harmless(done.stderr)
            assert len((folder / f"{name}.out").read_bytes().splitlines()) == 1
            (error,) = [json.loads(each) for each in (folder / f"{name}.bad").read_bytes().splitlines()]
            assert error["line"] == 2
            assert error["source"] == name or not name.isprintable()
            if clean(name) == name:
                assert error["source"] == name


# in models

NAME = EVERYTHING.replace("/", "")
IN_MODEL_NAMES = {
    "a folder that is not there": ("--model", "./{}"),
    "the home of nobody": ("--model", "~{}/x"),
    "a name on the hub": ("--model", "a/{}", "--offline"),
    "both parts of a name on the hub": ("--model", "{}/{}", "--offline"),
    "a revision on the hub": ("--model", "a/b", "--offline", "--revision", "{}"),
    "a revision of a folder": ("--model", "mini", "--revision", "{}"),
    "a device": ("--model", "mini", "--device", "cuda{}"),
}


def as_json(name: str, text_of: Callable[[str], Any]) -> Callable[[Path, str], object]:
    """Replaces a JSON file of the model."""
    return lambda model, text: (model / name).write_text(json.dumps(text_of(text)))


def edited(name: str, changes: Callable[[str], dict[str, Any]]) -> Callable[[Path, str], object]:
    """Changes keys of a JSON file of the model."""

    def edit(model: Path, text: str) -> None:
        from support.tiny import edit_json  # here, because it imports torch

        edit_json(model / name, **changes(text))

    return edit


def tensors_named(model: Path, text: str) -> None:
    from support.tiny import join_safetensors, split_safetensors

    header, data = split_safetensors((model / "model.safetensors").read_bytes())
    header = {name.replace("classifier", text): value for name, value in header.items()}
    (model / "model.safetensors").write_bytes(join_safetensors(header, data))


def shards_named(model: Path, text: str) -> None:
    (model / "model.safetensors").unlink()
    as_json("model.safetensors.index.json", lambda name: {"weight_map": {name: name}})(model, text)


def pickles_named(model: Path, text: str) -> None:
    (model / "model.safetensors").rename(model / f"{text.replace('/', '')}.bin")


IN_MODEL_FOLDERS: dict[str, Callable[[Path, str], object]] = {
    "a config that is no JSON": lambda model, text: (model / "config.json").write_text(text),
    "a config that is no object": as_json("config.json", lambda text: [text]),
    "an architecture": edited("config.json", lambda text: {"architectures": [text]}),
    "an architecture with a head": edited(
        "config.json", lambda text: {"architectures": [f"{text}ForSequenceClassification"]}
    ),
    "labels": edited("config.json", lambda text: {"id2label": {"0": text, "1": text}}),
    "one label": edited("config.json", lambda text: {"id2label": {"0": text}, "label2id": {text: 0}}),
    "a type of model": edited("config.json", lambda text: {"model_type": text}),
    "a size": edited("config.json", lambda text: {"hidden_size": text}),
    "an activation": edited("config.json", lambda text: {"hidden_act": text}),
    "a dtype": edited("config.json", lambda text: {"torch_dtype": text, "dtype": text}),
    "an attention": edited("config.json", lambda text: {"attn_implementation": text, "_attn_implementation": text}),
    "code of its own": edited("config.json", lambda text: {"auto_map": {"AutoModel": text}}),
    "unknown keys": edited("config.json", lambda text: {text: text}),
    "a quantization": edited("config.json", lambda text: {"quantization_config": {"quant_method": text}}),
    "a version": edited("config.json", lambda text: {"transformers_version": text}),
    "a kind of tokenizer": edited("tokenizer_config.json", lambda text: {"tokenizer_class": text}),
    "a special token": edited("tokenizer_config.json", lambda text: {"sep_token": text}),
    "a tokenizer that is no JSON": lambda model, text: (model / "tokenizer.json").write_text(text),
    "a tokenizer's model": edited("tokenizer.json", lambda text: {"model": {"type": text, "vocab": {text: 0}}}),
    "a tokenizer's steps": edited("tokenizer.json", lambda text: {"normalizer": {"type": text}}),
    "names of tensors": tensors_named,
    "names of shards": shards_named,
    "names of pickles": pickles_named,
    "weights that are none": lambda model, text: (model / "model.safetensors").write_text(text),
    "the folder's name alone": lambda model, text: None,
}
WITH_TORCH = """
import runpy, sys
from rerank_cli.models.libraries import silence_libraries
silence_libraries(False)
import rerank_cli.engines.torch_model
runpy.run_path(sys.argv[2], run_name="__main__")
"""


def test_hostile_names_and_contents_of_models_are_harmless(points: Points, new_folder: NewFolder) -> None:
    if not points.exhaustive:
        pytest.skip("importing torch takes seconds: with --exhaustive only")
    from support.tiny import write_reranker

    zygote = Zygote(sys.executable, "-c", WITH_TORCH)
    commands = (("score", "in.jsonl", "-o", "out.jsonl", "-v"), ("doctor",))
    for what, command in product([*IN_MODEL_NAMES, *IN_MODEL_FOLDERS], commands):
        with points.trying("terminal safety: names and contents of models"):
            folder = new_folder()
            (folder / "in.jsonl").write_bytes(line(GOOD))
            words = [word.replace("{}", EVERYTHING) for word in IN_MODEL_NAMES.get(what, ("--model", f"./{NAME}"))]
            if what in IN_MODEL_FOLDERS:
                write_reranker(folder / "model")
                IN_MODEL_FOLDERS[what](folder / "model", clean(EVERYTHING))
                (folder / "model").rename(folder / NAME)
            done = zygote.run(*command, *words, cwd=folder)
            assert_harmless(done.stderr)
            assert_harmless(done.stdout)
            assert done.code in (*CODES, 7), (what, done)
            assert what.startswith("a revision") or MARK in done.said + done.stdout.decode(), (what, done)
    zygote.close()
