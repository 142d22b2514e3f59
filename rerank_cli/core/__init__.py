"""Values and arithmetic, with the standard library alone; and the contract of an engine, `scorer`.

`records` travel between stages, `config` is what was asked for, `errors` has every exit code. `plan` cuts pairs into
batches, `ranking` orders candidates by their logits, `stats` counts. `printable` has the characters that could act on
a terminal or a page, and what is put in their place.
"""
