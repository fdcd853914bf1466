"""Every number of a tracker."""

from dataclasses import dataclass

LOW_THRESHOLD = 0.1
BIRTH_STEP = 0.1  # how far above the threshold tracks begin


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """How boxes are joined; overlaps are intersection over union (see `association.owners_of`).

    high_threshold     scores from here on continue tracks, lost ones too
    birth_threshold    scores from here on begin tracks
    low_threshold      scores from here on continue tracks that the last frame showed; the rest is dropped
    first_overlap      a track and a sure box that overlap less are not the same object
    second_overlap     of a track and a doubtful box
    new_overlap        of a track that was seen once, and the sure box that would give it its number
    duplicate_overlap  boxes that overlap by more are one object: of one class, only the better begins a track; of several
                       tracks, the one that more speaks for is shown
    farthest           sides of a box by which it is grown at most, to allow for where it may be
    keep_s             seconds that a track which nobody sees is kept for

    The numbers are those of the authors' code for MOT17, save `duplicate_overlap` and `farthest`, which it has not.
    """

    high_threshold: float = 0.6
    birth_threshold: float = 0.7
    low_threshold: float = LOW_THRESHOLD
    first_overlap: float = 0.2
    second_overlap: float = 0.5
    new_overlap: float = 0.3
    duplicate_overlap: float = 0.7
    farthest: float = 2.0
    keep_s: float = 1.0

    def __post_init__(self) -> None:
        low, high, birth = self.low_threshold, self.high_threshold, self.birth_threshold
        if not 0 <= low <= high <= birth <= 1:
            raise ValueError(f"thresholds {low}, {high} and {birth} are not in order from 0 to 1")
        if not self.keep_s >= 0:
            raise ValueError(f"tracks cannot be kept for {self.keep_s} seconds")

    @classmethod
    def of_threshold(cls, threshold: float) -> "TrackerSettings":
        """For a user who wants boxes above a threshold; the detector has to give those above `low_threshold`.

        Tracks begin a step above it, as the authors' code has it; where little is left to 1, half way there.
        """
        step = min(BIRTH_STEP, (1 - threshold) / 2)
        return cls(
            high_threshold=threshold, birth_threshold=threshold + step, low_threshold=min(LOW_THRESHOLD, threshold)
        )
