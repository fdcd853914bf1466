"""Positions of the labels of boxes: outside the box if there is space; on small images labels become shorter or disappear."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from detcli.structures.frame import Pixels
from detcli.visualization.colors import Color
from detcli.visualization.label_boxes import MIN_TEXT_SIZE, covered_share, label_image
from detcli.visualization.text_renderer import TextRenderer

SMALL_SIDE = 384  # pixels: on images whose longer side is at most this, labels give way
_MAX_COVERED = 0.35  # fraction of any box that a label may cover
_MAX_SPACE = 0.25  # fraction of the image that all labels may cover
_MAX_SIZE = 0.35  # area of a label with a score or large letters, in areas of its box
_SHORTENED = 4  # characters of a shortened name, with its ellipsis

Boxes = npt.NDArray[np.float64]
Placed = tuple[Pixels, tuple[int, int]]  # label image, left and top


def place_labels(
    size_hw: tuple[int, ...], boxes_xyxy: Boxes, label_sizes_hw: Sequence[tuple[int, ...]], line: int
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


def fit_labels(
    size_hw: tuple[int, ...], boxes_xyxy: Boxes, variants: Sequence[Sequence[Pixels]], line: int
) -> list[Placed | None]:
    """Choose a label image for each box, and its position, so that labels cover neither each other nor much of any box.

    variants  the label images of each box, the preferred one first; if none fits, the box has no label

    The first boxes choose first. A label is completely inside the image, and at most a third as high. All together cover
    at most a quarter of it.
    """
    occupied, fitted = np.empty((0, 4)), list[Placed | None]()
    space = _MAX_SPACE * size_hw[0] * size_hw[1]
    for box, own_variants in zip(boxes_xyxy.tolist(), variants, strict=True):
        placed = None
        for image in own_variants:
            if image.shape[0] * image.shape[1] > space:
                continue
            position = _free_position(size_hw, box, image.shape[:2], line, boxes_xyxy, occupied)
            if position is not None:
                placed = image, position
                right, bottom = position[0] + image.shape[1], position[1] + image.shape[0]
                occupied = np.append(occupied, [[*position, right, bottom]], axis=0)
                space -= image.shape[0] * image.shape[1]
                break
        fitted.append(placed)
    return fitted


def label_variants(
    name: str, score: str, background: Color, *, size: int, box_area: float, renderer: TextRenderer
) -> Iterator[Pixels]:
    """A label for a small image, then shorter ones: without the score, with smaller letters, with a shortened name.

    size      of the letters in pixels
    box_area  in pixels; only the shortest labels may be large compared with their box
    """
    short = name if len(name) <= _SHORTENED else name[: _SHORTENED - 1] + "…"
    for text, number, letters in dict.fromkeys(((name, score, size), (name, score, MIN_TEXT_SIZE), (name, "", size))):
        image = label_image(text, number, letters, background, renderer)
        if image.shape[0] * image.shape[1] <= _MAX_SIZE * box_area:
            yield image
    for text in dict.fromkeys((name, short)):
        yield label_image(text, "", MIN_TEXT_SIZE, background, renderer)


def _free_position(
    size_hw: tuple[int, ...],
    box: Sequence[float],
    label_hw: tuple[int, ...],
    line: int,
    boxes_xyxy: Boxes,
    occupied: Boxes,
) -> tuple[int, int] | None:
    """The best left and top of a label that covers no other one and not too much of any box; None if there is none."""
    height, width = label_hw
    if not (0 < 3 * height <= size_hw[0] and 0 < width <= size_hw[1]):
        return None
    candidates = np.array(_candidates(size_hw, box, height, width, line))
    places = candidates[:, :2]
    corners = np.concatenate((places, places + np.array([width, height])), axis=1)
    free = covered_share(places, height, width, occupied) == 0
    free &= (_covered_fractions(corners, boxes_xyxy) <= _MAX_COVERED).all(axis=1)
    if not free.any():
        return None
    left, top, _ = candidates[int(np.argmin(np.where(free, candidates[:, 2], np.inf)))].tolist()
    return int(left), int(top)


def _covered_fractions(labels: Boxes, boxes: Boxes) -> Boxes:
    """The fraction of each box [N, 4] that each label [S, 4] covers: [S, N]."""
    shared = np.minimum(labels[:, None, 2:], boxes[:, 2:]) - np.maximum(labels[:, None, :2], boxes[:, :2])
    areas = np.maximum(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), 1.0)
    fractions: Boxes = np.prod(np.maximum(shared, 0), axis=2) / areas
    return fractions


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
