"""One command's work each, from a frozen config to a result; prints nothing.

`score` is a run, `dry_run` the same without a device. `preflight` has what is refused before a model is looked for.
`resume` finds where a run begins, `fingerprint` what makes two runs the same run. `accounting` counts records,
`statistics` describes the run.
"""
