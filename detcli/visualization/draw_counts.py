"""Draws lines and zones with their counts on an image; an arrow at each line points to the side that is "in"."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image, ImageDraw

from detcli.counting.frame_counts import FrameCounts, LineCount, ZoneCount
from detcli.counting.geometry import Point
from detcli.structures.frame import Pixels
from detcli.visualization.colors import Color, color
from detcli.visualization.drawing_style import DrawingStyle
from detcli.visualization.label_boxes import label_image, paste_labels, text_size
from detcli.visualization.text_renderer import text_renderer

_FIRST_COLOR = 5  # of the colors of classes
_ARROW = 0.05  # length of the arrow, in diagonals of the image
_GAP = 4  # pixels between a line and its label
_HALO: Color = (0, 0, 0)


def draw_counts(pixels: Pixels, counts: FrameCounts, style: DrawingStyle, line_width: int) -> Pixels:
    """A copy of the image, uint8 [H, W, 3] RGB, with the lines and zones, their names and their counts.

    line_width  in pixels
    """
    image = Image.fromarray(pixels)
    canvas = ImageDraw.Draw(image)
    regions: list[LineCount | ZoneCount] = [*counts.zones.values(), *counts.lines.values()]
    colors = [color(_FIRST_COLOR + number) for number in range(len(regions))]
    for region, shade in zip(regions, colors, strict=True):
        for path in _paths(region, pixels.shape[:2]):
            canvas.line(path, fill=_HALO, width=line_width + 2, joint="curve")
            canvas.line(path, fill=shade, width=line_width, joint="curve")
    drawn = np.array(image)
    _draw_labels(drawn, regions, colors, style)
    return drawn


def _paths(region: LineCount | ZoneCount, size_hw: tuple[int, ...]) -> Iterator[list[Point]]:
    """The paths to draw: the border of a zone; a line and its arrow."""
    if isinstance(region, ZoneCount):
        yield [*region.points, *region.points[:2]]
        return
    start, end = region.points
    yield [start, end]
    middle, tip = arrow(start, end, _ARROW * math.hypot(*size_hw))
    yield [middle, tip]
    back = ((middle[0] - tip[0]) / 3, (middle[1] - tip[1]) / 3)
    wings = [(tip[0] + back[0] + sign * back[1], tip[1] + back[1] - sign * back[0]) for sign in (-1, 1)]
    yield [wings[0], tip, wings[1]]


def arrow(start: Point, end: Point, length: float) -> tuple[Point, Point]:
    """From the middle of a line to its left, as seen from its first point to its second: the side that is "in"."""
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    along = (end[0] - start[0], end[1] - start[1])
    scale = length / math.hypot(*along)
    return middle, (middle[0] + along[1] * scale, middle[1] - along[0] * scale)


def _draw_labels(
    canvas: Pixels, regions: Sequence[LineCount | ZoneCount], colors: Sequence[Color], style: DrawingStyle
) -> None:
    height, width = canvas.shape[:2]
    size, renderer = text_size((height, width), len(regions)), text_renderer(style.font)
    images = [
        label_image(region.name, _count(region), size, shade, renderer)
        for region, shade in zip(regions, colors, strict=True)
    ]
    positions: list[tuple[int, int] | None] = []
    for region, image in zip(regions, images, strict=True):
        space = width - image.shape[1], height - image.shape[0]
        left, top = _place(region, image.shape[0], image.shape[1])
        inside = min(max(0, round(left)), space[0]), min(max(0, round(top)), space[1])
        positions.append(inside if min(space) >= 0 else None)
    paste_labels(canvas, images, positions)


def _count(region: LineCount | ZoneCount) -> str:
    if isinstance(region, ZoneCount):
        return str(region.present)
    return f"in {region.in_count} out {region.out_count}"


def _place(region: LineCount | ZoneCount, height: int, width: int) -> Point:
    """Left and top of a label: inside the upper corner of a zone; at the middle of a line, on the side that is "out"."""
    if isinstance(region, ZoneCount):
        return min(region.points, key=lambda point: (point[1], point[0]))
    middle, tip = arrow(region.points[1], region.points[0], 1.0)
    away = (tip[0] - middle[0], tip[1] - middle[1])
    distance = abs(away[0]) * width / 2 + abs(away[1]) * height / 2 + _GAP
    return middle[0] + away[0] * distance - width / 2, middle[1] + away[1] * distance - height / 2
