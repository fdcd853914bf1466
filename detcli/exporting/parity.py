"""The parity check: an exported file must give the detections of its checkpoint."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detcli.errors import GateError
from detcli.inference.detector import Detector
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame

MAX_BOX_ERROR_PX = 0.5  # pixels of the image
MAX_SCORE_ERROR = 1e-2
MAX_MASK_ERROR = 0.01  # pixels that differ, as a share of those in either mask …
_MASK_PIXELS = 20  # … and so many of them are always allowed, at the edges of small masks
MIN_SCORE = 0.05  # detections above it are compared …
MIN_COUNT = 5  # … and so many of each image, whatever their scores are


@dataclass(frozen=True, slots=True)
class ParityResult:
    """The largest differences between an exported file and its checkpoint.

    runtime      that ran the exported file
    images       that were compared
    boxes        that were compared
    box_error    of a corner, in pixels of the image
    score_error  of a score
    """

    runtime: str
    images: int
    boxes: int
    box_error: float
    score_error: float


def check_parity(
    frames: Sequence[Frame],
    expected: Sequence[Detections | FailedFrame],
    detector: Detector,
) -> ParityResult:
    """Compare the detections of an exported file with those of its checkpoint.

    expected  detections of the checkpoint in the frames, with every score
    detector  of the exported file, with every score

    Raises GateError that names runtime, image and box for the first image with a difference that is too large.
    """
    found = detector.detect_frames(frames)
    boxes, box_error, score_error = 0, 0.0, 0.0
    for frame, theirs, ours in zip(frames, expected, found, strict=True):
        where = f"with the runtime {detector.runtime.name}, '{frame.origin.file}'"
        if isinstance(ours, FailedFrame) or isinstance(theirs, FailedFrame):
            if not (isinstance(ours, FailedFrame) and isinstance(theirs, FailedFrame)):
                raise _difference(where, ours.message if isinstance(ours, FailedFrame) else "the checkpoint failed")
            continue
        for reference, other, is_extra in ((theirs, ours, False), (ours, theirs, True)):
            for index in _compared(reference, other, detector.selection.max_detections):
                errors = _errors(reference, index, other)
                if errors is None or errors[0] > MAX_BOX_ERROR_PX or errors[1] > MAX_SCORE_ERROR:
                    raise _difference(where, _in_words(reference, index, errors, detector, is_extra=is_extra))
                if not _is_same_mask(reference, index, other):
                    raise _difference(where, f"{_named(reference, index, detector)} has another mask")
                box_error, score_error = max(box_error, errors[0]), max(score_error, errors[1])
                boxes += not is_extra
    if not boxes:
        raise GateError(
            f"no detection of the checkpoint could be compared in {len(frames)} images: try others (`images`)"
        )
    return ParityResult(detector.runtime.name, len(frames), boxes, box_error, score_error)


def _compared(detections: Detections, other: Detections, max_detections: int) -> Iterable[int]:
    """Positions of the detections that must have a counterpart: those that are not noise.

    Where the other side has as many as it may have, those at the end of its list may be other ones.
    """
    last = float(other.scores.min()) + MAX_SCORE_ERROR if len(other.scores) >= max_detections else 0.0
    order = np.argsort(-detections.scores, kind="stable")
    compared = (detections.scores[order] > max(MIN_SCORE, last)) | (np.arange(len(order)) < MIN_COUNT)
    return [int(index) for index in order[compared]]


def _nearest(detections: Detections, index: int, other: Detections) -> int | None:
    """The detection of the same class with the smallest error; None: there is none of that class."""
    same = np.flatnonzero(other.class_ids == detections.class_ids[index])
    if not len(same):
        return None
    box_errors, score_errors = _all_errors(detections, index, other)
    # Several queries may find the same object: the smallest error, in units of its maximum.
    error = np.maximum(box_errors / MAX_BOX_ERROR_PX, score_errors / MAX_SCORE_ERROR)[same]
    return int(same[np.argmin(error)])


def _errors(detections: Detections, index: int, other: Detections) -> tuple[float, float] | None:
    """Differences of box and score to the nearest detection; None: there is none of that class."""
    nearest = _nearest(detections, index, other)
    if nearest is None:
        return None
    box_errors, score_errors = _all_errors(detections, index, other)
    return float(box_errors[nearest]), float(score_errors[nearest])


def _all_errors(
    detections: Detections, index: int, other: Detections
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    boxes = np.abs(other.boxes_xyxy - detections.boxes_xyxy[index]).max(1)
    return boxes, np.abs(other.scores.astype(np.float64) - float(detections.scores[index]))


def _is_same_mask(detections: Detections, index: int, other: Detections) -> bool:
    nearest = _nearest(detections, index, other)
    if detections.masks is None or other.masks is None or nearest is None:
        return detections.masks is None and other.masks is None
    own, others = detections.masks[index].decode(), other.masks[nearest].decode()
    different = int((own != others).sum())
    return different <= _MASK_PIXELS or different <= MAX_MASK_ERROR * int((own | others).sum())


def _named(detections: Detections, index: int, detector: Detector) -> str:
    name = detector.labels.names[int(detections.class_ids[index])]
    corners = " ".join(f"{value:.1f}" for value in detections.boxes_xyxy[index])
    return f"{name} {float(detections.scores[index]):.3f} at ({corners})"


def _in_words(
    detections: Detections, index: int, errors: tuple[float, float] | None, detector: Detector, *, is_extra: bool
) -> str:
    what = _named(detections, index, detector)
    if errors is None:
        return f"{what} is {'only in the exported file' if is_extra else 'missing in the exported file'}"
    return f"{what} moves by {errors[0]:.3g} px, and its score by {errors[1]:.3g}"


def _difference(where: str, what: str) -> GateError:
    return GateError(
        f"the exported file does not detect what the checkpoint detects, and was removed: {where}: {what} "
        f"(allowed: {MAX_BOX_ERROR_PX:g} px and {MAX_SCORE_ERROR:g})"
    )
