"""The sentences of a page: what was measured, and whether a difference may be chance."""

from enum import StrEnum

from rerank_cli.display.evaluation_tables import more_is_better
from rerank_cli.evaluation.compare import TOP, Comparison
from rerank_cli.evaluation.evaluate import EQUAL, Difference

ALPHA = 0.05
SMALLEST = 0.00005  # what is smaller is shown as 0


class Kind(StrEnum):
    """What a difference shows; also its class in the style sheet."""

    UP = "up"
    DOWN = "down"
    OPEN = "open"  # it may be chance, or its measure is not of quality


def counted(count: int, one: str, more: str) -> str:
    """A count with its noun.

    >>> counted(1, "query", "queries"), counted(2000, "query", "queries")
    ('1 query', '2,000 queries')
    """
    return f"{count:,} {one if count == 1 else more}"


def number(value: float) -> str:
    """A figure with four decimals and a minus sign."""
    return f"{value:.4f}".replace("-", "−")


def signed(value: float) -> str:
    """A gain with its sign; 0 has none.

    >>> signed(0.25), signed(-0.25), signed(-1e-9)
    ('+0.2500', '−0.2500', '0.0000')
    """
    return "0.0000" if abs(value) < SMALLEST else f"{value:+.4f}".replace("-", "−")


def p_of(difference: Difference) -> float | None:
    """The p-value of a difference, corrected where there are several comparisons."""
    return difference.p_value if difference.p_holm is None else difference.p_holm


def of_p(value: float | None) -> str:
    """A p-value; "" without one."""
    return "" if value is None else "<0.001" if value < 0.001 else f"{value:.3f}"


def contains_zero(difference: Difference) -> bool:
    """Whether the interval of a difference contains 0; also where there is no interval."""
    low, high = difference.low, difference.high
    return low is None or high is None or (low <= EQUAL and high >= -EQUAL)


def kind_of(difference: Difference) -> Kind:
    """What a difference shows: a gain or a loss only if neither its interval nor its p leaves it open."""
    p_value = p_of(difference)
    if not more_is_better(difference.measure) or contains_zero(difference) or p_value is None or p_value >= ALPHA:
        return Kind.OPEN
    return Kind.UP if difference.gain > 0 else Kind.DOWN


def may_be_chance(difference: Difference) -> bool:
    """Whether the interval or p of a difference leaves it open; False where neither is known."""
    if difference.low is None:
        return False
    p_value = p_of(difference)
    return contains_zero(difference) or (p_value is not None and p_value >= ALPHA)


def result_of(difference: Difference, sides: tuple[str, str] = ("", "")) -> str:
    """The result in a sentence: both means, and the interval of the gain. `sides` are names such as A and B."""
    before, after = (
        f"{number(mean)}{f' ({side})' if side else ''}"
        for mean, side in zip((difference.before, difference.after), sides, strict=True)
    )
    queries = difference.better + difference.worse + difference.same
    over = f"over {counted(queries, 'judged query', 'judged queries')}"
    if abs(difference.gain) < SMALLEST:
        return f"{difference.measure} stays at {number(difference.after)} {over}."
    moves = "rises" if difference.gain > 0 else "falls"
    said = f"{difference.measure} {moves} from {before} to {after} {over}"
    if difference.low is None or difference.high is None:
        return f"{said}."
    interval = f"{signed(difference.low)} to {signed(difference.high)}"
    if contains_zero(difference):
        return f"{said}. This may be chance: the 95 % interval of the gain, {interval}, contains 0."
    said = f"{said}; the 95 % interval of the gain is {interval}"
    p_value = p_of(difference)
    if p_value is not None and p_value >= ALPHA:
        corrected = " after correction" if p_value != difference.p_value else ""
        return f"{said}. This may be chance: the t-test gives p = {of_p(p_value)}{corrected}."
    return f"{said}."


def queries_of(difference: Difference) -> str:
    """How many queries gained and lost."""
    better, worse, same = difference.better, difference.worse, difference.same
    if not better and not worse:
        return f"{difference.measure} is the same for each query."
    return f"{counted(better, 'query', 'queries')} gained, {worse:,} lost, {same:,} stayed the same."


def agreement_of(comparison: Comparison) -> str:
    """How far two rankings agree, in a sentence."""
    first, other = comparison.names
    return (
        f"{first} and {other} share {comparison.overlap:.0%} of their first {TOP} documents in the mean of "
        f"{counted(comparison.queries, 'query', 'queries')} (overlap@{TOP}); their rank-biased overlap is "
        f"{number(comparison.rbo)}, where 1 is the same order and 0 is no document in common."
    )


def means_of(means: dict[str, float], judged: int) -> str:
    """The leading mean of a ranking without one before, in a sentence."""
    leading, mean = next(iter(means.items()))
    return f"{leading} is {number(mean)} over {counted(judged, 'judged query', 'judged queries')}."


def method_of(rankings: int, *, corrected: bool) -> str:
    """How intervals and p are computed, for so many rankings that are each compared with another."""
    several = ""
    if rankings > 1:
        several = f", corrected by Holm for {rankings} comparisons" if corrected else ", not corrected for several runs"
    return (
        f"95 % interval: bootstrap over the judged queries. p: paired t-test{several}. A gain is coloured and bold if "
        "its interval does not contain 0 and p is below 0.05; any other may be chance."
    )
