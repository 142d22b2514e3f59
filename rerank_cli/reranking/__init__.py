"""From requests to rankings. Imports `core` alone: no file, no device.

`reranker` is the main loop. `windows` gathers whole records, `ahead` runs stages in threads, `scoreboard` gives back
the order of the input, `results` ranks the records of a scored window, `counting` counts them, `in_memory` scores a few
texts at once.
"""
