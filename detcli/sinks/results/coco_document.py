"""The dictionary that COCO's annotations are: put together on the disk, renamed into place when it is whole.

Entries go to spool files as they come, so memory stays flat. Rules of the readers: ids are integers, those of
annotations start at 1, and no category stands under the id 0 or the name "N/A" unless something of it was found.
"""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from detcli.errors import OutputError
from detcli.io.atomic_write import told
from detcli.io.outputs import is_stream, open_output
from detcli.sinks.results.coco_image_ids import CocoImageIds
from detcli.sinks.sink import SinkSettings
from detcli.structures.class_labels import ClassLabels
from detcli.structures.frame import Origin
from detcli.structures.json_records import Record, json_line
from detcli.structures.run_info import RunInfo


class CocoDocument:
    """`info`, `images`, `annotations` and `categories`, each written as it comes.

    An image in which nothing was found stands in `images`; one that failed stands in `info.failed` with the reason.
    `info.complete` is false where the run was interrupted.
    """

    def __init__(self, target: Path | BinaryIO, settings: SinkSettings) -> None:
        self._info = settings.info
        self._image_ids = CocoImageIds(settings.image_ids)
        self._output = open_output(target, in_place=False)
        try:
            self._images, self._annotations, self._failed = _Spool(target), _Spool(target), _Spool(target)
        except OutputError:
            self._output.discard()
            raise
        self._found: set[int] = set()  # class indices

    @property
    def count(self) -> int:
        """Annotations so far."""
        return self._annotations.count

    def add_image(self, origin: Origin, record: Record) -> int | None:
        """Take an image; returns its image id, None where it failed."""
        if record["error"] is not None:
            place = {"file_name": origin.relative, "index": origin.index}
            self._failed.add(place | _time(record) | {"error": record["error"]})
            return None
        image_id = self._image_ids.known(origin)
        if image_id is None:
            image_id = self._image_ids.new(origin)
        size = {"width": record["width"], "height": record["height"]}
        self._images.add({"id": image_id, "file_name": origin.relative, **size, **_time(record)})
        self._found.update(found["label_id"] for found in record["detections"])
        return image_id

    def add_annotation(self, annotation: Record) -> None:
        """Take one entry of `annotations`."""
        self._annotations.add(annotation)

    def close(self, *, complete: bool, things: bool = False) -> None:
        """Put the dictionary together and rename it into place.

        things  the categories say whether they are things or stuff
        """
        write = self._output.write
        write(b'{"info":' + json_line(_provenance(self._info, complete)).removesuffix(b"}\n") + b',"failed":[\n')
        self._failed.pour(write)
        write(b']},\n"images":[\n')
        self._images.pour(write)
        write(b'],\n"annotations":[\n')
        self._annotations.pour(write)
        categories = _categories(self._info.labels, self._found, things=things)
        write(b'],\n"categories":' + json_line(categories).rstrip() + b"}\n")
        self._output.commit()

    def abort(self) -> None:
        """Leave the file that was there before, if any."""
        self._output.discard()
        for spool in (self._images, self._annotations, self._failed):
            spool.close()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the user should hear at the end."""
        return self._image_ids.remarks("they stand in the COCO file under new ids")


class _Spool:
    """JSON objects on their way into a list: in a nameless file, on the disk where the output goes."""

    def __init__(self, target: Path | BinaryIO) -> None:
        folder = None if not isinstance(target, Path) or is_stream(target) else target.parent
        self._name = str(target) if folder else "a temporary file"
        self.count = 0
        with told(self._name):
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - lives as long as the sink

    def add(self, value: object) -> None:
        with told(self._name):
            self._file.write((b",\n" if self.count else b"") + json_line(value).rstrip())
        self.count += 1

    def pour(self, write: Callable[[bytes], None]) -> None:
        """Hand everything on, in pieces of a bounded size."""
        with told(self._name):
            self._file.seek(0)
            while piece := self._file.read(1 << 20):
                write(piece)
        self.close()

    def close(self) -> None:
        """Let the file go; safe twice."""
        with suppress(OSError):
            self._file.close()


def _time(record: Record) -> Record:
    """Where a frame is in its video, as the record says it; nothing for an image."""
    return {name: record[name] for name in ("frame", "time_s") if name in record}


def _provenance(info: RunInfo, complete: bool) -> dict[str, object]:
    return {
        "description": f"Objects found by detcli {info.version} with the model {info.model}",
        "version": info.version,
        "date_created": info.created,
        **info.as_json(),
        "complete": complete,
    }


def _categories(labels: ClassLabels, found: set[int], *, things: bool) -> list[dict[str, object]]:
    """The categories of the labels, without the holes in their numbering that nothing was found of."""
    return [
        {"id": category_id, "name": name} | ({"isthing": int(index not in labels.stuff)} if things else {})
        for index, (category_id, name) in enumerate(zip(labels.category_ids, labels.names, strict=True))
        if index in found or (category_id > 0 and name != "N/A")
    ]
