"""What is kept is not computed again. A resumed run sees what the stopped one saw, or says that it cannot."""

import math
import shutil
import signal
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.making import Clock, StoppingScorer, jsonl

from rerank_cli.core.config import BatchConfig, FileConfig, ModelConfig, ReadConfig, RunConfig
from rerank_cli.core.errors import ExitStatus, Interrupted, Refused
from rerank_cli.core.stats import Stats
from rerank_cli.engines.fake import FakeScorer
from rerank_cli.files.score_store import STORED, ScoreStore
from rerank_cli.files.vector_store import VectorStore
from rerank_cli.jobs import store_use
from rerank_cli.jobs.score import Run
from rerank_cli.jobs.stores import OTHERWISE

RECORDS = [
    {"id": n, "query": f"question {n % 5}", "candidates": ["word " * (n * m % 13) + str(m) for m in range(n % 7)]}
    for n in range(60)
]
COMPOSED = "composition=1"
STORES = {"score_cache": ScoreStore, "vectors": VectorStore}


def write_often(patch):
    """Entries are stored often, so that there are many writes."""
    for entries in store_use.WAITING:
        patch.setitem(store_use.WAITING, entries, 5)


@pytest.fixture(autouse=True)
def small_writes(monkeypatch):
    write_often(monkeypatch)


def config(
    folder,
    output="out.jsonl",
    *,
    source="in.jsonl",
    faults=COMPOSED,
    cache="cache",
    kept="score_cache",
    gb=1.0,
    **files,
):
    faults += ",vectors=1" if kept == "vectors" else ""
    return RunConfig(
        read=ReadConfig(inputs=(str(folder / source),)),
        model=ModelConfig(
            model=f"fake:{faults}", max_length=16, long_docs="chunk", chunk_overlap=0, vectors=kept == "vectors"
        ),
        batch=BatchConfig(batch_tokens=40, window_tokens=100),
        files=FileConfig(
            output=str(folder / output),
            cache_gb=gb,
            **{kept: None if cache is None else str(folder / cache)},
            **{"resume": True, **files},
        ),
    )


def finished(config, scorer=None, told=None):
    """A run to its end: itself, with its statistics."""
    run = Run(config, (told if told is not None else []).append, Stats(Clock()), scorer)
    assert run.execute() is ExitStatus.OK
    return run


class Varying(StoppingScorer):
    """As an engine whose logits may depend on their batches; these do not, so that all of them are right."""

    def __init__(self, config, last=10**9):
        super().__init__(config, last)
        self.traits = replace(self.traits, batch_invariant=False)


def scored(config):
    """The statistics of a run to its end, and how many pairs its engine scored."""
    scorer = Varying(config.model)
    return finished(config, scorer).document, scorer.scored


def stopped(config, last, scorer=None):
    """Interrupt a run; whether that was before its end."""
    try:
        Run(config, [].append, Stats(Clock()), scorer or StoppingScorer(config.model, last)).execute()
    except Interrupted:
        return True
    return False


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in.jsonl").write_bytes(jsonl(*RECORDS))
    (tmp_path / "half.jsonl").write_bytes(jsonl(*RECORDS[::2]))
    return tmp_path


def test_the_second_run_scores_nothing_and_gives_the_same_bytes(folder):
    document, count = scored(config(folder, faults=""))
    again, none = scored(config(folder, "again.jsonl", faults=""))
    assert (document["cached"], document["deterministic"]) == (0, True)
    assert (again["cached"], none) == (count, 0)
    assert again["batches"] == again["tokens"] == 0
    assert (again["windows"], again["chunks"]) == (document["windows"], document["chunks"])
    assert (folder / "again.jsonl").read_bytes() == (folder / "out.jsonl").read_bytes()
    assert (again["deterministic"], again["deterministic_why"]) == (False, f"{count:,} pairs from the cache")


def test_of_a_file_that_grew_only_what_is_new_is_scored(folder):
    scored(config(folder))
    _, whole = scored(config(folder, "uncached.jsonl", cache=None))
    new = {"id": 99, "query": "new", "candidates": ["a", "b", "a", "c"]}
    (folder / "grown.jsonl").write_bytes(jsonl(*RECORDS, new))
    document, count = scored(config(folder, "grown.out", source="grown.jsonl"))
    assert count == 3
    assert document["cached"] == whole
    assert document["pairs"] - document["duplicate_pairs"] + document["chunks"] - document["chunked"] == whole + 3


def test_known_pairs_save_batches_and_change_no_window(folder):
    half, _ = scored(config(folder, "half.out", source="half.jsonl"))
    alone, _ = scored(config(folder, "alone.jsonl", cache=None))
    document, _ = scored(config(folder))
    assert half["batches"] > 0
    assert document["windows"] == alone["windows"]
    assert document["batches"] < alone["batches"]


@pytest.mark.parametrize("kept", STORES)
@settings(max_examples=20)
@given(stops=st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_any_number_of_interrupts_leaves_no_trace_in_the_result(tmp_path_factory, kept, stops):
    folder = tmp_path_factory.mktemp("stopped")
    (folder / "in.jsonl").write_bytes(jsonl(*RECORDS))
    (folder / "half.jsonl").write_bytes(jsonl(*RECORDS[::2]))
    with pytest.MonkeyPatch.context() as patch:
        write_often(patch)
        for cache in ("cache", "same"):
            finished(config(folder, f"{cache}.half", source="half.jsonl", cache=cache, kept=kept))
        golden = finished(config(folder, "golden.jsonl", cache="same", kept=kept)).document
        for last in stops:
            if not stopped(config(folder, kept=kept), last):
                break
            others = config(folder, f"others{last}.jsonl", kept=kept, overwrite=True, resume=False)
            finished(others)  # another run, which adds what the stopped one does not see
        else:
            document = finished(config(folder, kept=kept)).document or golden
            assert (document["cached"], document["cache_changes"]) == (golden["cached"], 0)
    assert (golden["cached"] if kept == "score_cache" else golden["vectors_found"]) > 0
    assert (folder / "out.jsonl").read_bytes() == (folder / "golden.jsonl").read_bytes()


def lose(folder, how, kept="score_cache"):
    """Change what a stopped run had seen; the options with which it continues."""
    match how:
        case "cleared":
            store = STORES[kept](folder / "cache", "")
            store.clear()
            store.close()
        case "dropped":
            finished(config(folder, "other.jsonl", faults="", gb=1e-6, kept=kept))
        case "another folder":
            return {"cache": "another"}
        case "made again":
            for path in (folder / "cache").iterdir():
                path.unlink()
        case "no cache":
            return {"cache": None}
        case "damaged":
            (folder / "cache" / STORES[kept].name).write_bytes(b"nothing of ours\n" * 300)
        case "an older copy":
            return {"cache": "copy"}
    return {}


LOSSES = [("score_cache", "no cache")]  # without --vectors a run is another one
LOSSES += [
    (kept, how)
    for kept in STORES
    for how in ("cleared", "dropped", "another folder", "made again", "damaged", "an older copy")
]


@pytest.mark.parametrize(("kept", "how"), LOSSES)
def test_under_another_epoch_scores_are_right_and_it_says_that_it_is_not_exact(folder, kept, how):
    options = {"faults": "", "kept": kept}
    finished(config(folder, "right.jsonl", **options | {"cache": "right"}))
    finished(config(folder, "half.out", source="half.jsonl", **options))
    shutil.copytree(folder / "cache", folder / "copy")
    finished(config(folder, "more.out", source="half.jsonl", **options))
    begun = config(folder, **options)
    assert stopped(begun, 12, Varying(begun.model, 12))
    told, made = [], config(folder, **options | lose(folder, how, kept))
    run = finished(made, Varying(made.model), told)
    assert run.document["deterministic"] is False
    assert OTHERWISE in run.document["deterministic_why"]
    assert any(OTHERWISE in sentence for sentence in told)
    assert (folder / "out.jsonl").read_bytes() == (folder / "right.jsonl").read_bytes()


@pytest.mark.parametrize(("kept", "how"), LOSSES)
def test_an_engine_whose_logits_do_not_depend_on_batches_is_exact_under_any_epoch(folder, kept, how):
    options = {"faults": "", "kept": kept}
    finished(config(folder, "right.jsonl", **options | {"cache": "right"}))
    finished(config(folder, "half.out", source="half.jsonl", **options))
    shutil.copytree(folder / "cache", folder / "copy")
    assert stopped(config(folder, **options), 12)
    document = finished(config(folder, **options | lose(folder, how, kept))).document
    assert (document["deterministic"], document["deterministic_why"]) == (True, None)
    assert (folder / "out.jsonl").read_bytes() == (folder / "right.jsonl").read_bytes()


def test_that_it_was_not_exact_is_known_after_further_stops(folder):
    finished(config(folder, "half.out", source="half.jsonl"))
    assert stopped(config(folder), 12)
    assert stopped(config(folder, cache=None), 8)
    document = finished(config(folder)).document
    assert OTHERWISE in document["deterministic_why"]
    assert document["cache_changes"] == 1


def test_a_run_that_began_without_a_cache_sees_nothing_of_one(folder):
    golden = finished(config(folder, "golden.jsonl", cache=None)).document
    finished(config(folder, "other.jsonl"))
    assert stopped(config(folder, cache=None), 12)
    document = finished(config(folder)).document
    assert (document["cached"], document["deterministic"]) == (0, golden["deterministic"])
    assert (folder / "out.jsonl").read_bytes() == (folder / "golden.jsonl").read_bytes()


def test_entries_that_are_dropped_while_a_run_goes_on_are_told(folder):
    finished(config(folder, "half.out", source="half.jsonl"))

    class Clearing(FakeScorer):
        """Clears the cache before its third batch."""

        def score(self, batches):
            for number, logits in enumerate(super().score(batches)):
                if number == 2:
                    lose(folder, "cleared")
                yield logits

    made = config(folder)
    document = finished(made, Clearing(made.model)).document
    assert OTHERWISE in document["deterministic_why"]


def documents_of(records, max_length=16):
    """How many different documents, or parts of one, an engine reads."""
    scorer = FakeScorer(config(Path(), kept="vectors").model)
    pairs = [(each["query"], candidate) for each in records for candidate in each["candidates"]]
    parts = [part for pair in scorer.prepare(pairs) for part in pair.parts]
    return len({scorer.document(part)[0] for part in parts})


def figures(document):
    return document["vectors_found"], document["vectors_computed"]


def test_vectors_are_computed_once_and_the_bytes_are_the_same(folder):
    few, all_of_them = documents_of(RECORDS[::2]), documents_of(RECORDS)
    half = finished(config(folder, "half.out", source="half.jsonl", faults="", kept="vectors")).document
    whole = finished(config(folder, faults="", kept="vectors")).document
    again = finished(config(folder, "again.jsonl", faults="", kept="vectors")).document
    alone = finished(config(folder, "alone.jsonl", faults="", kept="vectors", cache="another")).document
    assert half["vectors_computed"] == few
    assert whole["vectors_computed"] == all_of_them - few > 0
    assert again["vectors_computed"] == 0
    assert alone["vectors_computed"] == all_of_them
    assert len({(folder / name).read_bytes() for name in ("out.jsonl", "again.jsonl", "alone.jsonl")}) == 1
    assert {document["deterministic"] for document in (half, whole, again, alone)} == {True}


def test_vectors_of_an_engine_that_may_depend_on_company_are_told(folder):
    finished(config(folder, "half.out", source="half.jsonl", kept="vectors"))
    document = finished(config(folder, kept="vectors")).document
    assert document["deterministic"] is False
    assert "vectors of earlier runs" in document["deterministic_why"]


@pytest.mark.parametrize("invariant", [False, True])
def test_what_a_stopped_run_computed_is_seen_after_it_where_that_changes_nothing(folder, invariant):
    options = {"faults": "" if invariant else COMPOSED, "kept": "vectors"}
    assert stopped(config(folder, **options), 20)
    store = VectorStore(folder / "cache", "")
    assert sum(share.entries for share in store.shares()) > 0
    store.close()
    document = finished(config(folder, **options)).document
    assert (figures(document)[0] > 0) == document["deterministic"] == invariant


def test_without_vectors_a_run_is_another_one(folder):
    finished(config(folder, faults="", kept="vectors"))
    with pytest.raises(Refused, match="float16"):
        finished(config(folder, faults="vectors=1"))


@pytest.mark.parametrize("changes", [{"max_length": 10}, {"query_max_length": 100}])
def test_options_that_change_no_input_change_no_key(folder, changes):
    made = config(folder, source="half.jsonl")
    made = replace(made, model=ModelConfig(model="fake:", max_length=100))
    _, count = scored(made)
    again = replace(made, model=replace(made.model, **changes), files=replace(made.files, output=str(folder / "o")))
    document, _ = scored(again)
    assert document["cached"] == count


def test_after_out_of_memory_known_pairs_are_not_scored_again(folder):
    finished(config(folder, "half.out", source="half.jsonl", faults="composition=1"))
    made = config(folder, faults="composition=1")
    scorer = StoppingScorer(replace(made.model, model="fake:composition=1,oom_above=30"), 10**9)
    scorer.identity = FakeScorer(made.model).identity
    document = finished(made, scorer).document
    assert document["oom_splits"] > 0
    assert scorer.scored + document["cached"] == document["pairs"] - document["duplicate_pairs"] + (
        document["chunks"] - document["chunked"]
    )


def test_logits_that_are_not_finite_are_not_kept(folder):
    _, whole = scored(config(folder, "whole.jsonl", cache=None))
    made = config(folder, faults="nan_at=3")
    with pytest.raises(Exception, match="finite"):
        finished(made)
    with sqlite3.connect(folder / "cache" / ScoreStore.name) as direct:
        kept = [STORED.unpack(value)[0] for (value,) in direct.execute("SELECT value FROM scores")]
    direct.close()
    assert 0 < len(kept) < whole
    assert all(map(math.isfinite, kept))


def test_the_signal_of_a_stop_is_the_usual_one():
    with pytest.raises(Interrupted, match=signal.SIGTERM.name):
        StoppingScorer(ModelConfig(model="fake:"), 1).step()
