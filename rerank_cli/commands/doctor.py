"""`rerank doctor`: is everything here that a run needs?"""

from rerank_cli.commands import options as o
from rerank_cli.config import ModelConfig
from rerank_cli.diagnostics import show
from rerank_cli.errors import ExitStatus
from rerank_cli.health import examine

M = ModelConfig()
MARKS = {"ok": "ok  ", "note": "note", "bad": "BAD "}


def doctor(
    model: o.Model = M.model,
    revision: o.Revision = None,
    offline: o.Offline = False,
    engine: o.Engine = M.engine,
    device: o.Device = M.device,
    dtype: o.Dtype = M.dtype,
    max_length: o.MaxLength = M.max_length,
    query_max_length: o.QueryMaxLength = M.query_max_length,
    threads: o.Threads = None,
) -> int:
    """Check versions, device, hub cache and model, and the model against known scores.

    \b
    rerank doctor
    rerank doctor --model mini
    """
    status = ExitStatus.OK
    config = ModelConfig(model, revision, offline, engine, device, dtype, max_length, query_max_length, threads)
    for finding in examine(config):
        show(f"{MARKS[finding.verdict]} {finding.question:<16} {finding.answer}")
        if finding.advice:
            show(f"     {'':<16} {finding.advice}")
        status = max(status, finding.status)
    return status
