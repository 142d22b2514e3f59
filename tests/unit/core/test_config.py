"""Resolved options."""

import dataclasses

import pytest

from rerank_cli.core.config import ErrorLimit, RunConfig


@pytest.mark.parametrize(
    ("limit", "failed", "read", "exceeded"),
    [
        (ErrorLimit(), 10**6, 10**6, False),
        (ErrorLimit(count=0), 0, 50, False),
        (ErrorLimit(count=0), 1, 1, True),
        (ErrorLimit(count=10), 10, 20, False),
        (ErrorLimit(count=10), 11, 20, True),
        (ErrorLimit(percent=1), 99, 99, False),  # too few records for a percentage
        (ErrorLimit(percent=1), 1, 100, False),
        (ErrorLimit(percent=1), 2, 100, True),
        (ErrorLimit(percent=1.5), 3, 200, False),
        (ErrorLimit(percent=0), 1, 100, True),
        (ErrorLimit(percent=100), 100, 100, False),
    ],
)
def test_an_error_limit_counts_or_takes_a_share_from_100_records_on(limit, failed, read, exceeded):
    assert limit.exceeded(failed, read) is exceeded


def test_a_configuration_cannot_change_after_it_was_resolved():
    config = RunConfig()
    for group in (config, config.read, config.write, config.model, config.batch, config.files, config.error_limit):
        name = dataclasses.fields(group)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(group, name, None)


def test_the_defaults_read_standard_input_and_write_standard_output():
    config = RunConfig()
    assert config.read.inputs == ("-",)
    assert config.files.output == "-"
    assert not config.files.overwrite
    assert not config.files.resume
