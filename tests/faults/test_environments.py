"""Whatever the locale, the streams' encoding, the terminal, HOME, the current folder, the limits and the variables are:
the bytes of the result and the exit code are those of a plain run, and what is said can be read.

Field names, texts and names of files are not ASCII.
"""

import json
import re
import shutil
import subprocess
import sys
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.points import Points
from support.running import COMMAND, HANG_S, Finished, environment, forked
from support.terminals import on_terminal

from rerank_cli.cli.environment import EARLIER, READ, variable

IN, OUT = "入力-é.jsonl", "出力-ß.jsonl"
FIELDS = ("--query-field", "質問", "--candidates-field", "候補", "--text-field", "本文")
FAKE = ("--engine", "fake")
VARIABLES = sorted({variable(name) for name in (*READ, *" ".join(EARLIER.values()).split())})
SHADOWED = ("json", "typing", "torch", "typer", "rich", "orjson", "gzip", "signal", "transformers", "rerank_cli")
SCRIPT = Path(sys.executable).with_name("rerank")
CLEAR = re.compile(r"rerank: .|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (done records|saved)=")  # begins a line on stderr


def content() -> bytes:
    """Records in several scripts, one of which is bad."""
    records = [
        {"id": "é1", "質問": "お茶の入れ方", "候補": [{"本文": "熱い湯 🍵"}, {"本文": "ёж"}, {"本文": "\u2028 – ß"}]},
        {"id": "2", "質問": 7, "ключ": "é"},
        {"id": "3", "質問": "Größe", "候補": ["naïve", "عربى", "e\u0301"]},
    ]
    return b"".join(json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in records)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Variables that are set (None: not set), words before the command, and what the folder it runs in holds."""

    name: str
    variables: dict[str, str | None] = field(default_factory=dict)
    before: tuple[str, ...] = ()
    furnish: Callable[[Path], None] | None = None
    program: tuple[str, ...] = tuple(COMMAND)
    encoding: str = "utf-8"

    def run(self, folder: Path, *arguments: str | Path) -> Finished:
        """The command, in a new folder below `folder`."""
        here = folder / "here"
        shutil.rmtree(here, ignore_errors=True)
        here.mkdir()
        if self.furnish is not None:
            self.furnish(here)
        done = subprocess.run(
            [*self.before, *self.program, *arguments],
            cwd=here,
            env=environment(**{"LC_ALL": None, "LANG": None, **self.variables}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=HANG_S,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    @property
    def obstacle(self) -> str:
        """Why it cannot be tried here; empty when it can."""
        if "unshare" in self.before and subprocess.run(["unshare", "-m", "true"], check=False).returncode:
            return "mounting needs root"
        return "" if Path(self.program[0]).exists() else "there is no rerank script beside python"


def shadows(folder: Path) -> None:
    """Modules of well-known names, which must not be imported."""
    for name in SHADOWED:
        (folder / f"{name}.py").write_text(f"raise SystemExit('imported {name} of the current folder')\n")


def given(name: str, **variables: str | None) -> Surroundings:
    return Surroundings(name, variables)


def within(name: str, script: str, **more: typing.Any) -> Surroundings:
    """A shell script that ends in `exec "$@"`."""
    return Surroundings(name, before=("bash", "-c", f'{script}; exec "$@"', "bash"), **more)


EMPTY = ("env", "-i")
HERE = [f"PYTHONPATH={environment()['PYTHONPATH']}"]
READ_ONLY = ("unshare", "-m", "bash", "-c", 'mount -t tmpfs -o ro none . && cd "$PWD" && exec "$@"', "bash")
ALL = [
    given("LC_ALL=C", LC_ALL="C"),
    given("LC_ALL=C, no UTF-8 mode", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0"),
    given("LC_ALL=POSIX, no UTF-8 mode", LC_ALL="POSIX", PYTHONUTF8="0"),
    given("LC_ALL=C.UTF-8", LC_ALL="C.UTF-8"),
    given("LC_ALL=en_US.UTF-8", LC_ALL="en_US.UTF-8"),
    given("a locale that is not there", LC_ALL="xx_YY.ISO-8859-1", PYTHONUTF8="0"),
    Surroundings("PYTHONIOENCODING=ascii", {"PYTHONIOENCODING": "ascii"}, encoding="ascii"),
    Surroundings("PYTHONIOENCODING=ascii:strict", {"PYTHONIOENCODING": "ascii:strict"}, encoding="ascii"),
    Surroundings("PYTHONIOENCODING=latin-1", {"PYTHONIOENCODING": "latin-1"}, encoding="latin-1"),
    given("PYTHONUTF8=0", PYTHONUTF8="0"),
    given("PYTHONUTF8=1", PYTHONUTF8="1"),
    Surroundings("env -i", before=(*EMPTY, *HERE)),
    Surroundings("env -i, the script", before=EMPTY, program=(str(SCRIPT),)),
    given("TERM=dumb", TERM="dumb"),
    given("TERM unset", TERM=None),
    given("TERM unknown", TERM="no-such-terminal"),
    given("NO_COLOR", NO_COLOR="1", TERM="xterm-256color"),
    given("FORCE_COLOR", FORCE_COLOR="1", TERM="xterm-256color"),
    given("COLUMNS=20", COLUMNS="20"),
    given("COLUMNS=1", COLUMNS="1", FORCE_COLOR="1"),
    given("COLUMNS is no number", COLUMNS="wide"),
    given("HOME unset", HOME=None),
    given("HOME is not there", HOME="/nonexistent/home", HF_HOME=None),
    given("HOME is no folder", HOME="/dev/null"),
    given("TMPDIR is not there", TMPDIR="/nonexistent"),
    given("PATH is empty", PATH=""),
    given("PYTHONDONTWRITEBYTECODE", PYTHONDONTWRITEBYTECODE="1"),
    given("PYTHONWARNINGS=error", PYTHONWARNINGS="error"),
    given("PYTHONDEVMODE", PYTHONDEVMODE="1"),
    given("PYTHONOPTIMIZE=2", PYTHONOPTIMIZE="2"),
    given("PYTHONUNBUFFERED", PYTHONUNBUFFERED="1"),
    given("PYTHONHASHSEED=1", PYTHONHASHSEED="1"),
    given("PYTHONSAFEPATH", PYTHONSAFEPATH="1"),
    given("another time zone", TZ="Asia/Kathmandu"),
    given("RERANK_* empty", **dict.fromkeys(VARIABLES, "")),
    given("RERANK_* unknown", RERANK_NO_SUCH_OPTION="x", RERANK="x", RERANK_SERVICE_HOST="10.0.0.1"),
    within("64 file descriptors", "ulimit -n 64"),
    within("16 file descriptors", "ulimit -n 16"),
    within("no core, a small stack", "ulimit -c 0; ulimit -s 512"),
    within("a strict umask", "umask 077"),
    within("a folder that is gone", "rmdir ../here"),
    within("idle priority", "renice 19 $$ > /dev/null"),
    Surroundings("a session without a terminal", before=("setsid", "--wait")),
    Surroundings("a folder that is read-only", before=READ_ONLY),
    Surroundings("a folder of foreign modules, the script", furnish=shadows, program=(str(SCRIPT),)),
]
PLAIN = Surroundings("plain")


@dataclass(frozen=True, slots=True)
class Golden:
    """Where the input is, and what a plain run makes of it."""

    source: Path
    output: bytes
    errors: bytes
    piped: bytes

    def score(self, output: str | Path, *more: str) -> tuple[str | Path, ...]:
        """The arguments of a run."""
        return ("score", self.source, "-o", output, *FIELDS, *(more or FAKE))


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Golden:
    folder = tmp_path_factory.mktemp("golden")
    source = folder / IN
    source.write_bytes(content())
    empty = Golden(source, b"", b"", b"")
    assert PLAIN.run(folder, *empty.score(folder / OUT)).code == 3
    piped = PLAIN.run(folder, *empty.score("-"))
    output, errors = (folder / OUT).read_bytes(), (folder / f"{OUT}.errors.jsonl").read_bytes()
    assert json.loads(errors)["source"] == str(source)
    assert "お茶" in output.decode()
    assert piped.stdout == output
    return Golden(source, output, errors, piped.stdout)


def assert_clear(said: bytes, encoding: str) -> None:
    """Whole sentences of ours in the encoding asked for, and nothing else."""
    for line in said.decode(encoding).splitlines():
        assert CLEAR.match(line) or line.startswith('{"source"'), line


@pytest.mark.sampled(3)
@pytest.mark.parametrize("trial", ["file", "pipe", "wrong input", "check", "help", "doctor"])
def test_results_and_codes_are_those_of_a_plain_run(
    points: Points, golden: Golden, quick_folder: Path, trial: str
) -> None:
    possible = [here for here in ALL if not here.obstacle]
    number = ["file", "pipe", "wrong input", "check", "help", "doctor"].index(trial)
    sample = possible if points.exhaustive else points.of(possible, sample=4)[number :: 6 if trial != "file" else 1]
    for here in sample:
        with points.trying(f"environments: {trial}"):
            folder = quick_folder / f"{ALL.index(here)}"
            folder.mkdir()
            missing = folder / "無い.jsonl"
            arguments, code = {
                "file": (golden.score(folder / OUT), 3),
                "pipe": (golden.score("-"), 3),
                "wrong input": (("score", missing, "-o", folder / OUT, *FAKE), 4),
                "check": (("check", golden.source, *FIELDS), 3),
                "help": (("score", "--help"), 0),
                "doctor": (("doctor", "--model", "fake"), 0),
            }[trial]
            done = here.run(folder, *arguments)
            assert done.code == code, (here.name, done)
            assert_clear(done.stderr, here.encoding)
            if trial == "file":
                assert done.stdout == b"", here.name
                assert (folder / OUT).read_bytes() == golden.output, here.name
                assert (folder / f"{OUT}.errors.jsonl").read_bytes() == golden.errors, here.name
                names = {OUT, f"{OUT}.errors.jsonl", f"{OUT}.meta.json", "here"}
                assert {path.name for path in folder.iterdir()} | {"here"} == names, here.name
            elif trial == "pipe":
                assert done.stdout == golden.piped, here.name
            elif trial == "wrong input":
                shown = done.stderr.decode(here.encoding)
                assert "無い.jsonl" in shown or re.search(r"\\u7121|\\udce7", shown), (here.name, shown)
                assert not (folder / OUT).exists()
            elif trial == "check":
                assert re.search(r"^good +2$", done.stdout.decode(here.encoding), re.MULTILINE), (here.name, done)
            else:
                assert done.stdout.decode(here.encoding)


def test_relative_names_in_a_folder_that_is_gone_are_refused(
    points: Points, golden: Golden, quick_folder: Path
) -> None:
    gone = next(here for here in ALL if here.name == "a folder that is gone")
    cases = {golden.score(OUT): 5, golden.score("-", *FAKE, "--stats", "s"): 5, ("check", IN): 4}
    cases[golden.score("-", *FAKE, "--errors", "e")] = 5
    for arguments, code in points.of(list(cases.items()), sample=2):
        with points.trying("environments: relative names in a folder that is gone"):
            done = gone.run(quick_folder, *arguments)
            assert (done.code, done.stdout) == (code, b""), done
            assert_clear(done.stderr, "utf-8")


def test_what_cannot_be_tried_here_is_said() -> None:
    hindered = {here.name: here.obstacle for here in ALL if here.obstacle}
    assert len(hindered) < len(ALL) / 2, "what is proven in most environments is not proven in these few"
    if hindered:
        pytest.skip("; ".join(f"{name}: {obstacle}" for name, obstacle in hindered.items()))


def test_on_a_terminal_of_any_width_and_kind_the_result_is_that_of_a_plain_run(
    points: Points, golden: Golden, quick_folder: Path
) -> None:
    kinds: list[dict[str, str | None]] = [
        {},
        {"TERM": "dumb"},
        {"TERM": None},
        {"TERM": "vt100"},
        {"NO_COLOR": "1"},
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0"},
        {"COLUMNS": "20"},
    ]
    cases = [(columns, kind) for kind in kinds for columns in (20, 1, 80, 300)]
    for columns, kind in points.of(cases, sample=2):
        with points.trying("environments: on a terminal"):
            folder = quick_folder / str(cases.index((columns, kind)))
            folder.mkdir()
            arguments = [*golden.score(folder / OUT), "-v"]
            with on_terminal(*arguments, cwd=folder, columns=columns, **{"LC_ALL": "C.UTF-8", **kind}) as terminal:
                assert terminal.code() == 3, terminal.shown
            assert (folder / OUT).read_bytes() == golden.output
            assert (folder / f"{OUT}.errors.jsonl").read_bytes() == golden.errors
            assert b"Traceback" not in terminal.shown
            assert b"1 of 3 records failed" in terminal.shown
            assert (b"\x1b" in terminal.shown) == (kind.get("TERM", "") != "dumb"), "a bar where one can be drawn"
            if "NO_COLOR" in kind:
                assert not re.search(rb"\x1b\[(3|9|4)[0-9;]*m", terminal.shown)


def test_begun_in_one_environment_a_run_is_continued_in_another(
    points: Points, golden: Golden, quick_folder: Path
) -> None:
    possible = [here for here in ALL if not here.obstacle]
    stop = ("--model", "fake:lose_at=4", "--batch-tokens", "4", "--window-tokens", "4")
    for here in points.of(possible, sample=2):
        with points.trying("environments: continued in another"):
            folder = quick_folder / str(ALL.index(here))
            folder.mkdir()
            arguments = golden.score(folder / OUT, *stop)
            assert forked(*arguments, cwd=folder).code == 75
            done = here.run(folder, *arguments, "--resume")
            assert done.code == 3, (here.name, done)
            assert b"continuing after" in done.stderr
            assert (folder / OUT).read_bytes() == golden.output, here.name
            assert (folder / f"{OUT}.errors.jsonl").read_bytes() == golden.errors, here.name


def test_a_whole_model_gives_the_same_bytes_where_everything_is_missing(
    points: Points, golden: Golden, quick_folder: Path
) -> None:
    if not points.exhaustive:
        pytest.skip("loading torch takes seconds: with --exhaustive only")
    nothing: dict[str, str | None] = {
        "HOME": None,
        "HF_HOME": None,
        "TMPDIR": "/nonexistent",
        "PYTHONWARNINGS": "error",
    }
    poor = within("a poor place", "ulimit -n 64", variables={**nothing, "LC_ALL": "C", "PYTHONUTF8": "0", "TERM": None})
    empty = Surroundings("env -i in a read-only folder", before=(*READ_ONLY, *EMPTY, *HERE))
    arguments = golden.score("-", "--model", "mini", "--device", "cpu", "--threads", "1")
    usual = PLAIN.run(quick_folder, *arguments)
    assert usual.code == 3
    for here in (poor, empty):
        if not here.obstacle:
            with points.trying("environments: the embedded model"):
                done = here.run(
                    quick_folder, *golden.score("-", "--model", "mini", "--device", "cpu", "--threads", "1")
                )
                assert (done.code, done.stdout) == (3, usual.stdout), done.said
                assert_clear(done.stderr, "utf-8")
