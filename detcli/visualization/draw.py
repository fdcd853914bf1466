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
from detcli.visualization.colors import Color, color
from detcli.visualization.drawing_style import DrawingStyle
from detcli.visualization.id_map import id_map
from detcli.visualization.label_boxes import covered_share, paste_labels, render_labels
from detcli.visualization.label_placement import MaskRegion, place_mask_labels
from detcli.visualization.mask_drawing import paint_regions
from detcli.visualization.text_renderer import text_renderer

_DEFAULT_STYLE = DrawingStyle()


@dataclass(frozen=True, slots=True)
class DrawnBox:
    """A box to draw: [4] left, top, right, bottom, its color, and the text of its label."""

    box: npt.NDArray[np.float64]
    color: Color
    name: str
    score: str = ""


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
    rows = zip(detections.boxes_xyxy, colors, _names(detections, labels), scores, strict=True)
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
        label_images = render_labels(size_hw, names, scores, colors, text_renderer(style.font))
        regions = [MaskRegion.of(ids, number, mask.box_xyxy) for number, mask in enumerate(masks, 1)]
        stuff = [class_id in labels.stuff for class_id in class_ids]
        paste_labels(
            canvas,
            label_images,
            place_mask_labels(size_hw, regions, [label_image.shape[:2] for label_image in label_images], stuff),
        )
    return canvas


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
        _outline(canvas, drawn.box, drawn.color, line)
    if not style.hide_labels:
        names = [drawn.name for drawn in boxes]
        scores = ["" if style.hide_scores else drawn.score for drawn in boxes]
        label_images = render_labels(
            canvas.shape[:2], names, scores, [drawn.color for drawn in boxes], text_renderer(style.font)
        )
        edges = np.array([drawn.box for drawn in boxes])
        positions = _label_positions(
            canvas.shape[:2], edges, [label_image.shape[:2] for label_image in label_images], line
        )
        paste_labels(canvas, label_images, positions)
    return canvas


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


def _label_positions(
    size_hw: tuple[int, ...],
    boxes_xyxy: npt.NDArray[np.float64],
    label_sizes_hw: Sequence[tuple[int, ...]],
    line: int,
) -> list[tuple[int, int]]:
    """Left and top of each label: above its box if that is free, otherwise where it covers the least.

    Labels with the best scores are placed first.
    """
    occupied = np.empty((len(label_sizes_hw), 4))
    positions: list[tuple[int, int]] = []
    for number, ((height, width), box) in enumerate(zip(label_sizes_hw, boxes_xyxy.tolist(), strict=True)):
        candidates = np.array(_candidates(size_hw, box, height, width, line))  # [S, 3] left, top, cost
        hidden = covered_share(candidates[:, :2], height, width, occupied[:number])
        left, top, _ = candidates[int(np.argmin(hidden + candidates[:, 2]))].tolist()
        occupied[number] = left, top, left + width, top + height
        positions.append((int(left), int(top)))
    return positions


def _candidates(
    size_hw: tuple[int, ...], box: Sequence[float], height: int, width: int, line: int
) -> list[tuple[float, float, float]]:
    """Candidate positions of a label: left, top and cost; a cost of 1 is as bad as covering another label."""
    half = line - line // 2
    x_min, y_min, x_max, y_max = (round(edge) for edge in box)
    first, last = x_min - line // 2, x_max + half - width
    middle = (first + last) // 2
    upper, lower = y_min - line // 2, y_max + half
    inside = 0.03 + min(
        1.0, 0.8 * height * width / max(1, (x_max - x_min) * (y_max - y_min))
    )  # share of the object that is hidden
    preferred = (
        (first, upper - height, 0.0),
        (first, upper, inside),
        (first, lower, 0.05),
        (last, upper - height, 0.06),
        (last, lower, 0.07),
        (middle, upper - height, 0.08),
        (middle, lower, 0.09),
        (x_max + half, upper, 0.1),
        (first - width, upper, 0.11),
        (last, upper, inside + 0.02),
        (first, lower - height, inside + 0.03),
        (last, lower - height, inside + 0.04),
        (middle, (upper + lower - height) // 2, inside + 0.05),
    )
    candidates: list[tuple[float, float, float]] = []
    for x, y, cost in preferred:
        left, top = min(max(x, 0), size_hw[1] - width), min(max(y, 0), size_hw[0] - height)
        is_moved = top != y or abs(left - x) > width // 2
        candidates.append((left, top, cost + (0.5 + inside if is_moved else 0.0)))
    return candidates
