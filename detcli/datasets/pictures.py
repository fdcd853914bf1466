"""Pictures with truths kept in a few arrays: read lazily, and the truths always in the upright picture's pixels.

What a picture's file says of its size and orientation is looked at when the picture is first asked for, and remembered.
"""

import os
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from detcli.datasets.dataset import Report
from detcli.datasets.findings import Findings
from detcli.datasets.turning import turn_boxes
from detcli.errors import PictureError
from detcli.files.decode import decode
from detcli.files.headers import Header, read_header
from detcli.files.reading import read_bytes
from detcli.values.frame import Frame, Origin, Resize, Unreadable
from detcli.values.labels import Labels
from detcli.values.truths import Truths

MAX_PIXELS = 250_000_000  # of a picture; the same as detection takes
MAX_PICTURE_BYTES = 8 * MAX_PIXELS
_HEADERS_ON_ENTRY = 2_000  # a fraction of a second
_MOST_WRONG = 0.5  # share of the pictures or boxes that may be unusable

# What a picture's header was found to say: not looked at, boxes are of the upright picture, boxes are of the stored
# picture, boxes are of a picture of another size, there is no readable header.
_UNSEEN, _UPRIGHT, _STORED, _OTHER_SIZE, _NO_HEADER = range(5)


@dataclass(frozen=True, slots=True)
class Tables:
    """P pictures and their N boxes, checked.

    unit        "pixels" of the size in `sizes_hw`; "fractions" of the upright picture's width and height
    paths       of each picture's file, as the user can type it
    names       of each picture, relative, "/" between parts
    image_ids   int64 [P]
    sizes_hw    int32 [P, 2]    of the pictures that the boxes were drawn on; 0 where the annotations do not say
    starts      int64 [P + 1]   the boxes of picture i are those from starts[i] to starts[i + 1]
    boxes_xyxy  float64 [N, 4]
    class_ids   int64 [N]
    crowd       bool [N]
    areas       float64 [N]     as the annotations give them, in pixels; NaN where they do not
    """

    unit: Literal["pixels", "fractions"]
    paths: list[str]
    names: list[str]
    image_ids: npt.NDArray[np.int64]
    sizes_hw: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    boxes_xyxy: npt.NDArray[np.float64]
    class_ids: npt.NDArray[np.int64]
    crowd: npt.NDArray[np.bool_]
    areas: npt.NDArray[np.float64]


class AnnotatedPictures:
    """The dataset that tables make.

    Raises DataError where there is nothing to learn from, or where the sizes in the annotations are not those of most
    pictures.
    """

    def __init__(self, tables: Tables, labels: Labels, findings: Findings) -> None:
        self._tables = tables
        self._labels = labels
        count = len(tables.paths)
        self._seen = np.zeros(count, np.uint8)
        self._orientations = np.ones(count, np.uint8)
        self._stored_hw = np.zeros((count, 2), np.int32)
        self._side_unknown_is = _UPRIGHT  # where boxes belong if sizes cannot tell
        self._look_on_entry(findings)
        self._report = _report(tables, labels, findings)

    @property
    def labels(self) -> Labels:
        """Classes in the order of their index, with the dataset's own category ids."""
        return self._labels

    @property
    def report(self) -> Report:
        """What was found on entry."""
        return self._report

    def __len__(self) -> int:
        return len(self._tables.paths)

    def image_id(self, index: int) -> int:
        """The id of the picture in `annotations`."""
        return int(self._tables.image_ids[index])

    def read(self, index: int, resize: Resize | None = None) -> Frame | Unreadable:
        """The picture, upright; `Unreadable` also where its truths are of a picture of another size."""
        path, name = self._tables.paths[index], self._tables.names[index]
        origin = Origin(index, path, name, os.path.splitext(name)[0])  # noqa: PTH122 - a name, not a path
        try:
            if self._look(index) == _OTHER_SIZE:
                raise PictureError("unsupported", self._says_other_size(index))
            decoded = decode(read_bytes(path, max_bytes=MAX_PICTURE_BYTES), max_pixels=MAX_PIXELS)
            width, height = decoded.image.size
            if resize is not None:
                return Frame(origin, (height, width), None, resize(decoded.image), decoded.keepsakes)
            return Frame(origin, (height, width), decoded.pixels, keepsakes=decoded.keepsakes)
        except PictureError as error:
            return Unreadable(origin, error.code, str(error))
        except MemoryError:
            return Unreadable(origin, "too-large", "there is not enough memory to read it (MemoryError)")
        except OSError as error:
            return Unreadable(origin, "decode-failed", f"reading failed ({type(error).__name__}: {error})")

    def truths(self, index: int) -> Truths:
        """What is true of the upright picture, in its pixels; nothing where `read` gives no picture to hold it against."""
        tables = self._tables
        state = self._look(index)
        if state == _OTHER_SIZE or (state == _NO_HEADER and tables.unit == "fractions"):
            return Truths.empty()
        these = slice(int(tables.starts[index]), int(tables.starts[index + 1]))
        boxes = tables.boxes_xyxy[these]
        if tables.unit == "fractions":
            height, width = self._upright_hw(index)
            boxes = boxes * [width, height, width, height]
        elif state == _STORED:
            height, width = self._stored_hw[index].tolist()
            boxes = turn_boxes(boxes, int(self._orientations[index]), (height, width))
        return Truths(boxes.copy(), tables.class_ids[these].copy(), tables.crowd[these].copy())

    def annotations(self) -> dict[str, Any]:
        """The truths as COCO annotations, numbered from 1; pictures whose header cannot be used are left out."""
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for index in range(len(self)):
            if self._look(index) in (_OTHER_SIZE, _NO_HEADER):
                continue
            height, width = self._upright_hw(index)
            image_id = self.image_id(index)
            images.append({"id": image_id, "file_name": self._tables.names[index], "width": width, "height": height})
            annotations += self._annotations_of(index, image_id, len(annotations) + 1)
        categories = [
            {"id": category_id, "name": name}
            for category_id, name in zip(self._labels.category_ids, self._labels.names, strict=True)
        ]
        info = {"description": f"Truths of {self._report.name}"}
        return {"info": info, "images": images, "annotations": annotations, "categories": categories}

    def _annotations_of(self, index: int, image_id: int, first_id: int) -> list[dict[str, Any]]:
        truths = self.truths(index)
        boxes = np.concatenate((truths.boxes_xyxy[:, :2], truths.boxes_xyxy[:, 2:] - truths.boxes_xyxy[:, :2]), axis=1)
        start, end = self._tables.starts[index : index + 2]
        areas = self._tables.areas[start:end]
        areas = np.where(np.isnan(areas), boxes[:, 2] * boxes[:, 3], areas)
        rows = zip(boxes.tolist(), truths.class_ids.tolist(), truths.crowd.tolist(), areas.tolist(), strict=True)
        return [
            {
                "id": first_id + place,
                "image_id": image_id,
                "category_id": self._labels.category_ids[class_id],
                "bbox": box,
                "area": area,
                "iscrowd": int(crowd),
            }
            for place, (box, class_id, crowd, area) in enumerate(rows)
        ]

    def _upright_hw(self, index: int) -> tuple[int, int]:
        height, width = self._stored_hw[index].tolist()
        return Header((height, width), int(self._orientations[index])).upright_hw

    def _look(self, index: int) -> int:
        """What the picture's header says of its boxes; read once. Threads that come together find the same."""
        if self._seen[index] == _UNSEEN:
            self._seen[index] = self._read_header(index)
        state = int(self._seen[index])
        return self._side_unknown_is if state == _UPRIGHT and self._sizes_cannot_tell(index) else state

    def _read_header(self, index: int) -> int:
        try:
            header = read_header(self._tables.paths[index], max_bytes=MAX_PICTURE_BYTES)
        except (PictureError, OSError, MemoryError):
            return _NO_HEADER  # `read` will say what is wrong with it
        self._stored_hw[index] = header.stored_hw
        self._orientations[index] = header.orientation
        height, width = self._tables.sizes_hw[index].tolist()
        if self._tables.unit == "fractions" or (height, width) in ((0, 0), header.upright_hw):
            return _UPRIGHT
        return _STORED if (height, width) == header.stored_hw else _OTHER_SIZE

    def _sizes_cannot_tell(self, index: int) -> bool:
        """Whether the picture is turned, and of the same size before and after."""
        if self._orientations[index] == 1 or self._tables.unit == "fractions":
            return False
        height, width = self._stored_hw[index].tolist()
        return bool(self._orientations[index] < 5 or height == width)

    def _says_other_size(self, index: int) -> str:
        height, width = self._tables.sizes_hw[index].tolist()
        true_height, true_width = self._upright_hw(index)
        return f"it has {true_width} x {true_height} pixels, and its annotations are for {width} x {height}"

    def _look_on_entry(self, findings: Findings) -> None:
        """Look at all pictures, or at a part of many that is spread evenly, and draw conclusions."""
        count = len(self)
        looked_at = np.unique(np.linspace(0, max(count - 1, 0), min(count, _HEADERS_ON_ENTRY)).astype(int))
        states = np.array([self._look(int(index)) for index in looked_at], np.uint8)
        of = "" if len(looked_at) == count else f" of the {len(looked_at):,} looked at"

        def quoted(which: npt.NDArray[np.int64]) -> list[str]:
            return [f"'{self._tables.names[index]}'" for index in which[:10]]

        (other,) = np.nonzero(states == _OTHER_SIZE)
        if len(other) > _MOST_WRONG * len(states):
            said = [f"'{self._tables.names[index]}': {self._says_other_size(index)}" for index in looked_at[other[:10]]]
            findings.refuse(len(other), f"picture{{s}}{of} {{are}} not of the size that the annotations say", said)
        findings.note(
            len(other),
            f"picture{{s}}{of} {{are}} not of the size that the annotations say and count as unreadable",
            quoted(looked_at[other]),
        )
        stored = looked_at[states == _STORED]
        findings.note(
            len(stored), f"picture{{s}}{of} {{are}} turned by EXIF, and the boxes are turned with them", quoted(stored)
        )
        unsure = np.array([index for index in looked_at if self._sizes_cannot_tell(index)], np.int64)
        telling = looked_at[(self._orientations[looked_at] > 1) & ~np.isin(looked_at, unsure) & (states != _OTHER_SIZE)]
        if len(stored) * 2 > len(telling):
            self._side_unknown_is = _STORED
        as_what = "turned with them, as others are" if self._side_unknown_is == _STORED else "taken as they are"
        findings.note(
            len(unsure),
            f"picture{{s}}{of} {{are}} turned by EXIF and of the same size either way: the boxes are {as_what}",
            quoted(unsure),
        )
        broken = looked_at[states == _NO_HEADER]
        findings.note(len(broken), f"picture{{s}}{of} cannot be read", quoted(broken))


def _report(tables: Tables, labels: Labels, findings: Findings) -> Report:
    counts = np.bincount(tables.class_ids[~tables.crowd], minlength=len(labels))
    boxes_of: dict[str, int] = {}
    for name, count in zip(labels.names, counts.tolist(), strict=True):
        boxes_of[name] = boxes_of.get(name, 0) + count
    boxes = int(counts.sum())
    if not boxes:
        findings.refuse_all(f"none of its {len(tables.paths):,} pictures has a box to learn from")
    return Report(
        name=findings.where,
        pictures=len(tables.paths),
        boxes=boxes,
        boxes_of=boxes_of,
        empty=int((np.diff(tables.starts) == 0).sum()),
        crowd=int(tables.crowd.sum()),
        findings=findings.sentences,
    )
