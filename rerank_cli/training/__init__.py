"""Fine-tuning, and the hard negatives for it.

`train` has the steps of a training, `fit` those of its loop, `trainer` is the loop of sentence-transformers.
`preflight` has what is refused before a record is read, `data` what is learnt from: `examples` are judged records,
`rows` what each loss takes of them, `held_out` what is only measured. `folder` is where it happens, `note` what it
records. `mine` and `pool` find hard negatives.
"""
