"""Lines and records: one file a format. JSON, but no disk.

`registry` chooses the format of an input, `known` lists them with the fields by which each is recognised.
`record_format` is the contract of a format, `in_place` what those share whose texts keep their places. `per_line` and
`per_group` make records of lines. `translated` reads one format and writes another. `trec` writes runs: each score is
at least one float32 below the one before. `run_layouts` and `judgement_layouts` say how the files of others are laid
out, `run_survey` looks over a run before it is read, `kinds` names a file that stands where another is expected.
"""
