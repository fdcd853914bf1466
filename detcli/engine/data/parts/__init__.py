"""The parts of a dataset that is rewritten as a whole, or as one."""
