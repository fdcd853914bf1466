"""The only place that touches a path."""
