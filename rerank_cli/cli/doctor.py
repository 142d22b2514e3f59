"""`rerank doctor`: is everything here that a run needs?"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rerank_cli.cli import options as o
from rerank_cli.cli.environment import near_misses
from rerank_cli.core.config import ModelConfig
from rerank_cli.core.errors import ConfigError, ExitStatus
from rerank_cli.display.messages import print_json, print_line
from rerank_cli.jobs.doctor import examine
from rerank_cli.jobs.surroundings import Finding

M = ModelConfig()
SAMPLES = (Path(__file__).resolve().parents[2] / "sample_data", Path("sample_data"))  # of the checkout, or here
CASES = ("multilingual.jsonl", "quickstart.jsonl")
MARKS = {"ok": "ok  ", "note": "note", "bad": "BAD "}


def doctor(
    context: typer.Context,
    model: o.Model = M.model,
    revision: o.Revision = None,
    offline: o.Offline = False,
    verify: o.Verify = False,
    engine: o.Engine = M.engine,
    device: o.Device = M.device,
    dtype: o.Dtype = M.dtype,
    label: o.Label = None,
    prompt: o.Prompt = None,
    instruction: o.Instruction = None,
    max_length: o.MaxLength = M.max_length,
    query_max_length: o.QueryMaxLength = M.query_max_length,
    threads: o.Threads = None,
    acceptance: Annotated[bool, o.option("acceptance", "Rank cases with known answers, in many languages.")] = False,
    cases: Annotated[
        list[str] | None, o.option("cases", "Files of the cases of --acceptance (default: those of sample_data).")
    ] = None,
    as_json: Annotated[bool, o.option("json", "Print one line of JSON instead.")] = False,
) -> int:
    """Check the installation, the device, the caches and the model, and the model against known scores.

    \b
    rerank doctor
    rerank doctor --acceptance --model mini
    """
    status = ExitStatus.OK
    files = sample_cases(cases or []) if acceptance or cases else []
    config = o.model_of(context)
    found = []
    for finding in examine(config, files, variables(os.environ)):
        status = max(status, finding.status)
        found.append(asdict(finding))
        if not as_json:
            print_line(f"{MARKS[finding.verdict]} {finding.question:<17} {finding.answer}")
            if finding.advice:
                print_line(f"     {'':<17} {finding.advice}")
    if as_json:
        print_json(json.dumps({"findings": found, "status": status}))
    return status


def variables(environment: Mapping[str, str]) -> list[Finding]:
    """A note for each variable that looks like one of ours and that no command reads."""
    return [
        Finding(
            "note", "environment", f"{name}: {says}", "Unset it; `rerank help configuration` lists those that are read."
        )
        for name, says in near_misses(environment)
    ]


def sample_cases(named: list[str]) -> list[str]:
    """The files named, or those of sample_data. Raises ConfigError where there are none."""
    folder = next((each for each in SAMPLES if each.is_dir()), SAMPLES[-1])
    files = named or [str(folder / name) for name in CASES]
    missing = next((path for path in files if not os.path.isfile(path)), None)
    if missing is not None:
        raise ConfigError(
            f"{'--cases' if named else '--acceptance'}: {missing} is not there",
            "Name files with --cases, such as sample_data's.",
        )
    return files
