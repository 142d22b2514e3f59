"""The model card of a fine-tuned model: its base, its data, and its measures on held-out records."""

from typing import Any


def card(name: str, loss: str, note: dict[str, Any]) -> str:
    """The README.md of a folder `name`; `loss` is a description, `note` the note of the training."""
    data, training, measured = note["data"], note["training"], note.get("held_out")
    options = {name: value for name, value in note["options"].items() if value is not None}
    computed = [f"{name} {value}" for name, value in note["computed_with"].items()]
    lines = [
        "---",
        "pipeline_tag: text-ranking",
        "library_name: sentence-transformers",
        f"base_model: {note['base']['model']}",
        "tags: [reranker, cross-encoder]",
        "---",
        "",
        f"# {name}",
        "",
        f"A cross-encoder fine-tuned from `{note['base']['model']}` with `rerank train`. It scores how well a text",
        "answers a query; load it with `rerank score --model FOLDER` or sentence-transformers' `CrossEncoder`.",
        "",
        f"Data: {', '.join(data['inputs'])}; {data['queries']:,} queries, {data['rows']:,} rows"
        f"{_left_out(data['unread_records'] + data['unused_records'])}.",
        f"Training: {steps_and_time(training)}, loss {loss}; {', '.join(computed)}."
        + (f" Not trained: {', '.join(training['left_alone'])}." if training["left_alone"] else ""),
        "",
        "| option | value |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in options.items()),
    ]
    if measured:
        lines += [
            "",
            "The checkpoint was chosen by nDCG@10 on the same held-out records, so the gain is slightly overestimated.",
            "",
            f"On {measured['queries']:,} held-out queries ({', '.join(data['held_out'])}"
            f"{_left_out(data['held_out_left_out'])}), 95 % intervals of the gain:",
            "",
            "| measure | base | this model | gain |",
            "|---|---|---|---|",
        ]
        for name, (gain, low, high) in measured["gain_95"].items():
            interval = "" if low is None else f" [{low:+.4f}, {high:+.4f}]"
            before, after = measured["before"][name], measured["after"][name]
            lines.append(f"| {name} | {before:.4f} | {after:.4f} | {gain:+.4f}{interval} |")
    return "\n".join([*lines, "", f"Base weights, SHA-256: {note['base']['weights_sha256']}", ""])


def steps_and_time(training: dict[str, Any]) -> str:
    """Steps and time; of a resumed training, since it was last resumed."""
    begun = training["resumed_at_step"]
    since = "" if begun is None else f" since it was resumed at step {begun:,}"
    return f"{training['steps']:,} steps, {training['seconds']:,} s{since}"


def _left_out(records: int) -> str:
    return f", {records:,} records left out" if records else ""
