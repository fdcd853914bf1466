"""Writes COCO JSON: the entries of its sections, documents in memory, and files of any length in flat memory."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from detcli.errors import OutputError
from detcli.io.atomic_write import os_errors_as_output_errors
from detcli.io.outputs import is_stream, open_output
from detcli.io.remote.store_path import StorePath
from detcli.structures.class_labels import ClassLabels
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.json_records import Record, json_line


def coco_image(image_id: int, file_name: str, *, size_hw: tuple[int, int]) -> Record:
    """An entry of `images`."""
    return {"id": image_id, "file_name": file_name, "width": size_hw[1], "height": size_hw[0]}


def coco_annotation(annotation_id: int, image_id: int, values: Record, *, area: float) -> Record:
    """An entry of `annotations`.

    values  `category_id`, `bbox` (left, top, width, height), and optionally `score`, `segmentation`, `track_id`,
            `bbox_std`, `iscrowd`; other keys are ignored
    """
    entry: Record = {"id": annotation_id, "image_id": image_id}
    keys = ("category_id", "bbox", "score", "segmentation", "track_id", "bbox_std")
    entry |= {key: values[key] for key in keys if key in values}
    return entry | {"area": area, "iscrowd": values.get("iscrowd", 0)}


def coco_result(image_id: int, values: Record) -> Record:
    """An entry of the list that `loadRes` of pycocotools reads: a box, or a mask without its box.

    values  as in `coco_annotation`

    With a box next to its mask, pycocotools would sort the result into small, medium and large by the box.
    """
    geometry = "segmentation" if "segmentation" in values else "bbox"
    keys = ("category_id", geometry, "score", "track_id", "bbox_std")
    return {"image_id": image_id} | {key: values[key] for key in keys if key in values}


def coco_categories(
    labels: ClassLabels, *, used: set[int] | None = None, with_isthing: bool = False
) -> list[dict[str, object]]:
    """The entries of `categories`.

    used          class indices that must be listed; unused holes in the numbering of the labels (id 0, "N/A") are left
                  out. None: all classes are listed
    with_isthing  each category has `isthing`, as in COCO panoptic
    """
    return [
        {"id": category_id, "name": name} | ({"isthing": int(index not in labels.stuff)} if with_isthing else {})
        for index, (category_id, name) in enumerate(zip(labels.category_ids, labels.names, strict=True))
        if used is None or index in used or (category_id > 0 and name != "N/A")
    ]


def ground_truth_annotations(
    ground_truth: GroundTruth,
    labels: ClassLabels,
    *,
    image_id: int,
    first_id: int,
    areas: npt.NDArray[np.float64] | None = None,
    some_masks: bool = False,
) -> Iterator[Record]:
    """The entries of `annotations` for one image.

    areas       float64 [N] in pixels; NaN, or None for all: the area of the box
    some_masks  boxes with an empty mask have none
    """
    corners = ground_truth.boxes_xyxy
    boxes = np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), axis=1)
    box_areas = boxes[:, 2] * boxes[:, 3]
    areas = box_areas if areas is None else np.where(np.isnan(areas), box_areas, areas)
    rows = zip(
        boxes.tolist(), ground_truth.class_ids.tolist(), ground_truth.crowd.tolist(), areas.tolist(), strict=True
    )
    for row, (box, class_id, crowd, area) in enumerate(rows):
        values = {"category_id": labels.category_ids[class_id], "bbox": box, "iscrowd": int(crowd)}
        if ground_truth.masks is not None and not (some_masks and ground_truth.masks[row].area == 0):
            values["segmentation"] = ground_truth.masks[row].as_json()
        yield coco_annotation(first_id + row, image_id, values, area=area)


class CocoFileWriter:
    """Writes a COCO file of any length: entries go to temporary files, so memory stays flat.

    The file is put in place when it is complete. Raises OutputError if it cannot be written.
    """

    def __init__(self, target: Path | BinaryIO) -> None:
        self._output = open_output(target, in_place=False)
        try:
            self._images, self._annotations, self._failed = _Spool(target), _Spool(target), _Spool(target)
        except OutputError:
            self._output.discard()
            raise

    @property
    def annotation_count(self) -> int:
        """Number of annotations so far."""
        return self._annotations.count

    def add_image(self, entry: Record) -> None:
        """Add an entry of `images`."""
        self._images.add(entry)

    def add_annotation(self, entry: Record) -> None:
        """Add an entry of `annotations`."""
        self._annotations.add(entry)

    def add_failed(self, entry: Record) -> None:
        """Add an entry of `info.failed`."""
        self._failed.add(entry)

    def close(self, info: dict[str, Any], categories: list[dict[str, object]]) -> None:
        """Write the document and rename it into place.

        info  `info` without `failed`; not empty. `complete` false is for an interrupted run
        """
        write = self._output.write
        write(b'{"info":' + json_line(info).removesuffix(b"}\n") + b',"failed":[\n')
        self._failed.copy_to(write)
        write(b']},\n"images":[\n')
        self._images.copy_to(write)
        write(b'],\n"annotations":[\n')
        self._annotations.copy_to(write)
        write(b'],\n"categories":' + json_line(categories).rstrip() + b"}\n")
        self._output.commit(complete=bool(info.get("complete", True)))

    def abort(self) -> None:
        """Discard the new file; an earlier file stays as it is."""
        self._output.discard()
        for spool in (self._images, self._annotations, self._failed):
            spool.close()


class _Spool:
    """JSON objects of a list in a temporary file without a name, on the disk of the output."""

    def __init__(self, target: Path | BinaryIO) -> None:
        is_file = isinstance(target, Path) and not isinstance(target, StorePath) and not is_stream(target)
        folder = target.parent if is_file and isinstance(target, Path) else None
        self._name = str(target) if folder else "a temporary file"
        self.count = 0
        with os_errors_as_output_errors(self._name):
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - stays open as long as the writer

    def add(self, value: object) -> None:
        with os_errors_as_output_errors(self._name):
            self._file.write((b",\n" if self.count else b"") + json_line(value).rstrip())
        self.count += 1

    def copy_to(self, write: Callable[[bytes], None]) -> None:
        """Write all objects, in pieces of limited size, and close the file."""
        with os_errors_as_output_errors(self._name):
            self._file.seek(0)
            while piece := self._file.read(1 << 20):
                write(piece)
        self.close()

    def close(self) -> None:
        """Close and delete the file; a second call does nothing."""
        with suppress(OSError):
            self._file.close()
