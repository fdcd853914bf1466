"""Which images share a batch, how many, and the steps of a batch."""
