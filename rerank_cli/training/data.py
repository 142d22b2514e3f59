"""What a training learns from, and what it is measured on."""

from dataclasses import dataclass

from rerank_cli.training.examples import HeldOut
from rerank_cli.training.rows import Row


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Rows to learn from, and the held-out records, if there are any."""

    rows: list[Row]
    held_out: HeldOut | None
