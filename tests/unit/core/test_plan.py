"""Batches inside a window: which pairs are scored together."""

import pytest

from rerank_cli.core.plan import MAX_SQUARE, BatchPlan, Budget, WindowLimits, plan_batches


def indices(costs, budget, multiple, which=None):
    return [plan.indices for plan in plan_batches(costs, budget, multiple, which)]


def test_no_pairs_give_no_batches():
    assert plan_batches([], Budget(10), multiple=1) == []
    assert plan_batches([1, 2], Budget(10), multiple=0, indices=[]) == []


def test_longest_pairs_come_first_so_that_memory_fails_early():
    assert indices([3, 9, 4, 8], Budget(9), multiple=1) == [(1,), (3,), (2, 0)]


def test_equal_costs_keep_their_input_order():
    assert indices([5, 5, 5, 5], Budget(10), multiple=1) == [(0, 1), (2, 3)]


def test_a_padding_engine_pays_the_longest_row_for_every_row():
    # 9 × 2 = 18 fits, 9 × 3 = 27 does not
    assert plan_batches([9, 1, 1], Budget(18), multiple=1) == [
        BatchPlan((0, 1), tokens=10, padded=18, square=162),
        BatchPlan((2,), tokens=1, padded=1, square=1),
    ]


def test_a_packing_engine_pays_the_sum_of_its_rows():
    assert plan_batches([9, 1, 1], Budget(11), multiple=0) == [BatchPlan((0, 1, 2), tokens=11, padded=11, square=83)]
    assert indices([9, 1, 1], Budget(10), multiple=0) == [(0, 1), (2,)]


@pytest.mark.parametrize("multiple", [1, 0])
def test_a_pair_above_the_budget_is_a_batch_of_its_own(multiple):
    assert indices([100, 1, 1], Budget(2), multiple) == [(0,), (1, 2)]


@pytest.mark.parametrize("multiple", [1, 0])
def test_a_pair_above_the_square_budget_is_a_batch_of_its_own(multiple):
    assert indices([10, 2, 2], Budget(10**6, square=99), multiple) == [(0,), (1, 2)]


def test_rows_filled_up_to_a_multiple_are_paid_for():
    assert plan_batches([9, 8, 8], Budget(32), multiple=8) == [
        BatchPlan((0, 1), tokens=17, padded=32, square=512),
        BatchPlan((2,), tokens=8, padded=8, square=64),
    ]


def test_the_square_bound_cuts_padded_batches_of_long_rows():
    # 3 rows of 10 cost 30 tokens but 300 of 250 in the square
    assert indices([10, 10, 10], Budget(1000, square=250), multiple=1) == [(0, 1), (2,)]


def test_the_square_bound_cuts_packed_batches_by_the_sum_of_squares():
    assert indices([10, 10, 10, 5], Budget(1000, square=200), multiple=0) == [(0, 1), (2, 3)]


def test_two_rows_of_8192_tokens_and_128_of_1024_are_the_largest_allowed():
    assert 2 * 8192**2 == MAX_SQUARE == 128 * 1024**2
    assert [len(batch) for batch in indices([8192] * 3, Budget(10**9), multiple=1)] == [2, 1]
    assert [len(batch) for batch in indices([1024] * 129, Budget(10**9), multiple=1)] == [128, 1]


def test_only_the_pairs_that_are_named_are_planned():
    assert indices([1, 2, 3, 4], Budget(8), multiple=1, which=[0, 2, 3]) == [(3, 2), (0,)]


def test_pairs_without_cost_are_planned_all_the_same():
    assert sorted(i for batch in indices([0, 0, 0], Budget(2), multiple=1) for i in batch) == [0, 1, 2]
    assert indices([0, 0, 0], Budget(2), multiple=0) == [(0, 1, 2)]


def test_a_budget_halves_what_ran_out_of_memory_and_never_grows():
    assert Budget(8192).halved(tokens=8000, square=10_000) == Budget(4000, 5000)
    assert Budget(100, 50).halved(tokens=8000, square=10_000) == Budget(100, 50)


def test_a_budget_never_reaches_nothing():
    assert Budget(1, 1).halved(1, 1) == Budget(1, 1)
    assert Budget(5, 5).halved(0, 0) == Budget(1, 1)


def test_halving_leads_to_single_pairs():
    budget, costs, sizes = Budget(8 * 7), [7] * 8, []
    while True:
        first = plan_batches(costs, budget, multiple=1)[0]
        sizes.append(len(first.indices))
        if len(first.indices) == 1:
            break
        budget = budget.halved(first.padded, first.square)
    assert sizes == [8, 4, 2, 1]


@pytest.mark.parametrize(
    ("tokens", "records", "bytes_", "too_large"),
    [(10, 3, 100, False), (11, 3, 100, True), (10, 4, 100, True), (10, 3, 101, True)],
)
def test_a_window_overflows_by_tokens_records_or_bytes(tokens, records, bytes_, too_large):
    assert WindowLimits(tokens=10, records=3, bytes=100).overflows(tokens, records, bytes_) is too_large
