"""Whatever the costs and the budget: every pair in exactly one batch, and the budget kept."""

from hypothesis import given
from hypothesis import strategies as st

from rerank_cli.plan import Budget, plan_batches

# small numbers too, so that budgets are met exactly, and so that each of the two bounds is often the one that counts
COSTS = st.lists(st.integers(0, 300), max_size=120) | st.lists(st.integers(0, 6), max_size=30)
BUDGETS = (
    st.builds(Budget, st.integers(1, 5000), st.integers(1, 500_000))
    | st.builds(Budget, st.integers(1, 40), st.just(2**27))
    | st.builds(Budget, st.just(2**27), st.integers(1, 200))
)


@st.composite
def costs_and_some_of_them(draw):
    costs = draw(COSTS)
    return costs, draw(st.permutations([n for n in range(len(costs)) if draw(st.booleans())]))


def first_batch(rows, budget, padded):
    """The longest beginning of `rows` (longest first) that fits, by trying every length."""
    best = 1
    for count in range(2, len(rows) + 1):
        row = rows[:count]
        tokens = max(row) * count if padded else sum(row)
        square = max(row) ** 2 * count if padded else sum(cost * cost for cost in row)
        if tokens > budget.tokens or square > budget.square:
            break
        best = count
    return best


@given(COSTS, BUDGETS, st.booleans())
def test_every_pair_is_in_exactly_one_batch(costs, budget, padded):
    planned = [index for plan in plan_batches(costs, budget, padded) for index in plan.indices]
    assert sorted(planned) == list(range(len(costs)))


@given(costs_and_some_of_them(), BUDGETS, st.booleans())
def test_of_some_pairs_exactly_these_are_planned(costs_and_some, budget, padded):
    costs, some = costs_and_some
    planned = [index for plan in plan_batches(costs, budget, padded, some) for index in plan.indices]
    assert sorted(planned) == sorted(some)


@given(COSTS, BUDGETS, st.booleans())
def test_the_budget_is_never_exceeded_unless_one_pair_is_larger(costs, budget, padded):
    for plan in plan_batches(costs, budget, padded):
        assert plan.indices
        if len(plan.indices) > 1:
            assert plan.padded <= budget.tokens
            assert plan.square <= budget.square


@given(COSTS, BUDGETS)
def test_a_padded_batch_costs_its_longest_row_for_each_row(costs, budget):
    for plan in plan_batches(costs, budget, padded=True):
        rows = [costs[index] for index in plan.indices]
        assert plan.tokens == sum(rows)
        assert plan.padded == max(rows) * len(rows)
        assert plan.square == max(rows) ** 2 * len(rows)


@given(COSTS, BUDGETS)
def test_a_packed_batch_costs_the_sum_of_its_rows(costs, budget):
    for plan in plan_batches(costs, budget, padded=False):
        rows = [costs[index] for index in plan.indices]
        assert plan.tokens == plan.padded == sum(rows)
        assert plan.square == sum(cost * cost for cost in rows)


@given(COSTS, BUDGETS, st.booleans())
def test_batches_are_the_longest_that_fit_of_the_pairs_sorted_by_length(costs, budget, padded):
    order = sorted(range(len(costs)), key=lambda index: (-costs[index], index))
    expected = []
    while order:
        rows = [costs[index] for index in order]
        if padded and rows[0] == 0:  # free pairs are counted as one token each
            rows = [1] * len(rows)
        count = first_batch(rows, budget, padded)
        expected.append(tuple(order[:count]))
        order = order[count:]
    assert [plan.indices for plan in plan_batches(costs, budget, padded)] == expected


@given(st.lists(st.integers(1, 300), max_size=60), BUDGETS, st.booleans())
def test_halving_after_any_batch_makes_progress(costs, budget, padded):
    for plan in plan_batches(costs, budget, padded):
        if len(plan.indices) > 1:
            halved = budget.halved(plan.padded, plan.square)
            again = plan_batches(costs, halved, padded, plan.indices)
            assert max(len(batch.indices) for batch in again) < len(plan.indices)
