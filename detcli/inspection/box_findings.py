"""Findings about single boxes: too small for the network, fractions of the image, nearly equal ones; and empty images."""

from collections.abc import Iterator

import numpy as np

from detcli.inspection.box_table import BoxTable, InputSizing, Mask
from detcli.inspection.findings import DataPart, Finding, boxes_are, boxes_finding, first_names
from detcli.inspection.overlaps import overlapping_pairs
from detcli.text import counted

TINY = 4.0  # pixels of the shorter side at the input size: half a cell of the finest map of most networks
_MANY_TINY = 0.1  # share of the boxes from which tiny ones are a warning
_EMPTY = 0.5  # share of images without boxes


def box_findings(part: DataPart, table: BoxTable, sizing: InputSizing) -> Iterator[Finding]:
    """Findings about boxes, and about images without boxes.

    sizing  of the network that they are to be detected with
    """
    yield from _tiny(part, table, sizing)
    yield from _fractions(part, table)
    yield from _nearly_equal(part, table)
    yield from _empty_images(part, table)


def _tiny(part: DataPart, table: BoxTable, sizing: InputSizing) -> Iterator[Finding]:
    tiny: Mask = np.asarray(table.sized_wh(sizing).min(axis=1, initial=np.inf) < TINY)
    if tiny.any():
        yield boxes_finding(
            "tiny-boxes",
            "warning" if tiny.mean() >= _MANY_TINY else "note",
            part,
            table,
            tiny,
            f"{boxes_are(tiny)} less than {TINY:g} pixels wide or high in {sizing.name}: too small to be detected",
            "use a larger `image_size`, or cut the images into tiles",
        )


def _fractions(part: DataPart, table: BoxTable) -> Iterator[Finding]:
    first_pixel: Mask = np.asarray((table.boxes_xyxy[:, 2:] <= 1).all(axis=1) & (table.image_wh > 1).all(axis=1))
    if first_pixel.any():
        yield boxes_finding(
            "fractions",
            "warning",
            part,
            table,
            first_pixel,
            f"{boxes_are(first_pixel)} inside the first pixel of the image, as fractions that were written as pixels",
            "multiply them by the width and height of the image",
        )


def _nearly_equal(part: DataPart, table: BoxTable) -> Iterator[Finding]:
    first, second = overlapping_pairs(table)
    same = table.class_ids[first] == table.class_ids[second]
    for check, chosen, of, advice in (
        ("nearly-equal-boxes", same, "of the same class", "keep one of each"),
        ("two-classes", ~same, "of another class", "keep the right class, if these are no two objects"),
    ):
        rows = np.isin(np.arange(len(table)), second[chosen])
        if rows.any():
            what = f"{boxes_are(rows)} nearly equal to a box {of} in the same image"
            yield boxes_finding(check, "note", part, table, rows, what, advice)


def _empty_images(part: DataPart, table: BoxTable) -> Iterator[Finding]:
    images = len(table.sizes_wh)
    empty = np.setdiff1d(np.arange(images), table.images)
    if len(empty) > _EMPTY * images:
        origins = [part.dataset.origin(index) for index in empty.tolist()]
        yield Finding(
            "empty-images",
            "note",
            (part.name,),
            f"{len(empty):,} of {counted(images, 'image')} have no box",
            len(empty),
            first_names([origin.relative for origin in origins]),
            "check whether their annotations are missing",
            tuple((origin.file,) for origin in origins),
        )
