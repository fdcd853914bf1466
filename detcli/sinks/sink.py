"""The door of the sinks: what a sink promises, and the table of those who keep it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from detcli.registry import Registry
from detcli.values.detections import Detections
from detcli.values.frame import Frame, Unreadable
from detcli.values.run import RunInfo


class Sink(Protocol):
    """Something results go to.

    ordered       True: `write` is called in input order, one call at a time.
                  False: `write` is called by several threads at once, in any order; each call keeps to its own file.
    needs_pixels  True where `write` looks at `frame.pixels`.
    """

    ordered: bool
    needs_pixels: bool

    def write(self, frame: Frame | Unreadable, detections: Detections | Unreadable) -> None:
        """Take one result. Raises OutputError where it cannot be written."""

    def flush(self) -> None:
        """Hand on what is buffered, so that a reader sees every result written so far."""

    def close(self, *, complete: bool) -> None:
        """Finish: `complete` is False where the run was interrupted and what was written is only its beginning."""

    def abort(self) -> None:
        """Give up after an error: leave nothing torn under a final name. Safe after `close`, and twice."""


@dataclass(frozen=True, slots=True)
class SinkSettings:
    """What every result sink is told of the run.

    info      provenance and labels
    header    jsonl: write the provenance as a first line
    csv_safe  csv: prefix cells that a spreadsheet would run as a formula with an apostrophe
    image_ids COCO image id by `Origin.relative`, from `--gt`; None: the id is index + 1
    """

    info: RunInfo
    header: bool = False
    csv_safe: bool = False
    image_ids: Mapping[str, int] | None = None


class ResultSink(Sink, Protocol):
    """A sink of records, made from where they go: a path, or an open binary stream (standard output)."""

    def __init__(self, target: Path | BinaryIO, settings: SinkSettings) -> None: ...


SINKS: Registry[type[ResultSink]] = Registry(
    "format",
    {
        "jsonl": "detcli.sinks.jsonl:JsonLines",
        "coco": "detcli.sinks.coco:CocoAnnotations",
        "coco-results": "detcli.sinks.coco:CocoResults",
        "csv": "detcli.sinks.csv_table:CsvTable",
        "yolo": "detcli.sinks.yolo_text:YoloText",
    },
)
