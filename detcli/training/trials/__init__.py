"""Steps on a network of their own, to measure or to choose something before a run; nothing is kept."""
