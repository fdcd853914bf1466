"""Datasets in YOLO layout."""
