"""Public functions for complete runs: what the commands do, with the options as keyword arguments."""
