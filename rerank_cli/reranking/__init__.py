"""From requests to rankings. Imports `core` alone: no files, no devices.

`reranker` is the main loop. `windows` collects complete records, `ahead` runs stages in threads, `scoreboard` restores
the input order, `results` ranks the records of a scored window, `planning` makes batches, `counting` counts them,
`in_memory` scores a few texts at once. `cascade` scores in stages.
"""
