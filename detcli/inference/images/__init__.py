"""Images of every kind that Python users have -> frames."""
