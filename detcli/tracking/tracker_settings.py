"""The settings of a tracker."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detcli.structures.class_labels import ClassValues, values_of

LOW_THRESHOLD = 0.1
NEW_TRACK_STEP = 0.1  # tracks start this much above the threshold


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """How detections are joined; overlaps are intersection over union (see `association.assign_tracks`).

    high_threshold       minimum score to continue a track, also a lost one
    new_track_threshold  minimum score to start a track
    low_threshold        minimum score to continue a track of the last frame; lower scores are dropped
    first_overlap        minimum overlap of a track and a box with a high score
    second_overlap       the same with a low score
    new_overlap          the same for a track detected once and a box with a high score, which confirms it
    duplicate_overlap    boxes with more overlap are one object: of one class, only the best starts a track; of several
                         tracks, only the one with the most evidence is returned
    max_margin           maximum enlargement of a box for the uncertainty of its position, in sides of the box
    max_lost_s           seconds until a track without a detection is closed
    class_thresholds     thresholds of classes that have their own: the three scores above follow from it for their tracks

    The values are those of the authors' code for MOT17, except `duplicate_overlap` and `max_margin`, which are new.
    """

    high_threshold: float = 0.6
    new_track_threshold: float = 0.7
    low_threshold: float = LOW_THRESHOLD
    first_overlap: float = 0.2
    second_overlap: float = 0.5
    new_overlap: float = 0.3
    duplicate_overlap: float = 0.7
    max_margin: float = 2.0
    max_lost_s: float = 1.0
    class_thresholds: ClassValues = ()

    def __post_init__(self) -> None:
        low, high, new = self.low_threshold, self.high_threshold, self.new_track_threshold
        if not 0 <= low <= high <= new <= 1:
            raise ValueError(f"thresholds {low}, {high} and {new} must be in ascending order, from 0 to 1")
        if not self.max_lost_s >= 0:
            raise ValueError(f"`max_lost_s` must be 0 or more, not {self.max_lost_s}")

    @classmethod
    def of_threshold(cls, threshold: float, class_thresholds: ClassValues = ()) -> "TrackerSettings":
        """The settings for boxes above a threshold; the detector must return those above `least_threshold`.

        Tracks start a step above it, as in the authors' code; near 1, halfway between the threshold and 1.
        """
        return cls(
            high_threshold=threshold,
            new_track_threshold=_new_track(threshold),
            low_threshold=_low(threshold),
            class_thresholds=class_thresholds,
        )

    @property
    def least_threshold(self) -> float:
        """The lowest score of any class that can continue a track."""
        return min((self.low_threshold, *(_low(threshold) for _, threshold in self.class_thresholds)))

    def high_thresholds(self, class_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """`high_threshold` of each detection, by its class, [N]."""
        return _of_classes(class_ids, self.high_threshold, self.class_thresholds)

    def new_track_thresholds(self, class_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """`new_track_threshold` of each detection, by its class, [N]."""
        of_classes = tuple((index, _new_track(threshold)) for index, threshold in self.class_thresholds)
        return _of_classes(class_ids, self.new_track_threshold, of_classes)

    def low_thresholds(self, class_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """`low_threshold` of each detection, by its class, [N]."""
        of_classes = tuple((index, _low(threshold)) for index, threshold in self.class_thresholds)
        return _of_classes(class_ids, self.low_threshold, of_classes)


def _of_classes(class_ids: npt.NDArray[np.int64], usual: float, some: ClassValues) -> npt.NDArray[np.float32]:
    return values_of(class_ids, usual, some)


def _new_track(threshold: float) -> float:
    return threshold + min(NEW_TRACK_STEP, (1 - threshold) / 2)


def _low(threshold: float) -> float:
    return min(LOW_THRESHOLD, threshold)
