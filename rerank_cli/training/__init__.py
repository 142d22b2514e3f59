"""Fine-tuning, and the hard negatives for it.

`train` has the steps of a training, `fit` those of its loop, `trainer` is the loop of sentence-transformers, `rows`
what each loss learns from, `examples` the judged records, `folder` where it happens. `mine` and `pool` find hard
negatives.
"""
