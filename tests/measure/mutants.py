"""Put one nasty error after another into a copy of the source: each must fail the test that is there to notice it.

    python tests/measure/mutants.py [--only TEXT]

prints a table and ends with 1 when an error goes unnoticed, or when such a test fails without one. With --only, it
tries those mutants whose name or file contains the text: `--only engines/`, `--only "onnx int8"`.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).resolve().parent))

import mutants_of_apis
import mutants_of_cascades
import mutants_of_engines
import mutants_of_stores
from mutant import Mutant

PARTS = ("rerank_cli", "tests", "sample_data", "pyproject.toml")
POWER = (
    "faults/test_power_loss.py::test_after_a_loss_of_power_at_any_moment_the_bytes_are_golden_and_commits_are_kept"
    "[out.jsonl first]"
)
BATCHES = "properties/test_batches_are_planned_well.py::"
NOTICED, UNNOTICED, SKIPPED = "ok", "SURVIVED", "skipped"


MUTANTS = [
    Mutant(
        "a CRC is not carried on from block to block",
        "files/journal.py",
        "crc32(block, self.crc)",
        "crc32(block)",
        "unit/files/test_journal.py::test_an_extent_knows_the_size_and_crc_of_all_blocks_together",
    ),
    Mutant(
        "the CRC of a journal line is not compared",
        "files/journal.py",
        """ or tail != b'%08x"}\\n' % crc32(body)""",
        "",
        "properties/test_journals_are_never_wrong.py::test_a_journal_with_any_bit_flipped_gives_the_commit_before_it",
    ),
    Mutant(
        "a journal is read on beyond a damaged line",
        "files/journal.py",
        "                break\n",
        "                continue\n",
        "unit/files/test_journal.py::test_nothing_after_a_damaged_line_counts_even_if_it_is_whole",
    ),
    Mutant(
        "the valid size of a journal is off by one",
        "files/journal.py",
        "size += len(raw)",
        "size += len(raw) - 1",
        "properties/test_journals_are_never_wrong.py::test_a_journal_that_is_cut_anywhere_gives_the_last_whole_commit",
    ),
    Mutant(
        "the torn tail of a journal is not cut off",
        "files/journal.py",
        "        os.ftruncate(self._fd, size)\n",
        "",
        "unit/files/test_journal.py::test_appending_after_a_torn_line_puts_the_next_commit_in_its_place",
    ),
    Mutant(
        "a journal line is not synced",
        "files/journal.py",
        "write_all(self._fd, encode(line))\n        os.fsync(self._fd)",
        "write_all(self._fd, encode(line))",
        POWER,
    ),
    Mutant(
        "a new journal is not synced",
        "files/durable.py",
        "write_all(fd, content)\n            os.fsync(fd)",
        "write_all(fd, content)",
        POWER,
    ),
    Mutant(
        "the folder is not synced",
        "files/durable.py",
        "os.O_DIRECTORY | os.O_CLOEXEC)\n    try:\n        os.fsync(fd)",
        "os.O_DIRECTORY | os.O_CLOEXEC)\n    try:\n        pass",
        POWER,
    ),
    Mutant(
        "the partial output is not synced",
        "files/file_output.py",
        "                file.sync()\n            output, errors",
        "                if file is not self._files[0]:\n                    file.sync()\n            output, errors",
        POWER,
    ),
    Mutant(
        "the errors file is not synced",
        "files/file_output.py",
        "                file.sync()\n            output, errors",
        "                if file is not self._files[1]:\n                    file.sync()\n            output, errors",
        POWER,
    ),
    Mutant(
        "the learned budget is not saved",
        "files/file_output.py",
        "Commit(counters, Place.of(end), output, errors, budgets)",
        "Commit(counters, Place.of(end), output, errors, ())",
        "unit/files/test_file_output.py::test_a_stopped_run_continues_after_its_last_commit",
    ),
    Mutant(
        "FILE gets its name before its errors and meta data do",
        "files/finishing.py",
        'Can be repeated from any point."""\n',
        'Can be repeated from any point."""\n'
        '    if os.path.exists(paths.beside(".partial")):\n'
        '        replace_file(paths.beside(".partial"), paths.final)\n',
        "faults/test_power_loss.py::test_file_gets_its_name_last[out.jsonl first]",
    ),
    Mutant(
        "the last renames are made with a partial that is too long",
        "files/finishing.py",
        "whole = matches(paths.ready, commit.output, exactly=True)",
        "whole = matches(paths.ready, commit.output)",
        "unit/files/test_file_output.py::test_renames_are_not_made_good_with_files_that_changed_since",
    ),
    Mutant(
        "what lies beyond the last commit is not cut off",
        "files/append_only.py",
        "        os.ftruncate(self._fd, known.size)\n",
        "",
        "unit/files/test_file_output.py::test_what_lies_beyond_the_last_commit_is_cut_off",
    ),
    Mutant(
        "a continued file is written from one byte too early",
        "files/append_only.py",
        "os.lseek(self._fd, known.size, os.SEEK_SET)",
        "os.lseek(self._fd, max(0, known.size - 1), os.SEEK_SET)",
        "unit/files/test_file_output.py::test_a_stopped_run_continues_after_its_last_commit",
    ),
    Mutant(
        "a continued file forgets what was written before",
        "files/append_only.py",
        "        self.extent = known\n",
        "        self.extent = Extent(known.size)\n",
        "unit/files/test_append_only.py::test_opening_it_changes_nothing_and_beginning_cuts_it_to_what_is_known",
    ),
    Mutant(
        "an altered partial of the right size is continued",
        "files/append_only.py",
        "return left == 0 and crc == known.crc",
        "return left == 0",
        "faults/test_torn_files.py::"
        "test_an_altered_byte_in_committed_data_is_refused_and_overwrite_starts_anew[.partial]",
    ),
    Mutant(
        "a window may have one record less than its limit",
        "core/plan.py",
        "records > self.records",
        "records >= self.records",
        "unit/core/test_plan.py::test_a_window_overflows_by_tokens_records_or_bytes",
    ),
    Mutant(
        "the budget ignores padding",
        "core/plan.py",
        "    if multiple:\n        longest = _filled_up(costs",
        "    if multiple and not multiple:\n        longest = _filled_up(costs",
        BATCHES + "test_the_budget_is_never_exceeded_unless_one_pair_is_larger",
    ),
    Mutant(
        "a packed batch stops one token short of its budget",
        "core/plan.py",
        "tokens > budget.tokens or",
        "tokens >= budget.tokens or",
        "unit/core/test_plan.py::test_a_packing_engine_pays_the_sum_of_its_rows",
    ),
    Mutant(
        "a pair is taken into two batches",
        "core/plan.py",
        "        start = end\n",
        "        start = max(start + 1, end - 1)\n",
        BATCHES + "test_every_pair_is_in_exactly_one_batch",
    ),
    Mutant(
        "pairs of equal cost change places",
        "core/plan.py",
        "range(len(costs)) if indices is None",
        "reversed(range(len(costs))) if indices is None",
        "unit/core/test_plan.py::test_equal_costs_keep_their_input_order",
    ),
    Mutant(
        "halving a budget that did not fit leaves it as it was",
        "core/plan.py",
        "min(self.tokens, tokens // 2)",
        "min(self.tokens, tokens)",
        "unit/core/test_plan.py::test_a_budget_halves_what_ran_out_of_memory_and_never_grows",
    ),
    Mutant(
        "a pair may be scored twice",
        "reranking/scoreboard.py",
        "            if self._arrived[pair]:\n",
        "            if self._arrived[pair] > 1:\n",
        "unit/reranking/test_scoreboard.py::test_a_pair_scored_twice_is_a_bug",
    ),
    Mutant(
        "a pair may never be scored",
        "reranking/scoreboard.py",
        "if not all(map(self._arrived",
        "if pairs and not any(map(self._arrived",
        "unit/reranking/test_scoreboard.py::test_a_pair_never_scored_is_a_bug",
    ),
    Mutant(
        "scores are taken in the order of their arrival",
        "reranking/scoreboard.py",
        "return [self._scores[pair] for pair in pairs]",
        "return self._scores[: len(pairs)]",
        "properties/test_scores_are_ranked_well.py::test_any_order_of_completion_gives_scores_in_input_order",
    ),
    Mutant(
        "ties are reversed",
        "core/ranking.py",
        "sorted(range(len(logits)), key=logits.__getitem__, reverse=True)",
        "sorted(reversed(range(len(logits))), key=logits.__getitem__, reverse=True)",
        "unit/core/test_ranking.py::test_ties_keep_the_input_order",
    ),
    Mutant(
        "a score that equals the threshold is dropped",
        "core/ranking.py",
        "value >= min_score",
        "value > min_score",
        "unit/core/test_ranking.py::test_min_score_is_in_units_of_the_score_and_keeps_what_equals_it",
    ),
    Mutant(
        "a logit that is not finite is ranked",
        "core/ranking.py",
        "if not all(map(math.isfinite, logits))",
        "if logits and not any(map(math.isfinite, logits))",
        "unit/core/test_ranking.py::test_a_logit_that_is_not_finite_is_never_ranked",
    ),
    Mutant(
        "the order is by the score, in which large logits are ties",
        "core/ranking.py",
        "key=logits.__getitem__",
        "key=lambda index: sigmoid(logits[index])",
        "properties/test_scores_are_ranked_well.py::test_a_ranking_is_an_order_of_all_candidates_with_ties_by_position",
    ),
    Mutant(
        "a foreign lock is removed",
        "files/lock.py",
        "if not keep and self._is_ours(self._fd):",
        "if not keep:",
        "unit/files/test_lock.py::test_a_file_that_is_no_lock_of_ours_is_locked_as_it_is_and_stays",
    ),
    Mutant(
        "a lock that holds our line and more is taken for ours",
        "files/lock.py",
        "os.pread(fd, len(LINE) + 1, 0) == LINE",
        "os.pread(fd, len(LINE), 0) == LINE",
        "unit/files/test_lock.py::test_a_file_that_is_no_lock_of_ours_is_locked_as_it_is_and_stays",
    ),
    Mutant(
        "a lock gets its name before its line",
        "files/lock.py",
        "        return _make_named_when_filled(path)\n",
        "        raise OSError(errno.EOPNOTSUPP, str(path))\n",
        "unit/files/test_lock.py::test_a_lock_has_its_whole_line_from_when_it_has_its_name",
    ),
    Mutant(
        "the lock of a run that left a half-made file is removed",
        "files/file_output.py",
        "self._unfinished and ownership.needs_the_lock(self.paths)",
        "False",
        "unit/files/test_file_output.py::"
        "test_an_interrupt_while_a_file_is_made_leaves_the_lock_that_shows_whose_it_is[out.jsonl.partial]",
    ),
    Mutant(
        "an empty file that was there before is ours",
        "files/file_output.py",
        "self._unfinished and ownership.needs_the_lock(self.paths)",
        "ownership.needs_the_lock(self.paths)",
        "unit/files/test_file_output.py::test_an_empty_file_that_was_there_before_a_run_is_never_its_own",
    ),
    Mutant(
        "zeros in place of torn bytes are somebody else's",
        "files/ownership.py",
        'return not _head(path).strip(b"\\0")',
        "return not _head(path)",
        "unit/files/test_file_output.py::test_zeros_beside_a_lock_of_ours_are_what_a_loss_of_power_left",
    ),
    Mutant(
        "a partial without a journal is ours",
        "files/ownership.py",
        '        paths.beside(".partial"): lambda path: known or (inherited and _holds_nothing(path)),\n',
        "",
        "unit/files/test_file_output.py::test_a_partial_without_a_journal_is_never_continued",
    ),
    Mutant(
        "any meta data is ours",
        "files/ownership.py",
        '        paths.beside(".meta.json"): is_meta,\n',
        "",
        "faults/test_foreign_files.py::test_a_file_of_somebody_else_anywhere_a_run_writes_is_the_same_afterwards",
    ),
    Mutant(
        "an errors file is removed whose it may be",
        "files/finishing.py",
        "        return found\n    return None",
        "        return found\n    return found",
        "faults/test_foreign_files.py::test_a_run_without_failures_leaves_the_errors_of_another_output_alone",
    ),
    Mutant(
        "two runs may write one errors file",
        "files/file_output.py",
        '                self._locks.append(Lock(lock, "--errors"))',
        "                pass",
        "faults/test_foreign_files.py::test_two_runs_at_once_never_share_an_errors_file",
    ),
    Mutant(
        "errors of another output are gathered in one file",
        "files/paths.py",
        'return self.beside(f"{ERRORS}.partial")',
        'return self.errors.with_name(self.errors.name + ".partial")',
        "faults/test_foreign_files.py::test_no_other_run_takes_away_the_work_of_an_interrupted_one",
    ),
    Mutant(
        "a file that appeared meanwhile is replaced",
        "files/file_output.py",
        "            if not self._overwrite:\n",
        "            if False:\n",
        "faults/test_foreign_files.py::test_a_file_that_appears_while_a_run_goes_on_is_not_replaced",
    ),
    Mutant(
        "a named file is written in place",
        "files/durable.py",
        "return not stat.S_ISREG(status.st_mode) or",
        "return True or",
        "unit/files/test_durable.py::test_a_file_that_was_named_is_swapped_in_with_its_permissions",
    ),
    Mutant(
        "a trained folder's foreign files are ours",
        "training/folder.py",
        "    return next((folder / name for name in others), None)",
        "    return None",
        "training/test_train.py::test_a_file_that_somebody_put_into_a_trained_folder_is_left_alone[my_notes.txt]",
    ),
    Mutant(
        "weights keep the permissions that a library gave them",
        "training/folder.py",
        "            apply_umask(model)\n",
        "",
        "training/test_train.py::test_every_file_of_a_trained_folder_has_the_permissions_of_the_umask[0o22]",
    ),
    *mutants_of_engines.MUTANTS,
    *mutants_of_stores.MUTANTS,
    *mutants_of_apis.MUTANTS,
    *mutants_of_cascades.MUTANTS,
]


def run(copy: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the copy, whose modules win over those that are installed."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *command], cwd=copy, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


def try_test(copy: Path, test: str) -> str:
    """How a test ends: `passed`, `failed` or `skipped`. Anything else ends the script."""
    done = run(copy, "-m", "pytest", "-x", "--exhaustive", "--tb=line", "-p", "no:cacheprovider", f"tests/{test}")
    if done.returncode == 1:
        return "failed"
    if done.returncode != 0:
        sys.exit(f"{test} could not be run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return "passed" if " passed" in done.stdout else "skipped"


def try_mutant(copy: Path, mutant: Mutant) -> str:
    """Make one error, run its test and undo the error."""
    path = copy / "rerank_cli" / mutant.file
    source = path.read_text()
    if source.count(mutant.text) != 1:
        sys.exit(f"{mutant.name}: the text is in {mutant.file} {source.count(mutant.text)} times")
    path.write_text(source.replace(mutant.text, mutant.replacement))
    try:
        return {"failed": NOTICED, "passed": UNNOTICED, "skipped": SKIPPED}[try_test(copy, mutant.test)]
    finally:
        path.write_text(source)


def make_copy(folder: Path) -> None:
    """Copy what the tests need, and see that it is the copy that they import."""
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    found = run(folder, "-c", "import rerank_cli; print(rerank_cli.__file__)").stdout.strip()
    print(f"rerank_cli is {found}\n")
    if not Path(found).is_relative_to(folder):
        sys.exit("the copy does not win over what is installed")


def chosen() -> list[Mutant]:
    """The mutants that the command line names."""
    parser = argparse.ArgumentParser(description="Put errors into a copy of the source: each must fail its test.")
    parser.add_argument("--only", default="", metavar="TEXT", help="those whose name or file contains TEXT")
    text = parser.parse_args().only
    if not (found := [mutant for mutant in MUTANTS if text in mutant.name or text in mutant.file]):
        parser.error(f"--only {text}: no mutant has this in its name or file")
    return found


def main() -> int:
    """The table; 0 when every error was noticed."""
    mutants = chosen()
    with tempfile.TemporaryDirectory(prefix="rerank-mutants-") as folder:
        copy = Path(folder).resolve()
        make_copy(copy)
        broken = [test for test in dict.fromkeys(mutant.test for mutant in mutants) if try_test(copy, test) == "failed"]
        for test in broken:
            print(f"fails without any mutant: {test}", flush=True)
        width = max(len(mutant.name) for mutant in mutants)
        print(f"{'mutant':{width}} | ok       | killed by", flush=True)
        results = []
        for mutant in mutants:
            results.append(try_mutant(copy, mutant))
            print(f"{mutant.name:{width}} | {results[-1]:8} | {mutant.test}", flush=True)
    print(f"\n{len(results)} mutants, {results.count(NOTICED)} noticed, {results.count(SKIPPED)} skipped")
    return 1 if broken or UNNOTICED in results else 0


if __name__ == "__main__":
    sys.exit(main())
