"""Speed, compared with every installed peer.

`benchmark` runs the rounds, `contestants` and `peers` are the compared programs, `worker` is the process of a
contestant. `generated` generates the input.
"""
