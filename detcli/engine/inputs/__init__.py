"""Sources of a run, opened and listed once."""
