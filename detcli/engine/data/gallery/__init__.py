"""The gallery of a dataset: the page of a report, with ground truth."""
