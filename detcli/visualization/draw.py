"""Draws boxes or masks with names and scores on a copy of an image.

The size of lines and text depends on the image; each label is placed around its box where it covers the least.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detcli.structures.class_labels import ClassLabels
from detcli.structures.detections import Detections
from detcli.structures.frame import Pixels
from detcli.visualization.box_labels import SMALL_SIDE, fit_labels, label_variants, place_labels
from detcli.visualization.colors import Color, color
from detcli.visualization.drawing_style import DrawingStyle
from detcli.visualization.edge_bands import draw_edge_bands
from detcli.visualization.id_map import id_map
from detcli.visualization.label_boxes import paste_labels, render_labels, text_size
from detcli.visualization.label_placement import MaskRegion, place_mask_labels
from detcli.visualization.mask_drawing import paint_regions
from detcli.visualization.text_renderer import text_renderer

_DEFAULT_STYLE = DrawingStyle()


@dataclass(frozen=True, slots=True)
class DrawnBox:
    """A box to draw: [4] left, top, right, bottom, its color, the text of its label, and [4] deviations of its edges."""

    box: npt.NDArray[np.float64]
    color: Color
    name: str
    score: str = ""
    std: npt.NDArray[np.float64] | None = None


def draw(pixels: Pixels, detections: Detections, labels: ClassLabels, style: DrawingStyle = _DEFAULT_STYLE) -> Pixels:
    """A copy of the image, uint8 [H, W, 3] RGB, with its detections; the best score is on top.

    If there are masks, they are drawn instead of the boxes. With tracking, each object has the same color in all frames,
    and its track id after its name.

    Raises UsageError for an invalid font file.
    """
    if detections.masks is not None:
        return _draw_masks(pixels, detections, labels, style)
    scores = [f"{score:.2f}" for score in detections.scores.tolist()]
    colors = _tracks(detections) or [color(class_id) for class_id in detections.class_ids.tolist()]
    has_bands = style.show_uncertainty and detections.box_std is not None
    std = detections.box_std if has_bands and detections.box_std is not None else [None] * len(detections)
    rows = zip(detections.boxes_xyxy, colors, _names(detections, labels), scores, std, strict=True)
    return draw_boxes(pixels, [DrawnBox(*row) for row in rows], style)


def _names(detections: Detections, labels: ClassLabels) -> list[str]:
    """The text of each label: "person", or "person #7" for track 7."""
    names = [labels.names[class_id] for class_id in detections.class_ids.tolist()]
    if detections.track_ids is None:
        return names
    return [f"{name} #{track}" for name, track in zip(names, detections.track_ids.tolist(), strict=True)]


def _tracks(detections: Detections) -> list[Color]:
    """The color of each track; consecutive tracks differ clearly. Empty without tracking."""
    return [] if detections.track_ids is None else [color(track) for track in detections.track_ids.tolist()]


def _draw_masks(pixels: Pixels, detections: Detections, labels: ClassLabels, style: DrawingStyle) -> Pixels:
    """Draw each pixel in the color of the smallest mask that covers it, so that a tie is visible on a shirt."""
    canvas = np.array(pixels, order="C")
    masks, class_ids = detections.masks or (), detections.class_ids.tolist()
    if not masks:
        return canvas
    size_hw = (canvas.shape[0], canvas.shape[1])
    numbers = sorted(range(1, len(masks) + 1), key=lambda number: masks[number - 1].area)
    ids = id_map([masks[number - 1] for number in numbers], numbers, size_hw)
    colors = _tracks(detections) or _shades(class_ids)
    paint_regions(canvas, ids, colors, style.line_width or max(1, line_width(size_hw) // 2))
    if not style.hide_labels:
        names = _names(detections, labels)
        scores = ["" if style.hide_scores else f"{score:.2f}" for score in detections.scores.tolist()]
        is_small = max(size_hw) <= SMALL_SIDE
        areas = [mask.area for mask in masks]
        label_images = _mask_labels(size_hw, names, scores, colors, areas if is_small else None, style)
        regions = [MaskRegion.of(ids, number, mask.box_xyxy) for number, mask in enumerate(masks, 1)]
        stuff = [class_id in labels.stuff for class_id in class_ids]
        paste_labels(
            canvas,
            label_images,
            place_mask_labels(
                size_hw, regions, [image.shape[:2] for image in label_images], stuff, may_overlap=not is_small
            ),
        )
    return canvas


def _mask_labels(
    size_hw: tuple[int, int],
    names: Sequence[str],
    scores: Sequence[str],
    colors: Sequence[Color],
    areas: Sequence[int] | None,
    style: DrawingStyle,
) -> list[Pixels]:
    """The label image of each mask; with areas, one that is not too large for its mask."""
    renderer = text_renderer(style.font)
    if areas is None:
        return render_labels(size_hw, names, scores, colors, renderer)
    size = text_size(size_hw, len(names))
    labels = []
    for name, score, background, area in zip(names, scores, colors, areas, strict=True):
        variants = label_variants(name, score, background, size=size, box_area=area, renderer=renderer)
        fitting = (image for image in variants if image.shape[1] <= size_hw[1] and 3 * image.shape[0] <= size_hw[0])
        labels.append(next(fitting, np.empty((0, 0, 3), np.uint8)))
    return labels


def _shades(class_ids: Sequence[int]) -> list[Color]:
    """The color of each class id, in another shade for each repetition."""
    before: Counter[int] = Counter()
    shades: list[Color] = []
    for class_id in class_ids:
        shades.append(color(class_id, before[class_id]))
        before[class_id] += 1
    return shades


def draw_boxes(pixels: Pixels, boxes: Sequence[DrawnBox], style: DrawingStyle = _DEFAULT_STYLE) -> Pixels:
    """A copy of the image, uint8 [H, W, 3] RGB, with boxes in given colors; the first is on top."""
    canvas = np.array(pixels, order="C")
    if not boxes:
        return canvas
    line = style.line_width or line_width(canvas.shape[:2])
    for drawn in reversed(boxes):
        if drawn.std is not None:
            draw_edge_bands(canvas, drawn.box, drawn.std, drawn.color)
        _outline(canvas, drawn.box, drawn.color, line)
    if not style.hide_labels:
        _draw_labels(canvas, boxes, style, line)
    return canvas


def _draw_labels(canvas: Pixels, boxes: Sequence[DrawnBox], style: DrawingStyle, line: int) -> None:
    """Paste the labels of boxes; on small images, as far as there is space."""
    size_hw, renderer = canvas.shape[:2], text_renderer(style.font)
    scores = ["" if style.hide_scores else drawn.score for drawn in boxes]
    edges = np.array([drawn.box for drawn in boxes])
    if max(size_hw) <= SMALL_SIDE:
        size, areas = text_size(size_hw, len(boxes)), (edges[:, 2:] - edges[:, :2]).prod(axis=1).tolist()
        variants = [
            [*label_variants(drawn.name, score, drawn.color, size=size, box_area=area, renderer=renderer)]
            for drawn, score, area in zip(boxes, scores, areas, strict=True)
        ]
        fitted = [placed for placed in fit_labels(size_hw, edges, variants, line) if placed is not None]
        paste_labels(canvas, [image for image, _ in fitted], [position for _, position in fitted])
        return
    names, colors = [drawn.name for drawn in boxes], [drawn.color for drawn in boxes]
    label_images = render_labels(size_hw, names, scores, colors, renderer)
    positions = place_labels(size_hw, edges, [label_image.shape[:2] for label_image in label_images], line)
    paste_labels(canvas, label_images, positions)


def line_width(size_hw: tuple[int, ...]) -> int:
    """Line width in pixels for an image size: 1 for thumbnails, 2 for VGA, 10 for 12 megapixels."""
    return max(1, round(math.sqrt(size_hw[0] * size_hw[1]) / 340))


def _outline(canvas: Pixels, box: npt.NDArray[np.float64], line_color: Color, line: int) -> None:
    """Draw a rectangle along the edge of the box, completely inside the image."""
    height, width = canvas.shape[:2]
    x_min, y_min, x_max, y_max = box.tolist()
    line = max(1, min(line, round(min(x_max - x_min, y_max - y_min) / 5)))
    outline = -(-line // 6) if line > 1 else 0
    left, right = (min(max(round(x - line / 2), 0), max(0, width - line)) for x in (x_min, x_max))
    top, bottom = (min(max(round(y - line / 2), 0), max(0, height - line)) for y in (y_min, y_max))
    if outline:
        for band in _bands(
            (left - outline, top - outline, right + line + outline, bottom + line + outline), line + 2 * outline
        ):
            canvas[band] >>= 1
    for band in _bands((left, top, right + line, bottom + line), line):
        canvas[band] = line_color


def _bands(edges: tuple[int, int, int, int], line: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the four sides of a rectangle, without overlap."""
    left, top, right, bottom = edges
    columns = slice(max(0, left), right)
    yield slice(max(0, top), top + line), columns
    yield slice(max(0, bottom - line, top + line), bottom), columns
    rows = slice(max(0, top + line), max(0, bottom - line))
    yield rows, slice(max(0, left), left + line)
    yield rows, slice(max(0, right - line, left + line), right)
