"""The result formats: one record for each, in one table that packages can extend by the entry points `detcli.sinks`.

Help pages list the formats from here, so nothing here imports numpy, a reader or a writer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from detcli.errors import UsageError
from detcli.io.outputs import is_stream
from detcli.io.results.recognize import is_coco, is_coco_results, is_csv, is_jsonl, is_label_studio, is_parquet
from detcli.registry import Registry, import_attribute

Rows = Literal["images", "boxes"]  # what a row of a table of results is

# What results may hold besides boxes with scores, as a sentence names it.
CONTENTS = {
    "failed": "failed images",
    "empty": "images without detections",
    "masks": "masks",
    "tracks": "track ids",
    "uncertainty": "standard deviations of edges",
    "sizes": "sizes of images",
    "names": "names of images and classes",
    "provenance": "the model and the arguments of the run",
    "video": "times of video frames",
}


@dataclass(frozen=True, slots=True)
class Format:
    """Everything that detcli knows about a result format.

    name               as `-f` takes it: "jsonl"
    title              as a sentence names it: "JSON Lines"
    description        what a file or folder of it holds, for the documentation
    suffixes           lower case, with the dot. If several formats have a suffix, an output of that suffix is of the
                       first one, and the format of an existing file is recognized by its first bytes.
    writer             "module:Attribute" of a sink class with the interface `sinks.sink.ResultSink`; None: read only
    reader             "module:Attribute" of a function `path -> iterator of StoredImage`; None: write only
    recognizes         whether the first bytes of a file are of this format; None: cannot be recognized
    is_folder          a folder of files instead of one file
    files              suffix of the files in a folder, by which the format of an existing folder is recognized
    has_image_folder   a file, and next to it a folder of the same name without the suffix
    takes_boxes        takes detections without masks
    takes_masks        takes detections with masks
    needs_all_scores   made for computing AP, which needs detections of every score
    needs_image_sizes  boxes are relative to the size of the image: the reader takes the sizes as a second argument
    options            fields of `SinkSettings` that only some formats use, and this one does
    extra              the extra of pyproject.toml without which the format can be neither written nor read; None: none
    metadata           "module:Attribute" of a function `path -> io.results.metadata.ResultsMetadata`; None: it has none
    has_paths          names of images are paths as the user typed them, not names below the common folder of the input
    loses              names in CONTENTS of what it cannot hold; conversions say so
    """

    name: str
    title: str
    description: str
    suffixes: tuple[str, ...] = ()
    writer: str | None = None
    reader: str | None = None
    recognizes: Callable[[bytes], bool] | None = None
    is_folder: bool = False
    files: str | None = None
    has_image_folder: bool = False
    takes_boxes: bool = True
    takes_masks: bool = True
    needs_all_scores: bool = False
    needs_image_sizes: bool = False
    options: tuple[str, ...] = ()
    extra: str | None = None
    metadata: str | None = None
    has_paths: bool = False
    loses: tuple[str, ...] = ()

    def load_writer(self) -> Any:
        """Import the sink class. Raises UsageError if there is none, or if it cannot be imported."""
        return self._load(self.writer, "written")

    def load_reader(self) -> Any:
        """Import the function that reads. Raises UsageError if there is none, or if it cannot be imported."""
        return self._load(self.reader, "read")

    def load_metadata(self, path: Path) -> Any:
        """What results say besides their images, a `ResultsMetadata`; None for a format that has no such thing."""
        return None if self.metadata is None else self._load(self.metadata, "read")(path)

    def image_folder(self, path: Path) -> Path | None:
        """The folder next to an output file, or None if the format has none.

        panopticapi expects the images of `out.json` in `out/`. Raises UsageError if the file name has no suffix.
        """
        if not self.has_image_folder:
            return None
        if path.suffix.lower() not in self.suffixes or is_stream(path):
            raise UsageError(
                f"{self.name} writes a file and a folder of the same name: end '{path}' in {' or '.join(self.suffixes)}"
            )
        return path.with_suffix("")

    def _load(self, location: str | None, verb: str) -> Any:
        if location is None:
            raise UsageError(f"results cannot be {verb} as {self.title} (format '{self.name}')")
        try:
            return import_attribute(location)
        except (ImportError, AttributeError) as error:
            if location.startswith("detcli."):
                raise  # a bug of detcli must not be reported as a broken plug-in
            raise UsageError(f"cannot load '{location}' of the format '{self.name}': {error}") from error


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
        loses=("failed", "empty", "masks", "provenance"),
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
        loses=("failed", "masks", "sizes", "uncertainty", "provenance", "video"),
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
        loses=("failed", "masks", "provenance"),
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
    ),
    Format(
        "mot",
        "MOT",
        "one line per box of a video in the format of MOTChallenge: frame, track id, left, top, width, height, score",
        writer="detcli.sinks.results.mot:MotLines",
        takes_masks=False,
        loses=("failed", "empty", "masks", "uncertainty", "sizes", "names", "provenance", "video"),
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
