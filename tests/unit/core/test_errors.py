"""Exit codes are a contract with scripts."""

import pytest

from rerank_cli.core import errors
from rerank_cli.core.errors import ExitStatus, Interrupted, RerankError

CODES = {
    "ConfigError": 2,
    "InputError": 4,
    "OutputError": 5,
    "ModelError": 6,
    "DeviceError": 7,
    "Refused": 8,
    "OutputBusy": 11,
    "AccountingError": 70,
    "PassingFault": 75,
    "PipeClosed": 141,
}


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_each_error_ends_the_process_with_its_own_code(name, code):
    fault = getattr(errors, name)("what happened", "what to do")
    assert isinstance(fault, RerankError)
    assert int(fault.status) == code
    assert (str(fault), fault.message, fault.advice) == ("what happened", "what happened", "what to do")


def test_every_error_of_the_tree_has_a_code():
    assert {kind.__name__ for kind in RerankError.__subclasses__()} == set(CODES)


def test_the_codes_are_those_that_scripts_know():
    codes = {0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 70, 75, 129, 130, 141, 143}
    assert {int(status) for status in ExitStatus} == codes


@pytest.mark.parametrize(("number", "code", "name"), [(1, 129, "SIGHUP"), (2, 130, "SIGINT"), (15, 143, "SIGTERM")])
def test_an_interrupt_carries_its_signal_and_no_handler_of_exceptions_swallows_it(number, code, name):
    stop = Interrupted(number)
    assert int(stop.status) == code
    assert str(stop) == name
    assert not isinstance(stop, Exception)
