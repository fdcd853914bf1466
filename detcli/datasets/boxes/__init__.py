"""Boxes of datasets: checks and formats."""
