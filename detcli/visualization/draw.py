"""Boxes or masks, names and scores drawn on a copy of an image, to be read at any size of it.

Lines and letters are fitted to the image; each label takes the place around its box where it hides the least.
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
from detcli.visualization.label_boxes import covered, make_tags, stamp
from detcli.visualization.label_placement import MaskRegion, mask_places
from detcli.visualization.mask_drawing import paint
from detcli.visualization.text_renderer import text_renderer

_FITTED = DrawingStyle()


@dataclass(frozen=True, slots=True)
class DrawnBox:
    """A box to draw: [4] left, top, right, bottom, its color, and what stands on its label."""

    box: npt.NDArray[np.float64]
    color: Color
    name: str
    score: str = ""


def draw(pixels: Pixels, detections: Detections, labels: ClassLabels, style: DrawingStyle = _FITTED) -> Pixels:
    """A copy of the image, uint8 [H, W, 3] RGB, with its detections; the best score lies on top.

    Where there are masks, they are drawn in place of the boxes. Where objects are tracked, each has a color of its own
    from frame to frame, and its number behind its name.

    Raises UsageError for a font file that is none.
    """
    if detections.masks is not None:
        return _draw_masks(pixels, detections, labels, style)
    scores = [f"{score:.2f}" for score in detections.scores.tolist()]
    colors = _tracks(detections) or [color(class_id) for class_id in detections.class_ids.tolist()]
    rows = zip(detections.boxes_xyxy, colors, _names(detections, labels), scores, strict=True)
    return draw_boxes(pixels, [DrawnBox(*row) for row in rows], style)


def _names(detections: Detections, labels: ClassLabels) -> list[str]:
    """What stands on each label: "person", or "person #7" for the seventh object that is tracked."""
    names = [labels.names[class_id] for class_id in detections.class_ids.tolist()]
    if detections.track_ids is None:
        return names
    return [f"{name} #{track}" for name, track in zip(names, detections.track_ids.tolist(), strict=True)]


def _tracks(detections: Detections) -> list[Color]:
    """A color for each track, those of neighbours in number far apart; none where nobody tracks."""
    return [] if detections.track_ids is None else [color(track) for track in detections.track_ids.tolist()]


def _draw_masks(pixels: Pixels, detections: Detections, labels: ClassLabels, style: DrawingStyle) -> Pixels:
    """Each pixel in the color of the smallest mask that covers it, so that a tie is seen on the shirt it is worn on."""
    canvas = np.array(pixels, order="C")
    masks, class_ids = detections.masks or (), detections.class_ids.tolist()
    if not masks:
        return canvas
    size_hw = (canvas.shape[0], canvas.shape[1])
    numbers = sorted(range(1, len(masks) + 1), key=lambda number: masks[number - 1].area)
    ids = id_map([masks[number - 1] for number in numbers], numbers, size_hw)
    colors = _tracks(detections) or _shades(class_ids)
    paint(canvas, ids, colors, style.line_width or max(1, line_width(size_hw) // 2))
    if not style.hide_labels:
        names = _names(detections, labels)
        scores = ["" if style.hide_scores else f"{score:.2f}" for score in detections.scores.tolist()]
        tags = make_tags(size_hw, names, scores, colors, text_renderer(style.font))
        regions = [MaskRegion.of(ids, number, mask.box_xyxy) for number, mask in enumerate(masks, 1)]
        stuff = [class_id in labels.stuff for class_id in class_ids]
        stamp(canvas, tags, mask_places(size_hw, regions, [tag.shape[:2] for tag in tags], stuff))
    return canvas


def _shades(class_ids: Sequence[int]) -> list[Color]:
    """A color of its class for each, another shade for each one more of the same."""
    before: Counter[int] = Counter()
    shades: list[Color] = []
    for class_id in class_ids:
        shades.append(color(class_id, before[class_id]))
        before[class_id] += 1
    return shades


def draw_boxes(pixels: Pixels, boxes: Sequence[DrawnBox], style: DrawingStyle = _FITTED) -> Pixels:
    """A copy of the image, uint8 [H, W, 3] RGB, with boxes in any colors; the first lies on top."""
    canvas = np.array(pixels, order="C")
    if not boxes:
        return canvas
    line = style.line_width or line_width(canvas.shape[:2])
    for inked in reversed(boxes):
        _outline(canvas, inked.box, inked.color, line)
    if not style.hide_labels:
        names = [inked.name for inked in boxes]
        scores = ["" if style.hide_scores else inked.score for inked in boxes]
        tags = make_tags(canvas.shape[:2], names, scores, [inked.color for inked in boxes], text_renderer(style.font))
        edges = np.array([inked.box for inked in boxes])
        places = _places(canvas.shape[:2], edges, [tag.shape[:2] for tag in tags], line)
        stamp(canvas, tags, places)
    return canvas


def line_width(size_hw: tuple[int, ...]) -> int:
    """Pixels of a line that is seen when the whole image is: 1 at thumbnails, 2 at VGA, 10 at 12 megapixels."""
    return max(1, round(math.sqrt(size_hw[0] * size_hw[1]) / 340))


def _outline(canvas: Pixels, box: npt.NDArray[np.float64], ink: Color, line: int) -> None:
    """Draw a rectangle whose line runs along the edge of the box, and all of it inside the image."""
    height, width = canvas.shape[:2]
    x_min, y_min, x_max, y_max = box.tolist()
    line = max(1, min(line, round(min(x_max - x_min, y_max - y_min) / 5)))
    rim = -(-line // 6) if line > 1 else 0
    left, right = (min(max(round(x - line / 2), 0), max(0, width - line)) for x in (x_min, x_max))
    top, bottom = (min(max(round(y - line / 2), 0), max(0, height - line)) for y in (y_min, y_max))
    if rim:
        for band in _bands((left - rim, top - rim, right + line + rim, bottom + line + rim), line + 2 * rim):
            canvas[band] >>= 1
    for band in _bands((left, top, right + line, bottom + line), line):
        canvas[band] = ink


def _bands(edges: tuple[int, int, int, int], line: int) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the four sides of a rectangle, each pixel in one of them."""
    left, top, right, bottom = edges
    columns = slice(max(0, left), right)
    yield slice(max(0, top), top + line), columns
    yield slice(max(0, bottom - line, top + line), bottom), columns
    rows = slice(max(0, top + line), max(0, bottom - line))
    yield rows, slice(max(0, left), left + line)
    yield rows, slice(max(0, right - line, left + line), right)


def _places(
    size_hw: tuple[int, ...],
    boxes_xyxy: npt.NDArray[np.float64],
    tag_sizes_hw: Sequence[tuple[int, ...]],
    line: int,
) -> list[tuple[int, int]]:
    """Left and top of each label: above its box if nothing is in the way, else where it covers the least.

    The best scores choose first.
    """
    taken = np.empty((len(tag_sizes_hw), 4))
    places: list[tuple[int, int]] = []
    for number, ((height, width), box) in enumerate(zip(tag_sizes_hw, boxes_xyxy.tolist(), strict=True)):
        spots = np.array(_spots(size_hw, box, height, width, line))  # [S, 3] left, top, cost
        hidden = covered(spots[:, :2], height, width, taken[:number])
        left, top, _ = spots[int(np.argmin(hidden + spots[:, 2]))].tolist()
        taken[number] = left, top, left + width, top + height
        places.append((int(left), int(top)))
    return places


def _spots(
    size_hw: tuple[int, ...], box: Sequence[float], height: int, width: int, line: int
) -> list[tuple[float, float, float]]:
    """Left and top where a label may stand, and how little it is liked: 1 is as bad as lying on another label."""
    half = line - line // 2
    x_min, y_min, x_max, y_max = (round(edge) for edge in box)
    first, last = x_min - line // 2, x_max + half - width
    middle = (first + last) // 2
    upper, lower = y_min - line // 2, y_max + half
    inside = 0.03 + min(1.0, 0.8 * height * width / max(1, (x_max - x_min) * (y_max - y_min)))  # of the object hidden
    wanted = (
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
    spots: list[tuple[float, float, float]] = []
    for x, y, cost in wanted:
        left, top = min(max(x, 0), size_hw[1] - width), min(max(y, 0), size_hw[0] - height)
        pushed = top != y or abs(left - x) > width // 2
        spots.append((left, top, cost + (0.5 + inside if pushed else 0.0)))
    return spots
