"""The commands `models` and `download`."""
