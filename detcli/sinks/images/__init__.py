"""Sinks that write image files: annotated images, crops, label maps."""
