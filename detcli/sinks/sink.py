"""The interface of the sinks, and the class of sink for each result format.

Help pages list the formats from here, so nothing here imports numpy.

A resumed run first passes the earlier results from the journal to every sink of records, then the new ones. A sink
therefore always writes its output from the beginning, and the bytes are the same as in a run without interruption.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from detcli.errors import UsageError
from detcli.io.results.formats import FORMATS, Rows, writable_formats
from detcli.sinks.folders.output_folder import OutputFolders

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
    """Settings of a run for the sinks of its results; `Format.options` names those that a format uses.

    info           provenance and labels
    header         write the provenance as a first line
    csv_safe       put an apostrophe before cells that a spreadsheet would execute as a formula
    image_ids      COCO image ids by `Origin.relative`, from ground truth; None: the id is index + 1
    skip_existing  do not overwrite files in a folder
    tracks         detections have track ids
    uncertainty    detections have the standard deviation of each edge
    no_scores      write boxes without scores, as annotations have them
    rows           of Parquet: one for each image, or for each box
    whole_files    files get their names when they are complete, also those that otherwise grow during the run
    folders        the folders of files that the run writes
    """

    info: RunInfo
    header: bool = False
    csv_safe: bool = False
    image_ids: Mapping[str, int] | None = None
    skip_existing: bool = False
    tracks: bool = False
    uncertainty: bool = False
    no_scores: bool = False
    rows: Rows = "images"
    whole_files: bool = False
    folders: OutputFolders = field(default_factory=OutputFolders)


class ResultSink(Sink, Protocol):
    """A sink of results, constructed with its target: a path, or an open binary stream (standard output)."""

    def __init__(self, target: Path | BinaryIO, settings: SinkSettings) -> None: ...


def sink_class(format_name: str) -> type[ResultSink]:
    """The class that writes a format. Raises UsageError for a format that is unknown or cannot be written."""
    record = FORMATS.get(format_name)
    if record is None:
        raise UsageError(f"unknown `format` '{format_name}': use one of {', '.join(writable_formats())}")
    writer: type[ResultSink] = record.load_writer()
    return writer


def remarks(sinks: Iterable[Sink]) -> tuple[str, ...]:
    """The remarks of several sinks, in their order; one that several sinks have is given once."""
    return tuple(dict.fromkeys(remark for sink in sinks for remark in sink.remarks))
