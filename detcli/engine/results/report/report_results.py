"""Writes a report on stored results: a gallery of their images; no network, and no torch."""

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from detcli.engine.observer import Observer, RunStart
from detcli.engine.outputs.output_plan import OutputPlan
from detcli.engine.outputs.replaced_folders import is_replaceable
from detcli.engine.results.draw_results import StoredDetector
from detcli.engine.results.open_results import OpenResults, open_results
from detcli.engine.results.report.report_evaluation import OUTCOMES, ReportEvaluation
from detcli.engine.results.report.report_images import ReportImages, ThumbnailFrame
from detcli.engine.results.report.report_request import ReportRequest
from detcli.engine.results.report.report_sink import ReportSink
from detcli.errors import UsageError
from detcli.io.output_paths import has_visible_files, is_same_file
from detcli.io.outputs import is_stream, prepare_output
from detcli.io.remote.store_path import as_path
from detcli.pipeline.run import PipelineSettings
from detcli.pipeline.run import run as run_pipeline
from detcli.pipeline.statistics import RunStats
from detcli.sinks.folders.staged_folder import StagedFolder
from detcli.sinks.gallery.gallery_image import GalleryAbout
from detcli.sinks.gallery.gallery_writer import INDEX, GalleryWriter
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.stop_signal import StopSignal
from detcli.visualization.colors import color

_SHOWN_ARGUMENTS = ("threshold", "nms", "classes", "imgsz", "precision")


def report_results(
    request: ReportRequest, *, observer: Observer | None = None, stop: StopSignal | None = None
) -> RunStats:
    """Write the report of the request; it appears when it is complete.

    observer  gets the events; `on_warning` names images that are missing or have another size
    stop      ends it between two images, and nothing is written

    Returns the counts: images that are missing are `failed`, those that failed in the results are not. Raises DetcliError
    for results that cannot be read or evaluated, and for a folder that cannot be written.
    """
    observer, stop = observer or Observer(), stop or StopSignal()
    plan = OutputPlan((), request.output)
    if not _is_free(request):
        observer.on_skipped_output(request.output)
        return RunStats(skipped=True)
    observer.on_plan(plan)
    started = time.monotonic()
    opened = open_results(request.input)
    for note in _notes(request, opened):
        observer.on_warning(note)
    evaluation = None if request.input.ground_truth is None else ReportEvaluation(request, opened, observer)
    source, stats = _source(request, opened, evaluation), RunStats()
    with StagedFolder(request.output) as folder:
        writer = GalleryWriter(folder.folder)
        sink = ReportSink(writer, evaluation, stats)
        observer.on_start(RunStart(plan, opened.labels, stats, 0, source.count))
        try:
            settings = PipelineSettings(workers=request.workers)
            done = run_pipeline(source, ReportDetector(), [sink], settings, stop=stop, on_result=observer.on_result)
        finally:
            observer.on_end()
        stats.interrupted = done.interrupted
        for remark in sink.remarks:
            observer.on_warning(remark)
        if stats.interrupted is None:
            writer.finish(_about(request, opened, evaluation))
            replaces = request.if_exists == "overwrite" and is_replaceable(request.output, request.reads, observer)
            for remark in folder.commit(last=INDEX, replace=replaces):
                observer.on_warning(remark)
            stats.outputs = (request.output / INDEX,)
    stats.seconds = time.monotonic() - started
    return stats


def _source(request: ReportRequest, opened: OpenResults, evaluation: ReportEvaluation | None) -> ReportImages:
    """The images of the results, then those that only the ground truth has."""
    missing = [] if evaluation is None else evaluation.missing
    return ReportImages(
        chain(opened, missing),
        opened.count + len(missing),
        folder=request.input.images,
        also=None if evaluation is None else evaluation.images,
        side=request.thumbnail,
    )


class ReportDetector(StoredDetector):
    """Returns the detections of a report's images."""

    def detect_frames(self, frames: Sequence[Frame | FailedFrame]) -> list[Detections | FailedFrame]:
        """The stored detections."""
        return [_stored(frame) for frame in frames]


def _stored(frame: Frame | FailedFrame) -> Detections | FailedFrame:
    if isinstance(frame, FailedFrame):
        return frame
    if not isinstance(frame, ThumbnailFrame) or frame.stored is None:
        raise TypeError("the frame is not one of a report")
    return frame.stored


def _is_free(request: ReportRequest) -> bool:
    """Whether the report is written; False if it exists and is skipped. Raises UsageError and OutputError."""
    if str(request.output) == "-" or is_stream(request.output):
        raise UsageError(f"a report is a folder of files: `output` must name it, not '{request.output}'")
    if any(is_same_file(request.output, name) for name in request.reads):
        raise UsageError(f"'{request.output}' is input and output at once; write to another path")
    prepare_output(request.output, if_exists=request.if_exists, folder=True, resumable=False)
    return request.if_exists != "skip" or not has_visible_files(request.output)


def _about(request: ReportRequest, opened: OpenResults, evaluation: ReportEvaluation | None) -> GalleryAbout:
    names = opened.labels.names if evaluation is None else evaluation.class_names
    path = as_path(request.input.results[0])
    return GalleryAbout(
        title=path.name or str(path),
        classes=[(name, color(index)) for index, name in enumerate(names)],
        facts=dict(_facts(opened.info)) | ({} if evaluation is None else evaluation.facts()),
        notes=[
            *_notes(request, opened),
            *(() if evaluation is None else (note.replace("`", "") for note in evaluation.notes)),
        ],
        outcomes=() if evaluation is None else OUTCOMES,
        metrics=None if evaluation is None else evaluation.metrics(),
    )


def _facts(info: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Which model made the results, and how."""
    for name in ("model", "revision", "created", "detcli"):
        if isinstance(info.get(name), str):
            yield name, info[name]
    arguments = info.get("arguments")
    for name in _SHOWN_ARGUMENTS:
        if isinstance(arguments, dict) and arguments.get(name) is not None:
            yield name, str(arguments[name])


def _notes(request: ReportRequest, opened: OpenResults) -> Iterator[str]:
    if not opened.complete:
        yield "the run that made these results was interrupted: they are those of its first images"
    if request.input.images is None and any(run.contents.video for run in opened.runs):
        yield "these are results of a video: its frames are shown as boxes, without pixels"
