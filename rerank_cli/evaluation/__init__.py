"""Quality: measures, the comparison of rankings, the agreement of logits.

`results` reads rankings and judgements, `measures` hands them to ir-measures, `evaluate` asks whether it helped,
`compare` which is better, `agreement` how far logits differ.
"""
