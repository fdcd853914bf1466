"""Pascal VOC: one XML file per image, as labeling tools and training programs read it.

Each object has its score, which readers of VOC ignore; with `no_scores`, the files are plain annotations.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from detcli.errors import UsageError
from detcli.io.outputs import is_stream
from detcli.io.results.xml_text import as_xml
from detcli.sinks.sink import BaseSink, SinkSettings
from detcli.structures.detections import Detections, detection_records
from detcli.structures.float_text import shortest
from detcli.structures.frame import FailedFrame, Frame

_SIDES = ("xmin", "ymin", "xmax", "ymax")


class VocAnnotations(BaseSink):
    """Writes a folder of XML files with the folder structure of the input; a failed image has no file."""

    ordered = False
    needs_pixels = False

    def __init__(self, target: Path | BinaryIO, settings: SinkSettings) -> None:
        if not isinstance(target, Path) or is_stream(target):
            raise UsageError("Pascal VOC needs a folder: name it in `outputs`")
        self._labels, self._scores = settings.info.labels, not settings.no_scores
        self._skip_existing = settings.skip_existing
        self._folder = settings.folders.open(target)

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Write the file of one image; safe in any thread."""
        if isinstance(frame, FailedFrame) or isinstance(detections, FailedFrame):
            return
        name = f"{frame.origin.stem}.xml"
        if not (self._skip_existing and self._folder.has(name)):
            origin = frame.origin
            lines = voc_file(
                origin.relative,
                origin.file,
                frame.size_hw,
                self._objects(detections),
                frame=origin.frame,
                time_s=origin.time_s,
            )
            self._folder.write(name, "\n".join(lines).encode())

    def _objects(self, detections: Detections) -> Iterator[str]:
        corners = shortest(detections.boxes_xyxy.reshape(-1))
        for number, record in enumerate(detection_records(detections, self._labels)):
            yield "  <object>"
            yield f"    <name>{as_xml(record['label'])}</name>"
            yield "    <pose>Unspecified</pose>"
            yield "    <truncated>0</truncated>"
            yield "    <difficult>0</difficult>"
            yield f"    <bndbox>{voc_sides(corners[4 * number : 4 * number + 4])}</bndbox>"
            if self._scores:
                yield f"    <score>{record['score']}</score>"
            if "track_id" in record:
                yield f"    <track_id>{record['track_id']}</track_id>"
            if "bbox_std" in record and self._scores:
                yield f"    <bbox_std>{voc_sides(record['bbox_std'])}</bbox_std>"
            yield "  </object>"


def voc_sides(numbers: list[float]) -> str:
    """The elements of left, top, right and bottom."""
    return "".join(f"<{side}>{number}</{side}>" for side, number in zip(_SIDES, numbers, strict=True))


def voc_file(
    relative: str,
    path: str,
    size_hw: tuple[int, int],
    objects: Iterable[str],
    *,
    frame: int | None = None,
    time_s: float | None = None,
) -> Iterator[str]:
    """The lines of the file of an image.

    relative       its name, "/" between parts
    objects        lines of its objects
    frame, time_s  of a frame of a video
    """
    name, (height, width) = PurePosixPath(relative), size_hw
    folder = "" if name.parent == PurePosixPath() else name.parent.as_posix()
    yield "<annotation>"
    yield f"  <folder>{as_xml(folder)}</folder>"
    yield f"  <filename>{as_xml(name.name)}</filename>"
    yield f"  <path>{as_xml(path)}</path>"
    if frame is not None:
        yield f"  <frame>{frame}</frame>"
    if time_s is not None:
        yield f"  <time_s>{time_s}</time_s>"
    yield f"  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    yield "  <segmented>0</segmented>"
    yield from objects
    yield "</annotation>"
    yield ""
