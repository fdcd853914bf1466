"""Tags: names and scores as small images, to be laid on a large one; how large they are, and what they would hide."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from detcli.structures.frame import Pixels
from detcli.visualization.colors import Color, text_color
from detcli.visualization.text_renderer import TextRenderer

_SMALLEST_LETTERS = 8  # pixels: smaller ones cannot be read
_CROWD = 30  # tags; where there are more, letters are smaller


def letter_size(size_hw: tuple[int, ...], count: int) -> int:
    """Pixels of letters to be read when the whole image is seen, smaller where there are many tags."""
    fitted: float = 0.19 * (size_hw[0] * size_hw[1]) ** 0.34
    crowded = 1.0 if count <= _CROWD else max(0.7, (_CROWD / count) ** 0.25)
    return max(_SMALLEST_LETTERS + 2, int(fitted * crowded + 0.5))


def make_tags(
    size_hw: tuple[int, ...],
    names: Sequence[str],
    scores: Sequence[str],
    colors: Sequence[Color],
    letters: TextRenderer,
) -> list[Pixels]:
    """A small image of each label, none wider than the image it continues."""
    size = letter_size(size_hw, len(names))
    longest = max(zip(names, scores, strict=True), key=lambda label: len(label[0]) + len(label[1]))
    while size > _SMALLEST_LETTERS and _tag(*longest, size, (0, 0, 0), letters).shape[1] > size_hw[1]:
        size -= 1
    return [
        _fitting_tag(size_hw, name, score, size, ink, letters)
        for name, score, ink in zip(names, scores, colors, strict=True)
    ]


def _fitting_tag(
    size_hw: tuple[int, ...], name: str, score: str, size: int, ink: Color, letters: TextRenderer
) -> Pixels:
    """The label, shortened where the image is too small for it; nothing where it would hide most of the image."""
    height, width = size_hw
    candidates = [(name, score), (name, "")] + [(name[:count] + "…", "") for count in range(len(name) - 1, 1, -1)]
    for text, number in candidates:
        tag = _tag(text, number, size, ink, letters)
        if tag.shape[1] <= width and 3 * tag.shape[0] <= height:
            return tag
    return np.empty((0, 0, 3), np.uint8)


@lru_cache(maxsize=512)  # of 70 kB each where images have 12 megapixels; one takes half a millisecond then
def _tag(name: str, score: str, size: int, ink: Color, letters: TextRenderer) -> Pixels:
    """Name and score on a ground of the class's color, uint8 [height, width, 3]."""
    edge, gap = max(1, round(size * 0.22)), round(size * 0.6)  # "#1 0.98" is not to be read as "#10.98"
    texts = [letters.write(text, size) for text in (name, score) if text]
    above = max((text.baseline for text in texts), default=0)
    below = max((len(text.opacity) - text.baseline for text in texts), default=0)
    width = 2 * edge + gap * max(0, len(texts) - 1) + sum(text.opacity.shape[1] for text in texts)
    opacity = np.zeros((above + below, width, 1), np.uint16)
    x = edge
    for text in texts:
        rows, columns = text.opacity.shape
        opacity[above - text.baseline :][:rows, x : x + columns, 0] = text.opacity
        x += columns + gap
    mixed = opacity * np.array(text_color(ink), np.uint16) + (255 - opacity) * np.array(ink, np.uint16)
    tag: Pixels = ((mixed + 127) // 255).astype(np.uint8)
    tag.setflags(write=False)  # every caller gets the same one
    return tag


def covered(
    spots: npt.NDArray[np.float64], height: int, width: int, taken: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """How much of a label at each spot [S, 2] would lie on rectangles [T, 4], as a multiple of its area, [S]."""
    left, top = spots[:, 0, None], spots[:, 1, None]
    wide = np.minimum(left + width, taken[:, 2]) - np.maximum(left, taken[:, 0])
    high = np.minimum(top + height, taken[:, 3]) - np.maximum(top, taken[:, 1])
    shared: npt.NDArray[np.float64] = (np.maximum(wide, 0) * np.maximum(high, 0)).sum(axis=1)
    return shared / max(1, width * height)


def stamp(canvas: Pixels, tags: Sequence[Pixels], places: Sequence[tuple[int, int] | None]) -> None:
    """Lay tags on the image, left and top of each given, those without a place left out; the first lies on top."""
    for tag, place in reversed(list(zip(tags, places, strict=True))):
        if place is None:
            continue
        left, top = place
        canvas[top : top + tag.shape[0], left : left + tag.shape[1]] = tag
