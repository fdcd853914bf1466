"""A dataset whose objects name their classes, with the checks of COCO datasets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from detcli.datasets.boxes.box_formats import CORNERS, BoxFormat
from detcli.datasets.classes.match_classes import match_classes
from detcli.datasets.coco.coco_annotations import AnnotationColumns
from detcli.datasets.coco.coco_boxes import WrittenBoxes, make_tables
from detcli.datasets.coco.coco_images import check_categories, check_files, complete_sizes
from detcli.datasets.formats.labeled_objects import LabeledColumns
from detcli.datasets.images.annotated_images import AnnotatedImages
from detcli.datasets.images.annotation_tables import AnnotationTables
from detcli.datasets.images.find_images import ImagePaths
from detcli.datasets.instance_masks import MaskMaker
from detcli.datasets.issues import IssueReport
from detcli.structures.class_labels import ClassLabels


class LabeledDataset(AnnotatedImages):
    """Images of checked columns.

    format_name  name of the format, for messages
    box_format   how its boxes are written
    classes      class names by class index that the own classes are matched to; None: the own classes
    drop_duplicates  drop boxes that an image has twice
    make_masks   makes the masks as for `make_tables`; None: no masks
    stored       by index of the image in the columns, reads the bytes of an image that is no file of its own

    Raises DataError if the dataset cannot be used.
    """

    def __init__(
        self,
        columns: LabeledColumns,
        image_paths: ImagePaths,
        issues: IssueReport,
        *,
        format_name: str,
        box_format: BoxFormat = CORNERS,
        annotations: Path,
        classes: Sequence[str] | None,
        drop_duplicates: bool,
        make_masks: MaskMaker | None,
        segment_folder: str = "",
        stored: Mapping[int, Callable[[], bytes]] = MappingProxyType({}),
    ) -> None:
        tables, labels = labeled_tables(
            columns,
            image_paths,
            issues,
            boxes=WrittenBoxes(format_name, box_format),
            classes=classes,
            drop_duplicates=drop_duplicates,
            make_masks=make_masks,
            stored=stored,
        )
        super().__init__(
            tables,
            labels,
            issues,
            annotations=annotations,
            image_folders=(image_paths.folder,),
            segment_folder=segment_folder,
        )


def labeled_tables(
    columns: AnnotationColumns,
    image_paths: ImagePaths,
    issues: IssueReport,
    *,
    boxes: WrittenBoxes,
    classes: Sequence[str] | None,
    drop_duplicates: bool,
    make_masks: MaskMaker | None,
    stored: Mapping[int, Callable[[], bytes]],
) -> tuple[AnnotationTables, ClassLabels]:
    """The tables of checked columns, and their classes; the other arguments are those of `LabeledDataset`.

    boxes  how the boxes are written

    Raises DataError if the dataset cannot be used.
    """
    if not columns.category_ids:
        issues.reject(f"none of its {len(columns.file_names):,} images has an object")
    check_files(image_paths, issues)
    own, used = check_categories(columns, issues)
    labels, class_of = match_classes(own, used, classes, issues)
    sizes_hw = complete_sizes(columns, image_paths, issues, stored=stored)
    tables = make_tables(
        columns,
        image_paths,
        sizes_hw,
        own,
        issues,
        written=boxes,
        drop_duplicates=drop_duplicates,
        make_masks=make_masks,
    )
    tables.class_ids[:] = class_of[tables.class_ids]
    rows = np.flatnonzero(image_paths.exists).tolist()
    tables = replace(tables, stored={row: stored[index] for row, index in enumerate(rows) if index in stored})
    return tables, labels
