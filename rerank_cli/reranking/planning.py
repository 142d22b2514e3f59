"""The batches of prepared pairs, as the engine needs them: by cost, or by query."""

from collections.abc import Sequence

from rerank_cli.core.plan import BatchPlan, Budget, plan_batches, plan_by_query
from rerank_cli.core.scorer import PreparedPair, Traits


def plan_pairs(
    pairs: Sequence[PreparedPair], indices: Sequence[int], budget: Budget, traits: Traits
) -> list[BatchPlan]:
    """Plan batches of the pairs at these positions, for an engine with these traits."""
    costs = [pair.cost for pair in pairs]
    if traits.per_query:
        return plan_by_query(costs, [pair.query for pair in pairs], indices)
    return plan_batches(costs, budget, traits.multiple, indices)
