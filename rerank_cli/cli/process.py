"""The process: exit codes and signals.

Typer parses the command line. Errors are mapped here to a message on standard error and a stable exit code.
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
from rerank_cli.display.progress import replace_bar, show_cursor

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}  # errors of writing to standard output
COMPLETION = frozenset({"typer.completion", "typer._completion_classes", "typer._completion_shared"})
FISH_ASKS = "_TYPER_COMPLETE_FISH_ACTION"  # whether to complete at all, by exit code
PROMPT_STOP_S = 6.0  # after a first signal the process ends, within 10 s even if a library holds the interpreter lock


class _Interrupt:
    """The signal handler: the first signal stops the run and keeps committed records.

    Later signals are handled by `_end_after_signal`, since an exception during the exit would disturb it.
    """

    def __init__(self) -> None:
        self.over = False
        self.reported = False
        self.heard: Interrupted | None = None  # libraries may swallow or replace the exception

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if not self.over:
            self.over, self.heard = True, Interrupted(number)
            raise self.heard


_interrupt = _Interrupt()


def _end_after_signal(signals: int) -> None:
    """In a thread: end the process within PROMPT_STOP_S after the first signal, and immediately after the second.

    Python runs signal handlers only between bytecodes of the main thread, which may be inside a library. The numbers of
    signals arrive on the file descriptor `signals` in any case.
    """
    number = os.read(signals, 1)[0]
    select.select([signals], [], [], PROMPT_STOP_S)
    show_cursor()
    if not _interrupt.reported:
        replace_bar(f"stopped by {signal.Signals(number).name}")
    os._exit(128 + number)


def _report_unraisable(fault: "sys.UnraisableHookArgs") -> None:
    if not isinstance(fault.exc_value, Interrupted):  # it was handled, wherever it was raised
        sys.__unraisablehook__(fault)


def install_signal_handlers() -> None:
    """Install handlers for HUP, INT and TERM, except those that are ignored (nohup)."""
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
    except BaseException as fault:  # the last handler: every error ends in a message and a code
        stop = fault if isinstance(fault, Interrupted) else _interrupt.heard
        if stop is None:
            return _report_end(fault)
        _interrupt.reported = True
        report(f"stopped by {stop}{stop.advice}")
        return stop.status


def _report_end(fault: BaseException) -> int:
    """Report the error that ended the run. Returns the exit code."""
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
    report("error: this is a bug of rerank. Committed records are kept. Please report it with the lines above.")
    return ExitStatus.BUG


def raised_in(fault: BaseException, package: str) -> bool:
    """Whether a package raised the exception. (A library must not end the process during a run.)"""
    modules = modules_of(fault)
    return bool(modules) and modules[-1].partition(".")[0] == package


def passed_through(fault: BaseException, modules: frozenset[str]) -> bool:
    """Whether one of these modules is in the traceback."""
    return not modules.isdisjoint(modules_of(fault))


def modules_of(fault: BaseException) -> list[str]:
    """The modules in the traceback; the last one raised."""
    return [str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(fault.__traceback__)]


def exit_code_of_typer(code: int) -> int:
    """The exit code for typer's own, which was explained already. 1 is a bug, except as an answer to fish."""
    if code != ExitStatus.BUG or os.environ.get(FISH_ASKS) == "is-args":
        return code
    report("error: no shell completion here: it is for bash, zsh, fish and PowerShell, called from one of them")
    return ExitStatus.USAGE


def occupy_closed_streams() -> None:
    """Open the null device for closed standard streams, so that files we open do not get their numbers.

    sys.stdout stays None then, which `-o -` checks.
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
    except Interrupted as fault:  # before or after a command
        status = fault.status
    leave(status)


def leave(status: int) -> NoReturn:
    """End the process without waiting for the scoring thread."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError) as fault:
            if stream is sys.stdout:
                status = status or (ExitStatus.PIPE if isinstance(fault, BrokenPipeError) else ExitStatus.OUTPUT)
    if _interrupt.heard is not None:
        show_cursor()  # after a second Ctrl-C the terminal may have discarded the end of the bar
    os._exit(status)
