"""Every way a run can end badly, each with its exit code and what to do next.

    RerankError                 has a status and an advice
    ├── ConfigError        2    options that cannot be or do not go together
    ├── InputError         4    input cannot be read, ends early, or is bad beyond the limit
    ├── OutputError        5    output cannot be written
    ├── ModelError         6    model or tokenizer unusable
    ├── DeviceError        7    device unusable, or scores not finite
    ├── Refused            8    the files found beside the output forbid it
    ├── OutputBusy        11    another run holds the output
    ├── AccountingError   70    records read and records written do not add up
    ├── PassingFault      75    a fault that may be gone next time: device lost, network
    └── PipeClosed       141    the reader of our standard output went away
    Interrupted (BaseException)  129, 130, 143: HUP, INT, TERM

The codes are a contract with scripts (README, "Exit codes"); an unknown code means failure.
"""

import signal
from enum import IntEnum


class ExitStatus(IntEnum):
    """The process's exit code."""

    OK = 0
    BUG = 1
    USAGE = 2
    SOME_FAILED = 3
    INPUT = 4
    OUTPUT = 5
    MODEL = 6
    DEVICE = 7
    REFUSED = 8
    BUSY = 11
    ACCOUNTING = 70
    PASSING_FAULT = 75
    HUP = 128 + signal.SIGHUP
    INT = 128 + signal.SIGINT
    PIPE = 128 + signal.SIGPIPE
    TERM = 128 + signal.SIGTERM


class RerankError(Exception):
    """An expected failure: what happened, and what the user can do next."""

    status = ExitStatus.BUG

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class ConfigError(RerankError):
    """Options that cannot be, or do not go together."""

    status = ExitStatus.USAGE


class InputError(RerankError):
    """Input cannot be read, ends early, changes while it is read, or holds too many bad records."""

    status = ExitStatus.INPUT


class OutputError(RerankError):
    """Output cannot be written; what was committed is kept."""

    status = ExitStatus.OUTPUT


class ModelError(RerankError):
    """The model or its tokenizer is missing, damaged, or of a kind we do not score with."""

    status = ExitStatus.MODEL


class DeviceError(RerankError):
    """The device cannot be used, or what it computes is not finite."""

    status = ExitStatus.DEVICE


class Refused(RerankError):
    """Going on would overwrite or mix results; see the table in `files/existing.py`."""

    status = ExitStatus.REFUSED


class OutputBusy(RerankError):
    """Another living process holds the lock of this output."""

    status = ExitStatus.BUSY


class AccountingError(RerankError):
    """Records read differ from records written plus records failed. This is a bug."""

    status = ExitStatus.ACCOUNTING


class PassingFault(RerankError):
    """A fault outside our reach that may be gone next time; the run is resumable."""

    status = ExitStatus.PASSING_FAULT


class PipeClosed(RerankError):
    """The reader of our standard output closed it (as `head` does): end quietly."""

    status = ExitStatus.PIPE


class Interrupted(BaseException):
    """A signal asks us to stop. Not an Exception, so that no `except Exception` on the way swallows it."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.status = ExitStatus(128 + signal_number)
        self.advice = ""
