"""Datasets in the format of Pascal VOC."""
