"""Fine-tuning, and the hard negatives for it."""
