"""A dataset in the folder layout of YOLO: `images/…` next to `labels/….txt`, with the classes in a YAML file or classes.txt.

These raise DataError with the first ten entries: no images; classes that the YAML file does not name; more than half of
the rows malformed, or of the boxes invalid; no box at all; classes that do not match; rows with a score, which are
results; rows that are boxes with key points or polygons, where the YAML file has no `kpt_shape`.

These are tolerated and reported: malformed rows, boxes without area or outside the image (dropped), boxes that extend
beyond it (clipped), boxes that an image has twice (dropped for training), label files that cannot be read, listed images
that are missing. An image without a label file has no boxes. Boxes are fractions of the upright image, as in YOLO's own
tools. If masks are requested, they are the polygons, and rows without one are dropped: more than half of them is an error.
"""

import os
from pathlib import Path

import numpy as np

from detcli.datasets.classes.match_classes import match_classes
from detcli.datasets.dataset import Part
from detcli.datasets.dataset_request import DatasetContents, DatasetRequest
from detcli.datasets.images.annotated_images import AnnotatedImages
from detcli.datasets.issues import IssueReport
from detcli.datasets.yolo.yolo_folders import IMAGE_FOLDERS, label_path
from detcli.datasets.yolo.yolo_images import list_images
from detcli.datasets.yolo.yolo_labels import LabelRows
from detcli.datasets.yolo.yolo_tables import LabeledImages, make_yolo_tables
from detcli.datasets.yolo.yolo_yaml import DataYaml, read_yolo_classes
from detcli.errors import NoDataError, UsageError
from detcli.structures.class_labels import ClassLabels


class YoloDataset(AnnotatedImages):
    """The YAML file of a YOLO dataset, or the folder that has one.

    part    `train`, `val` or `test` of the YAML file
    images  must be None: the YAML file has the image folders
    masks   those of polygons
    """

    def _read(self, request: DatasetRequest, issues: IssueReport) -> DatasetContents:
        yaml_file, part = request.path, request.part
        if request.images is not None:
            raise UsageError(f"'{yaml_file}' has the paths of its images; omit `images` ('{request.images}')")
        data = read_yolo_classes(yaml_file)
        if not data.parts[part]:
            raise NoDataError(f"'{yaml_file}' has no part '{part}'{_only_other(data, part, yaml_file)}")
        issues.add_sentences(data.notes)
        paths = list_images(data.parts[part], issues)
        rows = LabelRows(data.keypoints, outlines=[] if request.masks else None)
        labeled = LabeledImages(
            paths,
            [_relative(path, yaml_file.parent) for path in paths],
            [rows.read(label_path(path)) for path in paths],
        )
        tables = make_yolo_tables(
            labeled,
            rows,
            data.names,
            issues,
            drop_duplicates=request.drop_duplicates,
            optional_masks=request.masks == "optional",
        )
        own = ClassLabels.from_names(data.names)
        used = np.bincount(tables.class_ids, minlength=len(own)) > 0
        labels, class_of = match_classes(own, used, request.classes, issues)
        tables.class_ids[:] = class_of[tables.class_ids]
        return DatasetContents(tables, labels, yaml_file, [str(source) for source in data.parts[part]])


def _only_other(data: DataYaml, part: Part, file: Path) -> str:
    """The end of the message for a part that does not exist: what exists, or what was searched."""
    others = [f"'{name}' in '{sources[0]}'" for name, sources in data.parts.items() if sources and name != part]
    if others:
        return f"; it has {others[0]}"
    searched = ", ".join(f"'{file.parent / name}'" for name in IMAGE_FOLDERS[:2])
    return f": it names no images, and there are none in {searched} and in folders of the parts"


def _relative(path: str, base: Path) -> str:
    """Path relative to the folder of the YAML file; absolute if it is elsewhere."""
    relative = os.path.relpath(path, base)
    return (os.path.abspath(path) if relative.startswith("..") else relative).replace(os.sep, "/")  # noqa: PTH100
