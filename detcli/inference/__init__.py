"""Frames in, detections out."""
