"""Scores in any order, rankings in input order."""

import pytest

from rerank_cli.reranking.scoreboard import ScoreBoard


def test_scores_are_taken_by_pair_number_whatever_order_they_arrived_in():
    board = ScoreBoard()
    assert board.expect(4) == 0
    board.arrive([3, 1], [0.3, 0.1])
    board.arrive([0, 2], [0.0, 0.2])
    assert board.take([0, 1]) == [0.0, 0.1]
    assert board.take([3, 2]) == [0.3, 0.2]
    assert board.all() == [0.0, 0.1, 0.2, 0.3]


def test_room_is_made_slice_by_slice():
    board = ScoreBoard()
    assert [board.expect(2), board.expect(0), board.expect(3)] == [0, 2, 2]
    board.arrive(range(5), [5.0, 4.0, 3.0, 2.0, 1.0])
    assert board.all() == [5.0, 4.0, 3.0, 2.0, 1.0]


def test_several_records_may_take_the_same_pair():
    board = ScoreBoard()
    board.expect(1)
    board.arrive([0], [7.0])
    assert board.take([0, 0, 0]) == [7.0, 7.0, 7.0]
    assert board.take([0]) == [7.0]


def test_a_pair_that_cannot_be_scored_has_arrived_all_the_same():
    board = ScoreBoard()
    board.expect(2)
    board.arrive([0, 1], [None, 1.0])
    assert board.all() == [None, 1.0]


def test_a_pair_scored_twice_is_a_bug():
    board = ScoreBoard()
    board.expect(2)
    board.arrive([0], [None])
    with pytest.raises(ValueError, match="twice"):
        board.arrive([1, 0], [1.0, 2.0])


def test_a_pair_never_scored_is_a_bug():
    board = ScoreBoard()
    board.expect(2)
    board.arrive([0], [1.0])
    with pytest.raises(ValueError, match="never"):
        board.take([0, 1])
    with pytest.raises(ValueError, match="never"):
        board.all()


@pytest.mark.parametrize("scores", [[], [1.0], [1.0, 2.0, 3.0]])
def test_a_wrong_number_of_scores_is_a_bug(scores):
    board = ScoreBoard()
    board.expect(3)
    with pytest.raises(ValueError, match="zip"):
        board.arrive([0, 1], scores)


def test_a_record_without_candidates_takes_nothing():
    assert ScoreBoard().take([]) == []
    assert ScoreBoard().all() == []
