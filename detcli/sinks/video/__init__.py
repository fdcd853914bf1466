"""Sinks that write or show annotated video."""
