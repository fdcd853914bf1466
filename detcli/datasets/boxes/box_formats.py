"""Tells formats of boxes apart: what four numbers may mean, and which formats put all boxes into their images.

A format is a shape (corner and size, two corners, or center and size), the order of the axes, and the unit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_SHAPES = {
    "xywh": (("left", "top", "width", "height"), ("top", "left", "height", "width")),
    "xyxy": (("left", "top", "right", "bottom"), ("top", "left", "bottom", "right")),
    "cxcywh": (("center x", "center y", "width", "height"), ("center y", "center x", "height", "width")),
    "yxwh": (("top", "left", "width", "height"), ("left", "top", "height", "width")),
    "cycxwh": (("center y", "center x", "width", "height"), ("center x", "center y", "height", "width")),
}
_HALF_SWAPPED = ("yxwh", "cycxwh")
_FRACTION_SLACK = 0.1  # fractions of networks that do not clip are a little outside 0 to 1
_MIN_SHARE, _MIN_BOXES = 0.05, 5  # of boxes outside, before other formats are tried
_CERTAIN_SHARE, _CERTAIN_BOXES = 0.5, 10
_FITTING_SHARE = 0.99  # single boxes may be wrong in any format


@dataclass(frozen=True, slots=True)
class BoxFormat:
    """What four numbers of a box mean.

    shape      xywh: a corner and the size; xyxy: two corners; cxcywh: the center and the size; yxwh, cycxwh: with y before x,
               and the width before the height
    swapped    y is before x, and the height before the width; of yxwh and cycxwh only the height before the width
    fractions  of the width and height of the image, instead of pixels
    whole      what the whole width, and the whole height, is in fractions: 1; 100 for percent, 1000 for thousandths, or the
               side of a square that the image was resized to
    """

    shape: Literal["xywh", "xyxy", "cxcywh", "yxwh", "cycxwh"] = "xywh"
    swapped: bool = False
    fractions: bool = False
    whole: int = 1

    def __str__(self) -> str:
        words = ", ".join(_SHAPES[self.shape][self.swapped])
        kinds = {"xyxy": f"two corners ({words})", "cxcywh": f"centers ({words})", "cycxwh": f"centers ({words})"}
        return f"{kinds.get(self.shape, words)} {self._unit()}"

    def _unit(self) -> str:
        if not self.fractions:
            return "in pixels"
        names = {1: "as fractions of the image", 100: "in percent of the image", 1000: "in thousandths of the image"}
        return names.get(self.whole, f"in pixels of images resized to {self.whole} x {self.whole}")

    def to_xyxy(self, numbers: Boxes, sides_wh: Boxes) -> Boxes:
        """Boxes in pixels: left, top, right, bottom [N, 4] of numbers in this format, in images of [N, 2]."""
        ordered = numbers[:, self._order()]
        if self.fractions:
            ordered = ordered * np.tile(sides_wh / self.whole, 2)
        first, second = ordered[:, :2], ordered[:, 2:]
        if self.shape == "xyxy":
            return ordered.copy()
        start = first - second / 2 if self._has_centers() else first
        return np.concatenate((start, start + second), axis=1)

    def from_xyxy(self, boxes_xyxy: Boxes, sides_wh: Boxes) -> Boxes:
        """The numbers of boxes in this format; the inverse of `to_xyxy`."""
        start, end = boxes_xyxy[:, :2], boxes_xyxy[:, 2:]
        first = (start + end) / 2 if self._has_centers() else start
        numbers = np.concatenate((first, end if self.shape == "xyxy" else end - start), axis=1)
        if self.fractions:
            numbers = numbers / np.tile(sides_wh / self.whole, 2)
        return numbers[:, self._order()]

    def _has_centers(self) -> bool:
        return self.shape in ("cxcywh", "cycxwh")

    def _order(self) -> list[int]:
        """Where x, y, width and height are among the numbers; the inverse is the same."""
        swaps_xy, swaps_size = self.swapped != (self.shape in _HALF_SWAPPED), self.swapped
        return [*((1, 0) if swaps_xy else (0, 1)), *((3, 2) if swaps_size else (2, 3))]


COCO = BoxFormat()
YOLO = BoxFormat("cxcywh", fractions=True)
CORNERS = BoxFormat("xyxy")
ALL_FORMATS = tuple(
    BoxFormat(shape, swapped, fractions)
    for fractions in (False, True)
    for swapped in (False, True)
    for shape in ("xyxy", "cxcywh", "xywh")
)
HALF_SWAPPED_FORMATS = tuple(
    BoxFormat(shape, swapped, fractions)
    for fractions in (False, True)
    for swapped in (False, True)
    for shape in ("yxwh", "cycxwh")
)
"""Formats of programs that swap the axes of the place, or of the size, and not of both."""
_INPUT_SIZES = (256, 300, 320, 384, 416, 448, 512, 560, 576, 608, 640, 704, 768, 800, 896, 1024, 1280)
SCALED_FORMATS = (
    *(
        BoxFormat(shape, False, True, whole)
        for shape in ("xywh", "xyxy", "cxcywh")
        for whole in (100, 1000, *_INPUT_SIZES)
    ),
    BoxFormat("xyxy", swapped=True, fractions=True, whole=1000),  # as language models write them
)
"""Formats of labeling tools and language models, and of networks whose boxes were not scaled back to the image."""


@dataclass(frozen=True, slots=True)
class LikelyFormat:
    """The format that boxes are likely in, instead of the one that they are read in.

    format   None: fractions of any shape
    certain  the boxes cannot be used as they are read; False: it is a guess
    reason   a part of a sentence
    """

    format: BoxFormat | None
    certain: bool
    reason: str

    @property
    def fractions(self) -> bool:
        """Whether the boxes are smaller than pixels."""
        return self.format is None


@dataclass(frozen=True, slots=True)
class Slack:
    """How far boxes may extend beyond their image: the larger of the two.

    absolute  in the unit of the image size
    share     of the width or height of the image
    """

    absolute: float
    share: float = 0.0


def ends_outside(boxes_xyxy: Boxes, sides_wh: Boxes, slack: Slack) -> Mask:
    """Bool [N]: boxes that extend further beyond their image than the slack; never in images of unknown size."""
    sides = np.tile(sides_wh, 2)
    known = np.isfinite(sides)
    limits = np.maximum(slack.absolute, slack.share * np.where(known, sides, 0))
    return np.asarray((known & ((boxes_xyxy < -limits) | (boxes_xyxy > sides + limits))).any(axis=1))


def are_fractions(numbers: Boxes, sides_wh: Boxes) -> bool:
    """Whether numbers that should be pixels are fractions of the image: all of them up to 1, some sides below a pixel."""
    small = (np.abs(numbers - 0.5) <= 0.5 + _FRACTION_SLACK).all()
    return bool(len(numbers) and small and (sides_wh > 1).all() and (numbers[:, 2:] < 1).any())


def likely_format(numbers: Boxes, sides_wh: Boxes, read_as: BoxFormat, slack: Slack) -> LikelyFormat | None:
    """The format that numbers are likely in, if it is another one than they are read in; None if they seem right.

    numbers   float64 [N, 4]  as they are written
    sides_wh  float64 [N, 2]  width and height of the image of each box; infinity if unknown

    Boxes that extend beyond their images are evidence, if another format puts all of them inside.
    """
    finite = np.isfinite(numbers).all(axis=1)
    numbers, sides_wh = numbers[finite], sides_wh[finite]
    if not read_as.fractions and are_fractions(numbers, sides_wh):
        return LikelyFormat(
            None, certain=True, reason="all its boxes are smaller than a pixel, as fractions of the image are"
        )
    known = np.isfinite(sides_wh).all(axis=1)
    numbers, sides_wh = numbers[known], sides_wh[known]
    outside = ends_outside(read_as.to_xyxy(numbers, sides_wh), sides_wh, slack)
    count, share = int(outside.sum()), float(outside.mean()) if len(outside) else 0.0
    for other in _others(read_as):
        most = share > _CERTAIN_SHARE
        # Right boxes are almost never two corners too; they may well be centers, so it takes more of them.
        is_pair = other == CORNERS and read_as == COCO
        if not (most if is_pair else count >= _MIN_BOXES and share >= _MIN_SHARE):
            continue
        if _all_fit(other, numbers, sides_wh, slack):
            certain = most and (is_pair or count >= _CERTAIN_BOXES)
            part = "most" if most else f"{count:,} of {len(numbers):,}"
            reason = f"as {read_as} {part} boxes extend beyond the image; as {other} all fit"
            return LikelyFormat(other, certain, reason)
    return None


def _others(read_as: BoxFormat) -> Sequence[BoxFormat]:
    """Other formats of the same unit; those of the other unit are far outside or far too small."""
    every = (*ALL_FORMATS, *HALF_SWAPPED_FORMATS)
    return [other for other in every if other.fractions == read_as.fractions and other != read_as]


def _all_fit(other: BoxFormat, numbers: Boxes, sides_wh: Boxes, slack: Slack) -> bool:
    boxes = other.to_xyxy(numbers, sides_wh)
    fits = (boxes[:, 2:] > boxes[:, :2]).all(axis=1) & ~ends_outside(boxes, sides_wh, slack)
    return bool(fits.mean() >= _FITTING_SHARE)
