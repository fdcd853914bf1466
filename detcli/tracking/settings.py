"""Every number of a tracker."""

from dataclasses import dataclass

LOW_THRESHOLD = 0.1


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """How boxes are joined; overlaps are intersection over union (see `association.owners_of`), numbers are the paper's.

    high_threshold     scores from here on begin tracks, and continue them
    low_threshold      scores from here on continue tracks that would be lost otherwise; the rest is dropped
    first_overlap      a track and a sure box that overlap less are not the same object
    second_overlap     of a track and a doubtful box
    new_overlap        of a track that was seen once, and the sure box that would give it its number
    duplicate_overlap  boxes that overlap by more are one object: of one class, only the better begins a track; of two,
                       the track that more speaks for is shown
    farthest           sides of a box by which it is grown at most, to allow for where it may be
    keep_s             seconds that a track which nobody sees is kept for
    """

    high_threshold: float = 0.6
    low_threshold: float = LOW_THRESHOLD
    first_overlap: float = 0.2
    second_overlap: float = 0.5
    new_overlap: float = 0.3
    duplicate_overlap: float = 0.7
    farthest: float = 2.0
    keep_s: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.low_threshold <= self.high_threshold <= 1:
            raise ValueError(f"thresholds {self.low_threshold} and {self.high_threshold} are not in order from 0 to 1")
        if not self.keep_s >= 0:
            raise ValueError(f"tracks cannot be kept for {self.keep_s} seconds")

    @classmethod
    def of_threshold(cls, threshold: float) -> "TrackerSettings":
        """For a user who wants boxes above a threshold; the detector has to give those above `low_threshold`."""
        return cls(threshold, min(LOW_THRESHOLD, threshold))
