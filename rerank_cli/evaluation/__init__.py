"""Quality: measures, the comparison of rankings, the agreement of logits.

`results` reads rankings and `judgements` what they are measured by (`column_files`: the lines of both), `measures`
hands them to ir-measures, `evaluate` asks whether it helped, `compare` which is better, `agreement` how far logits
differ.
"""
