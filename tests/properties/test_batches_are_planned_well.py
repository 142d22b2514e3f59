"""Whatever the costs and the budget: every pair in exactly one batch, and the budget kept."""

import math

from hypothesis import given
from hypothesis import strategies as st

from rerank_cli.core.plan import Budget, plan_batches

# small numbers too, so that budgets are met exactly, and so that each of the two bounds is often the one that counts
COSTS = st.lists(st.integers(0, 300), max_size=120) | st.lists(st.integers(0, 6), max_size=30)
BUDGETS = (
    st.builds(Budget, st.integers(1, 5000), st.integers(1, 500_000))
    | st.builds(Budget, st.integers(1, 40), st.just(2**27))
    | st.builds(Budget, st.just(2**27), st.integers(1, 200))
)

MULTIPLES = st.sampled_from([0, 1, 8])


@st.composite
def costs_and_some_of_them(draw):
    costs = draw(COSTS)
    return costs, draw(st.permutations([n for n in range(len(costs)) if draw(st.booleans())]))


def first_batch(rows, budget, multiple):
    """The longest beginning of `rows` (longest first) that fits, by trying every length."""
    best = 1
    for count in range(2, len(rows) + 1):
        row = rows[:count]
        longest = math.ceil(max(row) / multiple) * multiple if multiple else 0
        tokens = longest * count if multiple else sum(row)
        square = longest**2 * count if multiple else sum(cost * cost for cost in row)
        if tokens > budget.tokens or square > budget.square:
            break
        best = count
    return best


@given(COSTS, BUDGETS, MULTIPLES)
def test_every_pair_is_in_exactly_one_batch(costs, budget, multiple):
    planned = [index for plan in plan_batches(costs, budget, multiple) for index in plan.indices]
    assert sorted(planned) == list(range(len(costs)))


@given(costs_and_some_of_them(), BUDGETS, MULTIPLES)
def test_of_some_pairs_exactly_these_are_planned(costs_and_some, budget, multiple):
    costs, some = costs_and_some
    planned = [index for plan in plan_batches(costs, budget, multiple, some) for index in plan.indices]
    assert sorted(planned) == sorted(some)


@given(COSTS, BUDGETS, MULTIPLES)
def test_the_budget_is_never_exceeded_unless_one_pair_is_larger(costs, budget, multiple):
    for plan in plan_batches(costs, budget, multiple):
        assert plan.indices
        if len(plan.indices) > 1:
            assert plan.padded <= budget.tokens
            assert plan.square <= budget.square


@given(COSTS, BUDGETS)
def test_a_padded_batch_costs_its_longest_row_for_each_row(costs, budget):
    for plan in plan_batches(costs, budget, multiple=1):
        rows = [costs[index] for index in plan.indices]
        assert plan.tokens == sum(rows)
        assert plan.padded == max(rows) * len(rows)
        assert plan.square == max(rows) ** 2 * len(rows)


@given(COSTS, BUDGETS)
def test_a_packed_batch_costs_the_sum_of_its_rows(costs, budget):
    for plan in plan_batches(costs, budget, multiple=0):
        rows = [costs[index] for index in plan.indices]
        assert plan.tokens == plan.padded == sum(rows)
        assert plan.square == sum(cost * cost for cost in rows)


@given(COSTS, BUDGETS, MULTIPLES)
def test_batches_are_the_longest_that_fit_of_the_pairs_sorted_by_length(costs, budget, multiple):
    order = sorted(range(len(costs)), key=lambda index: (-costs[index], index))
    expected = []
    while order:
        rows = [costs[index] for index in order]
        free = multiple and rows[0] == 0  # such pairs are counted as one token each
        count = first_batch([1] * len(rows), budget, 1) if free else first_batch(rows, budget, multiple)
        expected.append(tuple(order[:count]))
        order = order[count:]
    assert [plan.indices for plan in plan_batches(costs, budget, multiple)] == expected


@given(st.lists(st.integers(1, 300), max_size=60), BUDGETS, MULTIPLES)
def test_halving_after_any_batch_makes_progress(costs, budget, multiple):
    for plan in plan_batches(costs, budget, multiple):
        if len(plan.indices) > 1:
            halved = budget.halved(plan.padded, plan.square)
            again = plan_batches(costs, halved, multiple, plan.indices)
            assert max(len(batch.indices) for batch in again) < len(plan.indices)
