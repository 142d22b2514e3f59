"""No network: nothing is contacted that need not be, and the default model ends clearly and soon, never as another one.

System calls are watched in a network of no devices: the libraries under us are not all Python.
"""

import itertools
import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.inside import rerank_inside
from support.points import Points
from support.running import COMMAND, HANG_S, Finished, environment, files_of, lines, rerank
from support.tiny import edit_json, write_bi_encoder, write_reranker
from support.tracing import needs_strace

DEFAULT_MODEL = "BAAI/bge-reranker-v2-m3"


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    """A file of ten good records."""
    path = tmp_path / "ten.jsonl"
    path.write_bytes(lines(10))
    return path


@pytest.fixture
def no_hub() -> Iterator[str]:
    """The address of a hub that nobody answers at: the port is taken and does not listen."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def assert_three_ways_out(done: Finished, folder: Path) -> None:
    assert done.code == 6
    assert DEFAULT_MODEL in done.said
    for way in ("hf download", "--model PATH", "--model mini"):
        assert way in done.said
    assert "Traceback" not in done.said
    assert sorted(files_of(folder)) == ["ten.jsonl"]


def test_6_with_three_ways_out_when_the_hub_cannot_be_reached(ten: Path, tmp_path: Path, no_hub: str) -> None:
    home = {"HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": no_hub}
    done = rerank("score", ten, "-o", tmp_path / "out.jsonl", **home)
    assert_three_ways_out(done, tmp_path)
    assert "cannot be reached" in done.said


@pytest.mark.parametrize("way", ["--offline", "HF_HUB_OFFLINE"])
def test_offline_never_asks_the_hub_and_ends_with_6(ten: Path, tmp_path: Path, way: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hub:
        hub.setblocking(False)
        home = {"HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": f"http://127.0.0.1:{hub.getsockname()[1]}"}
        flags = [way, "--resume", "--overwrite"] if way.startswith("--") else []
        variables = {} if flags else {way: "1"}
        done = rerank("score", ten, "-o", tmp_path / "out.jsonl", *flags, **home, **variables)
        with pytest.raises(BlockingIOError):
            hub.accept()
    assert_three_ways_out(done, tmp_path)
    assert "offline" in done.said


def test_doctor_says_the_same_with_the_same_code(tmp_path: Path) -> None:
    done = rerank("doctor", "--offline", HF_HOME=str(tmp_path))
    assert done.code == 6
    assert b"--model mini" in done.stdout
    assert os.fsencode(str(tmp_path)) in done.stdout


def test_a_name_that_is_no_hub_id_is_6_without_a_look_at_the_hub(ten: Path, tmp_path: Path, points: Points) -> None:
    names = ["no-such-model", "./someone/model", "/someone/model", "~/no such/model", "a/b/c", "a//b", "..", "a/.."]
    names += [
        "../a/b",
        "someone/",
        "/",
        "someone/model\n",
        "someone/mod el",
        "someone\\model",
        "é/è",
        "-/-",
    ]
    for name in points.of(names, sample=3):
        with points.trying("network: names that are none of the hub's"):
            done = rerank_inside("score", ten, "-o", tmp_path / "out.jsonl", f"--model={name}")
            assert done.code == 6, (name, done)
            assert "Traceback" not in done.said
            assert done.events == []
            assert sorted(files_of(tmp_path)) == ["ten.jsonl"]


NAMED = ["score in.jsonl -o out", "score in.jsonl -o out --dry-run", "train in.jsonl -o out", "doctor", "export -o out"]
NAMED += ["mine in.jsonl --pool in.jsonl -o out", "bench in.jsonl", "score in.jsonl -o out --engine torch"]


def test_an_empty_name_is_never_the_model_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, points: Points
) -> None:
    """As an unset variable of a shell gives it: `--model "$MODEL"`."""
    write_reranker(tmp_path)
    (tmp_path / "in.jsonl").write_text('{"query": "a", "pos": ["a b"], "neg": ["c"]}\n')
    before = sorted(tmp_path.iterdir())
    monkeypatch.chdir(tmp_path)
    empty = [("--model", ""), ("--model", "  "), ("--model", "\t\n"), ("--revision", ""), ("--revision", " ")]
    for command, (option, name) in points.of([(each, pair) for each in NAMED for pair in empty], sample=6):
        with points.trying("network: empty names of models"):
            more = [] if option == "--model" else ["--model", str(tmp_path)]
            done = rerank_inside(*command.split(), *more, f"{option}={name}")
            assert done.code == 2, (command, option, done)
            assert command == "doctor" or (option in done.said and "is empty" in done.said)
            assert sorted(tmp_path.iterdir()) == before


def hostile_model(folder: Path) -> Path:
    """One that would have code fetched, in two ways."""
    write_reranker(folder)
    edit_json(folder / "config.json", _attn_implementation="attacker/kernel")
    edit_json(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["attacker/x--evil.Evil", None]})
    return folder


def no_network() -> list[str]:
    """What runs a command in a network of no devices, where that is possible: what it opens is watched either way."""
    able = shutil.which("unshare") and not subprocess.run(["unshare", "-n", "true"], check=False).returncode
    return ["unshare", "-n"] if able else []


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A folder that is home, cache, temporary and working folder of a command; it may write in `inside`."""

    folder: Path

    def run(self, *arguments: str | Path) -> tuple[Finished, str]:
        """Run the command; how it ended, and what strace saw of its sockets and files."""
        log, places = self.folder / "log", {}
        for name, variable in (("home", "HOME"), ("cache", "XDG_CACHE_HOME"), ("tmp", "TMPDIR"), ("hub", "HF_HOME")):
            (self.folder / name).mkdir(exist_ok=True)
            places[variable] = str(self.folder / name)
        strace = ["strace", "-f", "-y", "--seccomp-bpf", "-qq", "-s", "300", "-o", log, "-e", f"trace={CALLS}"]
        done = subprocess.run(
            [*no_network(), *strace, *COMMAND, *map(str, arguments)],
            cwd=self.folder / "inside",
            env=environment(
                PYTHONDONTWRITEBYTECODE="1", ORT_DISABLE_TELEMETRY="0", HF_HUB_DISABLE_TELEMETRY="", **places
            ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=HANG_S,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr), log.read_text(errors="replace")

    def written_elsewhere(self, log: str) -> set[str]:
        """Files that were opened for writing, and folders made, but where we may: `inside`, temporary files, cache."""
        opened = [match[2] for match in OPENED.finditer(log) if WRITING.search(match[1])]
        made = [os.path.join(self.folder / "inside", match[1]) for match in MADE.finditer(log)]
        ours = tuple(f"{self.folder / name}/" for name in ("inside", "tmp", "cache/rerank"))
        also = (f"{self.folder}/cache/rerank", "/dev/", "/proc/self/", "/proc/thread-self/")
        elsewhere = {path for path in (*opened, *made) if not path.startswith((*ours, *also))}
        return {path for path in elsewhere if not re.match(r"/proc/[0-9]+/", path)}


WISHED = {"PYTHONDONTWRITEBYTECODE": "1", "ORT_DISABLE_TELEMETRY": "0", "HF_HUB_DISABLE_TELEMETRY": ""}
CALLS = "%network,open,openat,openat2,creat,mkdir,mkdirat,symlink,symlinkat,link,linkat,rename,renameat,renameat2"
OPENED = re.compile(r"^[0-9]+ +(?:open|openat|openat2|creat)(\(.*)\) = [0-9]+<([^>]*)>", re.MULTILINE)
WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC")
MADE = re.compile(r'^[0-9]+ +(?:mkdir|mkdirat)\((?:AT_FDCWD<[^>]*>, )?"([^"]*)".*\) = 0$', re.MULTILINE)
FAMILY = re.compile(r"AF_[A-Z0-9]+")
SERVED = re.compile(r'sun_path="([^"]*)"')


def talked_to(log: str) -> set[str]:
    """Kinds of sockets that lead out of the machine, and local services that were asked, but for names of users."""
    families = {family for line in log.splitlines() for family in FAMILY.findall(line) if family != "AF_UNSPEC"}
    return (families - {"AF_UNIX", "AF_LOCAL", "AF_NETLINK"}) | {
        path for path in SERVED.findall(log) if "nscd" not in path
    }


def test_the_watch_sees_sockets_and_files(tmp_path: Path) -> None:
    """As the log of a library that reports has them."""
    box = Sandbox(tmp_path)
    log = f'''7 socket(AF_INET, SOCK_DGRAM|SOCK_CLOEXEC, IPPROTO_IP) = 9<socket:[1]>
7 connect(9<socket:[1]>, {{sa_family=AF_UNIX, sun_path="/run/dbus/system_bus_socket"}}, 20) = 0
7 connect(9<socket:[1]>, {{sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}}, 110) = -1 ENOENT (No such file)
7 mkdir("{tmp_path}/cache/Microsoft", 0700) = 0
7 openat(AT_FDCWD<{tmp_path}/inside>, "out.jsonl", O_WRONLY|O_CREAT, 0666) = 9<{tmp_path}/inside/out.jsonl>
7 openat(AT_FDCWD<{tmp_path}/inside>, "../cache/Microsoft/id", O_RDWR, 0666) = 9<{tmp_path}/cache/Microsoft/id>
7 openat(AT_FDCWD<{tmp_path}/inside>, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 9</etc/passwd>
'''
    assert talked_to(log) == {"AF_INET", "/run/dbus/system_bus_socket"}
    assert box.written_elsewhere(log) == {f"{tmp_path}/cache/Microsoft", f"{tmp_path}/cache/Microsoft/id"}


JUDGED = "\n".join(
    json.dumps({"query": f"what is {a} ?", "pos": [f"{a} {b}"], "neg": [f"{b} c", "c d"]}) for a, b in ("ab", "ba") * 4
)
PASSAGES = [{"text": text} for text in ("a b", "c d", "panda is a", "b c d", "hi what")]
NATIVE = {
    "id": "q1",
    "query": "what is panda?",
    "candidates": [{"id": "d1", "text": "hi", "relevance": 0}, {"id": "d2", "text": "panda is a", "relevance": 1}],
}


@pytest.fixture
def box(tmp_path: Path) -> Sandbox:
    """Models, records and judgements in its folder `inside`."""
    work = tmp_path / "inside"
    work.mkdir()
    write_reranker(work / "tiny")
    write_bi_encoder(work / "vectors")
    hostile_model(work / "hostile")
    (work / "in.jsonl").write_text(json.dumps(NATIVE) + "\n")
    (work / "train.jsonl").write_text(JUDGED + "\n")
    (work / "pool.jsonl").write_text("".join(json.dumps(each) + "\n" for each in PASSAGES))
    return Sandbox(tmp_path)


SCORE = "score in.jsonl -o {out} -q --overwrite --model"
EXPORT = "export -o {out}.d --model tiny --records in.jsonl --format"
TRAIN = "train train.jsonl -o {out}.d --model tiny --max-steps 2 --device cpu"
EVERY_COMMAND = {  # each with its exit code; `make test` tries the first and the last
    f"{SCORE} tiny --engine onnx --dtype int8": 0,
    "--help": 0,
    "convert in.jsonl -o {out} --output-format rerank-api": 0,
    f"{SCORE} fake": 0,
    f"{SCORE} mini --offline": 0,
    f"{SCORE} hostile": 6,
    f"{SCORE} tiny --engine torch": 0,
    f"{SCORE} tiny --engine torch --dtype bf16": 0,
    f"{SCORE} tiny --engine openvino": 0,
    f"{SCORE} tiny --engine openvino --dtype int8": 0,
    f"{SCORE} tiny --engine onnx": 0,
    f"{SCORE} tiny --engine bi-encoder": 0,
    f"{SCORE} tiny --dry-run": 0,
    f"{EXPORT} openvino": 0,
    f"{EXPORT} openvino --dtype int8": 0,
    f"{EXPORT} onnx": 0,
    f"{EXPORT} onnx --dtype int8": 0,
    "doctor --model mini": 0,
    "doctor --model tiny --engine onnx": 0,
    "eval in.jsonl --measures nDCG@10 --html {out}.html": 0,
    "compare in.jsonl in.jsonl --html {out}.html": 0,
    f"{TRAIN}": 0,
    f"{TRAIN} --lora --eval train.jsonl": 0,
    "mine train.jsonl -o {out} --pool pool.jsonl --model vectors": 0,
    "bench in.jsonl --model tiny --engines onnx:fp32 --peers none --rounds 1": 0,
    "check in.jsonl": 0,
}


@needs_strace
@pytest.mark.slow
def test_no_command_opens_a_socket_or_writes_elsewhere_in_native_code_either(box: Sandbox, points: Points) -> None:
    for number, command in enumerate(points.of(list(EVERY_COMMAND), sample=2)):
        with points.trying("network: sockets of native code"):
            done, log = box.run(*command.format(out=f"out{number}").split())
            assert done.code == EVERY_COMMAND[command], (command, done.said, done.stdout)
            assert talked_to(log) == set(), command
            assert box.written_elsewhere(log) == set(), command
            shutil.rmtree(box.folder / "inside" / f"out{number}.d", ignore_errors=True)


@needs_strace
@pytest.mark.parametrize(
    ("model", "command"),
    [
        ("cohere:rerank-v3.5", "--dry-run"),  # a server of one's own is asked what it is, a provider is not
        *itertools.product(
            ("cohere:rerank-v3.5", "http://127.0.0.1:9/v1/rerank", "https://localhost/v2/rerank"),
            ("--offline", "--offline --dry-run"),
        ),
    ],
)
def test_no_socket_is_opened_for_an_api_offline_or_to_see_what_a_provider_costs(
    ten: Path, tmp_path: Path, model: str, command: str, points: Points
) -> None:
    (tmp_path / "inside").mkdir()
    with points.trying("no network: an API"):
        done, log = Sandbox(tmp_path).run("score", ten, "-o", "out.jsonl", "--model", model, *command.split())
        assert done.code == (0 if command == "--dry-run" else 2), done.said
        assert "sends the texts" in done.said or command == "--dry-run"
        assert talked_to(log) == set()
        assert files_of(tmp_path / "inside") == {}
