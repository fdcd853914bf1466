"""Whether two runtimes detect the same in images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detcli.datasets.shapes.shapes_dataset import draw
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin

_MIN_SCORE = 0.05  # below it are queries without an object, whose order is not stable
_IMAGES = 3
_SIZE_HW = (480, 640)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two runtimes may differ.

    pixels  distance of a corner, in pixels of the image
    score   difference of scores
    lost    share of detections that may have no counterpart
    """

    pixels: float
    score: float
    lost: float = 0.0


# bf16 has 8 bits of precision: scores near the threshold of queries change by tenths.
AGREEMENTS = {"fp32": Agreement(0.1, 1e-3), "bf16": Agreement(8.0, 0.3, 0.1)}


def comparison_frames() -> list[Frame]:
    """Images of shapes, and one of noise."""
    images = [draw(102, index, size_hw=_SIZE_HW)[0] for index in range(_IMAGES)]
    images.append(np.random.default_rng(0).integers(0, 256, (*_SIZE_HW, 3), dtype=np.uint8))
    return [Frame(Origin(i, f"{i}.png", f"{i}.png", str(i)), _SIZE_HW, image) for i, image in enumerate(images)]


def difference(
    found: Sequence[Detections | FailedFrame], expected: Sequence[Detections | FailedFrame], allowed: Agreement
) -> str | None:
    """Compare detections with every score; return what differs, as the end of a sentence, or None."""
    compared, lost, worst = 0, 0, ""
    for ours, theirs in zip(found, expected, strict=True):
        if isinstance(ours, FailedFrame) or isinstance(theirs, FailedFrame):
            if type(ours) is type(theirs):
                continue
            return f"only one of both fails: {(ours if isinstance(ours, FailedFrame) else theirs).message}"  # type: ignore[union-attr]
        for one, other in ((theirs, ours), (ours, theirs)):
            for box, score, class_id in _to_compare(one, other, allowed):
                compared += 1
                if not _has_counterpart(box, score, class_id, other, allowed):
                    lost += 1
                    corners = " ".join(f"{value:.1f}" for value in box)
                    worst = worst or f"class {class_id} with score {score:.3f} at ({corners}) has no counterpart"
    return worst if lost > allowed.lost * compared else None


def _to_compare(one: Detections, other: Detections, allowed: Agreement) -> list[tuple[np.ndarray, float, int]]:
    """Detections that must have a counterpart: the last ones in a full list may have fallen out of the other one."""
    floor = max(_MIN_SCORE, float(other.scores.min()) if len(other.scores) else 0.0) + allowed.score
    return [
        (box, float(score), int(class_id))
        for box, score, class_id in zip(one.boxes_xyxy, one.scores, one.class_ids, strict=True)
        if score > floor
    ]


def _has_counterpart(box: np.ndarray, score: float, class_id: int, other: Detections, allowed: Agreement) -> bool:
    near = (other.class_ids == class_id) & (np.abs(other.scores - score) <= allowed.score)
    return bool(near.any()) and bool(np.abs(other.boxes_xyxy[near] - box).max(1).min() <= allowed.pixels)
