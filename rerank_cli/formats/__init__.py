"""Lines and records: one file a format. JSON, but no disk.

`registry` chooses a format, `known` lists them and how each is recognised. `per_line` and `per_group` make records of
lines. `translated` reads one format and writes another. `trec` writes runs whose scores fall strictly.
"""
