"""A dataset in Parquet: images with their objects, as Hugging Face has them, or the rows of images or boxes of detcli.

A row of Hugging Face has the bytes of an image (`image`) and its `objects`: boxes left, top, width, height in pixels, and categories that
are names, or numbers that the features in the file's metadata name. Rows of detcli name the files of their images, which are
found as those of COCO annotations; they must have no scores.

These raise DataError: a file that is damaged, or has other columns; categories without names; frames of videos; and what
`coco_dataset.py` says of images and boxes. Rows of images that failed are skipped and reported.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from detcli.datasets.boxes.box_formats import COCO
from detcli.datasets.dataset import Part
from detcli.datasets.formats.labeled_dataset import LabeledDataset
from detcli.datasets.formats.labeled_objects import LabeledObjects
from detcli.datasets.formats.shards.object_records import ClassNames, ObjectRecords, record_size
from detcli.datasets.formats.shards.parquet_images import read_parquet_rows
from detcli.datasets.formats.shards.shard_files import shard_files
from detcli.datasets.formats.shards.spooled_images import SpooledImages
from detcli.datasets.images.find_images import ImagePaths, find_images, image_folders
from detcli.datasets.instance_masks import MaskUse, outline_masks
from detcli.datasets.issues import IssueReport
from detcli.datasets.layouts import find_layout
from detcli.errors import UsageError


class ParquetDataset(LabeledDataset):
    """A Parquet file, or a folder of them.

    where    as the user typed it
    part     of a folder whose files have the names of parts
    images   folder that file names are relative to; None: search next to the file. Must be None for images in Parquet
    classes  class names by class index that the own classes are matched to; None: the own classes
    masks    the ground truth has masks: the `segmentation` of the objects

    Raises NoDataError if there is no such dataset, UsageError for `images` and without pyarrow, and DataError if the dataset
    cannot be used.
    """

    def __init__(
        self,
        where: str,
        *,
        part: Part = "train",
        images: Path | None = None,
        classes: tuple[str, ...] | None = None,
        masks: MaskUse = False,
    ) -> None:
        path = find_layout(where, part).annotations
        issues = IssueReport(where)
        files = shard_files(path, part, "parquet")
        found = read_parquet_rows(files, issues)
        if images is not None and found.column:
            raise UsageError(f"'{where}' has the images in its rows; omit `images` ('{images}')")
        objects = LabeledObjects(masks=bool(masks))
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
            candidates = [str(images)] if images is not None else [*image_folders(path, part), "."]
            image_paths = find_images(columns.file_names, candidates, issues, by_name=True)
        super().__init__(
            columns,
            image_paths,
            issues,
            format_name="Parquet",
            box_format=COCO,
            annotations=path,
            classes=classes,
            drop_duplicates=part == "train",
            make_masks=outline_masks(masks),
            stored=stored,
        )
