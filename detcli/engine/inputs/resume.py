"""Resuming an interrupted run: what can be resumed, the journal it continues, and the replay of its results."""

from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest

from detcli.counting.run_counter import RunCounter
from detcli.engine.inputs.source_listing import SourceListing
from detcli.engine.requests.run_request import VideoRequest
from detcli.errors import UsageError
from detcli.io.journal import Journal
from detcli.pipeline.statistics import RunStats
from detcli.sinks.sink import Sink
from detcli.sources.source import STANDARD_INPUT
from detcli.sources.watching.watched_folders import WatchedFolders
from detcli.structures.json_records import Result, from_record


def is_resumable_video(request: VideoRequest, *, live: bool) -> bool:
    """Whether the records of a run over videos can be resumed: only those of files, without tracks."""
    return not (live or request.track or STANDARD_INPUT in request.input.sources)


def check_resumable_video(request: VideoRequest, *, live: bool) -> None:
    """Raise UsageError for `resume` where the run cannot be resumed."""
    if not request.output.resume:
        return
    if live or STANDARD_INPUT in request.input.sources:
        raise UsageError("`resume` needs files: the frames of a camera, a stream or a pipe cannot be read again")
    tracks = request.track and request.cluster is None  # of a cluster, videos that are done are parts
    for argument, is_given in (("save_video", request.save_video), ("track", tracks)):
        if is_given:
            raise UsageError(f"`resume` cannot be combined with `{argument}`: start again with `if_exists=overwrite`")


def replay(
    journal: Journal | None,
    sinks: Sequence[Sink],
    source: SourceListing,
    stats: RunStats,
    counter: RunCounter | None = None,
) -> int:
    """Write the results of the interrupted run again, and take their images from the source; returns their number.

    sinks    the sinks of records; images of the interrupted run are on the disk already
    counter  counts in them, too

    Raises UsageError where the input has changed since then.
    """
    if journal is None or not journal.done:
        return 0
    results = _of_listing(journal, source) if source.watched is None else _of_watched(journal, source.watched)
    for frame, detections in results:
        counted = frame if counter is None else counter(frame, detections)
        for sink in sinks:
            sink.write(counted, detections)
        stats.add(counted, detections)
    return journal.done


def _of_listing(journal: Journal, source: SourceListing) -> Iterator[Result]:
    """The results of the interrupted run, whose images are the first ones of the source."""
    records = zip_longest(journal.replay(), islice(source, journal.done))
    for (record, relative, stem), item in records:
        if item is None or (item.origin.file, item.origin.relative) != (record["file"], relative):
            change = "is missing now" if item is None else f"is '{item.origin.file}' now"
            raise UsageError(
                f"cannot resume: image {record['index'] + 1} of the interrupted run was '{record['file']}' and "
                f"{change}; start again with `if_exists=overwrite`"
            )
        yield from_record(record, relative=relative, stem=stem, source=item.origin.source)


def _of_watched(journal: Journal, watched: WatchedFolders) -> Iterator[Result]:
    """The same for watched folders, whose images of then may have left: those that are still there are done."""
    for record, relative, stem in journal.replay():
        watched.done.add(record["file"])
        yield from_record(record, relative=relative, stem=stem, source=watched.paths.folder_of(record["file"]))
