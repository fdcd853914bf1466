"""The metrics of an evaluation as a human-readable table."""

from collections.abc import Iterator, Sequence

from rich.cells import cell_len, set_cell_size

from detcli.cli.detect.table import shortened
from detcli.cli.evaluate.details_table import details_lines, wrapped
from detcli.cli.framework.console import escape
from detcli.cli.framework.text import number
from detcli.evaluation.report import EvaluationReport
from detcli.text import shown_scores

_BOLD, _DIM, _RESET = "\x1b[1m", "\x1b[2m", "\x1b[0m"
_GAP = "  "
_MEANINGS = {
    "AP": "IoU 0.50 to 0.95; from 0 to 1, like all of these",
    "AP50": "IoU 0.50",
    "AP75": "IoU 0.75",
    "APs": "small: below 32 x 32 pixels",
    "APm": "medium",
    "APl": "large: from 96 x 96 pixels",
    "AR1": "1 box per image",
    "AR10": "10 boxes per image",
    "AR100": "100 boxes per image",
    "ARs": "small",
    "ARm": "medium",
    "ARl": "large",
}
_COLUMNS = ("ground truth", "AP", "AP50", "AR")
_BEST_COLUMNS = ("best score", "precision", "recall")
_NARROW_COLUMNS = ("GT", *_COLUMNS[1:])
_NARROW_BELOW, _WIDE_FROM = 60, 80  # columns of the terminal


def metrics_table(report: EvaluationReport, *, width: int, bold: bool) -> Iterator[str]:
    """Lines: the twelve metrics, one row per class, the counts of matches above the score, and the details.

    width  columns of the terminal
    bold   use bold and dim text
    """
    metrics = report.metrics_by_name
    for name, meaning in _MEANINGS.items():
        value = _shown(metrics[name])
        line = f"{name.ljust(5)}{_GAP}{value}"
        if width >= len(line) + len(_GAP) + len(meaning):
            line += _GAP + (f"{_DIM}{meaning}{_RESET}" if bold else meaning)
        yield f"{_BOLD}{line}{_RESET}" if bold and name == "AP" else line
    yield ""
    yield from _classes(report, width, bold=bold)
    yield ""
    yield from wrapped(_mistakes(report), width)
    if report.details is not None:
        yield from details_lines(report.details, width=width, bold=bold)


def _classes(report: EvaluationReport, width: int, *, bold: bool) -> Iterator[str]:
    has_best = report.details is not None and width >= _WIDE_FROM
    rows = [
        (
            escape(each.name),
            (
                *(number(each.ground_truth), _shown(each.ap), _shown(each.ap50), _shown(each.ar)),
                *(_best(report, each.category_id) if has_best else ()),
            ),
        )
        for each in report.metrics.classes
    ]
    titles = _COLUMNS if width >= _NARROW_BELOW else _NARROW_COLUMNS
    titles = (*titles, *(_BEST_COLUMNS if has_best else ()))
    widths = [max(len(title), *(len(cells[column]) for _, cells in rows)) for column, title in enumerate(titles)]
    available = max(8, width - sum(widths) - len(_GAP) * len(widths))
    names = min(available, max(5, *(cell_len(name) for name, _ in rows)))
    head = _row("class", titles, names, widths)
    yield f"{_BOLD}{head}{_RESET}" if bold else head
    for name, cells in rows:
        yield _row(name, cells, names, widths)


def _best(report: EvaluationReport, category_id: int) -> tuple[str, ...]:
    """The threshold of a class with the highest F1, and precision and recall there."""
    point = None if report.details is None else report.details.thresholds.classes.get(category_id)
    if point is None:
        return ("-", "-", "-")
    return (f"{point.threshold:g}", _shown(point.precision), _shown(point.recall))


def _row(name: str, cells: Sequence[str], width: int, widths: Sequence[int]) -> str:
    shown = set_cell_size(shortened(name, width, end=True), width)
    return shown + "".join(_GAP + cell.rjust(cell_width) for cell, cell_width in zip(cells, widths, strict=True))


def _mistakes(report: EvaluationReport) -> str:
    confusion = report.confusion
    source = f" ({report.score_source})" if report.score_source else ""
    scores = escape(shown_scores(report.score, report.class_scores))
    return (
        f"scores above {scores}{source}: {number(confusion.true_positives)} true positives, {number(confusion.misclassified)} misclassified, "
        f"{number(confusion.false_negatives)} false negatives, {number(confusion.false_positives)} false positives"
    )


def _shown(value: float | None) -> str:
    return "    -" if value is None else f"{value:.3f}"
