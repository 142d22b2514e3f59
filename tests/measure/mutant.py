"""What a mutant is: an error that somebody might make, and the test that is there to notice it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """An error: in which file, what is replaced by what, and the test that fails then."""

    name: str
    file: str
    text: str
    replacement: str
    test: str
