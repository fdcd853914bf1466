"""Losses of training: the assignment of queries to ground-truth boxes, and the loss terms."""
