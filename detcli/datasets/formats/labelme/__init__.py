"""Datasets of LabelMe."""
