"""The reader of each result format: a function from a path to images with their detections."""
