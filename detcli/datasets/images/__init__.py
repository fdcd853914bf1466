"""The image files of datasets: found by the names in annotations, turned as their boxes are, read lazily."""
