"""The result formats: one record for each, in one table that packages can extend by the entry points `detcli.sinks`.

Help pages list the formats from here, so nothing here imports numpy, a reader or a writer.
"""

from __future__ import annotations

from collections.abc import Iterator

from detcli.errors import UsageError
from detcli.io.results.format_record import CONTENTS, Format, Rows
from detcli.io.results.recognize import is_coco, is_coco_results, is_csv, is_jsonl, is_label_studio, is_parquet
from detcli.registry import Registry

__all__ = [
    "CONTENTS",
    "FORMATS",
    "Format",
    "Rows",
    "all_formats",
    "readable_formats",
    "suffixes_of",
    "writable_formats",
]


def _check(name: str, entry: object) -> None:
    if not isinstance(entry, Format):
        raise TypeError(f"it is of type {type(entry).__name__}, and must be a detcli.io.results.formats.Format")
    if entry.name != name:
        raise ValueError(f"its entry point is named '{name}', and the format '{entry.name}'")


_BUILT_IN = (
    Format(
        "jsonl",
        "JSON Lines",
        "one JSON object per image and line, with all fields; grows while the run goes on",
        (".jsonl", ".ndjson"),
        writer="detcli.sinks.results.jsonl:JsonLines",
        reader="detcli.io.results.readers.jsonl:read_jsonl",
        recognizes=is_jsonl,
        options=("header",),
        has_paths=True,
        metadata="detcli.io.results.metadata:jsonl_metadata",
        loses=("image_ids",),
    ),
    Format(
        "coco",
        "COCO",
        "one JSON file with info, images, annotations (with scores) and categories",
        (".json",),
        writer="detcli.sinks.results.coco:CocoAnnotations",
        reader="detcli.io.results.readers.coco:read_coco",
        recognizes=is_coco,
        options=("image_ids",),
        metadata="detcli.io.results.metadata:coco_metadata",
        needs_end=True,
    ),
    Format(
        "coco-results",
        "COCO results",
        "the list of results that pycocotools' `loadRes` takes, to compute AP from",
        (".json",),
        writer="detcli.sinks.results.coco:CocoResults",
        reader="detcli.io.results.readers.coco:read_coco_results",
        recognizes=is_coco_results,
        needs_all_scores=True,
        options=("image_ids",),
        loses=("failed", "empty", "sizes", "names", "provenance", "video"),
        needs_end=True,
    ),
    Format(
        "coco-panoptic",
        "COCO panoptic",
        "one JSON file, and a folder of PNG images whose colors are the ids of the segments",
        (".json",),
        writer="detcli.sinks.results.coco_panoptic:CocoPanopticSink",
        has_image_folder=True,
        takes_boxes=False,
        options=("image_ids",),
        loses=("uncertainty",),
        needs_end=True,
    ),
    Format(
        "csv",
        "CSV",
        "one row per box, with a header row",
        (".csv",),
        writer="detcli.sinks.results.csv_table:CsvTable",
        reader="detcli.io.results.readers.csv_table:read_csv",
        recognizes=is_csv,
        options=("csv_safe", "tracks"),
        has_paths=True,
        loses=("failed", "empty", "masks", "provenance", "image_ids"),
    ),
    Format(
        "yolo",
        "YOLO",
        "a folder with one text file per image, `class cx cy w h score` per line, and the class names in `classes.txt`; without scores, a dataset with images",
        writer="detcli.sinks.results.yolo_labels:YoloLabels",
        reader="detcli.io.results.readers.yolo:read_yolo",
        is_folder=True,
        takes_masks=False,
        files=".txt",
        needs_image_sizes=True,
        options=("skip_existing", "no_scores"),
        metadata="detcli.io.results.metadata:yolo_metadata",
        loses=("failed", "masks", "sizes", "uncertainty", "provenance", "video", "ids", "image_ids"),
        loses_with={"no_scores": ("tracks",)},
    ),
    Format(
        "parquet",
        "Parquet",
        "one row per image with the fields of the record, or one row per box; for data frames and databases",
        (".parquet",),
        writer="detcli.sinks.results.parquet:ParquetTable",
        reader="detcli.io.results.readers.parquet:read_parquet",
        recognizes=is_parquet,
        options=("rows",),
        extra="parquet",
        has_paths=True,
        metadata="detcli.io.results.metadata:parquet_metadata",
        loses=("image_ids",),
        loses_with={"rows": ("failed", "empty")},
        is_binary=True,
        needs_end=True,
    ),
    Format(
        "label-studio",
        "Label Studio",
        "one JSON list of tasks with the boxes as predictions, to correct in Label Studio",
        (".json",),
        writer="detcli.sinks.results.label_studio:LabelStudioTasks",
        reader="detcli.io.results.readers.label_studio:read_label_studio",
        recognizes=is_label_studio,
        takes_masks=False,
        has_paths=True,
        loses=("failed", "masks", "provenance", "ids", "image_ids"),
        needs_end=True,
    ),
    Format(
        "voc",
        "Pascal VOC",
        "a folder with one XML file per image: size, and label, box and score of each object",
        writer="detcli.sinks.results.voc:VocAnnotations",
        reader="detcli.io.results.readers.voc:read_voc",
        is_folder=True,
        files=".xml",
        takes_masks=False,
        options=("skip_existing", "no_scores"),
        loses=("failed", "masks", "provenance", "ids", "image_ids"),
        loses_with={"no_scores": ("uncertainty",)},
    ),
    Format(
        "mot",
        "MOT",
        "one line per box of a video in the format of MOTChallenge: frame, track id, left, top, width, height, score",
        writer="detcli.sinks.results.mot:MotLines",
        takes_masks=False,
        loses=("failed", "empty", "masks", "uncertainty", "sizes", "names", "provenance", "video", "ids", "image_ids"),
    ),
)

FORMATS: Registry[Format] = Registry(
    "format", {record.name: record for record in _BUILT_IN}, group="detcli.sinks", check=_check
)


def all_formats() -> Iterator[Format]:
    """The records of all formats, built-in ones first; plug-ins that cannot be loaded are skipped.

    A plug-in is imported only when the iteration reaches it.
    """
    yield from (FORMATS[name] for name in FORMATS.built_in())
    for name in FORMATS.plug_ins():
        try:
            record = FORMATS[name]
        except UsageError:
            continue  # the reason is reported when the format is requested by name
        yield record


def readable_formats() -> tuple[str, ...]:
    """Names of the formats that results can be read from."""
    return tuple(record.name for record in all_formats() if record.reader is not None)


def writable_formats(*, boxes: bool = False, masks: bool = False) -> tuple[str, ...]:
    """Names of the formats that results can be written in: those that take boxes, or masks, if requested."""
    return tuple(
        record.name
        for record in all_formats()
        if record.writer is not None and record.takes_boxes >= boxes and record.takes_masks >= masks
    )


def suffixes_of(names: tuple[str, ...]) -> str:
    """The suffixes of these formats, as help pages list them: ".jsonl, .json (COCO), .csv, a folder (YOLO)"."""
    seen: dict[str, None] = {}
    taken: set[str] = set()
    for record in all_formats():
        if record.name not in names:
            continue
        if record.is_folder:
            if "folder" not in taken:  # other formats of folders need `format`
                seen[f"a folder ({record.title})"] = None
            taken.add("folder")
        elif record.suffixes and record.suffixes[0] not in taken:
            suffix = record.suffixes[0]
            seen[suffix if suffix == f".{record.name}" else f"{suffix} ({record.title})"] = None
        taken.update(record.suffixes)
    return ", ".join(seen)
