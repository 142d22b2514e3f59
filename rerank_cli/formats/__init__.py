"""Lines and records: one file per format. JSON, but no disk.

`registry` chooses the format of an input, `known` lists formats with the fields that identify each. `record_format` is
the contract of a format, `in_place` is shared by formats whose texts keep their positions. `per_line` and `per_group`
read records from lines. `translated` reads one format and writes another. `trec` writes runs: each score is at least
one float32 below the previous one. `run_layouts` and `judgement_layouts` detect the columns of runs and judgements,
`run_survey` checks a run before it is read, `kinds` recognises a file of another kind than expected.
"""
