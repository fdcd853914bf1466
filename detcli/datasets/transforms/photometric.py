"""Random color changes: brightness, contrast, saturation, hue and channel order."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detcli.structures.frame import Pixels

# Ranges of torchvision's RandomPhotometricDistort, which SSD (Liu et al. 2016) and D-FINE train with.
_BRIGHTNESS = (0.875, 1.125)
_CONTRAST = (0.5, 1.5)
_SATURATION = (0.5, 1.5)
_HUE = (-0.05, 0.05)  # of a full rotation
_GRAY = np.array([0.299, 0.587, 0.114])  # ITU-R 601, as in Pillow
_SAMPLE_PIXELS = 20_000  # enough for the mean gray of an image
_BLOCK_PIXELS = 1 << 15  # at a time: they stay in the cache of the CPU

_Step = Callable[[Pixels, Pixels], Pixels]


@dataclass(frozen=True, slots=True)
class Distortion:
    """Color changes of one image; None means no change.

    brightness       factor towards black
    contrast         factor towards the mean gray of the image
    saturation       factor towards the gray of each pixel
    hue              in full rotations
    contrast_first   contrast follows brightness, otherwise hue
    channels         source channel of each of red, green and blue
    """

    brightness: float | None = None
    contrast: float | None = None
    saturation: float | None = None
    hue: float | None = None
    contrast_first: bool = True
    channels: tuple[int, int, int] | None = None

    @classmethod
    def draw(cls, probability: float, rng: np.random.Generator) -> "Distortion":
        """Draw each of the five changes with the same probability. Source: torchvision, RandomPhotometricDistort."""
        brightness, contrast, saturation, hue = (
            rng.uniform(*span) if rng.random() < probability else None
            for span in (_BRIGHTNESS, _CONTRAST, _SATURATION, _HUE)
        )
        contrast_first = bool(rng.random() < 0.5)
        red, green, blue = (int(channel) for channel in rng.permutation(3))
        channels = (red, green, blue) if rng.random() < probability else None
        return cls(brightness, contrast, saturation, hue, contrast_first, channels)

    def apply(self, pixels: Pixels, whole: Pixels) -> Pixels:
        """Change the colors.

        pixels  uint8 [h, w, 3] RGB, any part of the image at any size; not changed
        whole   the complete image, uint8 [H, W, 3] RGB, whose mean gray contrast refers to
        """
        sample = _sample(whole)
        for step in self._steps():
            pixels, sample = step(pixels, sample), step(sample, sample)
        return pixels

    def _steps(self) -> list[_Step]:
        """The changes in order; each is applied to the pixels and to a sample of the complete image."""
        steps: list[_Step] = []
        if self.brightness is not None:
            steps.append(_blend(self.brightness, lambda sample: 0.0))
        contrast = [] if self.contrast is None else [_blend(self.contrast, _mean_gray)]
        if self.contrast_first:
            steps += contrast
        if self.saturation is not None:
            steps.append(_linear(self.saturation * np.eye(3) + (1 - self.saturation) * _GRAY))
        if self.hue is not None:
            steps.append(_rotate_hue(self.hue))
        if not self.contrast_first:
            steps += contrast
        if self.channels is not None:
            steps.append(_permute(self.channels))
        return steps


def _blend(factor: float, towards: Callable[[Pixels], float]) -> _Step:
    """Move all values towards a gray level, or away from it."""

    def step(pixels: Pixels, sample: Pixels) -> Pixels:
        gray = towards(sample)
        table = np.clip(np.rint(gray + factor * (np.arange(256) - gray)), 0, 255).astype(np.uint8)
        return np.asarray(table.take(pixels), np.uint8)

    return step


def _linear(matrix: npt.NDArray[np.float64]) -> _Step:
    """Multiply colors by a matrix [3, 3]."""
    by_column = matrix.T.astype(np.float32)

    def step(pixels: Pixels, sample: Pixels) -> Pixels:
        colors = pixels.reshape(-1, 3).astype(np.float32) @ by_column
        colors = np.rint(colors, out=colors).clip(0, 255, out=colors)
        return np.asarray(colors.astype(np.uint8).reshape(pixels.shape))

    return step


def _permute(channels: tuple[int, int, int]) -> _Step:
    """Take each of red, green and blue from another channel."""
    return lambda pixels, sample: np.ascontiguousarray(pixels[..., list(channels)])


def _rotate_hue(rotation: float) -> _Step:
    def step(pixels: Pixels, sample: Pixels) -> Pixels:
        colors = pixels.reshape(-1, 3)
        rotated = np.empty_like(colors)
        for first in range(0, len(colors), _BLOCK_PIXELS):
            block = slice(first, first + _BLOCK_PIXELS)
            _rotate_hue_of(colors[block], rotation * 6, out=rotated[block])
        return rotated.reshape(pixels.shape)

    return step


def _rotate_hue_of(colors: npt.NDArray[np.uint8], sixths: float, *, out: npt.NDArray[np.uint8]) -> None:
    """Rotate the hue of colors [P, 3] by sixths of a full rotation; value and saturation of HSV stay the same.

    Source of the hexagon of hues, with red at 0, green at 2 and blue at 4: Smith 1978, Color gamut transform pairs.
    """
    red, green, blue = np.ascontiguousarray(colors.T).astype(np.float32)
    highest = np.maximum(np.maximum(red, green), blue)
    lowest = np.minimum(np.minimum(red, green), blue)
    chroma = highest - lowest
    is_red, is_green = highest == red, highest == green
    hue = np.where(is_red, green - blue, np.where(is_green, blue - red, red - green))
    hue /= np.maximum(chroma, 1)  # from -1 to 1, around the strongest channel
    hue += np.float32(4 + sixths) - 2 * (is_green & ~is_red).astype(np.float32) - 4 * is_red.astype(np.float32)
    for channel in range(3):
        away = hue - np.float32(2 * channel)  # from this channel's own hue
        away -= 6 * np.rint(away * np.float32(1 / 6))
        share = np.subtract(2, np.abs(away, out=away), out=away)
        share = np.clip(share, 0, 1, out=share)
        out[:, channel] = lowest + chroma * share + np.float32(0.5)


def _mean_gray(sample: Pixels) -> float:
    return float(np.rint(np.dot(sample.mean(axis=(0, 1)), _GRAY)))


def _sample(pixels: Pixels) -> Pixels:
    """Every n-th pixel of every n-th row, at most about `_SAMPLE_PIXELS`."""
    height, width = pixels.shape[:2]
    stride = max(1, int((height * width / _SAMPLE_PIXELS) ** 0.5))
    return np.ascontiguousarray(pixels[::stride, ::stride])
