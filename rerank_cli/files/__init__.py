"""Bytes and the disk: inputs with their places, outputs that a kill does not harm.

`sources` opens an input, `inputs` gives its lines with their numbers and offsets; `parquet` and `score_objects` make
lines of what has none. `output` is the contract of an output, `file_output` and `stream_output` are its two kinds. A
commit puts the lines of a window on disk, and then the line of the `journal` that vouches for them; `finishing` makes
the last renames. `existing` decides whether the files found at an output are continued, replaced or refused,
`ownership` tells whose they are. `durable` writes small files whole, `folders` swaps folders.
"""
