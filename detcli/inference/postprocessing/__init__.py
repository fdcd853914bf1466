"""Outputs of networks -> detections in the pixels of each image."""
