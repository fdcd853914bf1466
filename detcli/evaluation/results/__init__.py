"""Stored results: read, matched with the ground truth, and checked for boxes of another format."""
