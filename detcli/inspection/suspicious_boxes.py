"""Findings about boxes that are valid, but hardly right: one size, one place, one corner, coordinates from 1."""

from collections.abc import Iterator

import numpy as np

from detcli.inspection.box_table import Boxes, BoxTable, Mask
from detcli.inspection.findings import DataPart, Finding, boxes_are, boxes_finding
from detcli.text import counted

_MIN_BOXES, _MIN_IMAGES = 20, 10  # of fewer, nothing is suspicious
_ONE_SIZE, _ONE_PLACE, _WHOLE = (
    0.9,
    0.5,
    0.9,
)  # share of boxes of one size, of images with a box in one place, of whole images
_WHOLE_SHARE = 0.98  # of the area of the image
_CORNER, _AT_EDGE = 0.6, 0.05  # share of width and height
_MIN_AT_EDGE = 3  # boxes


def suspicious_boxes(part: DataPart, table: BoxTable) -> Iterator[Finding]:
    """Findings about the boxes of a part as a whole; none if they are few."""
    if len(table) >= _MIN_BOXES and len(np.unique(table.images)) >= _MIN_IMAGES:
        whole = table.sides_wh.prod(axis=1) >= _WHOLE_SHARE * table.image_wh.prod(axis=1)
        if whole.mean() >= _WHOLE:
            found = [_whole_images(part, table, whole)]
        else:
            found = [*_one_size(part, table), *_one_place(part, table, whole)]
        yield from found or _one_corner(part, table)
        yield from _counted_from_one(part, table)


def _whole_images(part: DataPart, table: BoxTable, whole: Mask) -> Finding:
    return boxes_finding(
        "whole-images",
        "warning",
        part,
        table,
        whole,
        f"{boxes_are(whole)} as large as the image, as labels of classification are",
        "draw boxes around the objects",
    )


def _one_size(part: DataPart, table: BoxTable) -> Iterator[Finding]:
    """Boxes of one size, in pixels or as a part of their image."""
    for sides, shown in (
        (table.sides_wh, "{:g} x {:g} pixels"),
        (100 * table.sides_wh / table.image_wh, "{:g}% x {:g}% of the image"),
    ):
        size, chosen = _most_frequent(np.round(sides, 1))
        if chosen.mean() >= _ONE_SIZE:
            yield boxes_finding(
                "one-size",
                "warning",
                part,
                table,
                chosen,
                f"{boxes_are(chosen)} {shown.format(*size)}, of {len(table):,} in all: one size for all objects is hardly right",
                "check what wrote the boxes, and draw them around the objects",
            )
            return


def _one_place(part: DataPart, table: BoxTable, whole: Mask) -> Iterator[Finding]:
    """Boxes in one place, in pixels or as a part of their image."""
    for boxes, unit in (
        (table.boxes_xyxy, ""),
        (100 * table.boxes_xyxy / np.tile(table.image_wh, 2), " in percent of the image"),
    ):
        box, chosen = _most_frequent(np.round(boxes, 1))
        images = len(np.unique(table.images[chosen]))
        if images >= _ONE_PLACE * len(np.unique(table.images)) and not whole[chosen].any():
            left, top, right, bottom = (f"{value:g}" for value in box)
            yield boxes_finding(
                "one-place",
                "warning",
                part,
                table,
                chosen,
                f"{boxes_are(chosen)} in one place, from {left}, {top} to {right}, {bottom}{unit}, in {images:,} images",
                "check what wrote the boxes",
            )
            return


def _one_corner(part: DataPart, table: BoxTable) -> Iterator[Finding]:
    """Boxes of images that were resized or padded afterwards: all of them are in one corner."""
    fractions = table.boxes_xyxy / np.tile(table.image_wh, 2)
    low, high = np.quantile(fractions[:, :2], 0.01, axis=0), np.quantile(fractions[:, 2:], 0.99, axis=0)
    at_end = high >= 1 - _AT_EDGE
    if (high - low <= _CORNER).all() and ((low <= _AT_EDGE) | at_end).all():
        corner = f"{'bottom' if at_end[1] else 'top'} {'right' if at_end[0] else 'left'}"
        width, height = high - low
        yield Finding(
            "one-corner",
            "warning",
            (part.name,),
            f"all boxes are in the {corner} corner of their images, in {width:.0%} of the width and {height:.0%} of the height",
            len(table),
            advice="check whether the images were resized after the boxes were drawn",
        )


def _counted_from_one(part: DataPart, table: BoxTable) -> Iterator[Finding]:
    """Integer coordinates from 1 to the size, or from 0 to the size less 1, instead of from 0 to the size."""
    boxes, sizes = table.boxes_xyxy, table.image_wh
    if not np.array_equal(boxes, np.round(boxes)):
        return
    starts, ends = boxes[:, :2], boxes[:, 2:]
    at_zero, at_one = (starts == 0).sum(axis=0), (starts == 1).sum(axis=0)
    at_size, before_size = (ends == sizes).sum(axis=0), (ends == sizes - 1).sum(axis=0)
    if not at_zero.any() and min(*at_one, *at_size) >= _MIN_AT_EDGE:
        yield Finding(
            "counted-from-one",
            "warning",
            (part.name,),
            f"no box starts at pixel 0, and {counted(int(at_one.sum()), 'edge is', 'edges are')} at pixel 1: coordinates seem to "
            "be counted from 1, as in Pascal VOC",
            int(at_one.sum()),
            advice="subtract 1 from left and top, and leave right and bottom",
        )
    if not at_size.any() and min(*before_size, *at_zero) >= _MIN_AT_EDGE:
        yield Finding(
            "inclusive-ends",
            "note",
            (part.name,),
            f"no box ends at the edge of its image, and {counted(int(before_size.sum()), 'edge is', 'edges are')} one pixel before "
            "it: right and bottom seem to be the last pixel of an object, not the edge after it",
            int(before_size.sum()),
            advice="add 1 to width and height",
        )


def _most_frequent(rows: Boxes) -> tuple[list[float], Mask]:
    """The most frequent row, and which rows are equal to it."""
    values, inverse, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    best = int(counts.argmax())
    return values[best].tolist(), np.asarray(inverse.reshape(-1) == best)
