"""Kalman filters for the positions and sizes of boxes, with time steps of any length, for all tracks in one array.

A center moves with a slowly changing speed; a size changes slowly. Noise depends on time, not on the number of frames, so
two steps of one second equal one step of two seconds: frame rates may vary and frames may be missing. Each axis has its own
filter, and both have the same uncertainty.

The noise is that of ByteTrack's filter at 30 frames per second, in sides of the box and seconds.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MEASUREMENT = 1 / 20  # standard deviation of a detection, in sides of the box
POSITION_NOISE = 30 / 20**2  # of position and size: variance per second, in sides²
SPEED_NOISE = 30 * (30 / 160) ** 2  # variance per second, in (sides per second)²
FIRST_SPEED = 10 * 30 / 160  # standard deviation of an unknown speed, in sides per second
FIRST_FACTOR = 2.0  # standard deviation of a first detection, relative to a later one

_MIN_SIDE = 1.0  # pixels; a box of size 0 would have no uncertainty


@dataclass(frozen=True, slots=True)
class KalmanState:
    """The estimated state of N boxes at one time.

    centers         float64 [N, 2]     x, y in pixels
    speeds          float64 [N, 2]     pixels per second
    sizes           float64 [N, 2]     width, height in pixels
    uncertainty     float64 [N, 2, 2]  covariance of position and speed, the same for x and y
    size_variances  float64 [N]        the same for width and height
    """

    centers: Floats
    speeds: Floats
    sizes: Floats
    uncertainty: Floats
    size_variances: Floats

    def __len__(self) -> int:
        return len(self.centers)

    def __getitem__(self, which: npt.NDArray[Any]) -> "KalmanState":
        """The boxes selected by a mask or by indices."""
        return KalmanState(
            self.centers[which],
            self.speeds[which],
            self.sizes[which],
            self.uncertainty[which],
            self.size_variances[which],
        )

    @property
    def boxes_xyxy(self) -> Floats:
        """Left, top, right, bottom [N, 4]."""
        return np.concatenate((self.centers - self.sizes / 2, self.centers + self.sizes / 2), axis=1)

    @property
    def scale(self) -> Floats:
        """The mean side of each box [N], the unit of the noise."""
        return _scale(self.sizes)


def initial_states(boxes_xyxy: Floats) -> KalmanState:
    """States of boxes [N, 4] detected for the first time: their speed is unknown."""
    centers, sizes = _centers_and_sizes(boxes_xyxy)
    scale = _scale(sizes)
    uncertainty = np.zeros((len(sizes), 2, 2))
    uncertainty[:, 0, 0] = (FIRST_FACTOR * MEASUREMENT * scale) ** 2
    uncertainty[:, 1, 1] = (FIRST_SPEED * scale) ** 2
    return KalmanState(centers, np.zeros_like(centers), sizes, uncertainty, (FIRST_FACTOR * MEASUREMENT * scale) ** 2)


def predict(states: KalmanState, seconds: float) -> KalmanState:
    """The states after a number of seconds without a detection."""
    t = seconds
    step = np.array([[1.0, t], [0.0, 1.0]])
    noise = SPEED_NOISE * np.array([[t**3 / 3, t**2 / 2], [t**2 / 2, t]]) + POSITION_NOISE * np.array(
        [[t, 0.0], [0.0, 0.0]]
    )
    squares = _scale(states.sizes) ** 2
    return KalmanState(
        states.centers + states.speeds * t,
        states.speeds,
        states.sizes,
        step @ states.uncertainty @ step.T + squares[:, None, None] * noise,
        states.size_variances + squares * POSITION_NOISE * t,
    )


def correct(states: KalmanState, boxes_xyxy: Floats) -> KalmanState:
    """The states after one detection each, boxes [N, 4]."""
    centers, sizes = _centers_and_sizes(boxes_xyxy)
    variance = (MEASUREMENT * _scale(states.sizes)) ** 2
    gain = states.uncertainty[:, :, 0] / (states.uncertainty[:, 0, 0] + variance)[:, None]  # [N, 2] position, speed
    size_gain = states.size_variances / (states.size_variances + variance)
    innovation = centers - states.centers
    return KalmanState(
        states.centers + gain[:, :1] * innovation,
        states.speeds + gain[:, 1:] * innovation,
        states.sizes + size_gain[:, None] * (sizes - states.sizes),
        states.uncertainty - gain[:, :, None] * states.uncertainty[:, None, 0],
        (1 - size_gain) * states.size_variances,
    )


def concatenate(first: KalmanState, second: KalmanState) -> KalmanState:
    """The boxes of the first, then those of the second."""
    return KalmanState(
        np.concatenate((first.centers, second.centers)),
        np.concatenate((first.speeds, second.speeds)),
        np.concatenate((first.sizes, second.sizes)),
        np.concatenate((first.uncertainty, second.uncertainty)),
        np.concatenate((first.size_variances, second.size_variances)),
    )


def _centers_and_sizes(boxes_xyxy: Floats) -> tuple[Floats, Floats]:
    return (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2, boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]


def _scale(sizes: Floats) -> Floats:
    scale: Floats = sizes.mean(axis=1).clip(_MIN_SIDE)
    return scale
