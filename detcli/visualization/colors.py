"""Colors of classes: always the same for a class, and easy to distinguish."""

import math
from functools import lru_cache

Color = tuple[int, int, int]  # red, green, blue, 0 … 255

# Shades of a class color: differences of hue in degrees and of lightness.
_SHADES = ((0, 0.0), (22, 0.07), (-22, -0.07), (14, -0.11), (-14, 0.1), (30, -0.03), (-30, 0.03))


@lru_cache(maxsize=4096)
def color(class_id: int, shade: int = 0) -> Color:
    """The color of a class, always the same; consecutive classes differ clearly in hue and lightness.

    shade  0 is the color of the class; others are similar, and distinguish objects of one class

    Hues advance by the golden angle in OKLCH (Ottosson 2020), where equal steps look equal.
    """
    hue_shift, lightness_shift = _SHADES[shade % len(_SHADES)]
    hue = math.radians(25 + class_id * 137.50776 + hue_shift)
    lightness = (0.70, 0.84, 0.56)[class_id % 3] + lightness_shift
    chroma = 0.19
    while True:
        linear = _oklab_to_linear_rgb(lightness, chroma * math.cos(hue), chroma * math.sin(hue))
        if all(-1e-4 <= channel <= 1.0001 for channel in linear):
            red, green, blue = (round(255 * _companded(min(1.0, max(0.0, channel)))) for channel in linear)
            return red, green, blue
        chroma -= 0.005  # until the color is in the sRGB gamut


def text_color(background: Color) -> Color:
    """Black or white, the one with more contrast (relative luminance of WCAG 2)."""
    red, green, blue = (_linear(channel / 255) for channel in background)
    return (0, 0, 0) if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 else (255, 255, 255)


def _oklab_to_linear_rgb(lightness: float, a: float, b: float) -> tuple[float, float, float]:
    """Source: Ottosson, A perceptual color space for image processing, 2020."""
    l_root = lightness + 0.3963377774 * a + 0.2158037573 * b
    m_root = lightness - 0.1055613458 * a - 0.0638541728 * b
    s_root = lightness - 0.0894841775 * a - 1.2914855480 * b
    long, medium, short = l_root**3, m_root**3, s_root**3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _companded(linear: float) -> float:
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055


def _linear(companded: float) -> float:
    return companded / 12.92 if companded <= 0.04045 else ((companded + 0.055) / 1.055) ** 2.4
