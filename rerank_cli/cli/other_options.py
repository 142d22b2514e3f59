"""Options of other tools, and what to type for them."""

from collections.abc import Iterable

OTHERS: dict[str, tuple[str, ...]] = {
    "topn": ("--top-k",),
    "k": ("--top-k",),
    "batchsize": ("--batch-sizes", "--batch-tokens"),
    "perdevicetrainbatchsize": ("--batch-size",),
    "maxseqlength": ("--max-length",),
    "maxseqlen": ("--max-length",),
    "maxtokens": ("--max-length",),
    "fp16": ("--dtype fp16",),
    "usefp16": ("--dtype fp16",),
    "half": ("--dtype fp16",),
    "bf16": ("--dtype bf16",),
    "fp32": ("--dtype fp32",),
    "int8": ("--dtype int8",),
    "precision": ("--dtype",),
    "torchdtype": ("--dtype",),
    "gpu": ("--device cuda",),
    "cuda": ("--device cuda",),
    "cpu": ("--device cpu",),
    "backend": ("--engine",),
    "modelname": ("--model",),
    "modelnameorpath": ("--model",),
    "modelid": ("--model",),
    "checkpoint": ("--model",),
    "outfile": ("--output",),
    "outputfile": ("--output",),
    "outputpath": ("--output",),
    "outputdir": ("--output",),
    "force": ("--overwrite",),
    "silent": ("--quiet",),
    "debug": ("--verbose",),
    "lr": ("--learning-rate",),
    "numepochs": ("--epochs",),
    "numtrainepochs": ("--epochs",),
    "numworkers": ("--threads",),
    "numthreads": ("--threads",),
    "numproc": ("--threads",),
    "njobs": ("--threads",),
    "metrics": ("--measures",),
    "threshold": ("--min-score",),
    "scorethreshold": ("--min-score",),
    "textcolumn": ("--text-field",),
    "textkey": ("--text-field",),
    "querycolumn": ("--query-field",),
    "querykey": ("--query-field",),
    "contentfield": ("--text-field",),
    "contentkey": ("--text-field",),
    "contentcolumn": ("--text-field",),
    "documentsfield": ("--candidates-field",),
    "docsfield": ("--candidates-field",),
    "inputformat": ("--format",),
    "noprogress": ("--progress none",),
    "noprogressbar": ("--progress none",),
}
EXPLAINED = {  # the option of ours that a sentence is about ("": none), and the sentence
    "returndocuments": ("--no-text", "Texts are kept by default, --no-text leaves them out."),
    "returntext": ("--no-text", "Texts are kept by default, --no-text leaves them out."),
    "normalize": ("--score", "Scores are between 0 and 1 by default, --score logit writes the logits."),
    "rawscores": ("--score", "Scores are between 0 and 1 by default, --score logit writes the logits."),
    "input": ("", "INPUT is an argument: `{command} INPUT`."),
    "inputfile": ("", "INPUT is an argument: `{command} INPUT`."),
    "inputpath": ("", "INPUT is an argument: `{command} INPUT`."),
    "qrels": ("", "Judgements are for `rerank eval RESULT --qrels QRELS`."),
}
UNITS = {"--batch-tokens": "It counts tokens, not pairs, and its default fits the device. "}


def explained(typed: str, known: Iterable[str], command: str) -> str:
    """What to know about an option of another tool, as the beginning of an advice; "" if nothing, or of no use here.

    >>> explained("--input", [], "rerank check"), explained("--normalize", [], "rerank check")
    ('INPUT is an argument: `rerank check INPUT`. ', '')
    """
    needed, says = EXPLAINED.get(_plain(typed), ("", ""))
    return f"{says.format(command=command)} " if says and (not needed or needed in known) else ""


def other_options(typed: str) -> tuple[str, ...]:
    """What to type for an option of another tool, with its value if it is part of the name; nothing if unknown.

    >>> other_options("--top-n"), other_options("--use_fp16"), other_options("--model")
    (('--top-k',), ('--dtype fp16',), ())
    """
    return OTHERS.get(_plain(typed), ())


def _plain(typed: str) -> str:
    return typed.lower().replace("-", "").replace("_", "")
