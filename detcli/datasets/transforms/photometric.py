"""Colors distorted at random: brightness, contrast, saturation, hue, and the order of the channels.

Worked out by OpenCV, which lets go of the interpreter's lock, so that threads augment side by side.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from detcli.structures.frame import Pixels

# Ranges of torchvision's RandomPhotometricDistort, which SSD (Liu et al. 2016) and D-FINE train with.
_BRIGHTNESS = (0.875, 1.125)
_CONTRAST = (0.5, 1.5)
_SATURATION = (0.5, 1.5)
_HUE = (-0.05, 0.05)  # of a full turn
_GREY = np.array([0.299, 0.587, 0.114])  # ITU-R 601, as Pillow makes gray of RGB
_SAMPLE_PIXELS = 20_000  # as many tell the mean gray of an image to a fraction of a level

_Step = Callable[[Pixels, Pixels], Pixels]


@dataclass(frozen=True, slots=True)
class Distortion:
    """How the colors of one image change; None is "not at all".

    brightness       factor towards black
    contrast         factor towards the mean gray of the whole image
    saturation       factor towards the gray of each pixel
    hue              in full turns
    contrast_first   contrast right after brightness, or else after hue
    channels         which channel each of red, green and blue is taken from
    """

    brightness: float | None = None
    contrast: float | None = None
    saturation: float | None = None
    hue: float | None = None
    contrast_first: bool = True
    channels: tuple[int, int, int] | None = None

    @classmethod
    def draw(cls, probability: float, rng: np.random.Generator) -> "Distortion":
        """Draw each of the five with the same probability. Source: torchvision, RandomPhotometricDistort."""
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

        pixels  uint8 [h, w, 3] RGB, any part of the image at any size; stays as it is
        whole   the whole image, uint8 [H, W, 3] RGB: contrast turns on its mean gray
        """
        sample = _sample(whole)
        for step in self._steps():
            pixels, sample = step(pixels, sample), step(sample, sample)
        return pixels

    def _steps(self) -> list[_Step]:
        """What is done to pixels, in order; each takes the pixels and a sample of the whole image so far."""
        steps: list[_Step] = []
        if self.brightness is not None:
            steps.append(_blend(self.brightness, lambda sample: 0.0))
        contrast = [] if self.contrast is None else [_blend(self.contrast, _mean_grey)]
        if self.contrast_first:
            steps += contrast
        if self.saturation is not None:
            steps.append(_linear(self.saturation * np.eye(3) + (1 - self.saturation) * _GREY))
        if self.hue is not None:
            steps.append(_turn_hue(self.hue))
        if not self.contrast_first:
            steps += contrast
        if self.channels is not None:
            steps.append(_linear(np.eye(3)[list(self.channels)]))
        return steps


def _blend(factor: float, towards: Callable[[Pixels], float]) -> _Step:
    """All values nearer to one gray, or further from it."""

    def step(pixels: Pixels, sample: Pixels) -> Pixels:
        grey = towards(sample)
        table = np.clip(np.rint(grey + factor * (np.arange(256) - grey)), 0, 255).astype(np.uint8)
        return np.asarray(cv2.LUT(pixels, table), np.uint8)

    return step


def _linear(matrix: npt.NDArray[np.float64]) -> _Step:
    """Each channel a sum of the three; [3, 3]."""
    return lambda pixels, sample: np.asarray(cv2.transform(pixels, matrix), np.uint8)


def _turn_hue(turn: float) -> _Step:
    shift = np.uint8(round(turn * 256) % 256)

    def step(pixels: Pixels, sample: Pixels) -> Pixels:
        hsv = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV_FULL), np.uint8)
        hsv[..., 0] += shift  # 256 is a full turn, and bytes wrap there
        return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL), np.uint8)

    return step


def _mean_grey(sample: Pixels) -> float:
    return float(np.rint(np.dot(sample.mean(axis=(0, 1)), _GREY)))


def _sample(pixels: Pixels) -> Pixels:
    """Every n-th pixel of every n-th row."""
    height, width = pixels.shape[:2]
    stride = max(1, int((height * width / _SAMPLE_PIXELS) ** 0.5))
    return np.ascontiguousarray(pixels[::stride, ::stride])
