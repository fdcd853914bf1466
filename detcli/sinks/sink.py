"""The interface of the sinks, and their registry.

Help pages list the formats from here, so nothing here imports numpy.

A resumed run first passes the earlier results from the journal to every sink of records, then the new ones. A sink
therefore always writes its output from the beginning, and the bytes are the same as in a run without interruption.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from detcli.errors import UsageError
from detcli.io.outputs import is_stream
from detcli.registry import Registry

if TYPE_CHECKING:
    from detcli.structures.detections import Detections
    from detcli.structures.frame import FailedFrame, Frame
    from detcli.structures.run_info import RunInfo


class Sink(Protocol):
    """A destination of results. A class may inherit the defaults of `BaseSink`.

    ordered       True: `write` is called in input order, one call at a time.
                  False: `write` is called by several threads at once, in any order; each call writes its own file.
    needs_pixels  True if `write` reads `frame.pixels`
    """

    ordered: bool
    needs_pixels: bool

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Write one result. Raises OutputError if that fails."""

    def flush(self) -> None:
        """Write what is buffered, so that a reader sees every result so far."""

    def close(self, *, complete: bool) -> None:
        """Finish; `complete` is False if the run was interrupted and only its first results were written."""

    def abort(self) -> None:
        """Stop after an error, and leave no damaged file under a final name. Safe after `close`, and twice."""

    @property
    def remarks(self) -> Sequence[str]:
        """Sentences for the user once the sink is closed, for example about images that are not in the annotations."""


class BaseSink:
    """The defaults of a sink that buffers nothing: each `write` leaves a complete file."""

    def flush(self) -> None:
        """Do nothing."""

    def close(self, *, complete: bool) -> None:
        """Do nothing."""

    def abort(self) -> None:
        """Do nothing."""

    @property
    def remarks(self) -> Sequence[str]:
        """No remarks."""
        return ()


@dataclass(frozen=True, slots=True)
class SinkSettings:
    """What every result sink is told of the run.

    info           provenance and labels
    header         jsonl: write the provenance as a first line
    csv_safe       csv: prefix cells that a spreadsheet would run as a formula with an apostrophe
    image_ids      COCO image id by `Origin.relative`, from `--gt`; None: the id is index + 1
    skip_existing  a folder of files: leave those that are there
    tracks         detections have track ids; csv: a column for them
    """

    info: RunInfo
    header: bool = False
    csv_safe: bool = False
    image_ids: Mapping[str, int] | None = None
    skip_existing: bool = False
    tracks: bool = False


class ResultSink(Sink, Protocol):
    """A sink of records, made from where they go: a path, or an open binary stream (standard output)."""

    def __init__(self, target: Path | BinaryIO, settings: SinkSettings) -> None: ...


SINKS: Registry[type[ResultSink]] = Registry(
    "format",
    {
        "jsonl": "detcli.sinks.results.jsonl:JsonLines",
        "coco": "detcli.sinks.results.coco:CocoAnnotations",
        "coco-results": "detcli.sinks.results.coco:CocoResults",
        "coco-panoptic": "detcli.sinks.results.coco_panoptic:CocoPanopticSink",
        "csv": "detcli.sinks.results.csv_table:CsvTable",
        "yolo": "detcli.sinks.results.yolo_labels:YoloText",
    },
)

# Formats that are made of boxes alone, and those that are made of masks; the others take results with masks or without.
BOXES_ONLY, MASKS_ONLY = ("yolo",), ("coco-panoptic",)

_BY_SUFFIX = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "coco", ".csv": "csv"}


def format_of(output: str | Path) -> str:
    """The name of the format that the name of an output stands for.

    A suffix decides; a folder, a slash at the end or no suffix mean a folder of YOLO texts; a pipe or a device takes
    JSON Lines. Raises UsageError for any other suffix.
    """
    path = Path(output)
    if is_stream(path):
        return "jsonl"
    if str(output).endswith(("/", "\\")) or os.path.isdir(path):  # noqa: PTH112 - says no where pathlib raises
        return "yolo"
    suffix = path.suffix.lower()
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    if not suffix:
        return "yolo"
    raise UsageError(
        f"cannot tell the format of '{output}' from its suffix: end it in .jsonl, .json (COCO) or .csv, "
        f"give a folder (YOLO), or name the format with --format {'|'.join(SINKS)}"
    )


def folder_beside(format_name: str, path: Path) -> Path | None:
    """The folder that a format fills next to its file, or None: panopticapi looks for `out.json`'s images in `out/`.

    Raises UsageError where the name of the file leaves none for the folder.
    """
    if format_name not in MASKS_ONLY:
        return None
    if path.suffix.lower() != ".json" or is_stream(path):
        raise UsageError(f"{format_name} writes a file and a folder of its name: end '{path}' in .json")
    return path.with_suffix("")


def remarks(sinks: Iterable[Sink]) -> tuple[str, ...]:
    """The remarks of several sinks, in their order."""
    return tuple(remark for sink in sinks for remark in sink.remarks)
