"""The data of a training: read judged records, and convert them to rows of the loss."""

from dataclasses import dataclass
from random import Random

from rerank_cli.core.errors import InputError
from rerank_cli.core.protocols import Report
from rerank_cli.training.config import Fields, TrainConfig
from rerank_cli.training.examples import read_examples
from rerank_cli.training.held_out import HeldOut, read_held_out
from rerank_cli.training.rows import LOSSES, Example, Loss, Row, is_useful, rows_of


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Training rows, the number of their queries, and the held-out records, if any.

    `unread_records` could not be used, and `unused_records` have nothing for this loss.
    """

    rows: list[Row]
    queries: int
    unread_records: int
    unused_records: int
    held_out: HeldOut | None


def read_data(config: TrainConfig, report: Report) -> TrainingData:
    """The rows of the useful records, and the held-out records. Raises InputError when there are none."""
    loss = LOSSES[config.loss]
    read = read_examples(config.read, config.fields, report)
    examples = [example for example in read.examples if is_useful(example, loss)]
    rows = _draw_rows(examples, config)
    if not rows:
        raise InputError(
            f"{', '.join(config.read.inputs)}: no record for --loss {loss.name}",
            "The loss needs records with relevant and other texts" + _teacher_advice(loss, config.fields),
        )
    unused = len(read.examples) - len(examples)
    if unused:
        report(f"{unused:,} of {len(read.examples):,} records are not used by --loss {loss.name}: {loss.needs}")
    _warn_of_one_kind(examples, loss, report)
    held_out = None
    if config.held_out is not None:
        held_out = read_held_out(config.held_out, config.fields, report, config.qrels)
        _warn_of_trained_queries(examples, held_out, report)
    return TrainingData(rows, len(examples), read.left_out, unused, held_out)


def _draw_rows(examples: list[Example], config: TrainConfig) -> list[Row]:
    """The rows of all examples; their negatives depend on the seed alone."""
    loss, draw = LOSSES[config.loss], Random(config.seed)
    best = max((grade for example in examples for grade in example.relevance), default=1.0)
    return [row for example in examples for row in rows_of(example, loss, config.negatives, draw, max(1.0, best))]


def _teacher_advice(loss: Loss, fields: Fields) -> str:
    if not loss.teacher:
        return "."
    return (
        f", and a teacher's logits in each: pos_scores and neg_scores, or {fields.teacher!r} of candidates; "
        "`rerank score` with the teacher writes both."
    )


def _warn_of_one_kind(examples: list[Example], loss: Loss, report: Report) -> None:
    """Warn if all texts are relevant, or none is. Losses with a teacher do not need both."""
    if loss.teacher:
        return
    if not any(example.negatives for example in examples):
        kind, answer = "that is not relevant (`neg` is empty or missing)", "yes"
    elif not any(example.positives for example in examples):
        kind, answer = "that is relevant", "no"
    else:
        return
    consequence = f"with --loss {loss.name} the model learns to answer {answer} to everything"
    report(f"warning: no record has a text {kind}; {consequence}")


def _warn_of_trained_queries(examples: list[Example], held_out: HeldOut, report: Report) -> None:
    """Warn if held-out queries are also training queries."""
    trained = {example.query for example in examples}
    count = len(trained & {example.query for example in held_out.queries.values()})
    if count:
        report(
            f"{count:,} of the {len(held_out.queries):,} queries of --eval are also trained on, so their gain is biased"
        )
