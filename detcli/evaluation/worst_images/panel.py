"""One panel of a page: the image at a readable size, with its boxes and as many labels as have space."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from detcli.evaluation.worst_images.outcomes import OutcomeBox
from detcli.structures.frame import Pixels
from detcli.visualization.box_labels import fit_labels
from detcli.visualization.colors import Color
from detcli.visualization.label_boxes import label_image, paste_labels
from detcli.visualization.text_renderer import text_renderer

MIN_SIDE, MAX_SIDE = 640, 1600  # pixels of the longer side
_SHARP_FROM = 4.0  # from this scale on, pixels are visible squares instead of blurred
_NAME_LENGTH = 6  # characters of a shortened name, with its ellipsis


def panel_scale(size_hw: tuple[int, ...]) -> float:
    """Pixels of the panel for each pixel of an image: 1 if its longer side is readable."""
    longer = max(size_hw)
    return min(max(longer, MIN_SIDE), MAX_SIDE) / longer


def line_width(size_hw: tuple[int, ...]) -> int:
    """Width of the lines of a panel in pixels: 3 to 6."""
    return max(3, round(max(size_hw) / 280))


def text_size(size_hw: tuple[int, ...], count: int) -> int:
    """Height of the letters of labels in pixels: smaller if there are many boxes."""
    size = round(10 + max(size_hw) / 200)
    return max(10, round(size * (1.0 if count <= 20 else 0.85 if count <= 60 else 0.75)))


def scaled_image(pixels: Pixels) -> Pixels:
    """A copy of the image at the size of a panel."""
    height, width = pixels.shape[:2]
    scale = panel_scale((height, width))
    if scale == 1:
        return np.array(pixels, order="C")
    size = max(1, round(width * scale)), max(1, round(height * scale))
    smooth = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC
    filtered = Image.Resampling.NEAREST if scale >= _SHARP_FROM else smooth
    return np.array(Image.fromarray(pixels).resize(size, filtered, reducing_gap=3.0 if scale < 1 else None))


def draw_panel(pixels: Pixels, boxes: Sequence[OutcomeBox]) -> Pixels:
    """A scaled copy of the image with boxes and labels; the first boxes are on top, and have labels first."""
    panel, scale = scaled_image(pixels), panel_scale(pixels.shape[:2])
    size_hw = panel.shape[:2]
    line, edges = line_width(size_hw), np.array([each.box for each in boxes]).reshape(-1, 4) * scale
    for each, box in reversed(list(zip(boxes, edges, strict=True))):
        draw_dashed_box(panel, box, each.outcome.color, each.outcome.dashes, line)
    size, renderer = text_size(size_hw, len(boxes)), text_renderer(None)
    variants = [
        [
            label_image(text, "", letters, each.outcome.color, renderer)
            for text, letters in dict.fromkeys(_texts(each.texts, size))
        ]
        for each in boxes
    ]
    placed = [label for label in fit_labels(size_hw, edges, variants, line) if label is not None]
    paste_labels(panel, [image for image, _ in placed], [position for _, position in placed])
    return panel


def _texts(texts: Sequence[str], size: int) -> Iterator[tuple[str, int]]:
    """The texts of a label with the size of their letters, the preferred one first."""
    yield from ((text, size) for text in texts)
    yield texts[-1], max(9, round(0.8 * size))
    shortest = texts[-1] if len(texts[-1]) <= _NAME_LENGTH else texts[-1][: _NAME_LENGTH - 1] + "…"
    yield shortest, max(9, round(0.8 * size))


def draw_dashed_box(
    canvas: Pixels, box: npt.NDArray[np.float64], color: Color, dashes: Sequence[float], line: int
) -> None:
    """Draw the outline of a box with dashes that have a dark edge, completely inside the canvas.

    dashes  lengths of lines and gaps in line widths; empty: a continuous line
    """
    height, width = canvas.shape[:2]
    left, right = (min(max(round(x - line / 2), 1), max(1, width - line - 1)) for x in (box[0], box[2]))
    top, bottom = (min(max(round(y - line / 2), 1), max(1, height - line - 1)) for y in (box[1], box[3]))
    pieces = [
        *((start, top, stop, top + line) for start, stop in _dashes(left, right + line, dashes, line)),
        *((start, bottom, stop, bottom + line) for start, stop in _dashes(left, right + line, dashes, line)),
        *((left, start, left + line, stop) for start, stop in _dashes(top, bottom + line, dashes, line)),
        *((right, start, right + line, stop) for start, stop in _dashes(top, bottom + line, dashes, line)),
    ]
    for x_min, y_min, x_max, y_max in pieces:
        canvas[max(0, y_min - 1) : y_max + 1, max(0, x_min - 1) : x_max + 1] = 0
    for x_min, y_min, x_max, y_max in pieces:
        canvas[y_min:y_max, x_min:x_max] = color


def _dashes(start: int, stop: int, dashes: Sequence[float], line: int) -> Iterator[tuple[int, int]]:
    """The drawn parts of a side from `start` to `stop`; both of its ends are drawn."""
    if not dashes:
        yield start, stop
        return
    position, number = float(start), 0
    while position < stop:
        length = max(2.0, dashes[number % len(dashes)] * line)
        if number % 2 == 0:
            yield round(position), min(stop, round(position + length))
        position += length
        number += 1
    yield max(start, stop - line), stop
