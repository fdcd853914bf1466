"""Draw boxes, labels and masks on arrays; no files."""
