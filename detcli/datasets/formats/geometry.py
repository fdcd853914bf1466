"""Corners and outlines of shapes that labeling tools draw: polygons, circles, ellipses, rotated rectangles."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Corners = tuple[float, float, float, float]  # left, top, right, bottom
NO_BOX: Corners = (math.nan, math.nan, math.nan, math.nan)
_ELLIPSE_CORNERS = 64

_Points = npt.NDArray[np.float64]


def box_around(points: Sequence[float]) -> Corners:
    """The box around points x, y, x, y, …; NaN if one of them is not finite, or there is none."""
    array = np.asarray(points, np.float64).reshape(-1, 2)
    if not len(array) or not np.isfinite(array).all():
        return NO_BOX
    (left, top), (right, bottom) = array.min(axis=0).tolist(), array.max(axis=0).tolist()
    return left, top, right, bottom


def rotated_box(corners: Corners, degrees: float) -> Corners:
    """The upright box around a box that is turned about its center."""
    left, top, right, bottom = corners
    cos, sin = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    width, height = right - left, bottom - top
    if width < 0 or height < 0 or not math.isfinite(degrees):
        return corners if width < 0 or height < 0 else NO_BOX
    half_width, half_height = (width * cos + height * sin) / 2, (width * sin + height * cos) / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    return x - half_width, y - half_height, x + half_width, y + half_height


def ellipse_box(center: tuple[float, float], radii: tuple[float, float], degrees: float = 0.0) -> Corners:
    """The upright box around an ellipse that is turned about its center."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    half_width, half_height = math.hypot(radii[0] * cos, radii[1] * sin), math.hypot(radii[0] * sin, radii[1] * cos)
    return center[0] - half_width, center[1] - half_height, center[0] + half_width, center[1] + half_height


def ellipse_outline(center: tuple[float, float], radii: tuple[float, float], degrees: float = 0.0) -> list[float]:
    """A polygon x, y, x, y, … of 64 corners on an ellipse that is turned clockwise about its center."""
    angles = np.arange(_ELLIPSE_CORNERS) * (2 * math.pi / _ELLIPSE_CORNERS)
    along = np.stack((radii[0] * np.cos(angles), radii[1] * np.sin(angles)), axis=1)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    points: _Points = along @ np.array([[cos, sin], [-sin, cos]]) + np.array(center)
    return [float(value) for value in points.ravel()]
