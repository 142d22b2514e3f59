"""One command's work each, from a frozen config to a result; prints nothing.

`score` is a run, `dry_run` the same without a device. `preflight` has what is refused before a model is looked for.
`fingerprint` has what two runs must share to be the same run, `resume` finds the place in the input from which a run
continues. `accounting` counts records, `statistics` describes the run.
"""
