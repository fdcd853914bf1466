"""The contents of a dataset whose objects name their classes, with the checks of COCO datasets."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from detcli.datasets.classes.match_classes import match_classes
from detcli.datasets.coco.coco_annotations import AnnotationColumns
from detcli.datasets.coco.coco_boxes import WrittenBoxes, make_tables
from detcli.datasets.coco.coco_images import check_categories, check_files, complete_sizes
from detcli.datasets.dataset_request import DatasetContents, DatasetRequest
from detcli.datasets.images.find_images import ImagePaths
from detcli.datasets.instance_masks import ImageMasks, MaskMaker, outline_masks
from detcli.datasets.issues import IssueReport


def labeled_contents(
    request: DatasetRequest,
    columns: AnnotationColumns,
    image_paths: ImagePaths,
    issues: IssueReport,
    *,
    boxes: WrittenBoxes,
    make_masks: Callable[[list[Any], list[int]], ImageMasks] | None = None,
    segment_folder: str = "",
    stored: Mapping[int, Callable[[], bytes]] = MappingProxyType({}),
) -> DatasetContents:
    """Check the columns of a dataset, and put them into tables.

    boxes           how the boxes are written, with the name of the format for messages
    make_masks      makes the masks if they are requested, as in a `MaskMaker`; None: from outlines
    segment_folder  folder that the PNGs of segments were found in
    stored          by index of the image in the columns, reads the bytes of an image that is no file of its own

    Raises DataError if the dataset cannot be used.
    """
    if not columns.category_ids:
        issues.reject(f"none of its {len(columns.file_names):,} images has an object")
    check_files(image_paths, issues)
    own, used = check_categories(columns, issues)
    labels, class_of = match_classes(own, used, request.classes, issues)
    sizes_hw = complete_sizes(columns, image_paths, issues, stored=stored)
    tables = make_tables(
        columns,
        image_paths,
        sizes_hw,
        own,
        issues,
        written=boxes,
        drop_duplicates=request.drop_duplicates,
        make_masks=outline_masks(request.masks) if make_masks is None else MaskMaker.of(request.masks, make_masks),
    )
    tables.class_ids[:] = class_of[tables.class_ids]
    rows = np.flatnonzero(image_paths.exists).tolist()
    tables = replace(tables, stored={row: stored[index] for row, index in enumerate(rows) if index in stored})
    return DatasetContents(tables, labels, request.path, (image_paths.folder,), segment_folder)
