"""How far the detections of an exported file may be from those of its checkpoint, by the precision of the file."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Which detections are compared, and which differences are allowed.

    min_score  detections above it are compared …
    min_count  … and so many of each image, whatever their scores are
    pixels     distance of a corner, in pixels of the image …
    side       … or as a share of the longer side of the box, where that is more
    score      difference of scores
    mask       pixels that differ, as a share of those in either mask
    differing  share of the compared detections that may differ by more, or have no counterpart
    """

    min_score: float = 0.05
    min_count: int = 5
    pixels: float = 0.5
    side: float = 0.0
    score: float = 1e-2
    mask: float = 0.01
    differing: float = 0.0

    @property
    def in_words(self) -> str:
        """The allowed differences, such as "0.5 px and 0.01"."""
        side = f" or {self.side:.0%} of the longer side of the box" if self.side else ""
        return f"{self.pixels:g} px{side} and {self.score:g}"


FLOAT = Tolerance()
# 256 levels for each tensor: scores near the threshold move by a tenth, and some weak detections appear or vanish.
INT8 = Tolerance(min_count=0, pixels=4.0, side=0.1, score=0.2, mask=0.2, differing=0.1)


def tolerance_of(precision: str, *, threshold: float) -> Tolerance:
    """The tolerance for a file of this precision.

    threshold  of the model: with int8, detections above it are compared, since weaker ones are mostly noise
    """
    return replace(INT8, min_score=threshold) if precision == "int8" else FLOAT
