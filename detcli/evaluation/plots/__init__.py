"""Plots of an evaluation or a benchmark as PNG; matplotlib is imported when one is drawn."""

from detcli.evaluation.plots.calibration_plot import plot_calibration
from detcli.evaluation.plots.confusion_plot import plot_confusion_matrix
from detcli.evaluation.plots.errors_plot import plot_errors
from detcli.evaluation.plots.pareto_plot import SpeedPoint, plot_pareto
from detcli.evaluation.plots.pr_curves import plot_pr_curves

__all__ = [
    "SpeedPoint",
    "plot_calibration",
    "plot_confusion_matrix",
    "plot_errors",
    "plot_pareto",
    "plot_pr_curves",
]
