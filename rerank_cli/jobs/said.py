"""What a run says about its input and its result."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rerank_cli.core.config import FileConfig, ModelConfig, ReadConfig, RunConfig
from rerank_cli.core.protocols import Report
from rerank_cli.core.scorer import Identity
from rerank_cli.core.stats import Counters
from rerank_cli.files.inputs import Inputs, names_of
from rerank_cli.files.paths import Paths, is_file
from rerank_cli.jobs.sampling import Sample, Whole

FEW_TOKENS = 64  # in a batch: fewer than most pairs have
MUCH = 0.2  # share of the pairs
WHOLE_TEXTS = ("bi-encoder", "late-interaction")  # engines that do not score documents in parts


@dataclass(slots=True)
class Said:
    """Sentences for the user, each once. `warn` gets those that may mean a wrong result; `warnings` keeps them."""

    report: Report
    warn: Report
    warnings: list[str] = field(default_factory=list)
    _reported: set[str] = field(default_factory=set)

    def note(self, sentences: Iterable[str]) -> None:
        """Report what was not reported yet."""
        for sentence in sentences:
            if sentence not in self._reported:
                self._reported.add(sentence)
                self.report(sentence)

    def warn_one(self, sentence: str) -> None:
        """Warn of one thing."""
        self.warn_of([sentence])

    def warn_of(self, sentences: Iterable[str]) -> None:
        """Warn, and keep the warnings for the statistics."""
        for sentence in sentences:
            self.warnings.append(sentence)
            self.warn(sentence)


def errors_name(files: FileConfig) -> str:
    """The name of the errors file, for messages."""
    return files.errors or (f"{files.output}.errors.jsonl" if is_file(files.output) else "above")


def on_input(
    config: RunConfig, format_name: str, source: Whole | Sample, inputs: Inputs, paths: Paths | None
) -> list[str]:
    """What to say of the input before a model is looked for."""
    notes = [source.note] if source.note else []
    if config.read.format == "auto" and format_name != "native":
        notes.append(f"the records are read as {format_name} (--format {format_name})")
    tokens = config.batch.batch_tokens
    if tokens is not None and tokens < FEW_TOKENS:
        notes.append(
            f"--batch-tokens {tokens} counts tokens, not pairs: a pair with more tokens is a batch of its own. "
            "The default fits the device"
        )
    if paths is not None and not inputs.resumable:
        notes.append("input from a pipe or standard input: if this run is interrupted, it cannot be resumed")
    return notes


def on_nothing(inputs: Inputs, counters: Counters, read: ReadConfig) -> list[str]:
    """What to say where no record was found, and some were wanted."""
    return [] if counters.records or read.limit == 0 else [f"{names_of(inputs)}: no records; the output is empty"]


def on_failed(counters: Counters, unmatched: str) -> list[str]:
    """A warning where requests failed and answers have no id; `unmatched` says what to do."""
    if not counters.failed or not unmatched:
        return []
    failed = f"{counters.failed:,} of {counters.records:,} requests failed"
    return [f"{failed}: answers have no id, so line numbers do not match; {unmatched}"]


def on_truncated(counters: Counters, identity: Identity, config: ModelConfig) -> list[str]:
    """A warning where much of the input was truncated: how many pairs, at which length, and what to do."""
    truncated, pairs = counters.truncated, counters.pairs
    if not truncated or truncated < pairs * MUCH:
        return []
    parts = "" if identity.engine in WHOLE_TEXTS else ", or score long documents in parts with --long-docs chunk"
    if identity.engine == "late-interaction":
        cut = f"were truncated (documents at {identity.max_length} tokens, queries at {identity.query_max_length})"
        advice = "Use shorter texts, or a model that takes more"
    elif config.long_docs == "chunk":
        cut, advice = f"had a query longer than --query-max-length {identity.query_max_length}", "Raise it"
    elif identity.max_length < config.max_length:
        cut = f"were truncated at {identity.max_length} tokens, all that the model takes"
        advice = f"Choose a model that takes more{parts}"
    else:
        cut, advice = f"were truncated at --max-length {identity.max_length}", f"Raise it{parts}"
    share = f"{truncated:,} of {pairs:,} pairs ({truncated / pairs:.0%})"
    return [f"warning: {share} {cut}; the rest of their text was not scored. {advice}"]


def on_finished(document: dict[str, Any], files: FileConfig) -> list[str]:
    """What to say again of a finished run that is kept: its warnings, and how many records failed in it.

    With --quiet it was said by that run, which did something.
    """
    sentences = [f"warning: {each}" for each in document.get("warnings", ())]
    if failed := document.get("failed"):
        name = errors_name(files)
        where = f"see {name}" if Path(name).exists() else f"{name} does not exist any more"
        sentences.append(
            f"{failed:,} of {document['records']:,} records failed in that run: {where}. "
            "Fix them in the input, or score all again with --overwrite and without --resume"
        )
    return sentences
