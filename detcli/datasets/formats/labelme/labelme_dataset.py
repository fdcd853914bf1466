"""A dataset of LabelMe: one JSON file for each image, next to it or in a folder of their own.

Errors and issues are those of `coco_dataset.py`, and also these:
- files that are not JSON; shapes without a label (DataError)
- polygons of fewer than three points, rectangles and circles of fewer than two (dropped); more than half of the shapes
  (DataError)
- images that are missing, but embedded in their annotations (used)
- lines and points (ignored); polygons of one label and group (joined to one object)
- `difficult` shapes (kept as crowds: neither trained on nor counted in evaluation)
"""

import os
from functools import partial
from pathlib import Path

from detcli.datasets.boxes.box_formats import CORNERS
from detcli.datasets.coco.coco_boxes import WrittenBoxes
from detcli.datasets.dataset_request import DatasetContents, DatasetRequest
from detcli.datasets.formats.image_files import AnnotationFile, find_image_files
from detcli.datasets.formats.labeled_contents import labeled_contents
from detcli.datasets.formats.labeled_objects import DIFFICULT, JOINED, ROTATED, LabeledObjects
from detcli.datasets.formats.labelme.labelme_file import (
    LabelMeFile,
    NoLabelMeError,
    read_embedded_image,
    read_labelme_file,
)
from detcli.datasets.formats.part_files import annotation_files, other_parts
from detcli.datasets.formats.shape_groups import joined_groups
from detcli.datasets.images.annotated_images import AnnotatedImages
from detcli.datasets.instance_masks import MaskUse
from detcli.datasets.issues import IssueReport


class LabelMeDataset(AnnotatedImages):
    """A folder of LabelMe.

    classes  None: the own classes of all parts, sorted
    masks    from polygons, circles and masks
    """

    def _read(self, request: DatasetRequest, issues: IssueReport) -> DatasetContents:
        root = request.path
        files = _read_files(root, issues, masks=request.masks)
        named = [
            AnnotationFile(name, () if found.image_path is None else (found.image_path,))
            for name, found in files.items()
        ]
        embedded = [index for index, found in enumerate(files.values()) if found.has_image]
        image_paths = find_image_files(named, root, request.images, issues, by_stem=False, embedded=embedded)
        objects = LabeledObjects(masks=bool(request.masks))
        _fill(objects, files, issues)
        labels = set(objects.labels) | _other_labels(request)
        return labeled_contents(
            request,
            objects.columns(sorted(labels)),
            image_paths,
            issues,
            boxes=WrittenBoxes("LabelMe", CORNERS),
            stored={
                index: partial(read_embedded_image, root / named[index].relative)
                for index in embedded
                if not os.path.isfile(image_paths.paths[index])  # noqa: PTH113 - any name
            },
        )


def _read_files(root: Path, issues: IssueReport, *, masks: MaskUse) -> dict[str, LabelMeFile]:
    """The files of LabelMe in a folder and its subfolders, by relative name. Raises DataError with those that are damaged."""
    files: dict[str, LabelMeFile] = {}
    invalid: list[str] = []
    skipped: list[str] = []
    for name in sorted(annotation_files(root, ".json"), key=os.fsencode):
        try:
            found = read_labelme_file(root / name, masks=masks)
        except NoLabelMeError as error:
            invalid.append(f"'{name}' ({error})")
            continue
        if found is None:
            skipped.append(f"'{name}'")
        else:
            files[name] = found
    issues.raise_if_any(len(invalid), "annotation file{s} {are} invalid", invalid)
    issues.add(len(skipped), "JSON file{s} {are} not of LabelMe and {were} skipped", skipped)
    if not files:
        issues.reject(f"there are no files of LabelMe (.json with 'shapes') in '{root}'")
    return files


def _fill(objects: LabeledObjects, files: dict[str, LabelMeFile], issues: IssueReport) -> None:
    """Put the shapes of all files into columns, and report what was left out."""
    joined = rotated = 0
    for name, found in files.items():
        objects.add_image(name, name, found.size_hw)
        for number, why in found.invalid:
            objects.refuse(number, why)
        for number, why in found.dropped:
            objects.drop(number, why)
        objects.ignored.update(found.ignored)
        whole = list(joined_groups(found.shapes))
        for shape in whole:
            objects.add(shape.number, shape.label, shape.corners, crowd=shape.crowd, outline=shape.outline)
        joined += len(found.shapes) - len(whole)
        rotated += found.rotated
    objects.check(issues)
    issues.add(rotated, ROTATED, harmless=True)
    issues.add(joined, JOINED, harmless=True)
    issues.add(objects.crowd_count(), DIFFICULT, harmless=True)


def _other_labels(request: DatasetRequest) -> set[str]:
    """The labels of the other parts; files that are damaged are reported when their part is opened."""
    labels: set[str] = set()
    for root in other_parts(request.where, request.part, request.layout):
        for name in annotation_files(root, ".json"):
            try:
                found = read_labelme_file(root / name, masks=False)
            except NoLabelMeError:
                continue
            labels.update(shape.label for shape in (found.shapes if found is not None else ()))
    return labels
