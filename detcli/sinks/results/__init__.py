"""Sinks that write result files: JSON Lines, COCO, CSV, YOLO."""
