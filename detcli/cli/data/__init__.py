"""`detcli data`: look at a dataset before training."""
