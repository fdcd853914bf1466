"""The statistics of a dataset as a human-readable table: a column for each part."""

from collections.abc import Iterator, Sequence

from rich.cells import cell_len, set_cell_size

from detcli.cli.framework.console import escape
from detcli.cli.framework.text import number
from detcli.inspection.dataset_statistics import DataStatistics, PartStatistics, SizeClasses, Summary, quantiles

_BOLD, _RESET = "\x1b[1m", "\x1b[0m"
_GAP = "  "
_WIDEST_NAME = 32
_SHOWN_SIZES = 3

Row = tuple[str, Sequence[str]]


def statistics_table(statistics: DataStatistics, *, width: int, bold: bool) -> Iterator[str]:
    """Lines: counts, classes, sizes of boxes and images.

    width  columns of the terminal
    bold   print headings in bold
    """
    parts = statistics.parts
    rows = [*_counts(parts), *_classes(parts), *_boxes(parts), *_images(parts)]
    names = min(_WIDEST_NAME, max(cell_len(name) for name, _ in rows))
    widths = [max(cell_len(cells[index]) for _, cells in rows if cells) for index in range(len(parts))]
    for name, cells in [("", [escape(part.part) for part in parts]), *rows]:
        if not cells:
            yield ""
            yield f"{_BOLD}{name}{_RESET}" if bold else name
            continue
        shown = name if cell_len(name) <= names else set_cell_size(name, names - 1).rstrip() + "…"
        padded = [" " * (columns - cell_len(cell)) + cell for cell, columns in zip(cells, widths, strict=False)]
        line = set_cell_size(shown, names) + _GAP + _GAP.join(padded)
        yield set_cell_size(line, width).rstrip() if cell_len(line) > width else line.rstrip()


def _counts(parts: Sequence[PartStatistics]) -> Iterator[Row]:
    yield "images", [number(part.images) for part in parts]
    yield "  without boxes", [number(part.empty) for part in parts]
    yield "boxes", [number(part.boxes) for part in parts]
    if any(part.crowd for part in parts):
        yield "  crowds besides", [number(part.crowd) for part in parts]
    yield "boxes per image", [_range(quantiles(part.boxes_per_image)) for part in parts]


def _classes(parts: Sequence[PartStatistics]) -> Iterator[Row]:
    yield "classes: boxes, share, images", []
    names = list(dict.fromkeys(each.name for part in parts for each in part.classes))
    by_name = [{each.name: each for each in part.classes} for part in parts]
    names.sort(key=lambda name: -sum(own[name].boxes for own in by_name if name in own))
    for name in names:
        cells = []
        for part, own in zip(parts, by_name, strict=True):
            found = own.get(name)
            share = found.boxes / part.boxes if found is not None and part.boxes else 0
            cells.append("-" if found is None else f"{number(found.boxes)}  {share:6.1%}  {number(found.images):>7}")
        yield f"  {escape(name)}", cells


def _boxes(parts: Sequence[PartStatistics]) -> Iterator[Row]:
    for title, sides in (
        ("boxes in pixels of the images", [part.table.sides_wh for part in parts]),
        (f"boxes in {parts[0].sizing.name}", [part.table.sized_wh(part.sizing) for part in parts]),
    ):
        yield title, []
        sizes = [SizeClasses.of(own) for own in sides]
        totals = [max(1, part.boxes) for part in parts]
        for name, what in (("small", "below 32 x 32"), ("medium", "below 96 x 96"), ("large", "and larger")):
            counts = [getattr(size, name) for size in sizes]
            shares = [f"{number(count)}  {count / total:6.1%}" for count, total in zip(counts, totals, strict=True)]
            yield f"  {name} ({what})", shares
        yield "  side of a square", [_range(quantiles(own.prod(axis=1) ** 0.5)) for own in sides]
    yield "width / height of boxes", []
    yield "  aspect ratio", [_range(quantiles(part.aspect_ratios)) for part in parts]


def _images(parts: Sequence[PartStatistics]) -> Iterator[Row]:
    yield "images: width x height", []
    listed = [part.image_sizes for part in parts]
    for place in range(min(_SHOWN_SIZES, max(map(len, listed)))):
        cells = [
            f"{own[place][0][0]} x {own[place][0][1]}  {number(own[place][1]):>7}" if place < len(own) else ""
            for own in listed
        ]
        yield ("  most frequent" if not place else "  then"), cells
    yield "  different sizes", [number(len(own)) for own in listed]


def _range(summary: Summary) -> str:
    """Median, and the range of nine in ten."""
    low, middle, high = (summary[name] for name in ("p5", "median", "p95"))
    if low is None or middle is None or high is None:
        return "-"
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"
