"""A dataset in tar archives as WebDataset has them: each image next to its JSON record, or to its rows of YOLO.

A record has the objects of one image: that of detcli (`detections`) or of COCO (`annotations`, with `categories`), or their list; a
class is a name, or an id that `categories` or `classes.txt` name. Rows of YOLO need `classes.txt` or `data.yaml`, in an archive
or next to it. Images are read in place, in any order; nothing is unpacked.

These raise DataError: an archive that is damaged, cut short or compressed; records that are not JSON, or have no objects; classes
without a name; both records and rows; no image with annotations; and what `coco_dataset.py` and `yolo_dataset.py` say of boxes.
An image without annotations counts as one without objects, and is reported.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from detcli.datasets.boxes.box_formats import COCO
from detcli.datasets.classes.match_classes import match_classes
from detcli.datasets.coco.coco_boxes import WrittenBoxes
from detcli.datasets.dataset_request import DatasetContents, DatasetRequest
from detcli.datasets.formats.labeled_contents import labeled_contents
from detcli.datasets.formats.labeled_objects import LabeledObjects
from detcli.datasets.formats.shards.object_records import ClassNames, ObjectRecords, has_objects, record_size
from detcli.datasets.formats.shards.shard_files import shard_files
from detcli.datasets.formats.shards.tar_samples import CLASS_FILES, RECORD, ROWS, TarSample, TarSamples
from detcli.datasets.images.annotated_images import AnnotatedImages
from detcli.datasets.images.annotation_tables import AnnotationTables
from detcli.datasets.images.find_images import ImagePaths
from detcli.datasets.issues import IssueReport
from detcli.datasets.yolo.yolo_labels import LabelRows
from detcli.datasets.yolo.yolo_tables import LabeledImages, make_yolo_tables
from detcli.datasets.yolo.yolo_yaml import class_names, read_yolo_classes
from detcli.errors import UsageError
from detcli.io.documents import DocumentError, parse_json
from detcli.io.images.limits import MAX_IMAGE_BYTES
from detcli.structures.class_labels import ClassLabels


class WebdatasetDataset(AnnotatedImages):
    """A tar archive, or a folder of them.

    part    of a folder whose archives have the names of parts
    images  must be None: the images are in the archives
    masks   the `segmentation` of records, and the polygons of rows
    """

    def _read(self, request: DatasetRequest, issues: IssueReport) -> DatasetContents:
        if request.images is not None:
            raise UsageError(f"'{request.where}' has the images in its archives; omit `images` ('{request.images}')")
        shards = shard_files(request.path, request.part, "webdataset")
        samples = TarSamples(shards)
        kept = list(samples)
        kind = _kind(kept, issues)
        names = _class_names(samples.classes, shards)
        make = _tables_of_rows if kind == ROWS else _tables_of_records
        tables, labels = make(request, kept, names, issues)
        return DatasetContents(tables, labels, request.path, [str(shard) for shard in shards])


def _kind(samples: Sequence[TarSample], issues: IssueReport) -> str:
    """RECORD or ROWS. Raises DataError if there are neither, or both."""
    kinds = {sample.suffix for sample in samples} - {""}
    if not samples:
        issues.reject("there are no images in it")
    if not kinds:
        issues.reject(f"none of its {len(samples):,} images has a {RECORD} or {ROWS} file of the same name next to it")
    if len(kinds) > 1:
        issues.reject(f"its images have both {RECORD} and {ROWS} files; remove one kind")
    without = [f"'{sample.path}'" for sample in samples if not sample.suffix]
    issues.add(len(without), "image{s} {have} no annotations and {are} used as image{s} without objects", without)
    return kinds.pop()


def _class_names(inside: dict[str, bytes], shards: Sequence[Path]) -> tuple[str, ...] | None:
    """The names in a file of classes in the archives, else next to them; None if there is none."""
    for name in CLASS_FILES:
        if name in inside:
            return class_names(inside[name], Path(name))
        path = shards[0].parent / name
        if path.is_file():
            return read_yolo_classes(path).names
    return None


def _tables_of_rows(
    request: DatasetRequest, samples: Sequence[TarSample], names: tuple[str, ...] | None, issues: IssueReport
) -> tuple[AnnotationTables, ClassLabels]:
    if names is None:
        issues.reject(
            "the names of its classes are unknown: put classes.txt with one name per line next to the archives, or into one"
        )
    rows = LabelRows(outlines=[] if request.masks else None)
    counts = [rows.add(sample.source, sample.annotations or b"") for sample in samples]
    images = LabeledImages([sample.path for sample in samples], [sample.name for sample in samples], counts)
    tables = make_yolo_tables(
        images,
        rows,
        names,
        issues,
        drop_duplicates=request.drop_duplicates,
        optional_masks=request.masks == "optional",
    )
    own = ClassLabels.from_names(names)
    labels, class_of = match_classes(
        own, np.bincount(tables.class_ids, minlength=len(own)) > 0, request.classes, issues
    )
    tables.class_ids[:] = class_of[tables.class_ids]
    return replace(tables, stored=_stored(samples)), labels


def _tables_of_records(
    request: DatasetRequest, samples: Sequence[TarSample], names: tuple[str, ...] | None, issues: IssueReport
) -> tuple[AnnotationTables, ClassLabels]:
    objects = LabeledObjects(masks=bool(request.masks))
    known = ClassNames("`categories` of the records or classes.txt", names or ())
    records = ObjectRecords(objects, known, issues.where)
    for sample in samples:
        _add_sample(objects, records, sample)
    records.check(issues)
    contents = labeled_contents(
        request,
        objects.columns(known.in_order(objects.labels)),
        ImagePaths("", [sample.path for sample in samples], objects.file_names, [True] * len(samples)),
        issues,
        boxes=WrittenBoxes("COCO", COCO),
        stored=_stored(samples),
    )
    return contents.tables, contents.labels


def _stored(samples: Sequence[TarSample]) -> dict[int, Callable[[], bytes]]:
    return {index: partial(sample.read, max_bytes=MAX_IMAGE_BYTES) for index, sample in enumerate(samples)}


def _add_sample(objects: LabeledObjects, records: ObjectRecords, sample: TarSample) -> None:
    try:
        record = None if sample.annotations is None else parse_json(sample.annotations)
    except DocumentError as error:
        objects.add_image(sample.name, sample.source, None)
        records.refuse(f"not complete JSON: {error}")
        return
    objects.add_image(sample.name, sample.source, record_size(record))
    if has_objects(record):
        records.add(record)
    elif sample.annotations is not None:
        records.refuse("it has no list of objects: `annotations`, `detections` or `objects`")
