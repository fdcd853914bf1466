"""The comparison of two results as a human-readable table."""

from collections.abc import Iterator, Sequence

from rich.cells import cell_len, set_cell_size

from detcli.cli.detect.table import shortened
from detcli.cli.evaluate.details_table import shown_value, wrapped
from detcli.cli.framework.console import escape
from detcli.cli.framework.text import counted, number
from detcli.evaluation.comparison.comparison_report import OUTCOMES, ComparedValue, ComparisonReport
from detcli.text import shown_scores

_BOLD, _RESET = "\x1b[1m", "\x1b[0m"
_GAP = "  "
_VALUES = ("first", "second", "change", "95% interval")
_CLEAR = "*"
_MIN_NAME = 8  # columns
_DISAGREEMENTS = 5  # kinds that are shown


def comparison_table(report: ComparisonReport, *, width: int, bold: bool) -> Iterator[str]:
    """Lines: the metrics of both results with the interval of the change, those of the classes, objects and images.

    width  columns of the terminal
    bold   use bold text
    """
    for title, side in zip(("first", "second"), report.sides, strict=True):
        source = f" ({side.score_source})" if side.score_source else ""
        yield from wrapped(
            f"{title}: {escape(side.name)}, scores above {escape(shown_scores(side.score, side.class_scores))}{source}",
            width,
        )
    yield ""
    yield from _rows("metric", [(name, "", value) for name, value in report.metrics.items()], width, bold=bold)
    yield ""
    classes = [(escape(each.name), number(each.ground_truth), each.ap) for each in report.classes]
    yield from _rows("AP of class", classes, width, bold=bold)
    if report.samples:
        samples = counted(report.samples, "bootstrap sample")
        yield from wrapped(f"{_CLEAR} the interval does not contain 0; {samples} of the images", width)
    yield ""
    yield from _outcomes(report, width, bold=bold)
    if report.disagreements:
        yield from wrapped(_disagreements(report), width)
    yield from wrapped(_images(report), width)


def _rows(title: str, values: Sequence[tuple[str, str, ComparedValue]], width: int, *, bold: bool) -> Iterator[str]:
    has_counts = any(count for _, count, _ in values)
    head = (*(("GT",) if has_counts else ()), *_VALUES)
    rows = [(name, (*((count,) if has_counts else ()), *_cells(value))) for name, count, value in values]
    widths = [max(len(one), *(len(cells[column]) for _, cells in rows)) for column, one in enumerate(head)]
    if width < sum(widths) + len(_GAP) * len(widths) + _MIN_NAME:  # the interval is left out
        widths.pop()
    available = max(_MIN_NAME, width - sum(widths) - len(_GAP) * len(widths))
    names = min(available, max(len(title), *(cell_len(name) for name, _ in rows)))
    for index, (name, cells) in enumerate([(title, head), *rows]):
        shown = set_cell_size(shortened(name, names, end=True), names)
        line = shown + "".join(_GAP + cell.rjust(size) for cell, size in zip(cells, widths, strict=False))
        yield f"{_BOLD}{line}{_RESET}" if bold and not index else line.rstrip()


def _cells(value: ComparedValue) -> tuple[str, ...]:
    difference, interval = value.difference, value.interval
    change = "-" if difference is None else f"{difference:+.3f}{_CLEAR if value.is_clear else ' '}"
    limits = "" if interval is None else f"{interval.low:+.3f} to {interval.high:+.3f}"
    return shown_value(value.first), shown_value(value.second), change, limits


def _outcomes(report: ComparisonReport, width: int, *, bold: bool) -> Iterator[str]:
    """Objects by what became of them in the first (rows) and in the second (columns)."""
    titles = [f"second: {OUTCOMES[0]}", *OUTCOMES[1:]]
    names = [f"first: {OUTCOMES[0]}", *(f"{name:>{len(name) + 7}}" for name in OUTCOMES[1:])]
    cells = [[number(value) for value in row] for row in report.outcomes.tolist()]
    widths = [max(len(title), *(len(row[column]) for row in cells)) for column, title in enumerate(titles)]
    corner = "objects"
    first = max(len(corner), *(len(name) for name in names))
    if first + sum(widths) + len(_GAP) * len(widths) > width:
        corner, titles, names = "first / second", list(OUTCOMES), list(OUTCOMES)
        first = max(len(corner), *(len(name) for name in OUTCOMES))
        widths = [max(len(title), *(len(row[column]) for row in cells)) for column, title in enumerate(titles)]
    for index, (name, row) in enumerate([(corner, titles), *zip(names, cells, strict=True)]):
        line = name.ljust(first) + "".join(_GAP + cell.rjust(size) for cell, size in zip(row, widths, strict=True))
        yield f"{_BOLD}{line}{_RESET}" if bold and not index else line


def _disagreements(report: ComparisonReport) -> str:
    """The most frequent changes of the class of an object."""
    shown = [
        f"{escape(each.ground_truth)} {_class(each.first)} -> {_class(each.second)}: {number(each.count)}"
        for each in report.disagreements[:_DISAGREEMENTS]
    ]
    rest = len(report.disagreements) - len(shown)
    return f"most frequent changes: {'; '.join(shown)}{f'; {number(rest)} more kinds' if rest else ''}"


def _class(name: str | None) -> str:
    return "missed" if name is None else f"as {escape(name)}"


def _images(report: ComparisonReport) -> str:
    totals = [
        (
            sum(int(each.false_positives.sum()) for each in side),
            sum(each.mistakes for each in side),
        )
        for side in ([one.first for one in report.images], [one.second for one in report.images])
    ]
    unchanged = len(report.images) - report.better - report.worse
    return (
        f"false positives {number(totals[0][0])} -> {number(totals[1][0])}, mistakes {number(totals[0][1])} -> "
        f"{number(totals[1][1])}; {counted(report.better, 'image')} better, {number(report.worse)} worse, "
        f"{number(unchanged)} unchanged"
    )
