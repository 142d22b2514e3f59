"""A chart of a benchmark: pairs/s by contestant, or pairs/s and memory against the number of pairs."""

import io
from pathlib import Path
from typing import Any

from rerank_cli.core.errors import OutputError
from rerank_cli.files.durable import put_file


def draw(document: dict[str, Any], target: Path) -> None:
    """Write the chart; the suffix of `target` says in which format. Raises OutputError."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    if "growth" in document:
        _growth(axes, document)
    else:
        _comparison(axes, document)
    drawn = io.BytesIO()
    figure.savefig(drawn, format=target.suffix.removeprefix("."))
    try:
        put_file(target, drawn.getvalue())
    except OSError as fault:
        raise OutputError(f"--plot {target}: {fault.strerror}", "The figures are on standard output.") from None
    pyplot.close(figure)


def _comparison(axes: Any, document: dict[str, Any]) -> None:
    """The best batch size of each contestant, the fastest above."""
    best: dict[str, dict[str, Any]] = {}
    for result in document["results"]:
        name = f"{result['name']} {result['dtype']}"
        if name not in best or result["pairs_per_s"] > best[name]["pairs_per_s"]:
            best[name] = result
    rows = sorted(best.items(), key=lambda row: row[1]["pairs_per_s"])
    colours = ["#2a6f97" if result["ours"] else "#a9b4bc" for _, result in rows]
    bars = axes.barh([name for name, _ in rows], [result["pairs_per_s"] for _, result in rows], color=colours)
    axes.bar_label(bars, fmt="%.1f", padding=3)
    axes.set_xlabel("pairs/s, from file to file")
    axes.set_title(f"{document['model']}, {document['pairs']} pairs, mean {document['mean_tokens']:.0f} tokens")
    axes.spines[["top", "right"]].set_visible(False)


def _growth(axes: Any, document: dict[str, Any]) -> None:
    steps = document["growth"]
    pairs = [step["pairs"] for step in steps]
    axes.plot(pairs, [step["pairs_per_s"] for step in steps], "o-", color="#2a6f97", label="pairs/s")
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("pairs")
    axes.set_ylabel("pairs/s")
    memory = axes.twinx()
    peaks = [step["peak_memory_bytes"] / 2**20 for step in steps]
    memory.plot(pairs, peaks, "s--", color="#bc6c25", label="peak memory")
    memory.set_ylim(bottom=0)
    memory.set_ylabel("MiB")
    axes.figure.legend(loc="outside upper right", ncols=2)
