"""Formats whose texts keep their positions: scores of the texts, judgements and teachers' scores, and each refusal."""

import json

import pytest
from support.making import jsonl, lines_of, written_score

from rerank_cli.core.config import ReadConfig, WriteConfig
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.ranking import rank
from rerank_cli.core.records import Failure, Request
from rerank_cli.files.inputs import Inputs
from rerank_cli.formats.registry import open_format

TEXTS = ["a pond", "a kettle", "a kite"]
LOGITS = [-1.0, 2.0, 0.5]
TRIPLET = {"anchor": "w", "positive": "a pond", "negative": "a kettle"}
TUPLE = {"anchor": "w", "positive": "a pond", "negative_2": "a kite", "negative_1": "a kettle"}
LIST = {"query": "w", "docs": TEXTS, "labels": [1, 0, 2]}
MTEB = {"query": ["w"], "positive": ["a pond"], "negative": ["a kettle", "a kite"]}
SCORED = {  # a record of each kind, and what is put beside its texts
    "flag-embedding": [
        ({"query": "w", "pos": TEXTS[:1], "neg": TEXTS[1:]}, {"pos_scores": [-1.0], "neg_scores": [2.0, 0.5]}),
        ({"query": "w", "pos": "a pond", "prompt": "p"}, {"pos_scores": [-1.0], "neg_scores": []}),
    ],
    "sentence-transformers": [
        (TRIPLET | {"source": "s"}, {"scores": [-1.0, 2.0]}),
        (TUPLE, {"scores": LOGITS}),
        (MTEB, {"scores": LOGITS}),
        ({"question": "w", "answer": "a pond", "negative": "a kettle"}, {"scores": [-1.0, 2.0]}),
        (MTEB | {"scores": [7, 8, 9]}, {"scores": LOGITS}),
        ({"query": "w", "positive": "a pond"}, {"negative": [], "scores": [-1.0]}),
        ({"query": "w", "positive": TEXTS}, {"negative": [], "scores": LOGITS}),
        ({"query": "w", "positive": None, "negative": TEXTS}, {"scores": LOGITS}),
    ],
    "labeled-list": [
        (LIST | {"source": "s"}, {"scores": LOGITS}),
        ({"query": "w", "documents": TEXTS, "labels": [1, 0.5, -1]}, {"scores": LOGITS}),
        ({"question": "w", "answer": TEXTS, "labels": [True, False, False]}, {"scores": LOGITS}),
        ({"anchor": "w", "positive": TEXTS, "labels": [1, 0, 0]}, {"scores": LOGITS}),
        ({"anchor": "w", "positive": TEXTS, "scores": [0.9, 0.8, 0.1]}, {"scores": LOGITS}),
        ({"question": "w", "answer": TEXTS, "scores": [0.9, 0.8, 0.1]}, {"scores": LOGITS}),
        ({"query": "w", "passages": TEXTS, "labels": ["1", "0", "0"]}, {"scores": LOGITS}),
        ({"query": "w", "docs": TEXTS}, {"scores": LOGITS}),
        ({"query": "w", "docs": [], "labels": []}, {"scores": []}),
    ],
}
PASSAGES = {  # objects, each with its score
    "tevatron-training": {
        "query_id": 7,
        "query": "w",
        "positive_passages": [{"docid": "p", "title": "T", "text": "a pond", "score": 3, "index": 9}],
        "negative_passages": [{"docid": "n", "title": None, "text": "a kettle"}, {"text": "a kite"}],
        "answers": ["x"],
    },
    "ms-marco": {
        "query_id": 7,
        "query": "w",
        "passages": [
            {"is_selected": 1, "url": "u", "passage_text": "a pond"},
            {"is_selected": 0, "url": "v", "passage_text": "a kettle", "score": 3},
            {"is_selected": 0, "url": "w", "passage_text": "a kite", "truncated": True},
        ],
        "wellFormedAnswers": "[]",
    },
}
COLUMNS = {
    "query_id": 7,
    "query": "w",
    "passages": {"is_selected": [1, 0, 0], "passage_text": TEXTS, "url": ["u", "v", "w"]},
}
ALL = [(name, record, beside) for name, cases in SCORED.items() for record, beside in cases]


def read(name, record, target="same", **options):
    format = open_format(ReadConfig(format=name), WriteConfig(format=target, **options))
    (entry,) = format.read(iter(lines_of(jsonl(record))))
    return format, entry


def native(name, record):
    format, entry = read(name, record)
    assert isinstance(entry, Request), entry
    return format.to_native(entry)


def converted(name, target, record):
    format, entry = read(name, record, target)
    assert isinstance(entry, Request), entry
    return json.loads(format.lines_of(entry)), format.notes


def refusal(name, record, target="same"):
    _, entry = read(name, record, target)
    assert isinstance(entry, Failure), entry
    return entry.reason, entry.path


def recognised(record, folder):
    path = folder / "in"
    path.write_bytes(jsonl(record))
    return open_format(ReadConfig(inputs=(str(path),)), WriteConfig(), Inputs((str(path),))).name


@pytest.mark.parametrize(("name", "record", "beside"), ALL)
def test_texts_keep_their_places_and_get_logits_beside_them(name, record, beside, tmp_path):
    assert recognised(record, tmp_path) == name
    format, entry = read(name, record)
    ranking = rank(LOGITS[: len(entry.texts)])
    answer = json.loads(format.write(entry, ranking))
    assert answer == {**record, **beside}
    assert json.loads(format.lines_of(entry)) == record
    assert recognised(answer, tmp_path) == name
    again = [each["logit"] for each in native(name, answer)["candidates"]]
    assert again == LOGITS[: len(again)]
    assert len(again) == len(entry.texts)


@pytest.mark.parametrize("name", [*SCORED, *PASSAGES])
@pytest.mark.parametrize("options", [{"top_k": 1}, {"min_score": 0.5}, {"no_text": True}])
def test_every_text_keeps_its_place_and_its_score(name, options):
    with pytest.raises(ConfigError, match=rf"^--[a-z-]+( [0-9.]+)?: {name} "):
        open_format(ReadConfig(format=name), WriteConfig(**options))
    with pytest.raises(ConfigError, match=rf"^--[a-z-]+( [0-9.]+)?: {name} "):
        open_format(ReadConfig(format="native"), WriteConfig(format=name, **options))
    assert open_format(ReadConfig(format=name), WriteConfig(format="native", **options))


@pytest.mark.parametrize("name", [*SCORED, *PASSAGES])
def test_a_request_that_asks_for_some_results_gets_a_score_for_every_text(name):
    candidates = [{"text": text, "relevance": number == 1} for number, text in enumerate(TEXTS)]
    format, entry = read("rerank-api", {"query": "w", "documents": candidates, "top_n": 1}, name)
    by_text = dict(zip(TEXTS, LOGITS, strict=True))
    out = json.loads(format.write(entry, rank([by_text[text] for text in entry.texts])))
    scored = {each["text"]: each["logit"] for each in native(name, out)["candidates"]}
    assert scored == by_text


# two sides


@pytest.mark.parametrize(("record", "order"), [(TRIPLET, TEXTS[:2]), (TUPLE, TEXTS), (MTEB, TEXTS)])
def test_positives_are_relevant_and_negatives_are_not(record, order):
    made = native("sentence-transformers", record)
    assert made == {
        "query": "w",
        "candidates": [{"text": text, "relevance": int(text == "a pond")} for text in order],
    }


def test_scores_and_ids_of_the_texts_become_those_of_the_candidates():
    record = MTEB | {"scores": [0.5, "-1", 2], "positive_ids": ["p"], "negative_ids": [7, None], "lang": "en"}
    assert native("sentence-transformers", record) == {
        "lang": "en",
        "query": "w",
        "candidates": [
            {"text": "a pond", "relevance": 1, "id": "p", "logit": 0.5},
            {"text": "a kettle", "relevance": 0, "id": 7, "logit": "-1"},
            {"text": "a kite", "relevance": 0, "logit": 2},
        ],
    }


@pytest.mark.parametrize(
    "beside", [{"scores": [1, 2]}, {"scores": [1, 2, "x"]}, {"positive_ids": ["p"]}, {"positive_ids": "p"}]
)
def test_a_list_that_does_not_speak_of_every_text_stays_a_field_of_the_record(beside):
    made = native("sentence-transformers", MTEB | beside)
    assert made == native("sentence-transformers", MTEB) | beside


@pytest.mark.parametrize(("query", "anchor", "used"), [("w", "other", "w"), (None, "w", "w")])
def test_a_query_counts_before_an_anchor(query, anchor, used):
    made = native("sentence-transformers", {"query": query, "anchor": anchor, "positive": "x", "negative": "y"})
    assert made["query"] == used
    assert made.get("anchor") == ("other" if query else None)


def test_negatives_in_numbered_fields_are_read_in_the_order_of_their_numbers():
    record = {"query": "w", "positive": "p", "negative": "n", "negative_10": "c", "negative_2": "b", "negative_x": "z"}
    made = native("sentence-transformers", record)
    assert [each["text"] for each in made["candidates"]] == ["p", "n", "b", "c"]
    assert made["negative_x"] == "z"


def test_a_field_that_would_be_read_as_another_negative_is_dropped():
    record = {"query": "w", "negative_3": "x", "candidates": [{"text": "p", "relevance": 2}]}
    made, notes = converted("native", "sentence-transformers", record)
    assert made == {"query": "w", "positive": ["p"], "negative": []}
    assert all(name in " ".join(notes) for name in ("negative_3 (1)", "candidates[].relevance grade (1)"))


@pytest.mark.parametrize(
    ("name", "record", "path"),
    [
        ("sentence-transformers", {"query": "w", "negative": None}, "$.positive"),
        ("sentence-transformers", {"query": ["w", "v"], "positive": "x", "negative": "y"}, "$.query"),
        ("sentence-transformers", {"query": [1], "positive": "x", "negative": "y"}, "$.query"),
        ("sentence-transformers", {"query": [], "positive": "x", "negative": "y"}, "$.query"),
        ("sentence-transformers", {"anchor": 1, "positive": "x", "negative": "y"}, "$.anchor"),
        ("sentence-transformers", {"positive": "x", "negative": "y"}, "$.query"),
        ("sentence-transformers", {"query": "w", "positive": 1, "negative": "y"}, "$.positive"),
        ("sentence-transformers", {"query": "w", "positive": ["x", None]}, "$.positive[1]"),
        ("sentence-transformers", {"query": "w", "positive": ["x"], "negative_1": 1}, "$.negative_1"),
        ("sentence-transformers", {"query": "w", "positive": ["x", "y"], "labels": [1, 0]}, "$.labels"),
        ("sentence-transformers", {"query": "w", "positive": ["x", "y"], "scores": [0.9, 0.1]}, "$.scores"),
        ("sentence-transformers", {"anchor": "w", "positive": "x", "label": 0}, "$.label"),
        ("sentence-transformers", {"anchor": "w", "positive": "x", "score": 0.25}, "$.score"),
        ("flag-embedding", {"query": "w"}, "$.pos"),
        ("flag-embedding", {"query": "w", "pos": None, "neg": None}, "$.pos"),
    ],
)
def test_what_two_sides_do_not_say_is_refused_with_its_place(name, record, path):
    reason, found = refusal(name, record)
    assert found == path
    assert reason


def test_several_queries_and_lists_of_both_kinds_are_refused_by_name():
    assert "2 queries" in refusal("sentence-transformers", MTEB | {"query": ["w", "v"]})[0]
    mined = {"query": "w", "positive": ["x", "y"], "labels": [1, 0]}
    assert "labeled-list" in refusal("sentence-transformers", mined)[0]
    assert "--format pairs" in refusal("sentence-transformers", {"query": "w", "positive": "x", "label": 0})[0]
    assert isinstance(read("sentence-transformers", TRIPLET | {"label": 0.5, "score": 2})[1], Request)


@pytest.mark.parametrize("name", ["flag-embedding", "sentence-transformers", "tevatron-training"])
@pytest.mark.parametrize("relevance", [None, "high", [1]])
def test_a_side_needs_a_judgement_of_every_candidate(name, relevance):
    record = {"query": "w", "candidates": [{"text": "x", "relevance": 1}, {"text": "y", "relevance": relevance}]}
    reason, path = refusal("native", record, name)
    assert (name in reason, path) == (True, "$.candidates[1].relevance")


# parallel lists


def test_labels_are_judgements_with_their_grades_and_scores_a_teachers_logits():
    record = LIST | {"scores": [0.5, "-1", 2], "ids": ["p", 7, None], "lang": "en"}
    assert native("labeled-list", record) == {
        "lang": "en",
        "query": "w",
        "candidates": [
            {"text": "a pond", "relevance": 1, "id": "p", "logit": 0.5},
            {"text": "a kettle", "relevance": 0, "id": 7, "logit": "-1"},
            {"text": "a kite", "relevance": 2, "logit": 2},
        ],
    }


def test_a_list_of_mined_texts_is_not_taken_for_one_of_relevant_texts(tmp_path):
    """`mine_hard_negatives` writes positives and negatives into one column, under the name of the positives."""
    mined = {"anchor": "w", "positive": TEXTS, "labels": [1, 0, 0]}
    assert recognised(mined, tmp_path) == "labeled-list"
    assert [each["relevance"] for each in native("labeled-list", mined)["candidates"]] == [1, 0, 0]


@pytest.mark.parametrize(("relevance", "labels"), [((1, 0), [1, 0]), ((True, "2.5"), [1, 2.5]), ((None, None), None)])
def test_labels_are_written_where_candidates_are_judged(relevance, labels):
    candidates = [{"text": text, "relevance": each} for text, each in zip("xy", relevance, strict=True)]
    made, _ = converted("native", "labeled-list", {"query": "w", "candidates": candidates})
    assert made == {"query": "w", "docs": ["x", "y"], **({} if labels is None else {"labels": labels})}


def test_fields_that_would_be_read_as_the_texts_or_what_is_beside_them_are_dropped():
    beside = {"docs": ["z"], "documents": ["z"], "labels": [1], "scores": [1], "ids": ["i"], "positive": "p", "kept": 1}
    made, notes = converted("native", "labeled-list", {"query": "w", "candidates": ["x"], **beside})
    assert made == {"query": "w", "docs": ["x"], "kept": 1}
    assert all(f"{name} (1)" in " ".join(notes) for name in beside if name != "kept")


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"labels": [1, 0]}, "$.labels"),
        ({"labels": 1}, "$.labels"),
        ({"labels": [1, None, 0]}, "$.labels[1]"),
        ({"labels": [1, "high", 0]}, "$.labels[1]"),
        ({"docs": "a pond"}, "$.docs"),
        ({"docs": ["a pond", {"text": "x"}]}, "$.docs[1]"),
        ({"query": ["w", "v"]}, "$.query"),
        ({"query": None}, "$.query"),
    ],
)
def test_what_a_labelled_list_does_not_say_is_refused_with_its_place(change, path):
    reason, found = refusal("labeled-list", LIST | change)
    assert found == path
    assert reason


def test_judgements_of_some_candidates_alone_are_no_labels():
    candidates = [{"text": "x", "relevance": 1}, {"text": "y"}]
    assert refusal("native", {"query": "w", "candidates": candidates}, "labeled-list")[1] == "$.candidates[1].relevance"
    candidates[1]["relevance"] = "high"
    assert refusal("native", {"query": "w", "candidates": candidates}, "labeled-list")[1] == "$.candidates[1].relevance"


# passages


def test_passages_keep_their_places_and_get_a_score_and_a_logit(tmp_path):
    record = PASSAGES["tevatron-training"]
    assert recognised(record, tmp_path) == "tevatron-training"
    format, entry = read("tevatron-training", record)
    assert entry.texts == ("T a pond", "a kettle", "a kite")
    answer = json.loads(format.write(entry, rank(LOGITS, truncated=frozenset({2}))))
    (positive,), negatives = answer.pop("positive_passages"), answer.pop("negative_passages")
    assert answer == {"query_id": 7, "query": "w", "answers": ["x"]}
    assert positive == {
        "docid": "p",
        "title": "T",
        "text": "a pond",
        "score": written_score(-1),
        "logit": -1.0,
        "previous_score": 3,
    }
    assert negatives == [
        {"docid": "n", "title": None, "text": "a kettle", "score": written_score(2), "logit": 2.0},
        {"text": "a kite", "score": written_score(0.5), "logit": 0.5, "truncated": True},
    ]
    assert json.loads(format.lines_of(entry)) == record


@pytest.mark.parametrize("given", [{"negative_passages": None}, {}])
def test_a_side_that_is_missing_stays_missing(given):
    record = {"query": "w", "positive_passages": [{"text": "x"}], **given}
    format, entry = read("tevatron-training", record)
    answer = json.loads(format.write(entry, rank([1.0])))
    assert {name: answer[name] for name in record if name != "positive_passages"} == {"query": "w", **given}
    assert answer.keys() == record.keys()


def test_a_query_id_is_the_id_and_a_docid_that_of_the_candidate():
    made = native("tevatron-training", PASSAGES["tevatron-training"])
    assert made == {
        "id": 7,
        "query": "w",
        "answers": ["x"],
        "candidates": [
            {"id": "p", "title": "T", "text": "a pond", "score": 3, "index": 9, "relevance": 1},
            {"id": "n", "title": None, "text": "a kettle", "relevance": 0},
            {"text": "a kite", "relevance": 0},
        ],
    }
    assert native("tevatron-training", {"id": "q", "query": "w", "positive_passages": []})["id"] == "q"
    both = {"id": "x", "query_id": "q", "query": "w", "positive_passages": [{"text": "x", "id": 1, "relevance": 3}]}
    format, entry = read("tevatron-training", both, "native")
    assert json.loads(format.lines_of(entry))["id"] == "q"
    assert all(f"{name} (1)" in " ".join(format.notes) for name in ("id", "positive_passages[].id", "[].relevance"))


def test_passages_are_made_of_candidates_with_all_that_they_have():
    candidates = [
        {"id": "n", "text": "y", "relevance": 0, "docid": "other"},
        {"id": "p", "text": "x", "title": "T", "relevance": 3, "logit": 2.5},
    ]
    record = {"id": "q", "qid": "other", "query": "w", "lang": "en", "candidates": candidates}
    made, notes = converted("native", "tevatron-training", record)
    assert made == {
        "query_id": "q",
        "query": "w",
        "positive_passages": [{"docid": "p", "text": "x", "title": "T", "logit": 2.5}],
        "negative_passages": [{"docid": "n", "text": "y"}],
        "lang": "en",
    }
    dropped = ("qid (1)", "candidates[].docid (1)", "candidates[].relevance grade (1)")
    assert all(name in " ".join(notes) for name in dropped)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"positive_passages": ["a pond"]}, "$.positive_passages[0]"),
        ({"positive_passages": [{"docid": "p"}]}, "$.positive_passages[0].text"),
        ({"negative_passages": [{"docid": "p", "text": None}]}, "$.negative_passages[0].text"),
        ({"negative_passages": [{"docid": 1.5, "text": "x"}]}, "$.negative_passages[0].docid"),
        ({"negative_passages": "a pond"}, "$.negative_passages"),
        ({"positive_passages": None, "negative_passages": None}, "$.positive_passages"),
        ({"query_id": 1.5}, "$.query_id"),
        ({"query": None}, "$.query"),
        ({"query": ["w", "v"]}, "$.query"),
    ],
)
def test_what_passages_do_not_say_is_refused_with_its_place(change, path):
    reason, found = refusal("tevatron-training", PASSAGES["tevatron-training"] | change)
    assert found == path
    assert reason


# MS MARCO


def test_objects_keep_their_places_and_get_a_score_and_a_logit(tmp_path):
    record = PASSAGES["ms-marco"]
    assert recognised(record, tmp_path) == "ms-marco"
    format, entry = read("ms-marco", record)
    assert entry.texts == tuple(TEXTS)
    first, second, _ = record["passages"]
    answer = json.loads(format.write(entry, rank(LOGITS)))
    assert answer == {
        **record,
        "passages": [
            {**first, "score": written_score(-1), "logit": -1.0},
            {**second, "score": written_score(2), "logit": 2.0, "previous_score": 3},
            {"is_selected": 0, "url": "w", "passage_text": "a kite", "score": written_score(0.5), "logit": 0.5},
        ],
    }
    assert recognised(answer, tmp_path) == "ms-marco"
    assert json.loads(format.lines_of(entry)) == record


def test_columns_stay_columns(tmp_path):
    beside = {"score": [9, None, 7], "truncated": [True, True, True], "source": "s"}
    record = {**COLUMNS, "passages": {**COLUMNS["passages"], **beside}}
    assert recognised(record, tmp_path) == "ms-marco"
    format, entry = read("ms-marco", record)
    answer = json.loads(format.write(entry, rank(LOGITS, truncated=frozenset({1}))))
    assert answer["passages"] == {
        **COLUMNS["passages"],
        "source": "s",
        "score": [written_score(-1), written_score(2), written_score(0.5)],
        "logit": LOGITS,
        "previous_score": [9, None, 7],
        "truncated": [None, True, None],
    }
    assert json.loads(format.lines_of(entry)) == record
    assert [each["logit"] for each in native("ms-marco", answer)["candidates"]] == LOGITS


def test_a_selected_passage_is_relevant_and_one_that_nobody_judged_has_no_judgement():
    passages = {**COLUMNS["passages"], "is_selected": [1, 0, -1], "passage_id": ["a", 1, None], "rank": [1], "by": "x"}
    format, entry = read("ms-marco", {**COLUMNS, "passages": passages}, "native")
    assert json.loads(format.lines_of(entry)) == {
        "id": 7,
        "query": "w",
        "candidates": [
            {"id": "a", "text": "a pond", "url": "u", "relevance": 1},
            {"id": 1, "text": "a kettle", "url": "v", "relevance": 0},
            {"text": "a kite", "url": "w"},
        ],
    }
    assert all(f"passages.{name} (1)" in " ".join(format.notes) for name in ("rank", "by"))
    for nothing in (None, [None, None, None]):
        made = native("ms-marco", {**COLUMNS, "passages": {**COLUMNS["passages"], "is_selected": nothing}})
        assert not any("relevance" in each for each in made["candidates"])


def test_passages_made_of_candidates_are_objects():
    candidates = [
        {"id": "n", "text": "y", "relevance": 0, "passage_text": "other"},
        {"text": "x", "relevance": 3, "url": "u"},
        "z",
    ]
    record = {"id": "q", "query": "w", "passages": ["other"], "lang": "en", "candidates": candidates}
    made, notes = converted("native", "ms-marco", record)
    assert made == {
        "query_id": "q",
        "query": "w",
        "passages": [
            {"is_selected": 0, "passage_id": "n", "passage_text": "y"},
            {"is_selected": 1, "passage_text": "x", "url": "u"},
            {"passage_text": "z"},
        ],
        "lang": "en",
    }
    dropped = ("passages (1)", "candidates[].passage_text (1)", "candidates[].relevance grade (1)")
    assert all(name in " ".join(notes) for name in dropped)


def test_a_flashrank_passage_is_not_taken_for_one_of_ms_marco(tmp_path):
    made, _ = converted("native", "flashrank", {"query": "w", "candidates": [{"text": "x", "passage_text": "y"}]})
    assert recognised(made, tmp_path) == "flashrank"


def test_a_record_without_passages_leaves_the_choice_to_the_next(tmp_path):
    path = tmp_path / "in"
    path.write_bytes(jsonl({"query": "w", "passages": []}, PASSAGES["ms-marco"]))
    assert open_format(ReadConfig(inputs=(str(path),)), WriteConfig(), Inputs((str(path),))).name == "ms-marco"


@pytest.mark.parametrize(
    ("passages", "path"),
    [
        ("a pond", "$.passages"),
        (None, "$.passages"),
        ({}, "$.passages.passage_text"),
        ({"passage_text": "a pond"}, "$.passages.passage_text"),
        ({"passage_text": ["a pond", 1]}, "$.passages.passage_text[1]"),
        ({"passage_text": ["a pond"], "is_selected": []}, "$.passages.is_selected"),
        ({"passage_text": ["a pond"], "is_selected": ["yes"]}, "$.passages.is_selected[0]"),
        ({"passage_text": ["a pond"], "passage_id": ["a", "b"]}, "$.passages.passage_id"),
        ({"passage_text": ["a pond"], "id": [1.5]}, "$.passages.id[0]"),
        (["a pond"], "$.passages[0]"),
        ([{"text": "a pond"}], "$.passages[0].passage_text"),
        ([{"passage_text": None}], "$.passages[0].passage_text"),
        ([{"passage_text": "x", "is_selected": "yes"}], "$.passages[0].is_selected"),
        ([{"passage_text": "x", "passage_id": True}], "$.passages[0].passage_id"),
    ],
)
def test_what_passages_of_ms_marco_do_not_say_is_refused_with_its_place(passages, path):
    reason, found = refusal("ms-marco", {"query": "w", "passages": passages})
    assert found == path
    assert reason


@pytest.mark.parametrize(
    ("change", "path"),
    [({"query_id": 1.5}, "$.query_id"), ({"query": ["w", "v"]}, "$.query"), ({"query": 1}, "$.query")],
)
def test_a_question_of_ms_marco_needs_one_text_and_may_have_an_id(change, path):
    assert refusal("ms-marco", COLUMNS | change)[1] == path
