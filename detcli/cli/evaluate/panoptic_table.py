"""Panoptic quality as a human-readable table."""

from collections.abc import Iterator

from rich.cells import cell_len, set_cell_size

from detcli.cli.detect.table import shortened
from detcli.cli.framework.console import escape
from detcli.evaluation.panoptic.panoptic_quality import SegmentCounts
from detcli.evaluation.panoptic.panoptic_report import PanopticReport

_NUMBERS = 35  # columns of the numbers
_Row = tuple[str, float | None, float | None, float | None, int]


def panoptic_table(report: PanopticReport, *, width: int = 100) -> Iterator[str]:
    """Lines: means of all, things and stuff, then one row per class; the names are shortened to the width."""
    metrics = report.metrics
    groups: list[_Row] = [(name, one.pq, one.sq, one.rq, one.classes) for name, one in metrics.groups.items()]
    classes: list[_Row] = []
    for category in metrics.categories:
        counts = metrics.accumulator.counts.get(category.category_id, SegmentCounts())
        quality = counts.quality
        if quality is not None:
            expected = counts.true_positives + counts.false_negatives
            classes.append((escape(category.name), quality.pq, quality.sq, quality.rq, expected))
    names = min(max(cell_len(row[0]) for row in (*groups, *classes)), max(6, width - _NUMBERS))
    yield from _rows("classes", groups, names)
    yield ""
    yield from _rows("ground truth", classes, names)


def _rows(title: str, rows: list[_Row], width: int) -> Iterator[str]:
    yield f"{'0 to 1':{width}}     PQ     SQ     RQ  {title:>12}"
    for name, pq, sq, rq, count in rows:
        shown = set_cell_size(shortened(name, width, end=True), width)
        yield f"{shown}  {_shown(pq):>5}  {_shown(sq):>5}  {_shown(rq):>5}  {count:>12,}"


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
