"""Counts the boxes that a runtime loses in a precision, against torch in fp32, on rendered shapes.

`python -m benchmarks.precision` prints a line for torch and OpenVINO in bf16, and for files that are given:
`python -m benchmarks.precision exported/shapes.xml`.
"""

import sys
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.synthetic.shape_sequences import ShapeSequence
from detcli.inference.detector import Detector
from detcli.inference.load import load_detector
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame

_MODEL = "shapes"
_SEQUENCES = (("hard", 1), ("easy", 2))
_LENGTH, _STEP = 60, 2
_NEAR_PX = 8.0  # a box that moved further is lost


def frames() -> list[Frame | FailedFrame]:
    """Every second image of two sequences."""
    return [
        ShapeSequence(level, seed, frames=_LENGTH, rate=15).frame(index)
        for level, seed in _SEQUENCES
        for index in range(0, _LENGTH, _STEP)
    ]


def distances(found: Detections, expected: Detections) -> Iterator[float]:
    """How far each expected box is from the nearest one of its class that is not taken, in pixels; infinity: lost."""
    taken: set[int] = set()
    for box, class_id in zip(expected.boxes_xyxy, expected.class_ids, strict=True):
        near = [
            (float(np.abs(found.boxes_xyxy[index] - box).max()), index)
            for index in np.flatnonzero(found.class_ids == class_id).tolist()
            if index not in taken
        ]
        distance, index = min(near, default=(np.inf, -1))
        if distance < _NEAR_PX:
            taken.add(index)
        yield distance if distance < _NEAR_PX else np.inf


def report(name: str, detector: Detector, images: Sequence[Frame | FailedFrame], expected: Sequence[object]) -> str:
    """One line: lost boxes, and how far the others moved."""
    moved = [
        distance
        for ours, theirs in zip(detector.detect_frames(images), expected, strict=True)
        if isinstance(ours, Detections) and isinstance(theirs, Detections)
        for distance in distances(ours, theirs)
    ]
    kept = [distance for distance in moved if distance < np.inf]
    return (
        f"{name:30} lost {len(moved) - len(kept)} of {len(moved)} boxes; the others move by {np.mean(kept):.3f} px "
        f"on average, {max(kept):.2f} px at most"
    )


def main(files: Sequence[str]) -> None:
    """Print the lines."""
    images = frames()
    expected = load_detector(_MODEL, runtime="torch").detect_frames(images)
    for runtime in ("torch", "openvino"):
        detector = load_detector(_MODEL, runtime=runtime, precision="bf16")
        print(report(f"{runtime} bf16", detector, images, expected))
    for file in files:
        print(report(file, load_detector(file), images, expected))


if __name__ == "__main__":
    main(sys.argv[1:])
