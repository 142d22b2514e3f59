"""Hostile lines and texts: each is scored and comes back as it was, or is an error record; none is lost or altered.

The oracle is json of the standard library, after strict UTF-8 decoding. Where we differ from it, the reason is one of
`hostile.Stricter`, expected line by line, and each of them must be met.
"""

import base64
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from support.hostile import BOM, Stricter, naughty_strings
from support.hostile import lines as hostile_lines
from support.hostile_cases import CASES, Verdict
from support.making import fake_logit, jsonl, written_logit
from support.points import Points
from support.running import files_of, forked, lines

from rerank_cli.files.signatures import foreign_kind

FAKE = ("--engine", "fake", "-q", "--format", "native")
WINDOWS = ("--batch-tokens", "256", "--window-tokens", "8192")  # small, so that order must hold across them
OURS = ("index", "score", "logit", "previous_score", "truncated", "chunk", "num_candidates")
MALFORMED = ("not valid JSON", "not UTF-8", "an integer beyond", "nested")  # how such reasons begin
ERROR_CAP = 64 * 1024  # bytes of a record that an error record holds
WRITTEN_DEPTH, READ_DEPTH = 253, 1024


# The oracle: what must become of a line.


@dataclass(frozen=True, slots=True)
class Judged:
    """The record that comes back, or the paths of which the error names one; `differs`: why the oracle is overruled."""

    verdict: Verdict
    value: Any = None
    paths: frozenset[str] = frozenset()
    differs: Stricter | None = None

    @property
    def well_formed(self) -> bool:
        """Whether we take it for JSON, be it a record or not."""
        return self.verdict == "good" or bool(self.paths)


def judge(raw: bytes, at_start: bool = False) -> Judged:
    """By the oracle, overruled for listed reasons only."""
    if at_start and raw.startswith(BOM):
        judged = judge(raw.removeprefix(BOM))
        return replace(judged, differs=Stricter.BOM) if judged.well_formed else judged
    if not raw.strip():
        return Judged("blank")
    try:
        text = raw.decode("utf-8")
        value = json.loads(text)
    except (ValueError, RecursionError):
        return Judged("bad")
    if differs := stricter(text, value):
        return Judged("bad", differs=differs)
    paths = misshapen(value)
    return Judged("bad", paths=paths) if paths else Judged("good", value)


def stricter(text: str, value: Any) -> Stricter | None:
    """Why we do not take what the standard library reads as `value`; of several reasons, any."""
    met = set()

    def literal(_: str) -> None:
        met.add(Stricter.LITERAL)

    def number(digits: str) -> float:
        if float(digits) in (float("inf"), -float("inf")):
            met.add(Stricter.FLOAT)
        return float(digits)

    def integer(digits: str) -> int:
        if isinstance(value, dict) and not -(2**63) <= int(digits) < 2**64:
            met.add(Stricter.INTEGER)
        return int(digits)

    whole = json.loads(text, parse_constant=literal, parse_float=number, parse_int=integer, object_pairs_hook=Pairs)
    if any(isinstance(part, str) and re.search("[\ud800-\udfff]", part) for part, _ in walk(whole)):
        met.add(Stricter.SURROGATE)
    if nesting(whole) > READ_DEPTH or (isinstance(value, dict) and nesting(value) > WRITTEN_DEPTH):
        met.add(Stricter.DEPTH)
    return next(iter(sorted(met)), None)


class Pairs(list[tuple[str, Any]]):
    """A JSON object with all of its fields, those too that are not the last of their name."""


def walk(value: Any) -> Iterator[tuple[Any, int]]:
    """Every value and key inside a JSON value, with its depth."""
    left = [(value, 1)]
    while left:
        value, depth = left.pop()
        yield value, depth
        if isinstance(value, dict | Pairs):
            pairs = value.items() if isinstance(value, dict) else value
            left.extend((part, depth + 1) for pair in pairs for part in pair)
        elif isinstance(value, list):
            left.extend((part, depth + 1) for part in value)


def nesting(value: Any) -> int:
    """Lists and objects around the innermost of them."""
    return max((depth for part, depth in walk(value) if isinstance(part, list | dict)), default=0)


def misshapen(value: Any) -> frozenset[str]:
    """The JSON paths at which a value is not of the native format."""
    if not isinstance(value, dict):
        return frozenset({"$"})
    wrong = set(misnamed(value, "$"))
    if not isinstance(value.get("query"), str):
        wrong.add("$.query")
    if not isinstance(value.get("candidates"), list):
        return frozenset({*wrong, "$.candidates"})
    for index, candidate in enumerate(value["candidates"]):
        place = f"$.candidates[{index}]"
        if isinstance(candidate, dict):
            wrong |= misnamed(candidate, place)
            wrong |= set() if isinstance(candidate.get("text"), str) else {f"{place}.text"}
        elif not isinstance(candidate, str):
            wrong.add(place)
    return frozenset(wrong)


def misnamed(value: dict[str, Any], place: str) -> set[str]:
    """The path of an id that is neither a string nor an integer."""
    name = value.get("id", "")
    return set() if (name is None or isinstance(name, str | int)) and not isinstance(name, bool) else {f"{place}.id"}


# What a run made of the lines.


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the input: its number, the byte it begins at, its bytes, and what must become of it."""

    number: int
    offset: int
    raw: bytes
    judged: Judged


def places(content: bytes) -> Iterator[Place]:
    """The lines of a file, judged. A byte order mark at its start is not part of the first."""
    offset = 0
    for number, raw in enumerate(content.split(b"\n"), 1):
        if raw or offset < len(content):  # else nothing follows the last newline
            judged = judge(raw, at_start=number == 1)
            yield Place(number, offset, raw.removeprefix(BOM) if number == 1 else raw, judged)
        offset += len(raw) + 1


def read_json(path: Path) -> list[Any]:
    """A file of JSON lines; none if it is not there."""
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]] if path.exists() else []


def assert_none_is_lost(folder: Path, content: bytes, *options: str) -> list[Judged]:
    """Score and check a file of lines, at least one of them good; returns what had to become of each, and did."""
    folder.mkdir()
    (folder / "in.jsonl").write_bytes(content)
    done = forked("score", "in.jsonl", "-o", "out.jsonl", *FAKE, *options, cwd=folder)
    assert done.code in (0, 3), done.said
    written, errors = read_json(folder / "out.jsonl"), read_json(folder / "out.jsonl.errors.jsonl")
    failed = {error["line"] for error in errors}
    outputs, told, met = iter(written), iter(errors), []
    for place in places(content):
        judged = place.judged
        assert (judged.verdict == "bad") == (place.number in failed), (judged, place.raw[:2000])
        if judged.verdict == "good":
            assert_came_back(next(outputs), judged.value)
        elif judged.verdict == "bad":
            assert_told(next(told), place)
        met.append(judged)
    assert [*outputs, *told] == []
    count = Counter(judged.verdict for judged in met)
    meta = json.loads((folder / "out.jsonl.meta.json").read_bytes())
    assert (meta["scored"], meta["failed"], meta["blank"]) == (count["good"], count["bad"], count["blank"])
    assert meta["records"] == len(written) + len(errors) == count["good"] + count["bad"]
    assert done.code == (3 if errors else 0)
    assert_checked(folder, count)
    return met


def assert_came_back(written: dict[str, Any], value: dict[str, Any]) -> None:
    """What was written is what was read, reordered, with our fields; and the scores are those of these very texts."""
    before = value["candidates"]
    after: list[Any] = [None] * len(before)
    for candidate in written["candidates"]:
        old = before[candidate["index"]]
        text = old if isinstance(old, str) else old["text"]
        assert candidate["logit"] == written_logit(fake_logit(value["query"], text))
        if isinstance(old, dict):
            assert ("previous_score" in candidate) == ("score" in old)
            assert exactly(candidate.get("previous_score")) == exactly(old.get("score"))
        after[candidate["index"]] = without_ours(candidate)
    kept = [{"text": old} if isinstance(old, str) else without_ours(old) for old in before]
    assert len(written["candidates"]) == len(before)
    assert exactly({**written, "candidates": after}) == exactly({**value, "candidates": kept})


def without_ours(candidate: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in candidate.items() if name not in OURS}


def exactly(value: Any) -> str:
    """A JSON value as text: 1, 1.0 and true differ, and so does the order of keys."""
    return json.dumps(value)


def assert_told(error: dict[str, Any], place: Place) -> None:
    """An error record says where the line is, what is wrong with it and where inside, and gives its bytes."""
    judged, reason = place.judged, error["reason"]
    assert (error["source"], error["line"], error["byte_offset"]) == ("in.jsonl", place.number, place.offset)
    assert error["path"] in (judged.paths or {"$"}), reason
    assert reason.startswith(MALFORMED) != judged.well_formed, (judged, reason, place.raw[:2000])
    assert "\ufffd" not in reason or "\ufffd".encode() in place.raw or rb"\ufffd" in place.raw.lower()
    assert ("raw" in error) != ("raw_base64" in error)
    raw = error["raw"].encode() if "raw" in error else base64.b64decode(error["raw_base64"], validate=True)
    if len(place.raw) <= ERROR_CAP:
        assert raw == place.raw
        assert ("raw" in error) == is_utf8(raw)
    else:
        assert place.raw.startswith(raw)
        assert ERROR_CAP - 4 < len(raw) <= ERROR_CAP


def is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def assert_checked(folder: Path, count: Counter[Verdict]) -> dict[int, tuple[str, str]]:
    """`rerank check` counts the same; returns the reason and the path of the bad lines that it names."""
    checked = forked("check", "in.jsonl", "--format", "native", cwd=folder)
    figures, *rest = checked.stdout.decode().split("\n\n")
    told = dict(line.rsplit(maxsplit=1) for line in figures.splitlines())
    assert {name: int(told[name]) for name in ("good", "bad", "blank lines")} == {
        "good": count["good"],
        "bad": count["bad"],
        "blank lines": count["blank"],
    }
    assert checked.code == (3 if count["bad"] else 0)
    named = re.findall(r"^  in\.jsonl:(\d+): (.*) \(at (.*)\)$", rest[-1] if rest else "", re.MULTILINE)
    assert len(named) == min(count["bad"], 10)
    return {int(number): (reason, path) for number, reason, path in named}


def begins_array(content: bytes) -> bool:
    """Whether the first line that is not blank begins an array of objects, or is one."""
    first = next((line.strip() for line in content.split(b"\n") if line.strip()), b"")
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):  # goes on in other lines, or is too deep
        return first == b"[" or re.match(rb"\[\s*\{", first) is not None
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def assert_alone(folder: Path, content: bytes) -> list[Place]:
    """Check and score a file of which nothing else is known; returns its lines."""
    folder.mkdir()
    (folder / "in.jsonl").write_bytes(content)
    found = list(places(content))
    count = Counter(place.judged.verdict for place in found)
    whole = f"is {kind.what}" if (kind := foreign_kind(content)) else "a JSON array" if begins_array(content) else ""
    if whole:  # UTF-16 and the like, or an array of records: refused as a file
        assert count["good"] == 0
        for command in (["check", "in.jsonl"], ["score", "in.jsonl", "-o", "out.jsonl", *FAKE]):
            refused = forked(*command, cwd=folder)
            assert refused.code == 4
            assert f"in.jsonl: {whole}" in refused.said
        assert files_of(folder) == {"in.jsonl": content}
        return found
    named = assert_checked(folder, count)
    for place in found:
        if place.number in named:
            reason, path = named[place.number]
            assert path in (place.judged.paths or {"$"})
            assert reason.startswith(MALFORMED) != place.judged.well_formed, (place.judged, reason)
    done = forked("score", "in.jsonl", "-o", "out.jsonl", *FAKE, cwd=folder)
    if count["bad"] and not count["good"]:
        assert done.code == 4, done.said
        assert re.search("records? (is|are all) bad", done.said)
        assert files_of(folder) == {"in.jsonl": content}
    else:
        assert done.code == (3 if count["bad"] else 0), done.said
        assert len(read_json(folder / "out.jsonl")) == count["good"]
        assert len(read_json(folder / "out.jsonl.errors.jsonl")) == count["bad"]
    return found


def among_good_lines(bad: Sequence[bytes]) -> bytes:
    """A good line, one of these, a good line, …"""
    return b"".join(lines(1, start=number) + line + b"\n" for number, line in enumerate(bad)) + lines(1)


# The shared collections.


@pytest.fixture(scope="module")
def collections(shared: Path) -> Path:
    folder = shared / "corpora" / "hostile"
    if not folder.is_dir():
        pytest.skip("the hostile collections are not at corpora/hostile/ in the shared folder")
    return folder


@pytest.fixture(scope="module")
def suite(collections: Path) -> dict[str, bytes]:
    """The files of JSONTestSuite by their names, without the folder."""
    stored = json.loads((collections / "json_test_suite.json").read_bytes())
    return {name.rpartition("/")[2].removesuffix(".json"): base64.b64decode(stored[name]) for name in stored}


@pytest.fixture(scope="module")
def big_list(collections: Path) -> list[str]:
    """The big list of naughty strings."""
    return json.loads((collections / "blns.json").read_bytes())


SUITE_BLANK = {"n_single_space", "n_structure_UTF8_BOM_no_data", "n_structure_no_data"}  # nothing is no record
SUITE_DIFFERS = {
    "i_structure_UTF-8_BOM_empty_object": Stricter.BOM,
    "n_number_NaN": Stricter.LITERAL,
    "n_number_infinity": Stricter.LITERAL,
    "n_number_minus_infinity": Stricter.LITERAL,
    "i_number_huge_exp": Stricter.FLOAT,
    "i_number_neg_int_huge_exp": Stricter.FLOAT,
    "i_number_pos_double_huge_exp": Stricter.FLOAT,
    "i_number_real_neg_overflow": Stricter.FLOAT,
    "i_number_real_pos_overflow": Stricter.FLOAT,
    "i_number_too_big_neg_int": Stricter.INTEGER,
    "i_number_too_big_pos_int": Stricter.INTEGER,
    "i_number_very_big_negative_int": Stricter.INTEGER,
    "number_-9223372036854775809": Stricter.INTEGER,
    "i_object_key_lone_2nd_surrogate": Stricter.SURROGATE,
    "i_string_1st_surrogate_but_2nd_missing": Stricter.SURROGATE,
    "i_string_1st_valid_surrogate_2nd_invalid": Stricter.SURROGATE,
    "i_string_incomplete_surrogate_and_escape_valid": Stricter.SURROGATE,
    "i_string_incomplete_surrogate_pair": Stricter.SURROGATE,
    "i_string_incomplete_surrogates_escape_valid": Stricter.SURROGATE,
    "i_string_invalid_lonely_surrogate": Stricter.SURROGATE,
    "i_string_invalid_surrogate": Stricter.SURROGATE,
    "i_string_inverted_surrogates_U+1D11E": Stricter.SURROGATE,
    "i_string_lone_second_surrogate": Stricter.SURROGATE,
    "string_1_escaped_invalid_codepoint": Stricter.SURROGATE,
    "string_2_escaped_invalid_codepoints": Stricter.SURROGATE,
    "string_3_escaped_invalid_codepoints": Stricter.SURROGATE,
    "i_structure_500_nested_arrays": Stricter.DEPTH,
}
IN_RECORDS_ONLY = (Stricter.INTEGER, Stricter.DEPTH)  # the suite's files are lists, refused without looking for these


def listed(names: Sequence[str], *left_out: Stricter) -> dict[str, Stricter]:
    return {name: SUITE_DIFFERS[name] for name in names if SUITE_DIFFERS.get(name, left_out[0]) not in left_out}


@pytest.mark.slow
def test_each_file_of_the_suite_alone_is_refused_for_what_it_is(
    suite: dict[str, bytes], points: Points, tmp_path: Path
) -> None:
    names = points.of(sorted(suite), sample=12)
    blank, differs = set(), {}
    for number, name in enumerate(names):
        with points.trying("records: JSONTestSuite alone"):
            found = assert_alone(tmp_path / str(number), suite[name])
            verdicts = {place.judged.verdict for place in found}
            assert "good" not in verdicts
            if "bad" not in verdicts:
                blank.add(name)
            for place in found:
                if place.judged.differs:
                    differs[name] = place.judged.differs
    assert blank == SUITE_BLANK & set(names)
    assert differs == listed(names, *IN_RECORDS_ONLY)


def test_no_file_of_the_suite_harms_the_good_lines_around_it(
    suite: dict[str, bytes], points: Points, tmp_path: Path
) -> None:
    with points.trying("records: JSONTestSuite among good lines", len(suite)):
        met = assert_none_is_lost(tmp_path / "lines", among_good_lines(list(suite.values())), *WINDOWS)
        assert Counter(judged.verdict for judged in met)["good"] == len(suite) + 1


def test_each_file_of_the_suite_is_taken_as_a_value_in_a_record_just_if_it_is_json(
    suite: dict[str, bytes], points: Points, tmp_path: Path
) -> None:
    names = sorted(suite)
    values = [b'{"query": "q", "candidates": ["a"], "x": %s}' % suite[name].replace(b"\n", b"\r") for name in names]
    with points.trying("records: JSONTestSuite as a value", len(names)):
        _, *met = assert_none_is_lost(tmp_path / "values", lines(1) + b"\n".join(values), *WINDOWS)
        judged = dict(zip(names, met, strict=True))
        assert {name: judged[name].differs for name in names if judged[name].differs} == listed(names, Stricter.BOM)
        for name in names:
            if name.startswith(("y_", "n_")):
                assert judged[name].verdict == ("good" if name.startswith("y_") else "bad"), name


# Naughty strings.


def assert_unchanged(texts: Sequence[str], points: Points, folder: Path) -> None:
    """Each string comes back the same from every place in a record, be it written as it is or in escapes."""
    records = [
        *({"id": text, "query": "q", "candidates": [{"id": text, "text": "a"}]} for text in texts),
        *({"query": text, "candidates": ["a"]} for text in texts),
        *({"query": "q", "candidates": [text, {"text": text, "id": 1}]} for text in texts),
    ]
    escaped = b"".join(json.dumps(record).encode() + b"\n" for record in records)
    for name, content in (("plain", jsonl(*records)), ("escaped", escaped)):
        with points.trying("records: naughty strings", len(records)):
            met = assert_none_is_lost(folder / name, content, *WINDOWS)
            assert [judged.value for judged in met] == records
            written = read_json(folder / name / "out.jsonl")
            assert [(record["id"], record["candidates"][0]["id"]) for record in written[: len(texts)]] == [
                (text, text) for text in texts
            ]
            assert [record["query"] for record in written[len(texts) : -len(texts)]] == list(texts)
            assert [[candidate["text"] for candidate in record["candidates"]] for record in written[-len(texts) :]] == [
                [text, text] for text in texts
            ]


def assert_harmless_when_shown(texts: Sequence[str], points: Points, folder: Path) -> None:
    """`rerank check` shows each string, as a text or as a key that is not ours, without what acts on a terminal."""
    for ten in [texts[start : start + 10] for start in range(0, len(texts), 10)]:
        with points.trying("records: naughty strings shown by check", len(ten)):
            good = {"query": ten[0], "candidates": [ten[1 % len(ten)], ten[-1]]}
            (folder / "in.jsonl").write_bytes(jsonl(good, *({text: 1} for text in ten)))
            checked = forked("check", "in.jsonl", "--format", "native", cwd=folder)
            assert checked.code == 3
            shown = (checked.stdout + checked.stderr).decode("utf-8")
            assert {char for char in shown if acts_on_a_terminal(char)} <= {"\n"}


def acts_on_a_terminal(char: str) -> bool:
    wrong = ("Cc", "Cs", "Zl", "Zp"), ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    return unicodedata.category(char) in wrong[0] or unicodedata.bidirectional(char) in wrong[1]


OUR_STRINGS = naughty_strings(500)


def test_the_big_list_of_naughty_strings_comes_back_unchanged(
    big_list: list[str], points: Points, tmp_path: Path
) -> None:
    assert_unchanged(big_list, points, tmp_path)


def test_our_own_naughty_strings_come_back_unchanged(points: Points, tmp_path: Path) -> None:
    assert_unchanged(OUR_STRINGS, points, tmp_path)


def test_the_big_list_of_naughty_strings_is_harmless_when_shown(
    big_list: list[str], points: Points, tmp_path: Path
) -> None:
    assert_harmless_when_shown(big_list, points, tmp_path)


def test_our_own_naughty_strings_are_harmless_when_shown(points: Points, tmp_path: Path) -> None:
    assert_harmless_when_shown(OUR_STRINGS, points, tmp_path)


# Hand-made lines.


def test_the_oracle_and_the_hand_agree_on_every_hand_made_line() -> None:
    assert len(CASES) >= 60
    for case in CASES:
        judged = judge(case.raw)
        assert (judged.verdict, judged.differs) == (case.verdict, case.differs), case.kind
        assert case.path in (judged.paths or {"$"}), case.kind
    assert {case.differs for case in CASES} == {None, *Stricter} - {Stricter.BOM}  # that one is not about a line


def test_each_hand_made_line_among_good_ones_is_what_it_was_made_for(points: Points, tmp_path: Path) -> None:
    with points.trying("records: hand-made", len(CASES)):
        met = assert_none_is_lost(tmp_path / "all", among_good_lines([case.raw for case in CASES]), *WINDOWS)
        assert [judged.verdict for judged in met[1::2]] == [case.verdict for case in CASES]
        errors = read_json(tmp_path / "all" / "out.jsonl.errors.jsonl")
        bad = [(2 * number, case.path) for number, case in enumerate(CASES, 1) if case.verdict == "bad"]
        assert [(error["line"], error["path"]) for error in errors] == bad


def test_each_hand_made_line_alone_is_what_it_was_made_for(points: Points, tmp_path: Path) -> None:
    ends = (b"", b"\n", b"\r\n")
    for number, case in enumerate(points.of(CASES, sample=10)):
        with points.trying("records: hand-made, alone"):
            content = case.raw + ends[number % 3]
            assert [place.judged.verdict for place in assert_alone(tmp_path / str(number), content)] == (
                [case.verdict] if content else []
            )


def test_a_byte_order_mark_changes_nothing_at_the_start_of_a_file(points: Points, tmp_path: Path) -> None:
    cases = {case.verdict: case for case in reversed(CASES)}
    for verdict, case in cases.items():
        with points.trying("records: a byte order mark at the start"):
            [place] = assert_alone(tmp_path / verdict, BOM + case.raw)
            assert place.judged.verdict == verdict


def test_a_line_beyond_the_limit_is_told_as_text_wherever_it_is_cut(points: Points, tmp_path: Path) -> None:
    content = lines(1) + jsonl({"query": "é漢🙂" * 100, "candidates": ["a"]}) + lines(1, start=1)
    _, long, _ = content.splitlines()
    (tmp_path / "in.jsonl").write_bytes(content)
    for limit in range(700, 709):
        with points.trying("records: a line cut at --max-line-bytes"):
            command = ("score", "in.jsonl", "-o", "out.jsonl", "--max-line-bytes", str(limit), "--overwrite")
            assert forked(*command, *FAKE, cwd=tmp_path).code == 3
            [error] = read_json(tmp_path / "out.jsonl.errors.jsonl")
            assert (error["line"], len(read_json(tmp_path / "out.jsonl"))) == (2, 2)
            assert long.startswith(error["raw"].encode())
            assert len(error["raw"].encode()) > limit - 4


# Generated lines.

LINES_IN_A_FILE = 500


def test_generated_lines_are_scored_or_error_records(points: Points, tmp_path: Path) -> None:
    differs: Counter[Stricter | None] = Counter()
    for seed in points.of(range(40), sample=2):
        drawn = hostile_lines(LINES_IN_A_FILE, seed)
        with points.trying("records: generated", LINES_IN_A_FILE):
            content = BOM + lines(1) + b"\n".join(drawn) + b"\n"
            met = assert_none_is_lost(tmp_path / str(seed), content, *WINDOWS)
            assert len(met) == 1 + LINES_IN_A_FILE
            verdicts = Counter(judged.verdict for judged in met)
            assert min(verdicts["good"], verdicts["bad"]) > LINES_IN_A_FILE / 4
            differs += Counter(judged.differs for judged in met)
    assert set(differs) == {None, *Stricter}


def test_generated_lines_through_standard_streams_give_the_same(points: Points, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    for seed in points.of(range(40, 50), sample=2):
        with points.trying("records: generated, through standard streams", LINES_IN_A_FILE):
            source.write_bytes(lines(1) + b"\n".join(hostile_lines(LINES_IN_A_FILE, seed)))
            options = (*FAKE, *WINDOWS)
            filed = forked("score", "in.jsonl", "-o", "out.jsonl", *options, "--overwrite", cwd=tmp_path)
            piped = forked("score", "-", "-o", "-", *options, cwd=tmp_path, stdin=source)
            assert filed.code == piped.code == 3
            assert piped.stdout == (tmp_path / "out.jsonl").read_bytes()
            errors = read_json(tmp_path / "out.jsonl.errors.jsonl")
            told = [json.loads(line) for line in piped.stderr.splitlines() if line.startswith(b"{")]
            assert told == [{**error, "source": "<stdin>"} for error in errors]
            assert {byte for byte in piped.stderr if not 0x20 <= byte < 0x7F} == {0x0A}


# Nesting near what can be read and written.


def lists(levels: int) -> str:
    return "[" * levels + "]" * levels


def under(names: int, core: str) -> str:
    """A value at the end of a path of so many names."""
    return '{"a":' * names + core + "}" * names


def dotted(names: int) -> str:
    return ".".join("a" * names)


def deep_records(levels: int) -> list[tuple[str, tuple[str, ...]]]:
    """Records of so many levels, with options: deep by a field, a candidate's field, or the path to what matters."""

    def with_candidates(value: str, more: str = "") -> str:
        return f'{{"query": "q", "candidates": {value}{more}}}'

    def at_path(names: int, value: str) -> tuple[str, tuple[str, ...]]:
        return f'{{"query": "q", "a": {under(names - 1, value)}}}', ("--candidates-field", dotted(names))

    text = with_candidates(f"[{under(levels - 2, json.dumps('t'))}]")
    return [
        (with_candidates('["t"]', f', "x": {lists(levels - 1)}'), ()),
        (with_candidates(f'[{{"text": "t", "x": {lists(levels - 3)}}}]'), ()),
        (with_candidates(f'[{{"text": "t", "score": {lists(levels - 3)}}}]'), ()),
        (text, ("--text-field", dotted(levels - 2))),
        (text, ("--text-field", dotted(levels - 2), "--no-text")),
        at_path(levels - 1, "[]"),
        at_path(levels - 1, '["t"]'),
        at_path(levels - 2, '[{"text": "t"}]'),
    ]


@pytest.mark.slow
def test_nesting_near_what_can_be_written_again_is_scored_or_an_error_record(points: Points, tmp_path: Path) -> None:
    for levels in (250, 252, 253, 254, 255, 256, 1023, 1024, 1025):
        for raw, options in deep_records(levels):
            assert levels > 256 or nesting(json.loads(raw)) == levels
            with points.trying("records: nesting at the limit"):
                (tmp_path / "in.jsonl").write_text(raw)
                done = forked("score", "in.jsonl", "-o", "-", *FAKE, *options, cwd=tmp_path)
                shown = [option for option in options if option != "--no-text"]
                checked = forked("check", "in.jsonl", "--format", "native", *shown, cwd=tmp_path)
                assert (done.code, checked.code) in {(0, 0), (4, 3)}, (levels, raw[:60], done.said[-300:])
                assert (done.code == 0) == (levels <= WRITTEN_DEPTH)
                assert done.stdout.count(b"\n") == (done.code == 0)
