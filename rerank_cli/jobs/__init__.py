"""The work of each command, from a frozen config to a result. Prints nothing.

`score` is a run, `dry_run` the same without a device; `stages` are the engines of a run, one or several. `preflight`
has the checks before a model is looked for. `fingerprint` has what two runs must share to be the same run, `resume`
finds the position in the input from which a run continues. `accounting` counts records, `statistics` describes the run.
"""
