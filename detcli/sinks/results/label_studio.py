"""Label Studio: a JSON list of tasks, each an image with its boxes as a prediction, to import and correct there."""

from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import numpy as np

from detcli.io.outputs import open_output
from detcli.io.results.label_studio_names import BOX_TYPE, FROM_NAME, LOCAL_FILES, TO_NAME
from detcli.sinks.sink import BaseSink, SinkSettings
from detcli.structures.detections import Detections
from detcli.structures.float_text import shortest
from detcli.structures.frame import FailedFrame, Frame, Origin
from detcli.structures.json_records import Record, json_line, to_record
from detcli.text import counted


class LabelStudioTasks(BaseSink):
    """Writes a task per image, also for one without boxes; an image that failed has none, because it cannot be labeled.

    Boxes are in percent of the image, as Label Studio has them. Track ids and deviations are in `meta` of a box.
    """

    ordered = True
    needs_pixels = False

    def __init__(self, target: Path | BinaryIO, settings: SinkSettings) -> None:
        self._labels, self._model = settings.info.labels, settings.info.model
        self._frames = 0
        self._output = open_output(target, in_place=False)
        self._output.write(b"[")
        self._between = b"\n"

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Write the task of one image."""
        if isinstance(frame, FailedFrame) or isinstance(detections, FailedFrame):
            return
        self._frames += frame.origin.frame is not None
        record = to_record(frame, detections, self._labels)
        results = _results(record, detections)
        prediction: Record = {"model_version": self._model}
        if results:
            prediction["score"] = shortest(np.array([detections.scores.mean()]))[0]
        task = {"data": _data(frame.origin, record), "predictions": [prediction | {"result": results}]}
        self._output.write(self._between + json_line(task).rstrip())
        self._between = b",\n"

    def flush(self) -> None:
        """Flush the output if it is a stream."""
        self._output.flush()

    def close(self, *, complete: bool) -> None:
        """Close the list, also after an interrupted run, and rename it into place."""
        self._output.write(b"\n]\n")
        self._output.commit(complete=complete)

    def abort(self) -> None:
        """Discard the new file; an earlier file stays as it is."""
        self._output.discard()

    @property
    def remarks(self) -> tuple[str, ...]:
        """Frames of videos, which Label Studio cannot show."""
        if not self._frames:
            return ()
        verb = "is" if self._frames == 1 else "are"
        return (
            f"{counted(self._frames, 'task')} of Label Studio {verb} of frames of videos, which it cannot show as images: "
            "save the frames as images first",
        )


def _data(origin: Origin, record: Record) -> Record:
    """The values that the labeling configuration of a project can use: `$image` is what it shows.

    An image without boxes has its size only here.
    """
    is_address = "://" in origin.file
    image = origin.file if is_address else LOCAL_FILES + quote(origin.relative, errors="surrogateescape")
    data: Record = {"image": image, "file": origin.file, "index": origin.index}
    data |= {"width": record["width"], "height": record["height"]}
    return data if origin.frame is None else data | {"frame": origin.frame, "time_s": origin.time_s}


def _results(record: Record, detections: Detections) -> list[Record]:
    width, height = record["width"], record["height"]
    boxes = detections.boxes_xyxy.copy()
    boxes[:, 2:] -= boxes[:, :2]
    percent = shortest((boxes / [width, height, width, height] * 100).reshape(-1))
    return [
        _result(detection, percent[4 * i : 4 * i + 4], (width, height), number=i + 1)
        for i, detection in enumerate(record["detections"])
    ]


def _result(detection: Record, percent: list[float], size_wh: tuple[int, int], *, number: int) -> Record:
    value: dict[str, Any] = dict(zip(("x", "y", "width", "height"), percent, strict=True))
    meta = {name: detection[name] for name in ("track_id", "bbox_std") if name in detection}
    result = {
        "id": str(number),
        "type": BOX_TYPE,
        "from_name": FROM_NAME,
        "to_name": TO_NAME,
        "original_width": size_wh[0],
        "original_height": size_wh[1],
        "image_rotation": 0,
        "value": value | {"rotation": 0, BOX_TYPE: [detection["label"]]},
        "score": detection["score"],
    }
    return result | ({"meta": meta} if meta else {})
