"""Effects of cameras and files on an image: exposure, blur, noise, JPEG compression."""

from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.opencv import cv2
from detcli.structures.frame import Pixels

_QUANTILES = 256  # levels of the noise distribution: one byte each


def photograph(scene: Pixels, rng: np.random.Generator) -> Pixels:
    """Apply random camera effects; the size stays the same."""
    if rng.random() < 0.35:
        scene = _blurred(scene, rng)
    if rng.random() < 0.5:
        scene = _exposed(scene, rng)
    if rng.random() < 0.5:
        scene = _noisy(scene, rng)
    if rng.random() < 0.5:
        scene = _compressed(scene, rng)
    return scene


def _blurred(scene: Pixels, rng: np.random.Generator) -> Pixels:
    """Defocus or motion blur of at most about 1/150 of the short side."""
    unit = min(scene.shape[:2]) / 256
    if rng.random() < 0.65:
        return _array(cv2.GaussianBlur(scene, (0, 0), unit * rng.uniform(0.4, 1.4)))
    length = 3 + 2 * int(unit * rng.uniform(0, 2.5))  # odd
    angle = rng.uniform(0, np.pi)
    reach = np.array([np.cos(angle), np.sin(angle)]) * (length // 2) * 16
    middle = np.full(2, length // 2 * 16)
    kernel = np.zeros((length, length), np.uint8)
    ends = [tuple(np.rint(middle + side * reach).astype(int).tolist()) for side in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 255, 1, cv2.LINE_AA, 4)
    return _array(cv2.filter2D(scene, -1, kernel.astype(np.float32) / kernel.sum()))


def _exposed(scene: Pixels, rng: np.random.Generator) -> Pixels:
    """Random gamma, contrast, brightness and a slight tint."""
    tones = np.linspace(0, 1, 256)[:, None] ** rng.uniform(0.75, 1.35)
    contrast, brightness = rng.uniform(0.75, 1.15), rng.uniform(-0.08, 0.08)
    tint = rng.uniform(0.93, 1.07, 3)
    table = ((tones - 0.5) * contrast + 0.5 + brightness) * tint * 255
    return _array(cv2.LUT(scene, table.clip(0, 255).astype(np.uint8)[:, None]))  # the table is [256, 1, 3]


def _noisy(scene: Pixels, rng: np.random.Generator) -> Pixels:
    """Sensor noise, for each color channel or for brightness only."""
    height, width = scene.shape[:2]
    channels = 3 if rng.random() < 0.7 else 1
    grain = np.frombuffer(rng.bytes(height * width * channels), np.uint8).reshape(height, width, channels)
    noise = cv2.LUT(grain, _NORMAL * np.float32(rng.uniform(2, 11)))
    if channels == 1:
        noise = cv2.merge([noise] * 3)
    return _array(cv2.add(scene, noise, dtype=cv2.CV_8U))


def _compressed(scene: Pixels, rng: np.random.Generator) -> Pixels:
    """Encode as JPEG and decode again."""
    quality = int(rng.integers(30, 96))
    bgr = cv2.cvtColor(scene, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded: Any = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return _array(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB))


def _normal_quantiles() -> npt.NDArray[np.float32]:
    """Quantiles [256] of the standard normal distribution."""
    from statistics import NormalDist

    return np.array([NormalDist().inv_cdf((k + 0.5) / _QUANTILES) for k in range(_QUANTILES)], np.float32)


def _array(pixels: Any) -> Pixels:
    """The result of OpenCV with a type."""
    return np.ascontiguousarray(pixels, np.uint8)


_NORMAL = _normal_quantiles()
