"""The calibration of scores as PNG: precision over score, and the number of detections of each score."""

from typing import Any

import numpy as np

from detcli.evaluation.analysis.calibration import MIN_SCORE, Calibration
from detcli.evaluation.plots.figures import FAINT, INK, new_figure, open_axes, own_style, set_title, to_png
from detcli.visualization import okabe_ito

_BAR, _GAP = okabe_ito.as_hex(okabe_ito.BLUE), okabe_ito.as_hex(okabe_ito.VERMILION)


def plot_calibration(calibration: Calibration) -> bytes:
    """The figure of `calibration_figure` as PNG.

    Raises UsageError if matplotlib is missing, naming the packages to install.
    """
    return to_png(calibration_figure(calibration))


@own_style
def calibration_figure(calibration: Calibration) -> Any:
    """A reliability diagram: the precision of the detections of each range of scores, beside their mean score."""
    figure = new_figure(7.5, 7.5)
    reliability, counts = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    filled = [each for each in calibration.bins if each.detections]
    centers = [(each.low + each.high) / 2 for each in calibration.bins]
    width = 0.9 / len(calibration.bins)
    ticks = np.linspace(0, 1, 6)
    reliability.set(xlim=(0, 1), ylim=(0, 1.02), yticks=ticks, ylabel="precision (0 to 1)")
    open_axes(reliability)
    set_title(reliability, _title(calibration))
    reliability.plot([0, 1], [0, 1], color=FAINT, linewidth=1.5, label="scores are probabilities")
    if filled:
        places = [(each.low + each.high) / 2 for each in filled]
        precision, scores = [each.precision for each in filled], [each.score for each in filled]
        reliability.bar(places, precision, width, color=_BAR, label="precision of a range of scores")
        reliability.plot(scores, precision, "o", color=INK, markersize=4, label="at its mean score")
        for score, value in zip(scores, precision, strict=True):
            reliability.plot([score, score], [value, score], color=_GAP, linewidth=1.5)
        reliability.plot([], [], color=_GAP, linewidth=1.5, label="difference of score and precision")
    reliability.legend(fontsize=8, frameon=False, loc="upper left")
    counts.bar(centers, [each.detections for each in calibration.bins], width, color=_BAR)
    counts.set(xlabel="score (0 to 1)", ylabel="detections", xticks=ticks)
    counts.yaxis.get_major_locator().set_params(integer=True)
    open_axes(counts)
    return figure


def _title(calibration: Calibration) -> str:
    if calibration.error is None or calibration.bias is None:
        return f"no detections with scores above {MIN_SCORE:g}"
    tendency = "high" if calibration.bias > 0 else "low"
    return (
        f"expected calibration error {calibration.error:.3f}; {calibration.detections:,} detections with scores above "
        f"{MIN_SCORE:g}\nright: matched at IoU 0.50; scores are {abs(calibration.bias):.3f} too {tendency} on average"
    )
