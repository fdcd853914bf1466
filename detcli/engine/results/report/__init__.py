"""The report on stored results: a gallery of the images, with metrics where there is ground truth."""
