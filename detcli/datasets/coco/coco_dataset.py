"""Images with ground truth from COCO annotations of detection.

Refused, with the first ten culprits (DataError):
- entries without a name, ids that are not integers; images or categories that share an id
- categories with boxes that share a name; annotations of categories that are not there
- file names that lead out of the folder of images
- more than half of the images missing, or of another size than the annotations say
- more than half of the annotations of images that are not there, or with boxes that cannot be used
- boxes that are plainly fractions or two corners; nothing to learn from at all
- classes that do not match the categories

Said in the report and bearable: single images that are missing, broken or of another size; boxes that are no
numbers, without area or outside their image (dropped) or reach beyond it (cut off); annotations that share an id;
images that share a file or have no size; categories without boxes; images turned by EXIF, whose boxes are turned
with them where the annotations' size says that they were drawn before. Annotations without a box get the one around
their polygons. Crowds are kept and marked; supercategories are skipped, and so are masks where nobody asks for them;
where somebody does, annotations without one are dropped.
"""

from pathlib import Path
from typing import Any

from detcli.datasets.annotated_images import AnnotatedImages
from detcli.datasets.coco.coco_annotations import read_columns
from detcli.datasets.coco.coco_boxes import make_tables
from detcli.datasets.coco.coco_images import check_categories, check_images, complete_sizes
from detcli.datasets.dataset import Part
from detcli.datasets.dataset_classes import match_classes
from detcli.datasets.instance_masks import OutlineMasks
from detcli.datasets.issues import IssueReport
from detcli.datasets.layouts import find_layout, image_folders


class CocoDataset(AnnotatedImages):
    """COCO annotations: a .json file, or a folder that holds one for the part.

    where    as the user typed it
    part     which part of a folder that holds several
    images   folder that file names are relative to; None: found next to the annotations
    classes  names by class index that the categories are matched to; None: the categories in the order of their ids
    masks    ground truth have masks

    Raises UsageError where there are no such annotations, and DataError for those that cannot be used.
    """

    def __init__(
        self,
        where: str,
        *,
        part: Part = "train",
        images: Path | None = None,
        classes: tuple[str, ...] | None = None,
        masks: bool = False,
    ) -> None:
        path = find_layout(where, part).annotations
        findings = IssueReport(where)
        columns = read_columns(path, findings, masks=masks)
        candidates = image_folders(path, part) if images is None else [str(images)]
        located = check_images(columns, candidates, findings)
        own, used = check_categories(columns, findings)
        labels, class_of = match_classes(own, used, classes, findings)
        sizes_hw = complete_sizes(columns, located, findings)
        make_masks = _outline_masks if masks else None
        tables = make_tables(columns, located, sizes_hw, own, findings, make_masks=make_masks)
        tables.class_ids[:] = class_of[tables.class_ids]
        super().__init__(tables, labels, findings)


def _outline_masks(outlines: list[Any], _: list[int]) -> OutlineMasks:
    return OutlineMasks(outlines)
