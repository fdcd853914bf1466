"""The parity check: an exported file must give the detections of its checkpoint."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detcli.errors import GateError
from detcli.exporting.tolerance import FLOAT, Tolerance
from detcli.inference.detector import Detector
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame

_MASK_PIXELS = 20  # so many pixels of a mask may always differ, at the edges of small ones


@dataclass(frozen=True, slots=True)
class ParityResult:
    """The largest differences between an exported file and its checkpoint.

    runtime      that ran the exported file
    images       that were compared
    boxes        that were compared
    box_error    of a corner, in pixels of the image
    score_error  of a score
    differing    detections of either one that differ by more than is allowed for each; not counted in the errors
    """

    runtime: str
    images: int
    boxes: int
    box_error: float
    score_error: float
    differing: int = 0


def check_parity(
    frames: Sequence[Frame],
    expected: Sequence[Detections | FailedFrame],
    detector: Detector,
    tolerance: Tolerance = FLOAT,
) -> ParityResult:
    """Compare the detections of an exported file with those of its checkpoint.

    expected  detections of the checkpoint in the frames, with every score
    detector  of the exported file, with every score

    Raises GateError that names runtime, image and box for the first difference that is too large.
    """
    comparison = _Comparison(detector, tolerance)
    for frame, theirs, ours in zip(frames, expected, detector.detect_frames(frames), strict=True):
        comparison.add(frame, theirs, ours)
    return comparison.result(len(frames))


class _Comparison:
    """Counts and largest differences over several images."""

    def __init__(self, detector: Detector, tolerance: Tolerance) -> None:
        self._detector, self._tolerance = detector, tolerance
        self._boxes, self._compared = 0, 0  # of the checkpoint; of both
        self._box_error, self._score_error = 0.0, 0.0
        self._differing: list[str] = []

    def add(self, frame: Frame, theirs: Detections | FailedFrame, ours: Detections | FailedFrame) -> None:
        """Compare an image. Raises GateError if only one side has detections of it."""
        where = f"with the runtime {self._detector.runtime.name}, '{frame.origin.file}'"
        if isinstance(ours, FailedFrame) or isinstance(theirs, FailedFrame):
            if not (isinstance(ours, FailedFrame) and isinstance(theirs, FailedFrame)):
                message = ours.message if isinstance(ours, FailedFrame) else "the checkpoint failed"
                raise self._error(f"{where}: {message}")
            return
        most = self._detector.selection.max_detections
        for one, other, is_extra in ((theirs, ours, False), (ours, theirs, True)):
            for index in _compared(one, other, most, self._tolerance):
                self._compared += 1
                self._boxes += not is_extra
                problem = self._problem(one, index, other, is_extra=is_extra)
                if problem is not None:
                    self._differing.append(f"{where}: {problem}")

    def result(self, images: int) -> ParityResult:
        """The largest differences. Raises GateError if too many detections differ, or none was compared."""
        if len(self._differing) > self._tolerance.differing * self._compared:
            raise self._error(self._differing[0])
        if not self._boxes:
            above = "" if self._tolerance.min_count else f" with a score above {self._tolerance.min_score:g}"
            raise GateError(
                f"no detection of the checkpoint{above} could be compared in {images} images: try others (`images`)"
            )
        return ParityResult(
            self._detector.runtime.name,
            images,
            self._boxes,
            self._box_error,
            self._score_error,
            len(self._differing),
        )

    def _problem(self, one: Detections, index: int, other: Detections, *, is_extra: bool) -> str | None:
        """What is wrong with the counterpart of a detection; None: nothing, and its differences are counted."""
        differences = _Differences(one, index, other, self._tolerance)
        name = _named(one, index, self._detector)
        nearest = differences.nearest()
        if nearest is None:
            return f"{name} is {'only in the exported file' if is_extra else 'missing in the exported file'}"
        box_error, score_error = float(differences.boxes[nearest]), float(differences.scores[nearest])
        if box_error > differences.allowed_px or score_error > self._tolerance.score:
            return f"{name} moves by {box_error:.3g} px, and its score by {score_error:.3g}"
        if not _is_same_mask(one, index, other, nearest, self._tolerance.mask):
            return f"{name} has another mask"
        if not _is_same_std(one, index, other, nearest, differences.allowed_px):
            return f"{name} has another uncertainty"
        self._box_error, self._score_error = max(self._box_error, box_error), max(self._score_error, score_error)
        return None

    def _error(self, what: str) -> GateError:
        tolerance = self._tolerance
        share = ""
        if tolerance.differing:
            share = (
                f"; {len(self._differing)} of {self._compared} differ by more, at most {tolerance.differing:.0%} may"
            )
        return GateError(
            f"the exported file does not detect what the checkpoint detects, and was removed: {what} "
            f"(allowed: {tolerance.in_words}{share})"
        )


def _is_same_std(one: Detections, index: int, other: Detections, nearest: int, allowed_px: float) -> bool:
    if one.box_std is None or other.box_std is None:
        return one.box_std is other.box_std
    return bool(np.abs(one.box_std[index] - other.box_std[nearest]).max() <= allowed_px)


class _Differences:
    """A detection beside all those of the other side.

    boxes       largest distance of a corner to each, in pixels
    scores      difference of scores to each
    allowed_px  allowed distance of a corner
    """

    def __init__(self, one: Detections, index: int, other: Detections, tolerance: Tolerance) -> None:
        box = one.boxes_xyxy[index]
        self.boxes: npt.NDArray[np.float64] = np.abs(other.boxes_xyxy - box).max(1)
        self.scores: npt.NDArray[np.float64] = np.abs(other.scores.astype(np.float64) - float(one.scores[index]))
        self.allowed_px = max(tolerance.pixels, tolerance.side * float(max(box[2] - box[0], box[3] - box[1])))
        self._same_class = other.class_ids == one.class_ids[index]
        self._tolerance = tolerance

    def nearest(self) -> int | None:
        """The detection of the same class with the smallest error; None: there is none of that class."""
        same = np.flatnonzero(self._same_class)
        if not len(same):
            return None
        # Several queries may find the same object: the smallest error, in units of its maximum.
        error = np.maximum(self.boxes / self.allowed_px, self.scores / self._tolerance.score)[same]
        return int(same[np.argmin(error)])


def _compared(one: Detections, other: Detections, max_detections: int, tolerance: Tolerance) -> Iterable[int]:
    """Positions of the detections that must have a counterpart: those that are not noise.

    Where the other side has as many as it may have, those at the end of its list may be other ones.
    """
    last = float(other.scores.min()) + tolerance.score if len(other.scores) >= max_detections else 0.0
    order = np.argsort(-one.scores, kind="stable")
    compared = (one.scores[order] > max(tolerance.min_score, last)) | (np.arange(len(order)) < tolerance.min_count)
    return [int(index) for index in order[compared]]


def _is_same_mask(one: Detections, index: int, other: Detections, nearest: int, share: float) -> bool:
    if one.masks is None or other.masks is None:
        return one.masks is None and other.masks is None
    own, others = one.masks[index].decode(), other.masks[nearest].decode()
    different = int((own != others).sum())
    return different <= _MASK_PIXELS or different <= share * int((own | others).sum())


def _named(detections: Detections, index: int, detector: Detector) -> str:
    name = detector.labels.names[int(detections.class_ids[index])]
    corners = " ".join(f"{value:.1f}" for value in detections.boxes_xyxy[index])
    return f"{name} {float(detections.scores[index]):.3f} at ({corners})"
