"""What a person types: commands, options, exit codes and signals.

`app` lists the commands, and `group` imports one when it is named. One file a command declares its options, calls one
job and prints what `display` makes of the result. `options` has what commands share, `limits` what they check before
they begin. `topics` are the pages of `rerank help`. `process` turns errors and signals into exit codes.
"""
