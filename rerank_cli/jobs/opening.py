"""The first sentence of a run: what is read, how much of it there is, and what will score it.

It is reported before a model is looked for, so nothing is imported or downloaded for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from rerank_cli.core.config import RunConfig, StageConfig
from rerank_cli.core.errors import ConfigError, RerankError
from rerank_cli.core.protocols import Report
from rerank_cli.core.scorer import Identity, Scorer
from rerank_cli.engines.choice import REMOTE, expected_engine, open_scorer
from rerank_cli.files.inputs import Inputs
from rerank_cli.formats.record_format import GIVEN
from rerank_cli.formats.translated import Format

COUNTED_BYTES = 64 * 2**20  # an input of at most this size is read once more, to count its records


def records_of(inputs: Inputs, format: Format, limit: int | None) -> int | None:
    """How many records a run will read; None where that is not known before it has read them."""
    records = inputs.count_lines(COUNTED_BYTES) if format.one_a_line else None
    return records if records is None or limit is None else min(records, limit)


def opening_sentence(
    config: RunConfig, inputs: Inputs, records: int | None, engine: tuple[str, ...] | None, verb: str = "scoring"
) -> str:
    """What a run is about to do, in one line; `engine` is its name with its dtype, where that is known."""
    names = [source.name for source in inputs.sources]
    known = []
    if records is not None:
        known.append(count_of(records, "record"))
    elif config.read.limit is not None:
        known.append(f"at most {count_of(config.read.limit, 'record')}")
    if inputs.size is not None:
        known.append(readable_size(inputs.size))
    read = names[0] if len(names) == 1 else f"{len(names)} files"
    read = f"{read} ({', '.join(known)})" if known else read
    if len(config.stages) > 1:
        return f"{verb} {read} with {stages_in_words(config)}"
    model = config.model.model
    if engine is not None and engine[0] == "fake":  # which needs no model, whatever was named
        model, engine = model if model.startswith("fake") else "fake", engine[1:]
    computes = " ".join(engine or ())
    return f"{verb} {read} with {model}{f', {computes}' if computes else ''}"


def stages_in_words(config: RunConfig) -> str:
    """The stages of a cascade, in order."""
    named = [
        f"{GIVEN if stage.model is None else stage.model.model}"
        + (f" (keeps {stage.keep:,})" if stage.keep is not None else "")
        for stage in config.stages
    ]
    fused = "" if config.write.fusion is None else f", fused by {config.write.fusion}"
    return f"{', then '.join(named)}{fused}"


def engine_of(identity: Identity) -> tuple[str, ...]:
    """An engine's name with its dtype, if it has one."""
    return (identity.engine,) if identity.engine == REMOTE else (identity.engine, identity.dtype)


def with_models(config: RunConfig) -> list[StageConfig]:
    """The stages of a run that have a model, in order."""
    stages = config.stages or (StageConfig(model=config.model),)
    return [stage for stage in stages if stage.model is not None]


def name_of_stage(config: RunConfig, number: int) -> str:
    """How messages call a stage with a model, which is number `number` of those; "" where there is one alone."""
    if len(config.stages) < 2:
        return ""
    return f"stage {number + 1 + len(config.stages) - len(with_models(config))}"


@contextmanager
def of_a_stage(name: str) -> Iterator[None]:
    """Say in an error of which stage it is, where there are several."""
    try:
        yield
    except RerankError as fault:
        if name:
            fault.message = f"{name}: {fault.message}"
            fault.advice = fault.advice.replace("--model ", "model=")  # a stage has keys
        raise


def expected_engines(config: RunConfig) -> list[tuple[str, ...] | None]:
    """The engine with its dtype that each stage will have, None where it is not known. Raises as `expected_engine`."""
    found = []
    for number, stage in enumerate(with_models(config)):
        with of_a_stage(name_of_stage(config, number)):
            found.append(expected_engine(stage.model or config.model))
    return found


def announce_run(
    config: RunConfig, inputs: Inputs, records: int | None, opened: Scorer | None, announce: Report
) -> tuple[str, ...] | None:
    """Report what a run is about to do; returns the engine and dtype that are expected, None while unknown."""
    expected = expected_engines(config)[-1] if opened is None else engine_of(opened.identity)
    announce(opening_sentence(config, inputs, records, expected))
    return expected


def opened_engine(config: RunConfig, report: Report) -> Scorer:
    """The engine of a run, not yet loaded, whose notes are reported.

    Raises what `open_scorer` raises, and ConfigError for options that are not for the engine.
    """
    scorer = open_scorer(config.model)
    if config.write.score_chosen and not scorer.traits.has_logits:
        raise ConfigError(
            f"--score {config.write.score}: the {scorer.identity.engine} engine gives no logits",
            "Leave --score out: the field score holds the similarity of the model, and no logit is written.",
        )
    if config.files.vectors is not None and not scorer.traits.has_vectors:
        raise ConfigError(
            f"--vectors {config.files.vectors}: the {scorer.identity.engine} engine makes no vectors of documents",
            "Leave it out, or use a bi-encoder or a late-interaction model. --score-cache is for any model.",
        )
    for note in scorer.notes:
        report(note)
    return scorer


def announce_engine(expected: tuple[str, ...] | None, identity: Identity, announce: Report) -> None:
    """Report which engine scores, where that was not expected."""
    if engine_of(identity) != expected:
        announce(f"the engine is {' '.join(engine_of(identity))} on {identity.device}")


def sizes_of(inputs: Inputs, records: int | None, limit: int | None) -> tuple[int | None, int | None]:
    """The bytes and the records that progress is a share of, None where they say nothing of it.

    Records are for compressed input, of which decompressors read far ahead, and for a limit, which ends a run early.
    """
    if inputs.compressed and records is not None:
        return None, records
    return inputs.size, None if limit is None else limit if records is None else records


def count_of(number: int, noun: str) -> str:
    """A number of things.

    >>> count_of(1, "record"), count_of(1200, "record")
    ('1 record', '1,200 records')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def readable_size(size: int) -> str:
    """Bytes as a person reads them.

    >>> [readable_size(n) for n in (999, 17_124, 1_250_000, 3_000_000_000)]
    ['999 bytes', '17.1 kB', '1.2 MB', '3.0 GB']
    """
    if size < 1000:
        return count_of(size, "byte")
    amount, units = size / 1000, iter(("MB", "GB", "TB", "PB"))
    unit = "kB"
    while amount >= 999.95:
        amount, unit = amount / 1000, next(units, "EB")
    return f"{amount:.1f} {unit}"
