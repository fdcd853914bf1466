"""Backgrounds of synthetic images: plain colors, gradients, noise, photo-like fields, blurred lights, clutter."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.datasets.shapes.shape_colors import muted, vivid
from detcli.opencv import cv2
from detcli.structures.frame import Pixels

_Background = Callable[[np.random.Generator, tuple[int, int]], Pixels]


def background(rng: np.random.Generator, size_hw: tuple[int, int]) -> Pixels:
    """An image without shapes: uint8 [H, W, 3] RGB, contiguous and writable."""
    kinds, weights = zip(*_BACKGROUNDS, strict=True)
    pick = int(np.searchsorted(np.cumsum(weights), rng.random() * sum(weights), side="right"))
    canvas: Pixels = kinds[pick](rng, size_hw)
    if rng.random() < 0.55:
        clutter(canvas, rng, most=14)
    return canvas


def clutter(canvas: Pixels, rng: np.random.Generator, *, most: int) -> None:
    """Draw at most `most` thin lines and curves, and specks: nothing that is a shape."""
    height, width = canvas.shape[:2]
    thick = max(1, round(min(height, width) / 256))
    for _ in range(int(rng.integers(most + 1))):
        color = (vivid(rng, 1) if rng.random() < 0.5 else muted(rng, 1))[0].tolist()
        steps = _line(rng) if rng.random() < 0.6 else _curve(rng)
        points = np.rint(steps * (width * 16, height * 16)).astype(np.int32)
        cv2.polylines(canvas, [points], False, color, int(rng.integers(1, thick + 2)), cv2.LINE_AA, 4)
    if rng.random() < 0.4:
        _specks(canvas, rng)


def _plain(rng: np.random.Generator, size_hw: tuple[int, int]) -> Pixels:
    return _stretched(muted(rng, 1)[None], size_hw, cv2.INTER_NEAREST)


def _graded(rng: np.random.Generator, size_hw: tuple[int, int]) -> Pixels:
    """A gradient from corner to corner or from edge to edge."""
    rows, columns = [(2, 2), (1, 2), (2, 1), (3, 3)][int(rng.integers(4))]
    return _stretched(muted(rng, rows * columns).reshape(rows, columns, 3), size_hw, cv2.INTER_LINEAR)


def _noisy(rng: np.random.Generator, size_hw: tuple[int, int]) -> Pixels:
    """Noise of one scale, from grains to clouds."""
    cell = min(size_hw) * 2.0 ** rng.uniform(-7, -2)
    rows, columns = (max(2, round(side / cell)) for side in size_hw)
    tones = rng.standard_normal((rows, columns, 1), np.float32) * rng.uniform(6, 30)
    if rng.random() < 0.4:
        tones = tones + rng.standard_normal((rows, columns, 3), np.float32) * rng.uniform(4, 16)
    soft = cv2.INTER_CUBIC if rng.random() < 0.8 else cv2.INTER_NEAREST
    return _stretched(tones.clip(-70, 70) + muted(rng, 1)[0], size_hw, soft)


def _plasma(rng: np.random.Generator, size_hw: tuple[int, int]) -> Pixels:
    """Fractal noise: smooth color changes at all scales, as leaves, stone, water and skies have in photos."""
    rows, columns = (max(2, round(3 * side / min(size_hw))) for side in size_hw)
    field: Any = muted(rng, rows * columns, spread=0.6).reshape(rows, columns, 3) * np.float32(0.8) + np.float32(25)
    if rng.random() < 0.3:  # a horizon: other colors below it
        field[rows // 2 :] = muted(rng, 1)[0]
    strength, roughness = rng.uniform(8, 26), rng.uniform(0.45, 0.8)
    while min(rows, columns) * 3 < min(size_hw):
        rows, columns = rows * 2, columns * 2
        field = cv2.resize(field, (columns, rows), interpolation=cv2.INTER_CUBIC)
        field += rng.standard_normal((rows, columns, 1), np.float32) * np.float32(strength)
        strength *= roughness
    return _stretched(field, size_hw, cv2.INTER_CUBIC)


def _lights(rng: np.random.Generator, size_hw: tuple[int, int]) -> Pixels:
    """Strongly blurred lights, whose edges are too soft for a circle."""
    height, width = size_hw
    scale = min(size_hw) / 32
    small = _graded(rng, (max(2, round(height / scale)), max(2, round(width / scale))))
    for color in vivid(rng, int(rng.integers(4, 16))).tolist():
        center = (int(rng.integers(small.shape[1])), int(rng.integers(small.shape[0])))
        cv2.circle(small, center, int(rng.integers(1, 4)), color, -1, cv2.LINE_AA)
    blurred = cv2.GaussianBlur(small, (0, 0), rng.uniform(1.6, 2.6))
    return _stretched(blurred, size_hw, cv2.INTER_CUBIC)


def _wavy(rng: np.random.Generator, size_hw: tuple[int, int]) -> Pixels:
    """Stripes without sharp edges, as on cloth or corrugated iron."""
    height, width = size_hw
    first, second = muted(rng, 2, spread=0.6)
    angle, waves = rng.uniform(0, np.pi), rng.uniform(2, 24)
    turns = 2 * np.pi * waves / min(size_hw)
    across = np.arange(width, dtype=np.float32) * np.float32(np.cos(angle) * turns)
    down = np.arange(height, dtype=np.float32) * np.float32(np.sin(angle) * turns)
    # sin(a + b) by rows and columns: two outer products instead of one sine per pixel
    wave = np.outer(np.sin(down), np.cos(across)) + np.outer(np.cos(down), np.sin(across))
    level = cv2.convertScaleAbs(wave, alpha=127.5, beta=127.5)
    table = np.linspace(first, second, 256).astype(np.uint8)[:, None]  # [256, 1, 3]
    return _array(cv2.LUT(cv2.merge([level] * 3), table))


_BACKGROUNDS: tuple[tuple[_Background, float], ...] = (
    (_plain, 0.14),
    (_graded, 0.2),
    (_noisy, 0.16),
    (_plasma, 0.3),
    (_lights, 0.12),
    (_wavy, 0.08),
)


def _line(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Two points [2, 2] in the unit square or slightly outside."""
    return rng.uniform(-0.1, 1.1, (2, 2))


def _curve(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """An open random curve [n, 2]."""
    heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.35, 24))
    steps = np.stack([np.cos(heading), np.sin(heading)], axis=1) * rng.uniform(0.008, 0.04)
    return rng.random(2) + np.cumsum(steps, axis=0)


def _specks(canvas: Pixels, rng: np.random.Generator) -> None:
    """Specks of one or four pixels, like dust."""
    height, width = canvas.shape[:2]
    count, size = int(rng.integers(10, 150)), int(rng.integers(1, 3))
    rows, columns = rng.integers(height - size, size=count), rng.integers(width - size, size=count)
    colors = vivid(rng, count).astype(np.uint8)
    for down in range(size):
        for across in range(size):
            canvas[rows + down, columns + across] = colors


def _stretched(field: npt.NDArray[Any], size_hw: tuple[int, int], interpolation: int) -> Pixels:
    """A small field of colors resized to a full image."""
    field = field if field.dtype == np.uint8 else field.clip(0, 255).astype(np.uint8)
    return _array(cv2.resize(field, size_hw[::-1], interpolation=interpolation))


def _array(pixels: Any) -> Pixels:
    """The result of OpenCV with a type."""
    return np.ascontiguousarray(pixels, np.uint8)
