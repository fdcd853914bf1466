"""Renders a scene layout: background, shapes from bottom to top, and camera effects."""

from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.datasets.shapes.backgrounds import background, clutter
from detcli.datasets.shapes.camera_effects import photograph
from detcli.datasets.shapes.outlines import Outline
from detcli.datasets.shapes.scene_layout import SceneLayout, Shape
from detcli.datasets.shapes.shape_colors import Colors, distance, vivid
from detcli.opencv import cv2
from detcli.structures.frame import Pixels
from detcli.structures.masks import Rle
from detcli.structures.seeding import derive_seed

MIN_CONTRAST = 75  # color distance between a shape and three quarters of its surroundings
_CANDIDATES = 16  # colors to choose from for a shape
_GRID = 8  # rows and columns of the grid of samples around a shape

_Window = tuple[slice, slice]  # rows and columns of the image that contain a shape


def paint(layout: SceneLayout) -> Pixels:
    """Render a layout: uint8 [H, W, 3] RGB, contiguous. Thread-safe: no global state is used."""
    rng = np.random.default_rng(derive_seed(layout.seed, "paint"))
    canvas = background(rng, layout.size_hw)
    for shape in layout.shapes:
        if rng.random() < 0.25:
            cast_shadow(canvas, shape, rng)
        paint_shape(canvas, shape, rng)
    if rng.random() < 0.15:
        clutter(canvas, rng, most=3)
    return photograph(canvas, rng)


def visible_masks(layout: SceneLayout) -> tuple[Rle, ...]:
    """The visible mask of each shape, from bottom to top: pixels that it covers by half or more, and no later shape."""
    topmost = np.zeros(layout.size_hw, np.int32)
    for number, shape in enumerate(layout.shapes, start=1):
        window = _window(shape, layout.size_hw, margin=1)
        np.putmask(topmost[window], coverage(shape.outline, window) >= 128, number)
    return tuple(Rle.of(topmost == number) for number in range(1, len(layout.shapes) + 1))


def paint_shape(canvas: Pixels, shape: Shape, rng: np.random.Generator, colors: Colors | None = None) -> None:
    """Paint one shape in two given colors, or in two that contrast with its surroundings."""
    window = _window(shape, canvas.shape, margin=1)
    mask = coverage(shape.outline, window)  # uint8 [h, w]
    opacity = 1.0 if rng.random() < 0.8 else rng.uniform(0.75, 1.0)
    if colors is None:
        colors = contrasting_colors(canvas, shape.box_xyxy, rng, least=MIN_CONTRAST / opacity)
    first, second = colors
    fill = _fill(mask.shape, first, second, rng)  # float32 [h, w, 3] or [3]
    if rng.random() < 0.25:
        fill = _with_border(fill, mask, np.ptp(shape.outline[0], axis=0).max(), second)
    _blend(canvas[window], fill, mask, opacity)


def cast_shadow(canvas: Pixels, shape: Shape, rng: np.random.Generator) -> None:
    """Paint a soft shadow next to a shape."""
    size = max(np.ptp(shape.outline[0], axis=0))
    softness = float(rng.uniform(0.03, 0.08) * size)
    shift = rng.uniform(-0.1, 0.1, 2) * size
    shifted = tuple(polygon + shift for polygon in shape.outline)
    window = _window(shape, canvas.shape, margin=int(0.1 * size + 3 * softness) + 1)
    mask = coverage(shifted, window)
    for _ in range(2):
        mask = np.asarray(cv2.blur(mask, (2 * int(softness) + 1,) * 2), np.uint8)
    _blend(canvas[window], np.zeros(3, np.float32), mask, rng.uniform(0.2, 0.5))


def contrasting_colors(
    canvas: Pixels, box_xyxy: tuple[float, float, float, float], rng: np.random.Generator, *, least: float
) -> Colors:
    """Two colors [2, 3] that contrast with the pixels in and around a box by at least `least`, if there are any."""
    surroundings = _surroundings(canvas, box_xyxy)  # [P, 3]
    candidates: Colors = vivid(rng, _CANDIDATES)
    contrast = np.sort(distance(candidates[:, None], surroundings[None]), axis=1)[
        :, len(surroundings) // 4
    ]  # [candidates]
    suitable = np.flatnonzero(contrast >= least)
    if len(suitable) < 2:
        suitable = np.argsort(-contrast)
    chosen: Colors = candidates[suitable[:2]]
    return chosen


def coverage(outline: Outline, window: _Window) -> npt.NDArray[np.uint8]:
    """Coverage of each pixel of a window by a shape: uint8 [h, w], 255 for full coverage."""
    height, width = (side.stop - side.start for side in window)
    fine = 4 if max(height, width) < 160 else 2
    mask = np.zeros((height * fine, width * fine), np.uint8)
    cv2.fillPoly(mask, _sixteenths(outline, window, fine), 255, cv2.LINE_8, 4)
    return np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _window(shape: Shape, image: tuple[int, ...], *, margin: int) -> _Window:
    left, top, right, bottom = shape.box_xyxy
    rows = slice(max(0, int(top) - margin), min(image[0], int(np.ceil(bottom)) + margin))
    columns = slice(max(0, int(left) - margin), min(image[1], int(np.ceil(right)) + margin))
    return rows, columns


def _sixteenths(outline: Outline, window: _Window, fine: int) -> list[npt.NDArray[np.int32]]:
    """Polygons in 1/16 of a fine pixel relative to the center of the first pixel of the window, as OpenCV expects them."""
    origin = (window[1].start, window[0].start)
    return [np.rint(((polygon - origin) * fine - 0.5) * 16).astype(np.int32) for polygon in outline]


def _surroundings(canvas: Pixels, box_xyxy: tuple[float, float, float, float]) -> Colors:
    """Colors [P, 3] in and around a box, sampled on a grid."""
    left, top, right, bottom = box_xyxy
    margin = 2 + 0.1 * max(right - left, bottom - top)
    rows, columns = (
        (np.arange(_GRID) * ((high - low + 2 * margin) / (_GRID - 1)) + (low - margin)).clip(0, side - 1).astype(int)
        for low, high, side in ((top, bottom, canvas.shape[0]), (left, right, canvas.shape[1]))
    )
    return np.asarray(canvas[rows[:, None], columns].reshape(-1, 3), np.float32)


def _fill(size_hw: tuple[int, ...], first: Colors, second: Colors, rng: np.random.Generator) -> npt.NDArray[Any]:
    """Fill colors of a window: [3] for a single color, otherwise [h, w, 3]."""
    kind = rng.random()
    if kind < 0.45:
        return first
    if kind < 0.55:
        grain = rng.standard_normal((7, 7), np.float32) * np.float32(rng.uniform(8, 25))
        return np.asarray(first + cv2.resize(grain, size_hw[::-1], interpolation=cv2.INTER_CUBIC)[..., None])
    height, width = size_hw
    angle = rng.uniform(0, 2 * np.pi)
    down = np.arange(height, dtype=np.float32) * np.float32(np.sin(angle) / height)
    across = np.arange(width, dtype=np.float32) * np.float32(np.cos(angle) / width)
    slope = (down[:, None] + across)[..., None]  # [h, w, 1]
    if kind < 0.85:
        share = (slope - slope.min()).clip(0, 1)
    else:  # stripes
        sharp = np.float32(max(size_hw) / 8)
        share = ((np.abs(slope * np.float32(rng.uniform(3, 8)) % 1 - 0.5) - 0.25) * sharp + 0.5).clip(0, 1)
    return np.asarray(first + (second - first) * share)


def _with_border(fill: npt.NDArray[Any], mask: npt.NDArray[np.uint8], size: float, color: Colors) -> npt.NDArray[Any]:
    """Add a border along the inside of the outline."""
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, 3)  # [h, w] distance to the outside in pixels
    share = (np.float32(0.08 * size + 1) - depth).clip(0, 1)[..., None]
    bordered: npt.NDArray[Any] = fill + (color - fill) * share
    return bordered


def _blend(under: Pixels, fill: npt.NDArray[Any], mask: npt.NDArray[np.uint8], opacity: float) -> None:
    """Blend a fill into a part of an image, in place."""
    share = mask[..., None] * np.float32(opacity / 255)
    mixed = under + (fill - under) * share
    under[:] = (mixed + np.float32(0.5)).clip(0, 255)
