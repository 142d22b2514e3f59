"""Bytes and the disk: inputs with their places, outputs that a kill does not harm.

`sources` opens an input, `inputs` gives its lines with their numbers and offsets. `file_output` writes a run: a
commit makes data durable, then the line of the `journal` that vouches for it, and `finishing` makes the last renames.
`existing` decides what a run does with the files it finds, `ownership` whose they are. `durable` writes other files
whole, `folders` swaps folders.
"""
