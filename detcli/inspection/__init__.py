"""Findings and statistics of datasets: what to know of one before training."""
