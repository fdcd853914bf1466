"""A dataset in Parquet: images with their objects, as Hugging Face has them, or the rows of images or boxes of detcli.

A row of Hugging Face has the bytes of an image (`image`) and its `objects`: boxes left, top, width, height in pixels, and categories that
are names, or numbers that the features in the file's metadata name. Rows of detcli name the files of their images, which are
found as those of COCO annotations; they must have no scores.

These raise DataError: a file that is damaged, or has other columns; categories without names; frames of videos; and what
`coco_dataset.py` says of images and boxes. Rows of images that failed are skipped and reported.
"""

from collections.abc import Callable
from functools import partial

from detcli.datasets.boxes.box_formats import COCO
from detcli.datasets.coco.coco_boxes import WrittenBoxes
from detcli.datasets.dataset_request import DatasetContents, DatasetRequest
from detcli.datasets.formats.labeled_contents import labeled_contents
from detcli.datasets.formats.labeled_objects import LabeledObjects
from detcli.datasets.formats.shards.object_records import ClassNames, ObjectRecords, record_size
from detcli.datasets.formats.shards.parquet_images import read_parquet_rows
from detcli.datasets.formats.shards.shard_files import shard_files
from detcli.datasets.formats.shards.spooled_images import SpooledImages
from detcli.datasets.images.annotated_images import AnnotatedImages
from detcli.datasets.images.find_images import ImagePaths, find_images
from detcli.datasets.issues import IssueReport
from detcli.errors import UsageError


class ParquetDataset(AnnotatedImages):
    """A Parquet file, or a folder of them; needs pyarrow.

    part    of a folder whose files have the names of parts
    images  must be None for images in Parquet
    masks   the `segmentation` of the objects
    """

    def _read(self, request: DatasetRequest, issues: IssueReport) -> DatasetContents:
        path, where, images = request.path, request.where, request.images
        files = shard_files(path, request.part, "parquet")
        found = read_parquet_rows(files, issues)
        if images is not None and found.column:
            raise UsageError(f"'{where}' has the images in its rows; omit `images` ('{images}')")
        objects = LabeledObjects(masks=bool(request.masks))
        names = ClassNames("the features of the Parquet file", found.class_names)
        records = ObjectRecords(objects, names, where)
        for row in found.rows:
            objects.add_image(row.name, row.source, record_size(row.record))
            records.add(row.record)
        records.check(issues)
        columns = objects.columns(names.in_order(objects.labels))
        stored: dict[int, Callable[[], bytes]] = {}
        if found.column:
            sources = [row.source for row in found.rows]
            image_paths = ImagePaths(str(path), sources, objects.file_names, [True] * len(sources))
            contents = SpooledImages(files, found.column, found.group_rows)
            stored = {index: partial(contents.read, index) for index in range(len(sources))}
        else:
            candidates = request.image_folders if images is not None else [*request.image_folders, "."]
            image_paths = find_images(columns.file_names, candidates, issues, by_name=True)
        return labeled_contents(
            request,
            columns,
            image_paths,
            issues,
            boxes=WrittenBoxes("Parquet", COCO),
            stored=stored,
        )
