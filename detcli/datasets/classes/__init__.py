"""Classes of datasets: matched to those of a model, renamed, selected, and united."""
