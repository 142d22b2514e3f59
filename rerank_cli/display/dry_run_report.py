"""What `rerank score --dry-run` shows."""

from rerank_cli.core.times import about
from rerank_cli.display.bars import bar
from rerank_cli.jobs.documents import Documents
from rerank_cli.jobs.dry_run import StagedDryRun
from rerank_cli.jobs.opening import count_of, readable_size
from rerank_cli.jobs.planned_run import DryRun, Remote


def dry_run_lines(run: DryRun | StagedDryRun) -> list[str]:
    """What a dry run says: figures, and the lengths of the pairs as a histogram with the line at which they are cut."""
    return stages_lines(run) if isinstance(run, StagedDryRun) else engine_lines(run)


def stages_lines(run: StagedDryRun) -> list[str]:
    """What a cascade would take: each stage, their sum, and the last one if it scored all pairs."""
    first, last = run.stages[0], run.stages[-1]
    count = first.counters
    keeps = [*run.keeping.keep[int(run.keeping.given) :], None]
    given = int(run.keeping.given)
    rows: list[tuple[str, ...]] = [("stage", "model", "keeps", "pairs", "tokens", "padding", "truncated", "time")]
    for number, (stage, keep) in enumerate(zip(run.stages, keeps, strict=True), 1 + given):
        rows.append((str(number), stage.model, "" if keep is None else f"{keep:,}", *_cost_of(stage)))
    total = "unknown" if run.estimated_s is None else about(run.estimated_s)
    rows.append(("", "all stages", "", "", "", "", "", total))
    rows.append(("", f"stage {len(run.stages) + given} alone", "", *_cost_of(run.alone)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = [
        "  ".join(
            cell.ljust(width) if column in (1, 7) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    head = [
        ("format", first.format),
        ("records", f"{count.records:,} ({last.counters.failed:,} would fail)"),
        ("windows", f"{count.windows:,}, by the tokens of the first stage"),
    ]
    if run.keeping.given:
        kept = "all" if run.keeping.keep[0] is None else f"{run.keeping.keep[0]:,}"
        head.append(("stage 1", f"previous_score keeps {kept}"))
    note = "Which candidates a stage keeps is not known yet: tokens and times are of as many, evenly spaced."
    lengths = f"{'pair lengths':<14}for {last.model}"
    return [*(f"{name:<14}{value}" for name, value in head), "", *table, "", note, "", lengths, *histogram(run.alone)]


def _cost_of(stage: DryRun) -> tuple[str, ...]:
    """Pairs, tokens, padding, truncated and time of a stage; of a server, what it is asked and bills."""
    count, seconds = stage.counters, stage.estimated_s
    time = "unknown" if seconds is None else about(seconds)
    pairs = f"{stage.scored_pairs:,}"
    if stage.remote is None:
        return pairs, f"{count.tokens:,}", f"{count.padding_share:.1%}", f"{count.truncated:,}", time
    cost = stage.remote.cost
    units = f", about {cost.units:,} {stage.remote.unit}" if stage.remote.unit else ""
    return pairs, f"about {count.tokens:,}", "", "unknown", f"{count_of(cost.requests, 'request')}{units}; {time}"


def engine_lines(run: DryRun) -> list[str]:
    """What one engine would take."""
    count, figures = run.counters, run.as_dict()
    longer = min(figures["max_tokens"], run.max_length) > run.batch_tokens
    alone = ", or one longer pair" if longer else ""
    rows = [
        ("format", run.format),
        ("records", f"{count.records:,} ({count.failed:,} would fail)"),
        ("pairs", f"{count.pairs:,} ({count.duplicate_pairs:,} identical ones are scored once)"),
    ]
    if run.remote is not None:
        rows += requests_of(run, run.remote)
    else:
        rows += [
            ("tokens", f"{count.tokens:,} to score, {count.padding_share:.1%} padding"),
            ("windows", f"{count.windows:,} of up to {run.window_tokens:,} tokens"),
            ("batches", f"{count.batches:,} of up to {run.batch_tokens:,} tokens{alone}"),
            ("truncated", f"{count.truncated:,} ({figures['truncated_share']:.1%})"),
        ]
    if run.has_cache:
        known = count.pairs - count.duplicate_pairs + count.chunks - count.chunked
        rows.append(("score cache", f"{count.cached:,} of {known:,} pairs have a score already"))
    if run.documents is not None and run.documents.count and run.documents.most_bytes:
        rows.append(("vectors", vectors_of(run.documents)))
    if count.chunked:
        rows.append(("in parts", f"{count.chunked:,} documents in {count.chunks:,} parts"))
    rows.append(("time", time_of(run)))
    lengths = [f"{figures[name]:,}" for name in ("median_tokens", "p95_tokens", "max_tokens")]
    rows.append(("pair lengths", f"median {lengths[0]}, 95 % within {lengths[1]}, longest {lengths[2]}"))
    return [*(f"{name:<14}{value}" for name, value in rows), "", *histogram(run)]


def requests_of(run: DryRun, remote: Remote) -> list[tuple[str, str]]:
    """What a server would be asked, and what it would bill."""
    rows = [
        ("requests", f"{remote.cost.requests:,}, without those that are sent again"),
        ("tokens", f"about {run.counters.tokens:,}, estimated from the bytes of the texts"),
        ("truncated", "unknown: the server truncates"),
    ]
    if remote.unit:
        rows.append(("billed", f"about {remote.cost.units:,} {remote.unit}"))
    return rows


def vectors_of(documents: Documents) -> str:
    """What --vectors would keep, and how often it serves."""
    figures = documents.as_dict()
    each = readable_size(round(documents.size / documents.count))
    known = f", of which {documents.known:,} are there already" if documents.known else ""
    limit = ""
    if documents.size > documents.most_bytes:
        limit = f"; more than --cache-gb allows ({readable_size(documents.most_bytes)})"
    return (
        f"{readable_size(documents.size)} for {count_of(documents.count, 'document')} of {each}{known}; "
        f"each serves {figures['pairs_per_document']:.1f} pairs{limit}"
    )


def time_of(run: DryRun) -> str:
    """How long a run would take here, and what says so."""
    found = run.estimate
    if run.remote is not None:
        seconds = run.remote.seconds
        return "unknown: the server decides" if seconds is None else f"{about(seconds)} at --requests-per-minute"
    if found is None:
        return "nothing to score"
    shape = f"{found.rows:,} pairs × {found.tokens:,} tokens, the plan's median"
    if found.seconds is None:
        return f"unknown: out of memory with a batch of {shape} (lower --batch-tokens)"
    if found.documents:
        return (
            f"{about(found.seconds)} to score on this machine, by {found.rows:,} documents of {found.tokens:,} tokens"
        )
    batches = "1 batch" if found.batches == 1 else f"{found.batches} batches"
    return f"{about(found.seconds)} to score on this machine, by {batches} of {shape}"


def histogram(run: DryRun) -> list[str]:
    """Pairs by their tokens, a bar each."""
    bins = run.bins()
    most = max((pairs for _, _, pairs in bins), default=0)
    lines = []
    for low, high, pairs in bins:
        if run.max_length and low == run.max_length + 1:
            lines.append(f"{'':>13} ┄┄┄ {run.max_length} tokens: longer pairs are {run.fate} ┄┄┄")
        lines.append(f"{low:>6}-{high:<6} {bar(pairs, most, show_few=True)} {pairs:,}")
    return lines
