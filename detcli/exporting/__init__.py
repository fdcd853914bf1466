"""Checkpoints -> files of other runtimes: the graph, its metadata, and the check that it gives the same detections."""
