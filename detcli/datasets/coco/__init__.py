"""Datasets in COCO layout."""
