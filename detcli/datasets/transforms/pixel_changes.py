"""Random changes of the pixels of a training image that leave boxes and masks alone: hue, gamma, blur, noise, JPEG.

They imitate a camera and are applied in its order: light, lens, sensor, compression. Only NumPy and Pillow are used, so that
the pixels are the same with and without OpenCV.
"""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from PIL import Image, ImageFilter

from detcli.datasets.transforms.photometric import Distortion
from detcli.structures.frame import Pixels

_NAMES = ("hue", "gamma", "blur", "noise", "jpeg")  # in the order in which they are applied
_QUANTILES = np.array([NormalDist().inv_cdf((index + 0.5) / 256) for index in range(256)])
_NORMAL = _QUANTILES / _QUANTILES.std()  # 256 equally likely values with the mean 0 and the standard deviation 1


@dataclass(frozen=True, slots=True)
class PixelChanges:
    """Probability of each change, and the range that its strength is drawn from, smallest and largest.

    hue           of rotating all hues, up to `hue_shift` of a full rotation in either direction
    gamma         of raising brightness, from 0 to 1, to an exponent from `gamma_range`; as often below as above the middle
                  of the range on a logarithmic scale
    blur          of a Gaussian blur; `blur_sigma` is its standard deviation in pixels
    noise         of adding normally distributed noise to each value; `noise_sigma` is its standard deviation in gray
                  levels, of 255
    jpeg          of compression as JPEG; `jpeg_quality` from 1 to 100
    """

    hue: float = 0.0
    hue_shift: float = 0.1
    gamma: float = 0.0
    gamma_range: tuple[float, float] = (0.67, 1.5)
    blur: float = 0.0
    blur_sigma: tuple[float, float] = (0.5, 2.0)
    noise: float = 0.0
    noise_sigma: tuple[float, float] = (2.0, 10.0)
    jpeg: float = 0.0
    jpeg_quality: tuple[int, int] = (30, 90)

    def __post_init__(self) -> None:
        for name in _NAMES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"`{name}` must be a probability from 0 to 1, not {getattr(self, name)}")

    def apply(self, pixels: Pixels, rng: np.random.Generator) -> Pixels:
        """Change the pixels at random.

        pixels  uint8 [H, W, 3] RGB, at the size of the network's input; not changed
        rng     all randomness; nothing is drawn for a change with the probability 0
        """
        for name, change in self._changes().items():
            probability = getattr(self, name)
            if probability and rng.random() < probability:
                pixels = change(pixels, rng)
        return pixels

    def _changes(self) -> dict[str, Callable[[Pixels, np.random.Generator], Pixels]]:
        return {
            "hue": lambda pixels, rng: rotate_hue(pixels, rng.uniform(-self.hue_shift, self.hue_shift)),
            "gamma": lambda pixels, rng: change_gamma(pixels, math.exp(rng.uniform(*np.log(self.gamma_range)))),
            "blur": lambda pixels, rng: blur(pixels, rng.uniform(*self.blur_sigma)),
            "noise": lambda pixels, rng: add_noise(pixels, rng.uniform(*self.noise_sigma), rng),
            "jpeg": lambda pixels, rng: compress(pixels, int(rng.integers(*self.jpeg_quality, endpoint=True))),
        }


def rotate_hue(pixels: Pixels, rotation: float) -> Pixels:
    """Rotate all hues by a fraction of a full rotation."""
    return Distortion(hue=rotation).apply(pixels, pixels)


def change_gamma(pixels: Pixels, exponent: float) -> Pixels:
    """Raise all values, as fractions of 255, to an exponent; above 1 the image becomes darker."""
    table = np.rint(255 * (np.arange(256) / 255) ** exponent).astype(np.uint8)
    return np.asarray(table.take(pixels), np.uint8)


def blur(pixels: Pixels, sigma: float) -> Pixels:
    """Blur with a Gaussian; sigma: standard deviation in pixels."""
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(sigma)))


def add_noise(pixels: Pixels, sigma: float, rng: np.random.Generator) -> Pixels:
    """Add noise that is independent for each value; sigma: standard deviation in gray levels.

    One random byte chooses each value among 256 quantiles of the normal distribution, which takes a fifth of the time of
    normal random numbers.
    """
    random_bytes = np.frombuffer(rng.bytes(pixels.size), np.uint8).reshape(pixels.shape)
    values = np.rint(_NORMAL * sigma).astype(np.int16).take(random_bytes)
    values += pixels
    return np.asarray(np.clip(values, 0, 255, out=values), np.uint8)


def compress(pixels: Pixels, quality: int) -> Pixels:
    """The pixels after compression as JPEG; quality from 1 to 100."""
    stored = io.BytesIO()
    Image.fromarray(pixels).save(stored, "JPEG", quality=quality)
    with Image.open(stored) as image:
        return np.asarray(image.convert("RGB"))
