"""The command line: commands, options, exit codes and signals.

`app` lists the commands, and `group` imports one when it is named. One file a command declares its options, calls one
job and prints what `display` makes of the result. `options` has the options that commands share, and `option` makes
them; `limits` has what commands check before they begin. `help_text` writes help, `topics` are the pages of `rerank
help`. `process` turns errors and signals into exit codes, `usage` says what to type instead.
"""
