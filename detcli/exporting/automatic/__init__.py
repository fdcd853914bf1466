"""Checkpoints that another runtime than torch runs: compiled and compared with torch once, then loaded from a cache."""
