"""A dataset of COCO detection annotations.

These raise DataError with the first ten entries:
- annotations with scores: they are detections
- entries without a name or an integer id; images or categories that share an id
- categories with boxes that share a name; annotations of unknown categories
- file names that lead out of the image folder
- more than half of the images missing, or of another size than the annotations say
- more than half of the annotations of unknown images, or with invalid boxes
- boxes that are fractions or two corners; no box at all
- classes that do not match the categories

These are tolerated and reported: single images that are missing, damaged or of another size; boxes that are not numbers,
have no area or are outside their image (dropped) or extend beyond it (clipped); annotations that share an id; boxes that an image has twice (dropped for training); images that
share a file or have no size; categories without boxes; images rotated by EXIF, whose boxes are rotated with them if the
annotated size shows that they were made before the rotation. An annotation without a box has the box around its
mask. Crowds are kept and marked; supercategories are ignored. Masks are read only if requested; then annotations
without a mask are dropped.
"""

from detcli.datasets.classes.match_classes import match_classes
from detcli.datasets.coco.coco_annotations import read_columns
from detcli.datasets.coco.coco_boxes import make_tables
from detcli.datasets.coco.coco_images import check_categories, check_images, complete_sizes
from detcli.datasets.dataset_request import DatasetContents, DatasetRequest
from detcli.datasets.images.annotated_images import AnnotatedImages
from detcli.datasets.instance_masks import outline_masks
from detcli.datasets.issues import IssueReport


class CocoDataset(AnnotatedImages):
    """COCO annotations: a .json file, or a folder that has one for the part.

    classes  None: the categories in the order of their ids
    """

    def _read(self, request: DatasetRequest, issues: IssueReport) -> DatasetContents:
        columns = read_columns(request.path, issues, masks=bool(request.masks))
        image_paths = check_images(columns, request.image_folders, issues)
        own, used = check_categories(columns, issues)
        labels, class_of = match_classes(own, used, request.classes, issues)
        sizes_hw = complete_sizes(columns, image_paths, issues)
        tables = make_tables(
            columns,
            image_paths,
            sizes_hw,
            own,
            issues,
            drop_duplicates=request.drop_duplicates,
            make_masks=outline_masks(request.masks),
        )
        tables.class_ids[:] = class_of[tables.class_ids]
        return DatasetContents(tables, labels, request.path, (image_paths.folder,))
