"""The counter of a run, and the sinks of its tables."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

from detcli.counting.run_counter import RunCounter
from detcli.engine.outputs.count_targets import CountTarget
from detcli.engine.requests.run_request import RunRequest
from detcli.sinks.counts.count_table import IMAGE_COLUMNS, ImageCountTable, VideoCountTable, video_columns
from detcli.sinks.counts.event_table import EVENT_COLUMNS, EventTable
from detcli.sinks.counts.row_file import RowFile
from detcli.sinks.per_source import PerSourceSink
from detcli.sinks.sink import Sink
from detcli.structures.class_labels import ClassLabels

LastIndex = Callable[[str], int | None]  # of a source, see `Multiplexer.last_index`


def make_counter(request: RunRequest) -> RunCounter | None:
    """The counter of a run; None where nothing is counted."""
    return RunCounter(request.counting, tracks=request.tracks) if request.counts else None


def open_count_table(
    target: CountTarget | BinaryIO,
    counter: RunCounter,
    labels: ClassLabels,
    *,
    video: bool,
    csv_safe: bool = False,
    whole_file: bool = False,
    last_index: LastIndex | None = None,
) -> Sink:
    """The sink of a table, open.

    target      a stream gets the counts as CSV
    video       of videos; False: of images
    whole_file  the file gets its name when it is complete; otherwise it grows
    last_index  for a table of one source among several
    """
    if not isinstance(target, CountTarget):
        return _open_counts(target, counter, labels, video=video, safe=csv_safe)
    kind = partial(_open_counts, video=video) if target.holds == "counts" else _open_events
    make = partial(kind, target.path, counter, labels, safe=csv_safe, whole_file=whole_file)
    if target.source is None or last_index is None:
        return make()
    last = partial(last_index, target.source)
    return PerSourceSink(target.source, make, ordered=True, needs_pixels=False, last_index=last)


def _open_counts(
    target: Path | BinaryIO, counter: RunCounter, labels: ClassLabels, *, video: bool, **settings: bool
) -> Sink:
    columns = video_columns(counter) if video else IMAGE_COLUMNS
    kind = VideoCountTable if video else ImageCountTable
    return kind(RowFile(target, columns, **settings), counter, labels)


def _open_events(target: Path | BinaryIO, counter: RunCounter, labels: ClassLabels, **settings: bool) -> Sink:
    return EventTable(RowFile(target, EVENT_COLUMNS, **settings), counter, labels)
