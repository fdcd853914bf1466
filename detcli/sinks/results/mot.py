"""MOTChallenge: one line per box, `frame,id,left,top,width,height,score,-1,-1,-1`, for programs that compare trackers.

As there, frames and pixels are counted from 1. The id is -1 without tracking, as in files of detections. The format has no
place for the class, masks, deviations, or images without boxes, and a file is of one video.
"""

from pathlib import Path
from typing import BinaryIO

import numpy as np

from detcli.io.outputs import open_output
from detcli.sinks.sink import BaseSink, SinkSettings
from detcli.structures.detections import Detections
from detcli.structures.float_text import shortest
from detcli.structures.frame import FailedFrame, Frame


class MotLines(BaseSink):
    """Writes the boxes of a video, or of images in their order as its frames."""

    ordered = True
    needs_pixels = False

    def __init__(self, target: Path | BinaryIO, settings: SinkSettings) -> None:
        self._output = open_output(target, in_place=True)
        self._source: str | None = None
        self._mixes_videos = False
        self._classes: set[int] = set()

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Write the lines of one frame."""
        if isinstance(frame, FailedFrame) or isinstance(detections, FailedFrame) or not len(detections):
            return
        origin = frame.origin
        if origin.frame is not None:
            self._mixes_videos |= self._source not in (None, origin.file)
            self._source = origin.file
        number = (origin.index if origin.frame is None else origin.frame) + 1
        self._classes.update(detections.class_ids.tolist())
        self._output.write(_lines(number, detections))

    def flush(self) -> None:
        """Write every line so far to the file."""
        self._output.flush()

    def close(self, *, complete: bool) -> None:
        """Write the remaining lines."""
        self._output.commit(complete=complete)

    def abort(self) -> None:
        """Stop after an error; the lines that were flushed stay."""
        self._output.discard()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the format cannot tell."""
        remarks = []
        if len(self._classes) > 1:
            remarks.append(
                "the MOT file has boxes of several classes, and no place for the class: detect or filter one class (`classes`)"
            )
        if self._mixes_videos:
            remarks.append(
                "the MOT file has frames of several videos under the same numbers: use '{name}' in `outputs`"
            )
        return tuple(remarks)


def _lines(number: int, detections: Detections) -> bytes:
    boxes = detections.boxes_xyxy.copy()
    boxes[:, 2:] -= boxes[:, :2]
    boxes[:, :2] += 1
    if not (np.isfinite(detections.scores).all() and np.isfinite(boxes).all()):
        raise ValueError("boxes or scores are not finite")
    track_ids = [-1] * len(detections) if detections.track_ids is None else detections.track_ids.tolist()
    sides, scores = shortest(boxes.reshape(-1)), shortest(detections.scores)
    return b"".join(
        f"{number},{track_id},{','.join(map(str, sides[4 * i : 4 * i + 4]))},{scores[i]},-1,-1,-1\n".encode()
        for i, track_id in enumerate(track_ids)
    )
