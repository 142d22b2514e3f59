"""Quality: measures, the comparison of rankings, the agreement of logits.

`results` reads `rankings` and `judgements` reads judgements (`column_files`: the lines of both). `measures` computes
measures with ir-measures (`measure_names`: the names of other programs), `evaluate` compares before and after,
`compare` compares two rankings and `several` more, `agreement` compares logits. `cautions` says what a comparison
cannot show. `made_by` finds the model that scored a file, `stages` and `staged` measure what the stages of a cascade
give.
"""
