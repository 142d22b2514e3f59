"""`rerank train`: fine-tune a cross-encoder on your own judgements."""

import os
import sys
from typing import Annotated

import typer

from rerank_cli.cli import options as o
from rerank_cli.cli.limits import folder_to_make
from rerank_cli.cli.origins import origins_of
from rerank_cli.core.config import ModelConfig
from rerank_cli.core.dtypes import TRAINING_DTYPES
from rerank_cli.core.errors import ConfigError
from rerank_cli.core.printable import printable
from rerank_cli.display.evaluation_tables import difference_table, uncertainty_lines
from rerank_cli.display.messages import print_line
from rerank_cli.display.progress import Reporter, choose_mode
from rerank_cli.display.training_progress import TrainingProgress
from rerank_cli.training.card import steps_and_time
from rerank_cli.training.config import LEARNING_RATE, LORA_LEARNING_RATE, Fields, TrainConfig
from rerank_cli.training.rows import LOSSES
from rerank_cli.training.train import TrainingResult, train

M = ModelConfig()


def train_command(
    context: typer.Context,
    inputs: o.Inputs = None,
    output: Annotated[str, o.option("output", "Folder to make.", "-o")] = ...,  # type: ignore[assignment]
    model: o.Model = M.model,
    loss: Annotated[str, o.option("loss", f"Loss to train with: {', '.join(LOSSES)}.", values=LOSSES)] = "bce",
    held_out: Annotated[
        str | None,
        o.option(
            "eval",
            "Judged records to measure with, never trained on: a file, or a BEIR folder with --run.",
        ),
    ] = None,
    run_file: Annotated[
        str | None, o.option("run", "Run file that names the candidates of the folder of --eval.")
    ] = None,
    run_columns: o.RunColumns = None,
    skip_self: o.SkipSelf = False,
    qrels: Annotated[
        str | None, o.option("qrels", "Judgements of the records of --eval, where they carry none.")
    ] = None,
    epochs: Annotated[float, o.option("epochs", "Number of passes over the training rows.", min=0.0, most=10**6)] = 1.0,
    max_steps: Annotated[int | None, o.option("max-steps", "End after N steps, instead of --epochs.", min=1)] = None,
    batch_size: Annotated[int, o.option("batch-size", "Pairs in a step.", min=1)] = 32,
    negatives: Annotated[int, o.option("negatives", "Most negatives for each relevant text, or in a list.", min=1)] = 7,
    learning_rate: Annotated[
        float | None,
        o.option(
            "learning-rate",
            f"Peak of the learning rate (default: {LEARNING_RATE:g}, with --lora {LORA_LEARNING_RATE:g}).",
            min=0.0,
            most=1,
        ),
    ] = None,
    warmup: Annotated[
        float, o.option("warmup", "Share of the steps in which the learning rate rises.", min=0.0, max=1.0)
    ] = 0.1,
    weight_decay: Annotated[float, o.option("weight-decay", "Weight decay of AdamW.", min=0.0, most=100)] = 0.01,
    lora: Annotated[bool, o.option("lora", "Train low-rank adapters and merge them at the end.")] = False,
    lora_rank: Annotated[int, o.option("lora-rank", "Rank of the LoRA adapters of --lora.", min=1)] = 16,
    freeze_embeddings: Annotated[bool, o.option("freeze-embeddings", "Do not train the token embeddings.")] = False,
    dtype: Annotated[
        str,
        o.option(
            "dtype", "Precision of a training step: fp32, bf16 or fp16.", in_environment=False, values=TRAINING_DTYPES
        ),
    ] = "fp32",
    seed: Annotated[
        int, o.option("seed", "Seed of negatives, order and dropout.", min=0, max=2**32 - 1, most=2**32)
    ] = 42,
    checkpoints: Annotated[
        int, o.option("checkpoints", "Number of times the model is saved and measured.", min=1)
    ] = 10,
    early_stopping: Annotated[
        int | None, o.option("early-stopping", "End when N measurements in a row bring no gain.", min=1)
    ] = None,
    relevance_field: Annotated[
        str, o.option("relevance-field", "Field of a candidate with its judgement. It can be a path (metadata.grade).")
    ] = "relevance",
    teacher_field: Annotated[
        str,
        o.option("teacher-field", "Field of a candidate with the logit of a teacher. It can be a path (meta.logit)."),
    ] = "logit",
    resume: Annotated[bool, o.option("resume", "Continue from the last checkpoint.")] = False,
    overwrite: Annotated[bool, o.option("overwrite", "Replace a folder that was trained before.")] = False,
    format: o.Format = "auto",
    query_field: o.QueryField = "query",
    candidates_field: o.CandidatesField = "candidates",
    text_field: o.TextField = "text",
    id_field: o.IdField = "id",
    candidate_id_field: o.CandidateIdField = "id",
    limit: o.Limit = None,
    revision: o.Revision = None,
    offline: o.Offline = False,
    device: o.Device = M.device,
    max_length: o.MaxLength = 512,
    threads: o.Threads = None,
    progress: o.ProgressOption = "auto",
    quiet: o.Quiet = False,
) -> int:
    """Fine-tune a cross-encoder on judged records, fully or with LoRA.

    Records are FlagEmbedding's (query, pos, neg), in another format with judgements, or native ones with a
    relevance for each candidate.

    \b
    rerank train train.jsonl -o ./tuned --model mini --eval held-out.jsonl
    rerank score input.jsonl -o out.jsonl --model ./tuned
    """
    mode = choose_mode(progress, quiet, sys.stderr is not None and sys.stderr.isatty(), os.environ.get("TERM", ""))
    reporter = Reporter(mode, sys.stderr, quiet)
    if context.get_parameter_source("lora_rank").name != "DEFAULT" and not lora:  # type: ignore[union-attr]
        raise ConfigError("--lora-rank needs --lora", "Add --lora, or leave --lora-rank out.")
    config = TrainConfig(
        read=o.reading(context, run_file=None, run_columns=None, skip_self=False),
        model=o.model_of(context, engine="torch", dtype="fp32"),
        output=folder_to_make(output),
        held_out=None if held_out is None else o.reading(context, inputs=[held_out], limit=None),
        qrels=qrels,
        fields=Fields(o.field(relevance_field), o.field(teacher_field)),
        loss=loss,
        negatives=negatives,
        batch_size=batch_size,
        epochs=epochs,
        max_steps=max_steps,
        learning_rate=learning_rate,
        warmup=warmup,
        weight_decay=weight_decay,
        lora=lora_rank if lora else None,
        freeze_embeddings=freeze_embeddings,
        dtype=dtype,
        seed=seed,
        checkpoints=checkpoints,
        early_stopping=early_stopping,
        resume=resume,
        overwrite=overwrite,
        origins=origins_of(context),
    )
    with TrainingProgress(reporter) as shown:
        result = train(config, reporter.report, shown)
    for line in [] if quiet else training_lines(result):
        print_line(line)
    return 3 if result.note["data"]["unread_records"] else 0


def training_lines(result: TrainingResult) -> list[str]:
    """The lines to print."""
    training = result.note["training"]
    lines = [
        f"{'folder':<12}{printable(str(result.output))}",
        f"{'trained':<12}{steps_and_time(training)}",
    ]
    if result.evaluation is not None:
        queries = result.evaluation.counts["judged_queries"]
        head = f"{queries:,} held-out queries, before: {printable(result.evaluation.before_name)}"
        lines += ["", head, "", *difference_table(result.evaluation.differences, ("before", "after"))]
        lines += uncertainty_lines(result.evaluation.differences)
    return lines
