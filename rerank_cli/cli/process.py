"""The process: which exit code, which signal.

Typer parses; what ends a run badly is mapped here to one line on standard error and a stable exit code.
"""

import errno
import os
import select
import signal
import sys
import threading
import traceback
from types import FrameType
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from rerank_cli.cli.app import app
from rerank_cli.cli.completing import COMPLETING, prepare_completion
from rerank_cli.cli.usage import usage_error
from rerank_cli.core.errors import ExitStatus, Interrupted, PipeClosed, RerankError
from rerank_cli.display.messages import report
from rerank_cli.display.progress import show_cursor

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}  # what writing to standard output may end in
COMPLETION = frozenset({"typer.completion", "typer._completion_classes", "typer._completion_shared"})
FISH_ASKS = "_TYPER_COMPLETE_FISH_ACTION"  # whether to complete at all, by exit code
PROMPT_STOP_S = 6.0  # after a first signal: then the process ends, within ten even if a library holds the interpreter


class _Interrupt:
    """The signal handler: the first signal leaves by the shortest way that keeps what was committed.

    Later ones are for `_end_after_signal`: an exception in the midst of leaving would spoil it.
    """

    def __init__(self) -> None:
        self.over = False
        self.heard: Interrupted | None = None  # libraries may swallow it, or make another exception of it

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if not self.over:
            self.over, self.heard = True, Interrupted(number)
            raise self.heard


_interrupt = _Interrupt()


def _end_after_signal(signals: int) -> None:
    """In a thread: after a first signal end the process within PROMPT_STOP_S, after a second at once.

    Python runs signal handlers between two steps of the main thread, which may be deep inside a library; the numbers
    of signals arrive on the file descriptor `signals` regardless.
    """
    number = os.read(signals, 1)[0]
    select.select([signals], [], [], PROMPT_STOP_S)
    show_cursor()
    os._exit(128 + number)


def _report_unraisable(fault: "sys.UnraisableHookArgs") -> None:
    if not isinstance(fault.exc_value, Interrupted):  # that one has been heard, wherever it was raised
        sys.__unraisablehook__(fault)


def install_signal_handlers() -> None:
    """For HUP, INT and TERM, except those that are ignored already (nohup)."""
    signals, wakeup = os.pipe()
    os.set_blocking(wakeup, False)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    signal.set_wakeup_fd(wakeup)
    sys.unraisablehook = _report_unraisable
    threading.Thread(target=_end_after_signal, args=(signals,), name="signals", daemon=True).start()


def run(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code."""
    try:
        result = app(arguments, standalone_mode=False, prog_name="rerank")
        return exit_code_of_typer(result) if isinstance(result, int) else ExitStatus.OK
    except BaseException as fault:  # the process's last door: everything ends in a line and a code
        stop = fault if isinstance(fault, Interrupted) else _interrupt.heard
        if stop is None:
            return _report_end(fault)
        report(f"stopped by {stop}{stop.advice}")
        return stop.status


def _report_end(fault: BaseException) -> int:
    """Report what ended the run; returns the exit code."""
    match fault:
        case PipeClosed() | BrokenPipeError() | SystemExit(__context__=BrokenPipeError()):  # the last is typer's own
            return ExitStatus.PIPE
        case SystemExit(code=int() | None as code) if raised_in(fault, "typer"):  # how it ends shell completion
            return exit_code_of_typer(code or ExitStatus.OK)
        case Exception() if passed_through(fault, COMPLETION):
            report(f"error: shell completion: {type(fault).__name__}: {fault}")
            return ExitStatus.OUTPUT if isinstance(fault, OSError) else ExitStatus.USAGE
        case typer.Abort() | KeyboardInterrupt():
            return ExitStatus.INT
        case TyperException():
            message, advice = usage_error(fault)
            report(f"error: {message}")
            report(advice)
            return ExitStatus.USAGE
        case RerankError():
            report(f"error: {fault.message}")
            if fault.advice:
                report(fault.advice)
            return fault.status
        case OSError(filename=None, errno=number) if number in FULL:
            report(f"error: standard output: cannot write ({fault.strerror})")
            return ExitStatus.OUTPUT
    traceback.print_exception(fault)
    report("error: this is a bug of rerank. What was committed is kept. Please report it with the lines above.")
    return ExitStatus.BUG


def raised_in(fault: BaseException, package: str) -> bool:
    """Whether the line that raised is one of a package's. A library that wants to end us in mid-run is not heard."""
    modules = modules_of(fault)
    return bool(modules) and modules[-1].partition(".")[0] == package


def passed_through(fault: BaseException, modules: frozenset[str]) -> bool:
    """Whether one of these modules was at work."""
    return not modules.isdisjoint(modules_of(fault))


def modules_of(fault: BaseException) -> list[str]:
    """The modules whose lines were being run, the one that raised last."""
    return [str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(fault.__traceback__)]


def exit_code_of_typer(code: int) -> int:
    """The exit code for one that typer ended with; it has said why. 1, which is a bug's, is an answer to fish alone."""
    if code != ExitStatus.BUG or os.environ.get(FISH_ASKS) == "is-args":
        return code
    report("error: no shell completion here: it is for bash, zsh, fish and PowerShell, called from one of them")
    return ExitStatus.USAGE


def occupy_closed_streams() -> None:
    """Where a standard stream was closed by the caller, put the null device, lest a file we open takes its number.

    sys.stdout stays None then: that is how `-o -` knows that nobody can read it.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (open to the end of the process)


def main() -> NoReturn:
    """The entry point of the `rerank` command."""
    try:
        occupy_closed_streams()
        install_signal_handlers()
        if COMPLETING in os.environ:
            prepare_completion(os.environ)
        status = int(run())
        _interrupt.over = True
    except Interrupted as fault:  # before a command took care of it, or after
        status = fault.status
    leave(status)


def leave(status: int) -> NoReturn:
    """End the process without waiting for a scoring thread that nobody needs any more."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError) as fault:
            if stream is sys.stdout:
                status = status or (ExitStatus.PIPE if isinstance(fault, BrokenPipeError) else ExitStatus.OUTPUT)
    if _interrupt.heard is not None:
        show_cursor()  # a second Ctrl-C may have made the terminal discard that of the bar's end
    os._exit(status)
