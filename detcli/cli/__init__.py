"""The roof: the only place that prints, asks or exits."""
