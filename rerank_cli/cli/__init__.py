"""The command line: commands, options, exit codes and signals.

`app` lists the commands, and `group` imports one when it is named. One file a command declares its options, calls one
job and prints what `display` makes of the result; `command` is what commands share: help, --config and --show-config.
`options` has the options of several commands, `stage_options` those of a cascade, `option` makes them, `option_groups`
arranges them in help; `limits` has what commands check before they begin. Values come from the command line,
`environment` or a `config_file`; `origins` notes which, `toml_text` writes them. `help_text` writes help, `topics` are
the pages of `rerank help`, `completing` is for shells. `process` turns errors and signals into exit codes, `usage` says
what to type instead.
"""
