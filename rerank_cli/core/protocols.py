"""Functions that one part of the program hands to another, as types: one name for each, the same in every wing."""

from typing import Protocol


class Report(Protocol):
    """Takes sentences for the user, notes and warnings, while a job goes on; the command line prints them on stderr."""

    def __call__(self, sentence: str, /) -> None:
        """Report one sentence."""
