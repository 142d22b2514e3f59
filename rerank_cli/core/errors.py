"""Every way a run can fail, with its exit code and the advice to the user.

    RerankError                 base class: exit status, message, advice
    ├── ConfigError        2    options that are invalid or contradict each other
    ├── InputError         4    input cannot be read, ends early, or is bad beyond the limit
    ├── OutputError        5    output cannot be written
    ├── ModelError         6    model or tokenizer unusable
    │   └── ModelAbsent    6    the model is not on this machine
    ├── DeviceError        7    device unusable, or scores not finite
    ├── Refused            8    existing files at the output forbid the run
    ├── OutputBusy        11    another run holds the output
    ├── AccountingError   70    records read and records written do not add up
    ├── PassingFault      75    a temporary fault: device lost, network
    └── PipeClosed       141    the reader of standard output closed it
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
    """An expected failure: what is wrong and where (`message`), and what to do (`advice`)."""

    status = ExitStatus.BUG

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class ConfigError(RerankError):
    """Options that are invalid or contradict each other."""

    status = ExitStatus.USAGE


class InputError(RerankError):
    """Input cannot be read, ends early, changes while it is read, or holds too many bad records."""

    status = ExitStatus.INPUT


class OutputError(RerankError):
    """Output cannot be written; what was committed is kept."""

    status = ExitStatus.OUTPUT


class NoSpace(OutputError):
    """A disk is full."""


class ModelError(RerankError):
    """The model or its tokenizer is missing, damaged, or of an unsupported kind."""

    status = ExitStatus.MODEL


class ModelAbsent(ModelError):
    """The model is not on this machine, and the hub is not asked or cannot be reached."""


class DeviceError(RerankError):
    """The device cannot be used, or its scores are not finite."""

    status = ExitStatus.DEVICE


class Refused(RerankError):
    """The run would overwrite or mix results; see the table in `files/existing.py`."""

    status = ExitStatus.REFUSED


class OutputBusy(RerankError):
    """Another running process holds the lock of this output."""

    status = ExitStatus.BUSY


class AccountingError(RerankError):
    """Records read differ from records written plus records failed. This is a bug."""

    status = ExitStatus.ACCOUNTING


class PassingFault(RerankError):
    """A temporary fault of the device or the network; the run is resumable."""

    status = ExitStatus.PASSING_FAULT


class PipeClosed(RerankError):
    """The reader of standard output closed it, as `head` does: end silently."""

    status = ExitStatus.PIPE


class Interrupted(BaseException):
    """A signal stopped the run. Not an Exception, so that no `except Exception` catches it on the way."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.status = ExitStatus(128 + signal_number)
        self.advice = ""
