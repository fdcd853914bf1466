"""Datasets: images with ground truth, for training and evaluation. Independent of any network."""
