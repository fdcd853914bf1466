"""COCO: annotations with provenance, as one dictionary, or the bare list of results that AP is computed from.

Records go to spool files as they come, so memory stays flat; the whole is put together and renamed into place at the
end. Rules of the readers: ids are integers, those of annotations start at 1, every annotation has `area` and
`iscrowd`, and no category stands under the id 0 or the name "N/A" unless something of it was found.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from detcli.errors import OutputError
from detcli.files.outputs import is_stream, open_output
from detcli.files.writing import told
from detcli.sinks.sink import SinkSettings
from detcli.values.detections import Detections
from detcli.values.frame import Frame, Origin, Unreadable
from detcli.values.labels import Labels
from detcli.values.record import Record, json_line, shortest, to_record


class CocoAnnotations:
    """The full dictionary: info, images, annotations with their scores, categories.

    A picture without boxes stands in `images`; one that failed stands in `info.failed` with the reason.
    `info.complete` is false where the run was interrupted.
    """

    ordered = True
    needs_pixels = False

    def __init__(self, target: Path | BinaryIO, settings: SinkSettings) -> None:
        self._info = settings.info
        self._image_ids = _ImageIds(settings.image_ids)
        self._output = open_output(target, in_place=False)
        try:
            self._images, self._annotations, self._failed = _Spool(target), _Spool(target), _Spool(target)
        except OutputError:
            self._output.discard()
            raise
        self._found: set[int] = set()  # class indices

    def write(self, frame: Frame | Unreadable, detections: Detections | Unreadable) -> None:
        """Take one picture and its boxes."""
        origin = frame.origin
        record = to_record(frame, detections, self._info.labels)
        if record["error"] is not None:
            self._failed.add({"file_name": origin.relative, "index": origin.index, "error": record["error"]})
            return
        image_id = self._image_ids.known(origin)
        if image_id is None:
            image_id = self._image_ids.new(origin)
        size = {"width": record["width"], "height": record["height"]}
        self._images.add({"id": image_id, "file_name": origin.relative, **size})
        for result, area in zip(_results(record, image_id), _areas(record), strict=True):
            self._annotations.add({"id": self._annotations.count + 1, **result, "area": area, "iscrowd": 0})
        self._found.update(found["label_id"] for found in record["detections"])

    def flush(self) -> None:
        """Do nothing: nobody reads half a dictionary."""

    def close(self, *, complete: bool) -> None:
        """Put the dictionary together and rename it into place."""
        write = self._output.write
        write(b'{"info":' + json_line(self._header(complete)).removesuffix(b"}\n") + b',"failed":[\n')
        self._failed.pour(write)
        write(b']},\n"images":[\n')
        self._images.pour(write)
        write(b'],\n"annotations":[\n')
        self._annotations.pour(write)
        write(b'],\n"categories":' + json_line(_categories(self._info.labels, self._found)).rstrip() + b"}\n")
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

    def _header(self, complete: bool) -> dict[str, object]:
        info = self._info
        description = f"Objects found by detcli {info.version} with the model {info.model}"
        return {
            "description": description,
            "version": info.version,
            "date_created": info.created,
            **info.as_json(),
            "complete": complete,
        }


class CocoResults:
    """The bare list that pycocotools' `loadRes` takes; valid JSON also when it is empty.

    With `--gt`, a picture that its annotations do not know is left out: an unknown image id would stop the evaluation.
    """

    ordered = True
    needs_pixels = False

    def __init__(self, target: Path | BinaryIO, settings: SinkSettings) -> None:
        self._labels = settings.info.labels
        self._image_ids = _ImageIds(settings.image_ids)
        self._output = open_output(target, in_place=False)
        self._output.write(b"[")
        self._between = b"\n"

    def write(self, frame: Frame | Unreadable, detections: Detections | Unreadable) -> None:
        """Write the boxes of one picture."""
        record = to_record(frame, detections, self._labels)
        if record["error"] is not None:
            return
        image_id = self._image_ids.known(frame.origin)
        if image_id is None:
            return
        for result in _results(record, image_id):
            self._output.write(self._between + json_line(result).rstrip())
            self._between = b",\n"

    def flush(self) -> None:
        """Hand on what is written, where it is a stream."""
        self._output.flush()

    def close(self, *, complete: bool) -> None:
        """Close the list, of an interrupted run too, and rename it into place."""
        self._output.write(b"\n]\n")
        self._output.commit()

    def abort(self) -> None:
        """Leave the file that was there before, if any."""
        self._output.discard()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the user should hear at the end."""
        return self._image_ids.remarks("they are left out of the COCO results")


class _ImageIds:
    """The image ids of a run: index + 1, or those of the annotations given with `--gt`, each for one picture only."""

    def __init__(self, given: Mapping[str, int] | None) -> None:
        self._given = given
        self._free = 1 if given is None else max(given.values(), default=0) + 1
        self._taken: set[int] = set()
        self._unknown = 0
        self._first_unknown = ""

    def known(self, origin: Origin) -> int | None:
        """The id of a picture, or None where the annotations do not know it."""
        if self._given is None:
            return origin.index + 1
        image_id = self._given.get(origin.relative)
        if image_id is None or image_id in self._taken:  # two pictures share the name of one
            self._unknown += 1
            self._first_unknown = self._first_unknown or origin.relative
            return None
        self._taken.add(image_id)
        return image_id

    def new(self, origin: Origin) -> int:
        """An id that no annotation has, the same in a resumed run."""
        return self._free + origin.index

    def remarks(self, what_became_of_them: str) -> tuple[str, ...]:
        if not self._unknown:
            return ()
        pictures = "1 picture is" if self._unknown == 1 else f"{self._unknown} pictures are"
        first = f"'{self._first_unknown}'"
        return (f"{pictures} not in the annotations of --gt, {first} the first; {what_became_of_them}",)


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


def _results(record: Record, image_id: int) -> Iterator[Record]:
    """The boxes of a record as `loadRes` wants them."""
    for found in record["detections"]:
        yield {
            "image_id": image_id,
            "category_id": found["category_id"],
            "bbox": found["bbox"],
            "score": found["score"],
        }


def _areas(record: Record) -> list[float]:
    sizes = np.array([found["bbox"][2:] for found in record["detections"]]).reshape(-1, 2)
    return shortest(sizes.prod(axis=1))


def _categories(labels: Labels, found: set[int]) -> list[dict[str, object]]:
    """The categories of the labels, without the holes in their numbering that nothing was found of."""
    return [
        {"id": category_id, "name": name}
        for index, (category_id, name) in enumerate(zip(labels.category_ids, labels.names, strict=True))
        if index in found or (category_id > 0 and name != "N/A")
    ]
