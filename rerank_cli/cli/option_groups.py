"""How help arranges options: in which group each is, which ones people use most, and what stands for a value.

Options are known by name. One of the same name is in the same group for every command.
"""

from typing import Any

GROUPS = {
    "Input": "format query-field candidates-field text-field id-field candidate-id-field columns run queries corpus "
    "run-columns skip-self query-template doc-template limit sample max-line-bytes max-candidates qrels before "
    "relevance-field teacher-field eval pool records cases lengths pairs tokenizer",
    "Ranking": "top-k min-score score stage fuse drop measures moved any-scores common-queries",
    "Output": "output output-format no-text digits tag errors overwrite stats per-query html plot json markdown",
    "Model": "model revision offline verify engine device dtype label prompt instruction max-length "
    "query-max-length long-docs chunk-overlap random-weights",
    "Training": "loss epochs max-steps batch-size negatives ranks margin learning-rate warmup weight-decay lora "
    "lora-rank freeze-embeddings checkpoints early-stopping",
    "API": "api api-key-file concurrency requests-per-minute",
    "Speed": "score-cache vectors cache-gb threads batch-tokens window-tokens engines peers batch-sizes rounds growth",
    "Run": "clear resume max-errors strict dry-run acceptance seed config show-config progress quiet verbose version "
    "install-completion show-completion help",
}
MOST_USED = {  # by command: what -h shows, at most twelve
    "score": "output format run top-k no-text model device dtype overwrite resume dry-run quiet",
    "check": "format query-field candidates-field text-field id-field columns run queries corpus limit json",
    "doctor": "model engine device dtype offline acceptance json",
    "models": "engine device dtype max-length offline json",
    "bench": "pairs lengths engines peers rounds plot model device max-length threads json",
    "export": "output format dtype records model overwrite",
    "convert": "output output-format format query-field candidates-field text-field id-field run overwrite errors",
    "eval": "qrels before measures common-queries relevance-field format per-query html markdown json",
    "compare": "qrels measures common-queries any-scores moved format html markdown json",
    "cache": "clear json",
    "train": "output model eval loss epochs batch-size learning-rate lora device resume overwrite quiet",
    "mine": "output pool model negatives ranks margin query-template doc-template device overwrite quiet",
}
MOST = 12  # options that -h shows
VALUES = {
    "PATH": "output errors stats per-query html plot qrels before eval pool records cases run queries corpus tokenizer "
    "config score-cache vectors api-key-file",
    "NAME": "format output-format model revision engine api device dtype loss random-weights relevance-field "
    "teacher-field tag",
    "FIELD": "query-field candidates-field text-field id-field candidate-id-field",
    "TEMPLATE": "query-template doc-template",
    "NAMES": "columns run-columns measures engines peers",
    "NUMBERS": "batch-sizes growth",
    "N|N%": "max-errors",
    "rrf|minmax:W": "fuse",
    "STAGE": "stage",
    "FIRST:LAST": "ranks",
}
GROUP_OF = {name: group for group, names in GROUPS.items() for name in names.split()}
VALUE_OF = {name: value for value, names in VALUES.items() for name in names.split()}
OF_TYPES = {int: "N", float: "X"}


def long_name(option: Any) -> str:
    """The name of an option as in GROUPS: its longest spelling, without dashes."""
    return str(max(option.opts, key=len)).removeprefix("--")


def group_of(option: Any) -> str:
    """The heading under which help shows an option."""
    return GROUP_OF.get(long_name(option), "Run")


def value_of(option: Any) -> str:
    """What stands for the value of an option in help: choices, a letter for a number, or a word; none for a flag."""
    kind = option.type_descriptor
    if option.is_flag:
        return ""
    if kind.is_choice:
        return "|".join(map(str, kind.choices))
    return OF_TYPES.get(kind.annotation) or VALUE_OF.get(long_name(option), "TEXT")
