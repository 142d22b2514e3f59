"""What a run does with the files it finds, and which files it writes."""

import itertools

import pytest

from rerank_cli.core.errors import Refused
from rerank_cli.files.existing import Action, Existing, decide
from rerank_cli.files.paths import Paths

START, CONTINUE, NOTHING = Action.START, Action.CONTINUE, Action.NOTHING
REFUSED = None

# found: file, file_ours, partial, partial_ours -> no flag, --resume, --overwrite, both
TABLE = {
    "nothing": ((0, 0, 0, 0), (START, START, START, START)),
    "partial of this run": ((0, 0, 1, 1), (REFUSED, CONTINUE, START, CONTINUE)),
    "partial of another run": ((0, 0, 1, 0), (REFUSED, REFUSED, START, START)),
    "FILE of this run": ((1, 1, 0, 0), (REFUSED, NOTHING, START, NOTHING)),
    "FILE made otherwise": ((1, 0, 0, 0), (REFUSED, REFUSED, START, START)),
    "FILE and a partial of this run": ((1, 0, 1, 1), (REFUSED, REFUSED, START, CONTINUE)),
    # combinations that the published table leaves to its rows
    "FILE and a partial of another run": ((1, 0, 1, 0), (REFUSED, REFUSED, START, START)),
    "FILE of this run beside a foreign partial": ((1, 1, 1, 0), (REFUSED, NOTHING, START, NOTHING)),
    "FILE of this run beside a partial of this run": ((1, 1, 1, 1), (REFUSED, REFUSED, START, CONTINUE)),
}
FLAGS = ((False, False), (True, False), (False, True), (True, True))
CELLS = [
    pytest.param(found, resume, overwrite, action, id=f"{name}, resume={resume}, overwrite={overwrite}")
    for name, (found, actions) in TABLE.items()
    for (resume, overwrite), action in zip(FLAGS, actions, strict=True)
]


def decided(found, resume, overwrite):
    file, file_ours, partial, partial_ours = map(bool, found)
    existing = Existing(file=file, file_ours=file_ours, partial=partial, partial_ours=partial_ours)
    return decide(existing, resume=resume, overwrite=overwrite, name="out.jsonl")


@pytest.mark.parametrize(("found", "resume", "overwrite", "action"), CELLS)
def test_each_cell_of_the_table_is_kept(found, resume, overwrite, action):
    if action is REFUSED:
        with pytest.raises(Refused, match=r"out\.jsonl") as fault:
            decided(found, resume, overwrite)
        assert fault.value.advice
    else:
        assert decided(found, resume, overwrite) is action


def test_the_table_covers_all_that_can_be_found():
    possible = {
        found
        for found in itertools.product((0, 1), repeat=4)
        if found[0] >= found[1] and found[2] >= found[3]  # what is not there cannot be ours
    }
    assert {found for found, _ in TABLE.values()} == possible


def test_without_flags_nothing_that_exists_is_ever_touched():
    for found, _ in TABLE.values():
        if any(found):
            with pytest.raises(Refused):
                decided(found, False, False)


@pytest.mark.parametrize(
    ("found", "resume", "says", "advises"),
    [
        ((0, 0, 1, 1), False, "an unfinished output exists", "--resume"),
        ((0, 0, 1, 0), True, "an unfinished output of another run exists", "--overwrite"),
        ((1, 0, 0, 0), False, "out.jsonl exists", "--overwrite"),
        ((1, 0, 0, 0), True, "is not the result of this command", "--overwrite"),
        ((1, 0, 1, 1), True, "out.jsonl exists", "--overwrite"),
    ],
)
def test_a_refusal_says_what_is_there_and_what_to_add(found, resume, says, advises):
    with pytest.raises(Refused) as fault:
        decided(found, resume, False)
    assert says in str(fault.value)
    assert advises in fault.value.advice


def test_errors_go_beside_the_output_unless_they_are_named(tmp_path):
    out = str(tmp_path / "out.jsonl")
    assert Paths.of(out, None).errors == tmp_path / "out.jsonl.errors.jsonl"
    assert Paths.of(out, str(tmp_path / "e")).errors == tmp_path / "e"
