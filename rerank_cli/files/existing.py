"""What may be found at an output when a run begins, and what the run does with it: one table, one pure function.

found                                    no flag   --resume        --overwrite   both (for cron)
nothing                                  start     start           start         start
partial + journal of this run            refuse    continue        start anew    continue
partial + journal of another run         refuse    refuse          start anew    start anew
FILE, made by this very run              refuse    nothing to do   run again     nothing to do
FILE, made otherwise                     refuse    refuse          run again     run again
FILE and a partial of this run           refuse    refuse          start anew    continue

What these files hold shows whose they are (`ownership`). What is not ours is never in the table: it is refused.
"""

from enum import Enum
from typing import Any

from rerank_cli.core.errors import Refused

START_AGAIN = "Add --overwrite to start anew, or choose another -o."


class Action(Enum):
    """What a run does with what it found."""

    START = "start"
    CONTINUE = "continue"
    NOTHING = "nothing to do"


def decide(
    *,
    file: bool,
    file_ours: bool,
    partial: bool,
    partial_ours: bool,
    resume: bool,
    overwrite: bool,
    name: str = "the output",
    obstacle: str = "",
    resumable: bool = True,
) -> Action:
    """The table above. Raises Refused, which calls FILE `name`; `obstacle` is why a partial cannot be continued.

    `resumable`: whether the command has --resume, so that its advice may name it.
    """
    if not file and not partial:
        return Action.START
    if resume and partial_ours and (overwrite or not file):
        return Action.CONTINUE
    if resume and file_ours and not partial_ours:
        return Action.NOTHING
    if overwrite:
        return Action.START
    if not resumable and not file:
        raise Refused(f"{name}: an unfinished output is here", START_AGAIN)
    raise Refused(*_refusal(name, file, partial_ours, resume, f" ({obstacle})" if obstacle else ""))


def _refusal(name: str, file: bool, partial_ours: bool, resume: bool, why: str) -> tuple[str, str]:
    replace = "Add --overwrite to replace it, or choose another -o."
    if file and resume and not partial_ours:
        return f"{name} exists and was not made by this very run{why}", replace
    if file:
        return f"{name} exists", replace
    if resume:
        return (
            f"{name}: an unfinished output of another run is here{why}",
            START_AGAIN,
        )
    return f"{name}: an unfinished output is here", "Add --resume to continue it, or --overwrite to start anew."


def differing(then: dict[str, Any], now: dict[str, Any]) -> str | None:
    """The first few differences of two fingerprints, in words; None when they are equal."""
    names = sorted(name for name in {*then, *now} if then.get(name) != now.get(name))
    return "; ".join(f"{name} was {then.get(name)!r}, is {now.get(name)!r}" for name in names[:4]) or None
