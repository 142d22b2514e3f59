"""Speed, beside every installed peer.

`benchmark` runs the rounds, `contestants` and `peers` are who is compared, `worker` is the process that one of them
runs in. `generated` makes the input.
"""
