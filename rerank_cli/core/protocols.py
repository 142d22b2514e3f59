"""Types of the functions that one wing passes to another."""

from typing import Protocol


class Report(Protocol):
    """Takes notes and warnings for the user while a job runs. The command line prints them on standard error."""

    def __call__(self, sentence: str, /) -> None:
        """Report a sentence."""


class StepProgress(Protocol):
    """Shows the steps of a job, such as those of a training. It prints; the job only calls it."""

    def begin(self, step: int, total: int) -> None:
        """Start after `step` of `total` steps."""

    def step(self, done: int) -> None:
        """Show that `done` steps are complete."""

    def more(self, count: int) -> None:
        """Add `count` complete steps."""

    def figures(self, found: dict[str, float]) -> None:
        """Show a loss or a measure by name."""
