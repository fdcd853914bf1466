"""Datasets in a few large files that hold many images: tar archives of WebDataset, and Parquet."""
