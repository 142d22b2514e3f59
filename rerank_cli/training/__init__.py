"""Fine-tuning, and mining of hard negatives for it.

`train` has the steps of a training, `fit` those of its loop, `trainer` is the loop of sentence-transformers.
`preflight` has the checks before a record is read. `data` is the training data: `examples` are judged records, `rows`
the input of each loss, `held_out` the records that are only measured. `folder` is the output folder, `note` its
description. `mine` and `pool` find hard negatives.
"""
