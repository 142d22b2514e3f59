"""Options of other tools, and what to type for them."""

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
    "inputformat": ("--format",),
    "noprogress": ("--progress none",),
    "noprogressbar": ("--progress none",),
}


def other_options(typed: str) -> tuple[str, ...]:
    """What to type for an option of another tool, with its value if it is part of the name; nothing if unknown.

    >>> other_options("--top-n"), other_options("--use_fp16"), other_options("--model")
    (('--top-k',), ('--dtype fp16',), ())
    """
    return OTHERS.get(typed.lower().replace("-", "").replace("_", ""), ())
