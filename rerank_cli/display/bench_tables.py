"""The tables of `rerank bench`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rerank_cli.core.printable import printable
from rerank_cli.core.sizes import mebibytes

if TYPE_CHECKING:  # rich takes a tenth of a second, and only this command's end needs it
    from rich.table import Table

WIDTH = 118  # without a terminal
MATRIX_RATE = "matrix rate (the fastest matrix product of the installed libraries), GFLOP/s:"


def report_table(document: dict[str, Any]) -> None:
    """The results for people, on standard error."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else WIDTH)
    table = growth_table(document) if "growth" in document else comparison_table(document)
    console.print(table)
    machine = document["machine"]
    rates = ", ".join(rate_of(dtype, found) for dtype, found in document.get("matrix_gflops_by_library", {}).items())
    console.print(
        printable(f"{machine['cpu']}, {machine['cores']} cores" + (f"; {MATRIX_RATE} {rates}" if rates else "")),
        markup=False,
    )
    for name, reason in document.get("not_measured", {}).items():
        console.print(printable(f"not measured: {name}: {reason}"), markup=False)


def rate_of(dtype: str, found: dict[str, float]) -> str:
    """The matrix rate of a dtype and the library that reached it.

    >>> rate_of("fp32", {"torch": 160.7, "oneDNN": 171.2})
    'fp32 171 (oneDNN)'
    """
    library, rate = max(found.items(), key=lambda row: row[1])
    return f"{dtype} {rate:,.0f} ({library})"


def comparison_table(document: dict[str, Any]) -> "Table":
    """A row for each contestant."""
    from rich.markup import escape
    from rich.table import Table

    title = f"{document['model']}, {document['pairs']:,} pairs, mean {document['mean_tokens']:.0f} tokens"
    table = Table(title=escape(printable(title)), title_justify="left")
    for name in ("", "dtype", "batch"):
        table.add_column(name, no_wrap=True)
    for name in ("pairs/s", "of best\npeer", "of matrix\nrate", "padding", "busy", "peak\nmemory"):
        table.add_column(name, justify="right", no_wrap=True)
    for result in document["results"]:
        ratio, of_matrix = result["of_best_peer"], result["share_of_matrix_rate"]
        table.add_row(
            result["name"],
            result["dtype"],
            batch_of(result),
            f"{result['pairs_per_s']:,.1f}",
            f"{ratio:.2f} ×" if ratio else "",
            percent(of_matrix),
            percent(result["padding_share"]),
            percent(result["busy_share"]),
            mebibytes(result["peak_memory_bytes"]),
        )
    return table


def batch_of(result: dict[str, Any]) -> str:
    """The batch of a contestant, with the token budget where that was chosen automatically.

    >>> batch_of({"batch": "auto", "batch_tokens": 1024}), batch_of({"batch": "4 pairs"})
    ('auto: 1,024 tokens', '4 pairs')
    """
    tokens = result.get("batch_tokens")
    return f"auto: {tokens:,} tokens" if result["batch"] == "auto" and tokens else str(result["batch"])


def growth_table(document: dict[str, Any]) -> "Table":
    """A row for each number of pairs."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(printable(f"{Path(document['model']).name}, growth")), title_justify="left")
    for name in ("pairs", "engine", "pairs/s", "tokens/s", "padding", "busy", "wall", "peak memory"):
        table.add_column(name, justify="right")
    for step in document["growth"]:
        table.add_row(
            f"{step['pairs']:,}",
            f"{step['engine']} {step['dtype']}",
            f"{step['pairs_per_s']:,.1f}",
            f"{step['tokens_per_s']:,.0f}",
            percent(step["padding_share"]),
            percent(step["busy_share"]),
            f"{step['wall_s']:,.0f} s",
            mebibytes(step["peak_memory_bytes"]),
        )
    return table


def percent(share: float | None) -> str:
    """A share as a percentage; "" if unknown."""
    return "" if share is None else f"{share:.1%}"
