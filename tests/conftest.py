"""Paths that tests share, and the fault points: `--exhaustive` tries them all and prints a table of them."""

import compileall
import hashlib
import json
import os
import shutil
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from support.points import Points

# hypothesis: without a clock, without files of its own, the same examples each time
settings.register_profile("rerank", deadline=None, database=None, derandomize=True)
settings.load_profile("rerank")

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("RERANK_SHARED", ROOT.parent / "shared"))
TRIED, PASSED = pytest.StashKey[Counter[str]](), pytest.StashKey[Counter[str]]()


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Collections and model files that are not part of the project (RERANK_SHARED, or ../shared)."""
    if not (SHARED / "models").is_dir():
        pytest.skip(f"the shared collections are not at {SHARED.name}/ beside the checkout (set RERANK_SHARED)")
    return SHARED


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--exhaustive", action="store_true", help="try every fault point, not a sample; print a table")


@pytest.fixture
def points(request: pytest.FixtureRequest) -> Iterator[Points]:
    """The fault points that this test tries."""
    chosen = Points(request.config.getoption("--exhaustive"))
    yield chosen
    request.node.user_properties.append(("fault points", [chosen.tried, chosen.passed]))


def pytest_configure(config: pytest.Config) -> None:
    keep_bytecode()
    os.environ.pop("RERANK_CACHE", None)
    os.environ["XDG_CACHE_HOME"] = str(cache_folder(hasattr(config, "workerinput")))
    for number, handler in ((signal.SIGHUP, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
        if signal.getsignal(number) is signal.SIG_IGN:  # nohup, or a shell's background: our runs would inherit it
            signal.signal(number, handler)
    config.stash[TRIED], config.stash[PASSED] = Counter(), Counter()


def cache_folder(worker: bool) -> Path:
    """Where graphs are kept, away from the user's: made once by the same code, and never those of other code."""
    package = ROOT / "rerank_cli"
    makers = [*sorted((package / "engines").glob("*.py")), *sorted((package / "models").glob("*.py"))]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in makers)).hexdigest()[:16]
    if not worker:
        for other in (ROOT / ".pytest_cache").glob("xdg*"):
            if other.name != f"xdg-{digest}":
                shutil.rmtree(other, ignore_errors=True)
    return ROOT / ".pytest_cache" / f"xdg-{digest}"


def keep_bytecode() -> None:
    """Compile the package once, whatever the environment says: a thousand runs of the command need not do it each."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    compileall.compile_dir(ROOT / "rerank_cli", quiet=2)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a test marked `sampled(count)` that many parameters are fast, spread over those that are not slow anyway."""
    tests = defaultdict(list)
    for item in items:
        if item.get_closest_marker("sampled") is not None and item.get_closest_marker("slow") is None:
            tests[item.nodeid.partition("[")[0]].append(item)
    for of_test in tests.values():
        count = of_test[0].get_closest_marker("sampled").args[0]
        kept = {place * len(of_test) // count for place in range(count)}
        for place, item in enumerate(of_test):
            if place not in kept:
                item.add_marker("slow")


class _Tally:
    """Adds up what the tests' reports say; under xdist they come from several processes."""

    def __init__(self, config: pytest.Config) -> None:
        self.stash = config.stash

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            for name, counts in report.user_properties:
                if name == "fault points":
                    self.stash[TRIED].update(counts[0])
                    self.stash[PASSED].update(counts[1])


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.pluginmanager.register(_Tally(session.config))


def pytest_unconfigure(config: pytest.Config) -> None:
    """The table, and one JSON line last; the process that gathers prints them, not xdist's workers."""
    if not config.getoption("--exhaustive") or hasattr(config, "workerinput"):
        return
    tried, passed = config.stash[TRIED], config.stash[PASSED]
    width = max(map(len, tried), default=0)
    print(f"\n{'fault class':{width}}  {'tried':>7}  {'passed':>7}")
    for fault in sorted(tried):
        print(f"{fault:{width}}  {tried[fault]:7,}  {passed[fault]:7,}")
    classes = {fault: {"tried": tried[fault], "passed": passed[fault]} for fault in sorted(tried)}
    print(json.dumps({"tried": tried.total(), "passed": passed.total(), "classes": classes}))
