"""Bytes and the disk: inputs with positions, outputs that survive a kill.

`sources` opens an input, `inputs` reads its lines with numbers and offsets; `parquet` and `score_objects` convert other
files to lines. `output` is the contract of an output, `file_output` and `stream_output` implement it. A commit writes
the lines of a window to disk, then the line of the `journal` that records them; `finishing` makes the last renames.
`existing` decides whether files found at an output are resumed, replaced or refused; `ownership` recognises our own
files. `durable` writes small files atomically, `folders` swaps folders.
"""
