"""A dataset of CVAT's own XML, "CVAT for images" or "CVAT for video" with the frames as images.

Errors and issues are those of `coco_dataset.py`, and also these:
- a file that is not XML or is damaged; shapes without a label, or with one that the file does not list (DataError)
- polygons of fewer than three points, masks that do not fit (dropped); more than half of the shapes (DataError)
- rotated boxes (the upright box around them is used); polylines, points, cuboids, skeletons, tags (ignored)
- tracks without images of their frames, or of several tasks (DataError)
"""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from detcli.datasets.boxes.box_formats import CORNERS
from detcli.datasets.coco.coco_boxes import WrittenBoxes
from detcli.datasets.dataset import Part
from detcli.datasets.dataset_request import DatasetContents, DatasetRequest
from detcli.datasets.formats.cvat.cvat_images import find_cvat_images, frame_names
from detcli.datasets.formats.cvat.cvat_shapes import OTHER_SHAPES, SHAPES, NoShapeError, read_shape, rotation_of
from detcli.datasets.formats.cvat.cvat_subsets import MAX_CVAT_BYTES
from detcli.datasets.formats.cvat.cvat_tracks import FrameShapes
from detcli.datasets.formats.dataset_layout import ALL_PART_NAMES
from detcli.datasets.formats.labeled_contents import labeled_contents
from detcli.datasets.formats.labeled_objects import JOINED, ROTATED, LabeledObjects
from detcli.datasets.formats.shape_groups import LabeledShape, joined_groups
from detcli.datasets.images.annotated_images import AnnotatedImages
from detcli.datasets.instance_masks import MaskUse
from detcli.datasets.issues import IssueReport
from detcli.datasets.layouts import find_layout
from detcli.errors import ImageError, NoDataError
from detcli.io.coco.coco_entries import image_size
from detcli.io.documents import DocumentError
from detcli.io.documents.parse_xml import xml_elements
from detcli.io.read import opened

_PIECE = 1 << 20
_STEP = re.compile(r"\bstep\s*=\s*([1-9]\d{0,5})\b")  # of `frame_filter`
_WITHOUT_BOXES = ("points", "polyline", "cuboid", "tag", "skeleton")  # types of labels


class CvatDataset(AnnotatedImages):
    """The XML file of a task or project of CVAT, or the folder that has it.

    part     the subset of a project, or part of a folder, that has several
    classes  None: the labels of the file, in its order
    masks    from polygons, ellipses and masks
    """

    def _read(self, request: DatasetRequest, issues: IssueReport) -> DatasetContents:
        path, candidates = request.path, request.image_folders
        reader = _CvatReader(request.part, issues, masks=request.masks)
        reader.read(path)
        above = str(path.parent.parent)  # has other images with numbers: too likely not the frames
        reader.finish([folder for folder in candidates if request.images is not None or folder != above])
        image_paths = find_cvat_images(reader.objects.file_names, reader.subsets, candidates, issues)
        return labeled_contents(
            request,
            reader.objects.columns(reader.classes()),
            image_paths,
            issues,
            boxes=WrittenBoxes("CVAT", CORNERS),
        )


class _CvatReader:
    """Reads the file into columns."""

    def __init__(self, part: Part, issues: IssueReport, *, masks: MaskUse) -> None:
        self._part, self._issues, self._masks = part, issues, masks
        self._labels: dict[str, str] = {}  # type by name
        self._frames = FrameShapes()
        self._size_hw: tuple[int, int] | None = None
        self._range: tuple[int, int] | None = None
        self._has_tracks = False
        self._rotated = self._joined = 0
        self._by_subset: dict[str, int] = {}
        self.objects = LabeledObjects(masks=bool(masks))
        self.subsets: list[str] = []  # of each image

    def read(self, path: Path) -> None:
        """Read all elements. Raises NoDataError if the file cannot be read, and DataError if it is not CVAT's XML."""
        subsets = ALL_PART_NAMES[self._part]
        is_divided = find_layout(str(path), self._part).any_part is False
        try:
            for element in xml_elements(_pieces(path), drop=True):
                if element.tag == "meta":
                    self._read_meta(element)
                elif element.tag == "track":
                    self._has_tracks = True
                    self._frames.add_track(element)
                elif element.tag == "image":
                    subset = element.get("subset") or ""
                    if not is_divided or subset.lower() in subsets:
                        self._read_image(element, subset)
        except DocumentError as error:
            self._issues.reject(f"it cannot be read as XML: {error}")
        except ImageError as error:
            raise NoDataError(f"cannot read the annotations '{path}': {error}") from error

    def _read_meta(self, meta: Element) -> None:
        for label in meta.iter("label"):
            name = (label.findtext("name") or "").strip()
            if name and label.find("parent") is None:
                self._labels[name] = (label.findtext("type") or "").strip()
        task = next((element for tag in ("task", "job") for element in meta.iter(tag)), meta)
        sides = {
            side: _whole(next(iter(meta.iter("original_size")), meta).findtext(side)) for side in ("height", "width")
        }
        self._size_hw = image_size(sides)
        start, stop = (_whole(task.findtext(tag)) for tag in ("start_frame", "stop_frame"))
        self._range = None if start is None or stop is None else (start, stop)
        step = _STEP.search(task.findtext("frame_filter") or "")
        self._frames.step = int(step[1]) if step is not None else 1

    def _read_image(self, image: Element, subset: str) -> None:
        size_hw = image_size({side: _whole(image.get(side)) for side in ("height", "width")})
        name = image.get("name") or ""
        self.objects.add_image(name, name or f"image {image.get('id')}", size_hw)
        self.subsets.append(subset)
        self._add_shapes(((element.get("label"), element) for element in image), size_hw)

    def _add_shapes(self, elements: Iterable[tuple[str | None, Element]], size_hw: tuple[int, int] | None) -> None:
        shapes = list(self._shapes(elements, size_hw))
        objects = list(joined_groups(shapes))
        self._joined += len(shapes) - len(objects)
        for found in objects:
            self.objects.add(found.number, found.label, found.corners, outline=found.outline)

    def _shapes(
        self, elements: Iterable[tuple[str | None, Element]], size_hw: tuple[int, int] | None
    ) -> Iterator[LabeledShape]:
        number = 0
        for label, element in elements:
            if element.tag in OTHER_SHAPES:
                self.objects.ignored[OTHER_SHAPES[element.tag]] += 1
            if element.tag not in SHAPES:
                continue
            number += 1
            label = (label or "").strip()
            if not label or (self._labels and label not in self._labels):
                self.objects.refuse(
                    number, f"its label '{label}' is not listed in <labels>" if label else "it has no label"
                )
                continue
            try:
                corners, outline = read_shape(element, size_hw, masks=self._masks)
            except NoShapeError as error:
                self.objects.drop(number, str(error))
                continue
            self._rotated += element.tag == "box" and rotation_of(element) != 0
            group = element.get("group_id") or None
            yield LabeledShape(number, label, corners, outline, group=None if group == "0" else group)

    def finish(self, folders: list[str]) -> None:
        """Add the frames of tracks, and report what was left out.

        folders  that the images of frames may be in
        """
        if self._has_tracks:
            self._add_frames(folders)
        if not self.objects.file_names:
            self._issues.reject("it has no images")
        self.objects.check(self._issues)
        self._issues.add(self._rotated, ROTATED, harmless=True)
        self._issues.add(self._joined, JOINED, harmless=True)

    def _add_frames(self, folders: list[str]) -> None:
        frames = self._frames
        if len(frames.tasks) > 1:
            self._issues.reject(
                f"it has tracks of {len(frames.tasks)} tasks, whose frames have the same numbers: export each task by itself"
            )
        for kind, count in frames.ignored.items():
            self.objects.ignored[OTHER_SHAPES[kind]] += count
        self._issues.add(frames.invalid, "shape{s} of tracks {have} no number of a frame and {were} dropped")
        self._issues.add(
            frames.gaps, "polygon{s} or mask{s} between key frames {are} missing: only boxes are interpolated"
        )
        for frame, name in frame_names(sorted(frames.shapes), self._range, folders, self._issues):
            self.objects.add_image(name, name, self._size_hw)
            self.subsets.append("")
            self._add_shapes(frames.shapes.get(frame, ()), self._size_hw)

    def classes(self) -> list[str]:
        """The labels in the order of the file, without those of shapes that are ignored; else those of the objects, sorted."""
        used = set(self.objects.labels)
        listed = [name for name, kind in self._labels.items() if name in used or kind not in _WITHOUT_BOXES]
        return listed if self._labels else sorted(used)


def _pieces(path: Path) -> Iterator[bytes]:
    """The bytes of a file. Raises ImageError."""
    with opened(path) as descriptor:
        if os.fstat(descriptor).st_size > MAX_CVAT_BYTES:
            raise ImageError("too-large", f"it has more than the limit of {MAX_CVAT_BYTES:,} bytes")
        while piece := os.read(descriptor, _PIECE):
            yield piece


def _whole(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
