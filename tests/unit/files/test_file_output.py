"""A file that is absent or complete."""

import gzip
import os
import stat
import sys
from zlib import crc32

import orjson
import pytest

from rerank_cli.core.errors import Interrupted, OutputBusy, OutputError, Refused
from rerank_cli.core.plan import Budget
from rerank_cli.core.records import Mark
from rerank_cli.core.stats import Counters
from rerank_cli.files.existing import Existing, existing_at, finished_meta, refuse_others, why_damaged
from rerank_cli.files.file_output import FileOutput
from rerank_cli.files.journal import Extent, encode, read_journal
from rerank_cli.files.lock import LINE
from rerank_cli.files.paths import Paths

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PRINT = {"rerank_version": "1", "model": "m", "top_k": None}
META = {"records": 2, "fingerprint": PRINT}
OURS = orjson.dumps({**META, "output_bytes": 4, "output_crc32": crc32(b"one\n")})
AN_ERROR = orjson.dumps({"source": "in.jsonl", "line": 1, "byte_offset": 0, "reason": "bad", "path": "$"}) + b"\n"


def test_an_output_that_is_a_link_is_written_where_it_leads(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.jsonl"
    link.symlink_to(tmp_path / "real" / "out.jsonl")
    output = FileOutput(Paths.of(str(link), None))
    run(output)
    assert link.is_symlink()
    assert (tmp_path / "real" / "out.jsonl").read_bytes() == b"one\ntwo\n"


# the protocol


def paths(tmp_path, name="out.jsonl", errors=None):
    return Paths.of(str(tmp_path / name), errors and str(tmp_path / errors))


def commit(output, *lines, errors=(), records=0):
    for line in lines:
        output.write(line)
    for line in errors:
        output.fail(line)
    output.commit(Counters(records=records), Mark(0, records, records, records), (Budget(records + 1),))


def run(output, errors=()):
    """A whole run of two windows."""
    output.start(PRINT, {"batch_tokens": 1})
    commit(output, b"one\n", records=1)
    commit(output, b"two\n", errors=errors, records=2)
    output.finish(META)
    output.close()


def names(tmp_path):
    return sorted(os.listdir(tmp_path))


def stopped(tmp_path, *blocks, name="out.jsonl", errors=()):
    """A run that ended after some commits, as it does on an interrupt."""
    output = FileOutput(paths(tmp_path, name))
    output.start(PRINT, {})
    for number, block in enumerate(blocks, 1):
        commit(output, block, errors=errors, records=number)
    output.close()


def test_a_finished_run_leaves_the_file_and_its_meta_data_and_nothing_else(tmp_path):
    run(FileOutput(paths(tmp_path)))
    assert names(tmp_path) == ["out.jsonl", "out.jsonl.meta.json"]
    assert (tmp_path / "out.jsonl").read_bytes() == b"one\ntwo\n"
    meta = orjson.loads((tmp_path / "out.jsonl.meta.json").read_bytes())
    assert meta == {**META, "output_bytes": 8, "output_crc32": crc32(b"one\ntwo\n")}


def test_a_run_with_failures_leaves_the_errors_file_too(tmp_path):
    run(FileOutput(paths(tmp_path)), errors=[b"bad\n", b"worse\n"])
    assert names(tmp_path) == ["out.jsonl", "out.jsonl.errors.jsonl", "out.jsonl.meta.json"]
    assert (tmp_path / "out.jsonl.errors.jsonl").read_bytes() == b"bad\nworse\n"


def test_the_file_is_absent_until_the_run_is_finished(tmp_path):
    output = FileOutput(paths(tmp_path))
    output.start(PRINT, {})
    commit(output, b"one\n", errors=[b"bad\n"], records=1)
    assert names(tmp_path) == [
        "out.jsonl.errors.jsonl.partial",
        "out.jsonl.journal",
        "out.jsonl.lock",
        "out.jsonl.partial",
    ]
    output.close()
    assert "out.jsonl.lock" not in names(tmp_path)


def test_an_old_file_is_untouched_until_the_run_is_finished(tmp_path):
    old = tmp_path / "out.jsonl"
    old.write_bytes(b"old\n")
    output = FileOutput(paths(tmp_path))
    output.start(PRINT, {})
    commit(output, b"one\n", records=1)
    assert old.read_bytes() == b"old\n"
    output.finish(META)
    output.close()
    assert old.read_bytes() == b"one\n"


def test_the_mode_of_an_old_file_is_kept(tmp_path):
    old = tmp_path / "out.jsonl"
    old.write_bytes(b"old\n")
    old.chmod(0o604)
    run(FileOutput(paths(tmp_path)))
    assert stat.S_IMODE(old.stat().st_mode) == 0o604


def test_what_is_new_beside_a_private_file_is_as_private(tmp_path):
    old = tmp_path / "out.jsonl"
    old.write_bytes(b"old\n")
    old.chmod(0o600)
    output = FileOutput(paths(tmp_path))
    output.start(PRINT, {})
    commit(output, b"one\n", errors=[b"bad\n"], records=2)
    output.finish(META)
    output.close()
    for name in ("out.jsonl", "out.jsonl.errors.jsonl", "out.jsonl.meta.json"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600, name


def test_lines_count_only_when_they_are_committed(tmp_path):
    output = FileOutput(paths(tmp_path))
    output.start(PRINT, {})
    commit(output, b"one\n", records=1)
    output.write(b"never committed\n")
    output.close()
    assert (tmp_path / "out.jsonl.partial").read_bytes() == b"one\n"


def test_a_stopped_run_continues_after_its_last_commit(tmp_path):
    stopped(tmp_path, b"one\n", b"two\n", errors=[b"bad\n"])
    output = FileOutput(paths(tmp_path))
    assert why_damaged(output) is None
    found = output.resume()
    assert found.counters.records == 2
    assert (found.place.line, found.budgets) == (2, (Budget(3),))
    assert found.output == Extent(8, crc32(b"one\ntwo\n"))
    commit(output, b"three\n", records=3)
    output.finish(META)
    output.close()
    assert (tmp_path / "out.jsonl").read_bytes() == b"one\ntwo\nthree\n"
    assert (tmp_path / "out.jsonl.errors.jsonl").read_bytes() == b"bad\nbad\n"


def test_what_lies_beyond_the_last_commit_is_cut_off(tmp_path):
    stopped(tmp_path, b"one\n", errors=[b"bad\n"])
    for suffix in (".partial", ".errors.jsonl.partial", ".journal"):
        with (tmp_path / f"out.jsonl{suffix}").open("ab") as file:
            file.write(b"torn tail without an end")
    output = FileOutput(paths(tmp_path))
    assert why_damaged(output) is None
    output.resume()
    commit(output, b"two\n", records=2)
    output.finish(META)
    output.close()
    assert (tmp_path / "out.jsonl").read_bytes() == b"one\ntwo\n"
    assert (tmp_path / "out.jsonl.errors.jsonl").read_bytes() == b"bad\n"


@pytest.mark.parametrize("suffix", [".partial", ".errors.jsonl.partial"])
def test_a_partial_that_is_shorter_or_altered_is_never_continued(tmp_path, suffix):
    stopped(tmp_path, b"one\n", b"two\n", errors=[b"bad\n"])
    path = tmp_path / f"out.jsonl{suffix}"
    whole = path.read_bytes()
    for damaged in [
        *(whole[:size] for size in range(len(whole))),
        *(whole[:n] + bytes([whole[n] ^ 1 << bit]) + whole[n + 1 :] for n in range(len(whole)) for bit in range(8)),
        whole[1:] + b"\n",
        b"",
    ]:
        path.write_bytes(damaged)
        output = FileOutput(paths(tmp_path))
        assert why_damaged(output).endswith("is missing or damaged")
        output.close()
    path.unlink()
    output = FileOutput(paths(tmp_path))
    assert why_damaged(output).endswith("is missing or damaged")
    output.close()


def test_a_partial_without_a_journal_is_never_continued(tmp_path):
    (tmp_path / "out.jsonl.partial").write_bytes(b"one\n")
    output = FileOutput(paths(tmp_path))
    assert not existing_at(output).partial
    assert why_damaged(output) == "its journal cannot be read"
    with pytest.raises(Refused, match=r"out\.jsonl\.partial"):
        output.refuse_foreign()
    output.close()


@pytest.mark.parametrize("ending", ["out.jsonl.partial", "errors.jsonl.partial", ".journal.tmp"])
def test_an_interrupt_while_a_file_is_made_leaves_the_lock_that_shows_whose_it_is(tmp_path, monkeypatch, ending):
    output, opened = FileOutput(paths(tmp_path)), os.open

    def struck(path, *rest, **more):
        fd = opened(path, *rest, **more)
        if str(path).endswith(ending):
            os.close(fd)
            raise Interrupted(15)
        return fd

    output.refuse_foreign()
    monkeypatch.setattr(os, "open", struck)
    with pytest.raises(Interrupted):
        output.start(PRINT, {})
    monkeypatch.undo()
    output.close()
    assert [name for name in names(tmp_path) if name.endswith(ending)]
    again = FileOutput(paths(tmp_path))
    again.refuse_foreign()
    run(again)
    assert names(tmp_path) == ["out.jsonl", "out.jsonl.meta.json"]


@pytest.mark.parametrize("name", ["out.jsonl.journal.tmp", "out.jsonl.meta.json.partial.tmp"])
def test_zeros_beside_a_lock_of_ours_are_what_a_loss_of_power_left(tmp_path, name):
    (tmp_path / name).write_bytes(bytes(100))
    output = FileOutput(paths(tmp_path))
    with pytest.raises(Refused):
        output.refuse_foreign()
    output.close()
    (tmp_path / "out.jsonl.lock").write_bytes(LINE)
    output = FileOutput(paths(tmp_path))
    output.refuse_foreign()
    output.close()


def test_an_empty_file_that_was_there_before_a_run_is_never_its_own(tmp_path):
    (tmp_path / "out.jsonl.partial").touch()
    for _ in range(2):
        output = FileOutput(paths(tmp_path))
        with pytest.raises(Refused):
            output.refuse_foreign()
        output.close()
        assert names(tmp_path) == ["out.jsonl.partial"]


def test_starting_anew_forgets_what_was_there(tmp_path):
    stopped(tmp_path, b"old and longer than the new one\n", errors=[b"bad\n"])
    run(FileOutput(paths(tmp_path)))
    assert (tmp_path / "out.jsonl").read_bytes() == b"one\ntwo\n"
    assert names(tmp_path) == ["out.jsonl", "out.jsonl.meta.json"]


def test_a_second_run_on_the_same_output_is_busy(tmp_path):
    first = FileOutput(paths(tmp_path))
    with pytest.raises(OutputBusy):
        FileOutput(paths(tmp_path))
    first.close()
    FileOutput(paths(tmp_path)).close()


@pytest.mark.parametrize(("name", "decompress"), [("o.gz", gzip.decompress), ("o.zst", zstd.decompress)])
def test_compressed_output_is_whole_after_each_commit_and_when_it_is_empty(tmp_path, name, decompress):
    output = FileOutput(paths(tmp_path, name))
    output.start(PRINT, {})
    for number, block in enumerate([b"one\n", b"", b"two\n"]):
        commit(output, *filter(None, [block]), records=number)
        partial = (tmp_path / f"{name}.partial").read_bytes()
        assert decompress(partial) == (b"one\n", b"one\n", b"one\ntwo\n")[number]
    output.finish(META)
    output.close()
    empty = FileOutput(paths(tmp_path, "empty" + name))
    empty.start(PRINT, {})
    empty.finish(META)
    empty.close()
    assert decompress((tmp_path / f"empty{name}").read_bytes()) == b""


def test_an_empty_run_leaves_an_empty_file(tmp_path):
    output = FileOutput(paths(tmp_path))
    output.start(PRINT, {})
    output.finish(META)
    output.close()
    assert (tmp_path / "out.jsonl").read_bytes() == b""


# finishing


def kill_points(tmp_path, errors):
    """The folders that a kill may leave once "finishing" stands in the journal, by replaying the renames."""
    base = {
        "out.jsonl.partial": b"one\n",
        "out.jsonl.meta.json.partial": OURS,
        "out.jsonl.errors.jsonl.partial": b"bad\n" if errors else b"",
    }
    output = FileOutput(paths(tmp_path))
    output.start(PRINT, {})
    commit(output, b"one\n", errors=[b"bad\n"] if errors else [], records=1)
    output.close()
    last = read_journal(tmp_path / "out.jsonl.journal").commit
    journal = (tmp_path / "out.jsonl.journal").read_bytes() + encode(last.as_dict("finishing"))
    for name in names(tmp_path):
        (tmp_path / name).unlink()
    states = [{**base, "out.jsonl.journal": journal}]
    moves = [("out.jsonl.meta.json.partial", "out.jsonl.meta.json"), ("out.jsonl.partial", "out.jsonl")]
    if errors:
        moves.insert(0, ("out.jsonl.errors.jsonl.partial", "out.jsonl.errors.jsonl"))
    for old, new in moves:
        state = dict(states[-1])
        state[new] = state.pop(old)
        states.append(state)
    if not errors:
        states.append({name: content for name, content in states[-1].items() if "errors" not in name})
    return states


@pytest.mark.parametrize("errors", [False, True])
def test_a_kill_between_two_renames_is_made_good_by_the_next_run(tmp_path, errors):
    for state in kill_points(tmp_path, errors):
        for name in names(tmp_path):
            (tmp_path / name).unlink()
        for name, content in state.items():
            (tmp_path / name).write_bytes(content)
        output = FileOutput(paths(tmp_path))
        assert output.found.finishing
        assert existing_at(output) == Existing(file=True, partial=False)
        output.close()
        expected = {"out.jsonl": b"one\n", "out.jsonl.meta.json": OURS}
        if errors:
            expected["out.jsonl.errors.jsonl"] = b"bad\n"
        assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == expected


@pytest.mark.parametrize("errors", [False, True])
@pytest.mark.parametrize("change", [lambda content: content[:-1], lambda content: content + b"x", lambda _: None])
def test_renames_are_not_made_good_with_files_that_changed_since(tmp_path, errors, change):
    for state in kill_points(tmp_path, errors):
        holds_output = "out.jsonl.partial" if "out.jsonl.partial" in state else "out.jsonl"
        for name in names(tmp_path):
            (tmp_path / name).unlink()
        damaged = {**state, holds_output: change(state[holds_output])}
        for name, content in damaged.items():
            if content is not None:
                (tmp_path / name).write_bytes(content)
        before = names(tmp_path)
        output = FileOutput(paths(tmp_path))
        assert existing_at(output).partial
        output.close()
        assert names(tmp_path) == before


def test_a_run_that_was_not_finishing_is_left_alone(tmp_path):
    stopped(tmp_path, b"one\n")
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    output = FileOutput(paths(tmp_path))
    output.complete_killed_run()
    output.close()
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before


def test_finishing_is_announced_after_all_data_is_in_place(tmp_path):
    """A journal that says "finishing" vouches for the whole partial output."""
    output = FileOutput(paths(tmp_path))
    output.start(PRINT, {})
    commit(output, b"one\n", records=1)
    (tmp_path / "out.jsonl").mkdir()  # the last rename cannot succeed
    with pytest.raises(OutputError, match=r"out\.jsonl\.partial"):
        output.finish(META)
    output.close()
    assert read_journal(tmp_path / "out.jsonl.journal").finishing
    assert (tmp_path / "out.jsonl.partial").read_bytes() == b"one\n"
    (tmp_path / "out.jsonl").rmdir()
    again = FileOutput(paths(tmp_path))
    again.complete_killed_run()
    again.close()
    assert (tmp_path / "out.jsonl").read_bytes() == b"one\n"


# errors files


def test_an_errors_file_of_an_earlier_run_is_removed_when_nothing_failed(tmp_path):
    (tmp_path / "out.jsonl.errors.jsonl").write_bytes(AN_ERROR)
    run(FileOutput(paths(tmp_path)))
    assert names(tmp_path) == ["out.jsonl", "out.jsonl.meta.json"]


def test_an_errors_file_that_was_named_is_removed_only_if_it_is_that_of_the_run_that_made_file(tmp_path):
    named = tmp_path / "errors"
    run(FileOutput(paths(tmp_path, errors="errors")), errors=[b"bad\n"])
    run(FileOutput(paths(tmp_path, "other.jsonl", errors="errors")))
    assert named.read_bytes() == b"bad\n", "another output's run, without failures"
    run(FileOutput(paths(tmp_path, errors="errors")))
    assert not named.exists()


@pytest.mark.parametrize("content", [b"", b"mine\n", b"{}\n", b"[1]\n", b"1\n", b"null\n", AN_ERROR[:-1]])
def test_a_file_that_holds_no_error_records_stays_where_nothing_failed(tmp_path, content):
    (tmp_path / "out.jsonl.errors.jsonl").write_bytes(content)
    run(FileOutput(paths(tmp_path)))
    assert (tmp_path / "out.jsonl.errors.jsonl").read_bytes() == content


def test_an_errors_file_is_not_replaced_without_overwrite(tmp_path):
    (tmp_path / "out.jsonl.errors.jsonl").write_bytes(b"mine\n")
    output = FileOutput(paths(tmp_path))
    with pytest.raises(Refused, match=r"out\.jsonl\.errors\.jsonl: .*exists"):
        refuse_others(output, overwrite=False)
    refuse_others(output, overwrite=True)
    output.close()


# meta data of a finished file

NO_META = "out.jsonl.meta.json is missing, or not one of `rerank score`"


def meta_of(tmp_path):
    output = FileOutput(paths(tmp_path))
    try:
        return finished_meta(output)
    finally:
        output.close()


def test_a_finished_file_is_known_again_by_its_meta_data(tmp_path):
    run(FileOutput(paths(tmp_path)))
    assert meta_of(tmp_path)["records"] == 2
    assert meta_of(tmp_path)["fingerprint"] == PRINT


@pytest.mark.parametrize("content", [b"", b"one\n", b"one\ntwo\nx", b"one\ntwO\n"])
def test_a_finished_file_that_was_touched_since_is_not_ours(tmp_path, content):
    run(FileOutput(paths(tmp_path)))
    (tmp_path / "out.jsonl").write_bytes(content)
    assert meta_of(tmp_path) == "the file was changed since"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"output_bytes": 8, "output_crc32": 1}',
        b'{"output_bytes": "8", "output_crc32": 1, "fingerprint": {}}',
        b'{"output_bytes": 8, "output_crc32": 1, "fingerprint": [1]}',
        b'{"output_bytes": 8, "output_crc32": 1, "fingerprint": null}',
    ],
)
def test_meta_data_that_is_not_ours_makes_the_file_not_ours(tmp_path, content):
    run(FileOutput(paths(tmp_path)))
    (tmp_path / "out.jsonl.meta.json").write_bytes(content)
    assert meta_of(tmp_path) == ("the file was changed since" if b"{}}" in content else NO_META)


def test_a_file_without_meta_data_is_not_ours(tmp_path):
    (tmp_path / "out.jsonl").write_bytes(b"one\n")
    assert meta_of(tmp_path) == NO_META


# faults


def test_a_folder_that_went_away_is_an_error_of_the_output_that_says_where_the_work_is(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    output = FileOutput(Paths.of(str(folder / "out.jsonl"), None))
    for name in names(folder):
        (folder / name).unlink()
    folder.rmdir()
    with pytest.raises(OutputError, match=r"out\.jsonl\.partial") as fault:
        output.start(PRINT, {})
    assert "out.jsonl.partial" in fault.value.advice
    output.close()


def test_a_journal_that_cannot_be_read_is_an_error_of_the_output(tmp_path):
    (tmp_path / "out.jsonl.journal").mkdir()  # as for one without permission
    output = FileOutput(paths(tmp_path))
    with pytest.raises(Refused, match=r"out\.jsonl\.journal"):
        output.refuse_foreign()
    output.close()
    assert names(tmp_path) == ["out.jsonl.journal"]


def test_continuing_without_a_journal_is_a_bug(tmp_path):
    output = FileOutput(paths(tmp_path))
    with pytest.raises(ValueError, match="bug"):
        output.resume()
    output.close()


def test_every_file_that_a_run_writes_is_among_its_paths(tmp_path):
    known = {path.name for path in paths(tmp_path).all()}
    output = FileOutput(paths(tmp_path))
    output.start(PRINT, {})
    commit(output, b"one\n", errors=[b"bad\n"], records=1)
    assert set(names(tmp_path)) <= known
    output.finish(META)
    output.close()
    assert set(names(tmp_path)) <= known


@pytest.mark.parametrize("suffix", [".journal.tmp", ".meta.json.partial.tmp"])
def test_a_file_that_is_there_for_a_moment_only_is_among_the_paths_too(tmp_path, suffix):
    path = tmp_path / f"out.jsonl{suffix}"
    path.mkdir()  # so that it is noticed
    output = FileOutput(paths(tmp_path))
    with pytest.raises(OutputError, match=suffix):
        run(output)
    output.close()
    assert path in paths(tmp_path).all()


@pytest.mark.parametrize("instead", [None, b"one\n", b"something else\n"])
def test_a_partial_that_was_removed_or_replaced_during_the_run_is_never_taken_for_success(tmp_path, instead):
    output = FileOutput(paths(tmp_path))
    output.start(PRINT, {})
    commit(output, b"one\n", records=1)
    (tmp_path / "out.jsonl.partial").unlink()
    if instead is not None:
        (tmp_path / "out.jsonl.partial").write_bytes(instead)
    commit(output, b"two\n", records=2)
    try:
        output.finish(META)
    except OutputError:
        assert not (tmp_path / "out.jsonl").exists()
        return
    finally:
        output.close()
    assert (tmp_path / "out.jsonl").read_bytes() == b"one\ntwo\n"
