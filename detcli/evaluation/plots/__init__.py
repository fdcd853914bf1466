"""Plots of an evaluation as PNG; matplotlib is imported when one is drawn."""

from detcli.evaluation.plots.confusion_plot import plot_confusion_matrix
from detcli.evaluation.plots.pr_curves import plot_pr_curves

__all__ = ["plot_confusion_matrix", "plot_pr_curves"]
