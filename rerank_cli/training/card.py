"""The card of a fine-tuned model: what it is, what it was made from, and how good it was on what was held out."""

from typing import Any


def card(name: str, loss: str, note: dict[str, Any]) -> str:
    """A README.md for a folder `name`; `loss` in words, `note` as `rerank train` keeps it."""
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
        + (f" Left as they were: {', '.join(training['left_alone'])}." if training["left_alone"] else ""),
        "",
        "| option | value |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in options.items()),
    ]
    if measured:
        lines += [
            "",
            "The checkpoint was chosen by nDCG@10 on the same held-out records, so the gain is a little too good.",
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
    """How long it took; of a training that was stopped, what came after it was last continued."""
    begun = training["resumed_at_step"]
    since = "" if begun is None else f" since it was continued at step {begun:,}"
    return f"{training['steps']:,} steps, {training['seconds']:,} s{since}"


def _left_out(records: int) -> str:
    return f", {records:,} records left out" if records else ""
