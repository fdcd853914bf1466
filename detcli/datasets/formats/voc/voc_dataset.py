"""A dataset of Pascal VOC: one XML file for each image, in the folders of VOCdevkit or next to the images.

The files do not list the classes, and do not say from which number pixels are counted: both are found in the files of
all parts. Errors and issues are those of `coco_dataset.py`, and also these:
- files that are not XML, or are XML of something else (DataError); objects without a name (DataError)
- objects with scores: they are detections (DataError)
- objects without a box (dropped); more than half of the objects (DataError)
- difficult objects (kept as crowds: neither trained on nor counted in evaluation, as in the challenges)
- with masks: more than half of the images without a PNG of objects (DataError); single ones (skipped)
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from detcli.datasets.boxes.box_checks import MAX_INVALID_SHARE
from detcli.datasets.boxes.box_formats import CORNERS
from detcli.datasets.coco.coco_boxes import WrittenBoxes
from detcli.datasets.dataset_request import DatasetContents, DatasetRequest
from detcli.datasets.formats.dataset_layout import DatasetLayout
from detcli.datasets.formats.image_files import AnnotationFile, find_image_files
from detcli.datasets.formats.labeled_contents import labeled_contents
from detcli.datasets.formats.labeled_objects import DIFFICULT, LabeledObjects
from detcli.datasets.formats.voc.voc_annotation import (
    NoAnnotationError,
    VocAnnotation,
    VocObject,
    read_voc_annotation,
)
from detcli.datasets.formats.voc.voc_coordinates import VocCoordinates
from detcli.datasets.formats.voc.voc_files import VocFiles, list_voc_files
from detcli.datasets.formats.voc.voc_masks import SEGMENTS, VocMasks, segment_path
from detcli.datasets.images.annotated_images import AnnotatedImages
from detcli.datasets.images.find_images import ImagePaths
from detcli.datasets.instance_masks import ImageMasks, read_outline
from detcli.datasets.issues import IssueReport

_TITLE = "Pascal VOC"


class VocDataset(AnnotatedImages):
    """A folder of Pascal VOC, or a list in its ImageSets.

    classes      None: the own classes, sorted
    first_pixel  with 1, xmax and ymax are the last pixel
    """

    def _read(self, request: DatasetRequest, issues: IssueReport) -> DatasetContents:
        if request.masks is True:
            request = replace(request, layout=_with_segments(request.layout, issues))
        files = list_voc_files(request.where, request.part, request.layout, issues)
        reader = _VocReader(files, masks=bool(request.masks), first_pixel=request.first_pixel)
        annotations = reader.read(issues)
        named = [AnnotationFile(name, found.names) for name, found in zip(files.relative, annotations, strict=True)]
        image_paths = find_image_files(named, files.root, request.images, issues, by_stem=True)
        reader.fill(annotations, issues)
        columns = reader.objects.columns(sorted(reader.labels))
        pngs = reader.pngs
        if request.masks is True:
            _skip_without_mask(image_paths, annotations, pngs, issues)

        def make_masks(sources: list[Any], indices: list[int]) -> ImageMasks:
            return VocMasks(sources, [pngs[index] or "" for index in indices])

        return labeled_contents(
            request,
            columns,
            image_paths,
            issues,
            boxes=WrittenBoxes(_TITLE, CORNERS),
            make_masks=make_masks,
            segment_folder=str(files.root.parent / SEGMENTS) if any(pngs) else "",
        )


class _VocReader:
    """Reads the files of a part into columns, with what only all files of a dataset show."""

    def __init__(self, files: VocFiles, *, masks: bool, first_pixel: Literal[0, 1] | None) -> None:
        self._files, self._masks = files, masks
        self._coordinates = VocCoordinates(first_pixel)
        self.objects = LabeledObjects(masks=masks)
        self.labels: set[str] = set()
        self.pngs: list[str | None] = [None] * len(files.relative)

    def read(self, issues: IssueReport) -> Sequence[VocAnnotation]:
        """The annotations of the part. Raises DataError with the files that are none."""
        annotations: list[VocAnnotation] = []
        invalid: list[str] = []
        for name in self._files.relative:
            try:
                annotations.append(read_voc_annotation(self._files.root / name))
            except NoAnnotationError as error:
                invalid.append(f"'{name}' ({error})")
        issues.raise_if_any(len(invalid), "annotation file{s} {are} invalid", invalid)
        scored, total = sum(found.scored for found in annotations), sum(len(found.objects) for found in annotations)
        if scored:
            issues.reject(f"{scored:,} of its {total:,} objects have scores, as detections have; give annotations")
        for name, found in zip(self._files.relative, annotations, strict=True):
            self._survey(name, found)
        for path in self._files.others:
            try:
                self._survey(path.name, read_voc_annotation(path))
            except NoAnnotationError:
                continue  # opening its part reports it
        return annotations

    def _survey(self, name: str, annotation: VocAnnotation) -> None:
        for number, found in enumerate(annotation.objects, 1):
            if found.label is not None:
                self.labels.add(found.label)
            if found.has_box:
                where = f"object {number} of '{name}'"
                self._coordinates.add(found.corners, where, is_challenge=annotation.is_challenge)

    def fill(self, annotations: Sequence[VocAnnotation], issues: IssueReport) -> None:
        """Put all objects into the columns, and report what was left out or assumed."""
        for index, (name, annotation) in enumerate(zip(self._files.relative, annotations, strict=True)):
            self.objects.add_image(name, name, annotation.size_hw)
            if self._masks:
                self.pngs[index] = segment_path(self._files.root, name)
            written = np.array([found.corners for found in annotation.objects], np.float64).reshape(-1, 4)
            has_box = np.array([found.has_box for found in annotation.objects], np.bool_)
            edges = self._coordinates.to_edges(written, has_box, is_challenge=annotation.is_challenge).tolist()
            for number, (found, corners) in enumerate(zip(annotation.objects, edges, strict=True), 1):
                self._add(number, found, corners, has_png=self.pngs[index] is not None)
        self.objects.check(issues)
        self._coordinates.report(issues)
        issues.add(self.objects.crowd_count(), DIFFICULT, harmless=True)

    def _add(self, number: int, found: VocObject, corners: list[float], *, has_png: bool) -> None:
        if found.label is None:
            self.objects.refuse(number, "it has no name")
            return
        outline = read_outline([found.polygon]) if found.polygon else None
        if not found.has_box and found.polygon is None:
            self.objects.drop(number, "object{s} {have} no box")
            return
        if not found.has_box and outline is None:
            self.objects.drop(number, "polygon{s} {have} fewer than three valid points")
            return
        left, top, right, bottom = corners
        source = outline if outline is not None or not has_png else number
        self.objects.add(number, found.label, (left, top, right, bottom), crowd=found.difficult, outline=source)


def _with_segments(layout: DatasetLayout, issues: IssueReport) -> DatasetLayout:
    """The list of the images with masks instead of that of all images, if there is one."""
    path = layout.annotations
    of_segments = path.parent.parent / "Segmentation" / path.name
    if path.suffix.lower() != ".txt" or path.parent.name != "Main" or not of_segments.is_file():
        return layout
    issues.add_sentences([f"masks are requested: the images are those of '{of_segments}'"], harmless=True)
    return DatasetLayout(layout.kind, of_segments, layout.any_part)


def _skip_without_mask(
    image_paths: ImagePaths, annotations: Sequence[VocAnnotation], pngs: Sequence[str | None], issues: IssueReport
) -> None:
    """Mark images as missing that have objects, but neither a PNG nor polygons. Raises DataError if these are most."""
    without = [
        index
        for index, found in enumerate(annotations)
        if found.objects and pngs[index] is None and not any(entry.polygon for entry in found.objects)
    ]
    names = [f"'{image_paths.names[index]}'" for index in without]
    if len(without) > MAX_INVALID_SHARE * len(annotations):
        issues.raise_if_any(
            len(without), f"of {len(annotations):,} images {{have}} no masks: neither '{SEGMENTS}' nor polygons", names
        )
    issues.add(len(without), f"image{{s}} {{have}} no PNG in '{SEGMENTS}' and {{were}} skipped", names)
    for index in without:
        image_paths.exists[index] = False
