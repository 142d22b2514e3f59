"""Values and arithmetic, with the standard library alone; and the contract of an engine, `scorer`.

`records` has the values that pass between stages, `config` the options of a run, `errors` every exit code. `plan` cuts
pairs into batches, `ranking` orders candidates by their logits, `stages` and `staged_ranking` after the stages of a
cascade; `stats` counts. `dialects` has the reranking APIs: names of fields, addresses, limits. `printable` escapes
characters that could control a terminal or a page.
"""
