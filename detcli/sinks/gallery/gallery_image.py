"""What a gallery shows: images with boxes, and what is said about all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from detcli.visualization.colors import Color

Ints = npt.NDArray[np.int64]
Problem = Literal["failed", "missing"]  # the image has no boxes because it failed; its pixels cannot be shown


@dataclass(frozen=True, slots=True, eq=False)
class GalleryImage:
    """One image.

    name        as the page shows it
    size_hw     height and width in pixels; None: unknown
    boxes_xyxy  float64 [N, 4]  left, top, right, bottom in pixels
    class_ids   int64 [N]       index into `GalleryAbout.classes`
    scores      float [N], NaN for a box without one; None: no box has a score
    outcomes    int64 [N]       index into `GalleryAbout.outcomes`; None: not evaluated
    expected    int64 [N]       class of the ground truth where it is another one, else -1
    track_ids   int64 [N]
    thumbnail   JPEG of the image
    masks       PNG with transparent background, over the thumbnail
    problem     what is wrong with it, and why
    """

    name: str
    size_hw: tuple[int, int] | None
    boxes_xyxy: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 4)))
    class_ids: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    scores: npt.NDArray[np.floating[Any]] | None = None
    outcomes: Ints | None = None
    expected: Ints | None = None
    track_ids: Ints | None = None
    thumbnail: bytes | None = None
    masks: bytes | None = None
    problem: tuple[Problem, str] | None = None


@dataclass(frozen=True, slots=True)
class GalleryOutcome:
    """What an evaluation says of a box.

    dashes   lengths of lines and gaps in line widths; empty: a continuous line
    mistake  images are sorted by the number of such boxes
    """

    name: str
    color: Color
    dashes: tuple[float, ...] = ()
    mistake: bool = False


@dataclass(frozen=True, slots=True)
class GalleryClassMetrics:
    """The metrics of a class; None without ground truth.

    ground_truth, detections  numbers of boxes
    curve                     precision at 101 recalls from 0 to 1; empty: none
    """

    name: str
    ground_truth: int
    detections: int
    ap: float | None
    ap50: float | None
    curve: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class GalleryMetrics:
    """An evaluation.

    metrics  by name
    counts   number of boxes by outcome
    curves   mean precision at 101 recalls from 0 to 1, by name
    """

    metrics: Mapping[str, float | None]
    counts: Mapping[str, int]
    curves: Mapping[str, Sequence[float]]
    classes: Sequence[GalleryClassMetrics]


@dataclass(frozen=True, slots=True)
class GalleryAbout:
    """What a gallery says about its images.

    classes  name and color of each class
    boxes    what its boxes are: "detections", or "ground truth"
    facts    name -> value, such as the model
    notes    sentences for the reader
    """

    title: str
    classes: Sequence[tuple[str, Color]]
    boxes: str = "detections"
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    outcomes: Sequence[GalleryOutcome] = ()
    metrics: GalleryMetrics | None = None
