"""Labels as small images of name and score: their size, and how much they would cover."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from detcli.structures.frame import Pixels
from detcli.visualization.colors import Color, text_color
from detcli.visualization.text_renderer import TextRenderer

MIN_TEXT_SIZE = 8  # pixels: smaller text cannot be read
_MANY_LABELS = 30  # with more labels than this, text is smaller


def text_size(size_hw: tuple[int, ...], count: int) -> int:
    """Text size in pixels for an image size; smaller if there are many labels."""
    fitted: float = 0.19 * (size_hw[0] * size_hw[1]) ** 0.34
    crowded = 1.0 if count <= _MANY_LABELS else max(0.7, (_MANY_LABELS / count) ** 0.25)
    return max(MIN_TEXT_SIZE + 2, int(fitted * crowded + 0.5))


def render_labels(
    size_hw: tuple[int, ...],
    names: Sequence[str],
    scores: Sequence[str],
    colors: Sequence[Color],
    renderer: TextRenderer,
) -> list[Pixels]:
    """Render each label as an image that is not wider than the image it is drawn on."""
    size = text_size(size_hw, len(names))
    longest = max(zip(names, scores, strict=True), key=lambda label: len(label[0]) + len(label[1]))
    while size > MIN_TEXT_SIZE and label_image(*longest, size, (0, 0, 0), renderer).shape[1] > size_hw[1]:
        size -= 1
    return [
        _fitting_label_image(size_hw, name, score, size, background, renderer)
        for name, score, background in zip(names, scores, colors, strict=True)
    ]


def _fitting_label_image(
    size_hw: tuple[int, ...], name: str, score: str, size: int, background: Color, renderer: TextRenderer
) -> Pixels:
    """The label image, with shortened text if it is too wide; empty if it would cover most of the image."""
    height, width = size_hw
    candidates = [(name, score), (name, "")] + [(name[:count] + "…", "") for count in range(len(name) - 1, 1, -1)]
    for text, number in candidates:
        image = label_image(text, number, size, background, renderer)
        if image.shape[1] <= width and 3 * image.shape[0] <= height:
            return image
    return np.empty((0, 0, 3), np.uint8)


@lru_cache(maxsize=512)  # 70 kB and half a millisecond each, for images of 12 megapixels
def label_image(name: str, score: str, size: int, background: Color, renderer: TextRenderer) -> Pixels:
    """Name and score on a background of the class color, uint8 [height, width, 3]."""
    edge, gap = max(1, round(size * 0.22)), round(size * 0.6)  # so that "#1 0.98" is not read as "#10.98"
    texts = [renderer.write(text, size) for text in (name, score) if text]
    above = max((text.baseline for text in texts), default=0)
    below = max((len(text.opacity) - text.baseline for text in texts), default=0)
    width = 2 * edge + gap * max(0, len(texts) - 1) + sum(text.opacity.shape[1] for text in texts)
    opacity = np.zeros((above + below, width, 1), np.uint16)
    x = edge
    for text in texts:
        rows, columns = text.opacity.shape
        opacity[above - text.baseline :][:rows, x : x + columns, 0] = text.opacity
        x += columns + gap
    mixed = opacity * np.array(text_color(background), np.uint16) + (255 - opacity) * np.array(background, np.uint16)
    image: Pixels = ((mixed + 127) // 255).astype(np.uint8)
    image.setflags(write=False)  # shared by all callers
    return image


def covered_share(
    positions: npt.NDArray[np.float64], height: int, width: int, rectangles: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """How much of rectangles [T, 4] a label at each position [S, 2] would cover, in units of its area: [S]."""
    left, top = positions[:, 0, None], positions[:, 1, None]
    shared_width = np.minimum(left + width, rectangles[:, 2]) - np.maximum(left, rectangles[:, 0])
    shared_height = np.minimum(top + height, rectangles[:, 3]) - np.maximum(top, rectangles[:, 1])
    shared: npt.NDArray[np.float64] = (np.maximum(shared_width, 0) * np.maximum(shared_height, 0)).sum(axis=1)
    return shared / max(1, width * height)


def paste_labels(canvas: Pixels, label_images: Sequence[Pixels], positions: Sequence[tuple[int, int] | None]) -> None:
    """Paste label images at their left and top; those without a position are left out, and the first is on top."""
    for image, position in reversed(list(zip(label_images, positions, strict=True))):
        if position is None:
            continue
        left, top = position
        canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
