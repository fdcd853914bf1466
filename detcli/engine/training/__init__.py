"""Training as a Python function, in one process or in one for each device."""
