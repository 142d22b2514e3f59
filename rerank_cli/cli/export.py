"""`rerank export`: a model for another engine."""

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from rerank_cli.cli import options as o
from rerank_cli.cli.limits import folder_to_make
from rerank_cli.core.config import ModelConfig, ReadConfig
from rerank_cli.core.dtypes import GRAPH_DTYPES
from rerank_cli.core.printable import printable
from rerank_cli.core.sizes import mebibytes
from rerank_cli.display.messages import print_line, report
from rerank_cli.engines.registry import GRAPHS
from rerank_cli.jobs.export import ExportConfig, export

M = ModelConfig()


def own(name: str, text: str, values: Iterable[str] = ()) -> Any:
    """An option that `score` has too, with another meaning."""
    return o.option(name, text, in_environment=False, values=values)


def export_command(
    context: typer.Context,
    output: Annotated[str, o.option("output", "Folder to make.", "-o")],
    format: Annotated[str, own("format", "Format of the exported model: openvino or onnx.", GRAPHS)] = "openvino",
    dtype: Annotated[
        str, own("dtype", "Precision of the exported weights: fp32, fp16 or int8.", GRAPH_DTYPES)
    ] = "fp32",
    records: Annotated[
        str | None, o.option("records", "Records on which the exported model is compared with torch.")
    ] = None,
    limit: o.Limit = None,
    overwrite: Annotated[bool, own("overwrite", "Replace a folder that was exported before.")] = False,
    model: o.Model = M.model,
    revision: o.Revision = None,
    offline: o.Offline = False,
    label: o.Label = None,
    max_length: o.MaxLength = M.max_length,
    query_max_length: o.QueryMaxLength = M.query_max_length,
    threads: o.Threads = None,
) -> int:
    """Export a model to a folder that --model loads with OpenVINO or onnxruntime.

    \b
    rerank export -o mini-int8 --model mini --dtype int8 --records sample_data/quickstart.jsonl
    rerank score input.jsonl -o out.jsonl --model ./mini-int8
    """
    config = ExportConfig(
        model=o.model_of(context, engine="torch", device="cpu", dtype="fp32"),
        output=folder_to_make(output),
        format=format,
        dtype=dtype,
        records=None if records is None else ReadConfig(inputs=(records,), limit=limit),
        overwrite=overwrite,
    )
    exported = export(config, report)
    for line in export_lines(exported):
        print_line(line)
    return 0


def export_lines(exported: dict[str, Any]) -> list[str]:
    """The lines to print, safe for a terminal."""
    lines = [
        ("folder", printable(exported["output"])),
        ("format", f"{exported['format']}, {exported['dtype']}"),
        ("size", mebibytes(exported["bytes"])),
    ]
    if parity := exported.get("parity"):
        lines += [
            ("parity with torch fp32", f"{parity['pairs']:,} pairs, {parity['queries']:,} queries"),
            ("  standard deviation", f"{parity['std']:.4g} of the logits"),
            ("  max |Δlogit|", f"{parity['max_delta']:.3g}{in_deviations(parity['max_drift'])}"),
            ("  mean |Δlogit|", f"{parity['mean_delta']:.3g}{in_deviations(parity['mean_drift'])}"),
            ("  Kendall tau", of_orders(parity["kendall_tau"], ".4f")),
            ("  top 10 kept", of_orders(parity["top_10"], ".1%")),
        ]
    return [f"{name:<24}{value}" for name, value in lines]


def in_deviations(drift: float | None) -> str:
    """A difference in standard deviations of the logits."""
    return "" if drift is None else f" ({drift:.3g} standard deviations)"


def of_orders(value: float | None, form: str) -> str:
    """A figure that is defined only with enough candidates."""
    return "too few candidates" if value is None else format(value, form)
