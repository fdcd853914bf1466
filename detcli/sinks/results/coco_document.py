"""The COCO file of a run: its images under their ids, its annotations, and the provenance of the run.

Rules of the programs that read COCO: ids are integers, those of annotations start at 1, and no category has the id 0 or
the name "N/A" unless it was detected.
"""

from pathlib import Path
from typing import BinaryIO

from detcli.io.coco.coco_writer import CocoFileWriter, coco_annotation, coco_categories, coco_image
from detcli.sinks.results.coco_image_ids import CocoImageIds
from detcli.sinks.sink import SinkSettings
from detcli.structures.frame import Origin
from detcli.structures.json_records import Record
from detcli.structures.run_info import RunInfo


class CocoDocument:
    """Writes `info`, `images`, `annotations` and `categories` of a run.

    An image without detections is in `images`. An image that failed is in `info.failed` with the reason. An interrupted
    run has `info.complete` false.
    """

    def __init__(self, target: Path | BinaryIO, settings: SinkSettings) -> None:
        self._info = settings.info
        self._image_ids = CocoImageIds(settings.image_ids)
        self._file = CocoFileWriter(target)
        self._used: set[int] = set()  # class indices

    def add_image(self, origin: Origin, record: Record) -> int | None:
        """Add an image. Returns its image id, or None if it failed."""
        if record["error"] is not None:
            entry = {"file_name": origin.relative, "index": origin.index}
            self._file.add_failed(entry | _time(record) | {"error": record["error"]})
            return None
        image_id = self._image_ids.known(origin)
        if image_id is None:
            image_id = self._image_ids.new(origin)
        size_hw = (record["height"], record["width"])
        self._file.add_image(coco_image(image_id, origin.relative, size_hw=size_hw) | _time(record))
        self._used.update(detection["label_id"] for detection in record["detections"])
        return image_id

    def add_detection(self, image_id: int, detection: Record, *, area: float) -> None:
        """Add the record of a detection as an annotation."""
        self._file.add_annotation(coco_annotation(self._file.annotation_count + 1, image_id, detection, area=area))

    def add_annotation(self, annotation: Record) -> None:
        """Add an entry of `annotations` as it is."""
        self._file.add_annotation(annotation)

    def close(self, *, complete: bool, with_isthing: bool = False) -> None:
        """Write the document and rename it into place.

        with_isthing  each category has `isthing`
        """
        categories = coco_categories(self._info.labels, used=self._used, with_isthing=with_isthing)
        self._file.close(_provenance(self._info, complete), categories)

    def abort(self) -> None:
        """Discard the new file; an earlier file stays as it is."""
        self._file.abort()

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks for the user at the end of the run."""
        return self._image_ids.remarks("they have new ids in the COCO file")


def _time(record: Record) -> Record:
    """Frame number and time of a video frame; empty for an image."""
    return {name: record[name] for name in ("frame", "time_s") if name in record}


def _provenance(info: RunInfo, complete: bool) -> dict[str, object]:
    return {
        "description": f"Objects found by detcli {info.version} with the model {info.model}",
        "version": info.version,
        "date_created": info.created,
        **info.as_json(),
        "complete": complete,
    }
