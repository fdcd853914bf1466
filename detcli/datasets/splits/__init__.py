"""The division of a dataset into parts: how large they are, which images stay together, and which part each gets."""
