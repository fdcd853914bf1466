"""A recipe, a dataset and a network in; a checkpoint that knows the dataset out."""
