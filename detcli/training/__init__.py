"""Training: a network, a dataset and a recipe → checkpoints."""
