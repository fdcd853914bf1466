"""Thresholds, calibration, intervals, error types and sizes of an evaluation as human-readable lines."""

from collections.abc import Iterator, Sequence

from rich.cells import cell_len

from detcli.cli.framework.text import counted, number
from detcli.evaluation.analysis.best_thresholds import OperatingPoint
from detcli.evaluation.analysis.bootstrap import LEVEL
from detcli.evaluation.analysis.calibration import MIN_SCORE
from detcli.evaluation.analysis.evaluation_details import EvaluationDetails
from detcli.evaluation.analysis.size_metrics import SizeGroup

_GAP = "  "
_BOLD, _RESET = "\x1b[1m", "\x1b[0m"


def details_lines(details: EvaluationDetails, *, width: int, bold: bool) -> Iterator[str]:
    """Lines: sentences, wrapped at the width, then the error types and the metrics by size.

    width  columns of the terminal
    bold   use bold text
    """
    for sentence in _sentences(details):
        yield from wrapped(sentence, width)
    yield ""
    yield from _table(_error_rows(details), width, bold=bold)
    for title, groups in (("objects", details.object_sizes), ("images", details.image_sizes)):
        if len(groups) > 1:
            yield ""
            yield from _table(_size_rows(title, groups, width), width, bold=bold)


def wrapped(sentence: str, width: int) -> Iterator[str]:
    """A sentence on as many lines as it needs."""
    words = sentence.split()
    line = words[0]
    for word in words[1:]:
        if cell_len(line) + 1 + cell_len(word) > width:
            yield line
            line = word
        else:
            line += f" {word}"
    yield line


def shown_value(value: float | None) -> str:
    """A metric with three decimals."""
    return "-" if value is None else f"{value:.3f}"


def _sentences(details: EvaluationDetails) -> Iterator[str]:
    thresholds = details.thresholds
    if thresholds.best is not None:
        keeps_all = thresholds.best.threshold < thresholds.curve.scores[-1]
        why = "highest F1; there are no lower scores" if keeps_all else "highest F1"
        yield f"best score threshold {_point(thresholds.best)} ({why}); in use {_point(thresholds.in_use)}"
    intervals = details.intervals
    if intervals is not None:
        limits = ", ".join(
            f"{name} {each.low:.3f} to {each.high:.3f}" for name, each in intervals.metrics.items() if each is not None
        )
        samples = counted(intervals.samples, "bootstrap sample")
        if limits:
            yield f"{LEVEL:.0%} confidence intervals: {limits} ({samples} of the images)"
    calibration = details.calibration
    if calibration.error is not None and calibration.bias is not None:
        tendency = f"scores are {abs(calibration.bias):.3f} too {'high' if calibration.bias > 0 else 'low'} on average"
        yield (
            f"expected calibration error {calibration.error:.3f} of {counted(calibration.detections, 'detection')} with "
            f"scores above {MIN_SCORE:g}; {tendency}"
        )
    misses, truth = details.errors.misses, details.errors.truth
    missed = sum(misses.values())
    yield (
        f"{number(truth - missed)} of {counted(truth, 'object')} detected with a score above {thresholds.in_use.threshold:g}; "
        f"of the others, {number(misses['localization'])} with a poor box, {number(misses['classification'])} with a wrong "
        f"class, {number(misses['missed'])} not at all"
    )


def _point(point: OperatingPoint) -> str:
    precision = shown_value(point.precision)
    return f"{point.threshold:g}: F1 {point.f1:.3f}, precision {precision}, recall {point.recall:.3f}"


def _error_rows(details: EvaluationDetails) -> list[tuple[str, ...]]:
    errors, score = details.errors, details.thresholds.in_use.threshold
    rows: list[tuple[str, ...]] = [("error", "AP50 lost", f"count above {score:g}")]
    rows += [(name, f"{gain:.3f}", number(errors.counts[name])) for name, gain in errors.gains.items()]
    return rows


def _size_rows(title: str, groups: Sequence[SizeGroup], width: int) -> list[tuple[str, ...]]:
    metrics = list(groups[0].metrics)
    rows = [(title, "pixels", "ground truth" if width >= 60 else "GT", *metrics)]
    for group in groups:
        high = "" if group.high >= 1e10 else f" {_pixels(group.high)}"
        values = (shown_value(group.metrics[metric]) for metric in metrics)
        rows.append((group.name, f"{_pixels(group.low)} to{high}", number(group.ground_truth), *values))
    return rows


def _pixels(area: float) -> str:
    return f"{area / 1e6:.1f}M" if area >= 1e6 else f"{area / 1e3:.1f}k" if area >= 1e3 else f"{area:.0f}"


def _table(rows: Sequence[tuple[str, ...]], width: int, *, bold: bool) -> Iterator[str]:
    """Rows in columns, the first on the left; columns that do not fit are left out."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    while len(widths) > 1 and sum(widths) + len(_GAP) * (len(widths) - 1) > width:
        widths.pop()
    for index, row in enumerate(rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(size) for cell, size in zip(row[1:], widths[1:], strict=False))]
        line = _GAP.join(cells)
        yield f"{_BOLD}{line}{_RESET}" if bold and not index else line
