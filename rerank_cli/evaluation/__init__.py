"""Quality: measures, the comparison of rankings, the agreement of logits."""
