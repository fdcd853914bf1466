"""Datasets in CVAT's own XML."""
