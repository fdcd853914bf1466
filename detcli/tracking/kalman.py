"""Where boxes are believed to be: Kalman filters over any steps of time, all tracks at once.

A center moves at a speed that changes a little all the time; a size wanders. Noise belongs to a stretch of time and not
to a frame, so two steps of a second say exactly what one of two seconds says: rates may vary and frames may be missing.
Each direction is a filter by itself, and both have the same uncertainty.

The strengths are those of ByteTrack's filter at 30 frames a second, in sides of the box and seconds.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MEASUREMENT = 1 / 20  # standard deviation of what a detector says, in sides of the box
WANDERING = 30 / 20**2  # of position and size: variance a second, in sides²
SWERVING = 30 * (30 / 160) ** 2  # of speed: variance a second, in (sides a second)²
FIRST_SPEED = 10 * 30 / 160  # standard deviation of a speed that nobody knows yet, in sides a second
FIRST_PLACE = 2.0  # how much less a first detection is believed than a later one

_SHORTEST_SIDE = 1.0  # pixels; a box without any size would be believed without any doubt


@dataclass(frozen=True, slots=True)
class KalmanState:
    """What is believed of N boxes at one time.

    centers         float64 [N, 2]     x, y in pixels
    speeds          float64 [N, 2]     pixels a second
    sizes           float64 [N, 2]     width, height in pixels
    uncertainty     float64 [N, 2, 2]  covariance of place and speed, the same for x and y
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
        """Those that a mask or indices pick."""
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
        """The mean side of each box [N]: what noise is measured in."""
        return _scale(self.sizes)


def begin(boxes_xyxy: Floats) -> KalmanState:
    """Beliefs from boxes [N, 4] seen for the first time: they may move anywhere."""
    centers, sizes = _parts(boxes_xyxy)
    scale = _scale(sizes)
    uncertainty = np.zeros((len(sizes), 2, 2))
    uncertainty[:, 0, 0] = (FIRST_PLACE * MEASUREMENT * scale) ** 2
    uncertainty[:, 1, 1] = (FIRST_SPEED * scale) ** 2
    return KalmanState(centers, np.zeros_like(centers), sizes, uncertainty, (FIRST_PLACE * MEASUREMENT * scale) ** 2)


def predict(beliefs: KalmanState, seconds: float) -> KalmanState:
    """What is believed so many seconds later, where nothing was seen in between."""
    t = seconds
    step = np.array([[1.0, t], [0.0, 1.0]])
    noise = SWERVING * np.array([[t**3 / 3, t**2 / 2], [t**2 / 2, t]]) + WANDERING * np.array([[t, 0.0], [0.0, 0.0]])
    squares = _scale(beliefs.sizes) ** 2
    return KalmanState(
        beliefs.centers + beliefs.speeds * t,
        beliefs.speeds,
        beliefs.sizes,
        step @ beliefs.uncertainty @ step.T + squares[:, None, None] * noise,
        beliefs.size_variances + squares * WANDERING * t,
    )


def correct(beliefs: KalmanState, boxes_xyxy: Floats) -> KalmanState:
    """What is believed once boxes [N, 4], one for each, were seen."""
    centers, sizes = _parts(boxes_xyxy)
    doubt = (MEASUREMENT * _scale(beliefs.sizes)) ** 2
    gain = beliefs.uncertainty[:, :, 0] / (beliefs.uncertainty[:, 0, 0] + doubt)[:, None]  # [N, 2] place, speed
    size_gain = beliefs.size_variances / (beliefs.size_variances + doubt)
    surprise = centers - beliefs.centers
    return KalmanState(
        beliefs.centers + gain[:, :1] * surprise,
        beliefs.speeds + gain[:, 1:] * surprise,
        beliefs.sizes + size_gain[:, None] * (sizes - beliefs.sizes),
        beliefs.uncertainty - gain[:, :, None] * beliefs.uncertainty[:, None, 0],
        (1 - size_gain) * beliefs.size_variances,
    )


def joined(ones: KalmanState, others: KalmanState) -> KalmanState:
    """The first, then the second."""
    return KalmanState(
        np.concatenate((ones.centers, others.centers)),
        np.concatenate((ones.speeds, others.speeds)),
        np.concatenate((ones.sizes, others.sizes)),
        np.concatenate((ones.uncertainty, others.uncertainty)),
        np.concatenate((ones.size_variances, others.size_variances)),
    )


def _parts(boxes_xyxy: Floats) -> tuple[Floats, Floats]:
    return (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2, boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]


def _scale(sizes: Floats) -> Floats:
    scale: Floats = sizes.mean(axis=1).clip(_SHORTEST_SIDE)
    return scale
