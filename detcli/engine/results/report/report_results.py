"""Writes a report on stored results: a gallery of their images; no network, and no torch."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from detcli.engine.observer import Observer, RunStart
from detcli.engine.outputs.output_plan import OutputPlan
from detcli.engine.outputs.replaced_folders import is_replaceable
from detcli.engine.results.draw_results import StoredDetector
from detcli.engine.results.open_results import OpenResults, open_results
from detcli.engine.results.report.report_evaluation import MISSED, OUTCOMES, ImageOutcomes, ReportEvaluation
from detcli.engine.results.report.report_images import ReportImages, ThumbnailFrame
from detcli.engine.results.report.report_request import ReportRequest
from detcli.errors import UsageError
from detcli.io.output_paths import has_visible_files, is_same_file
from detcli.io.outputs import is_stream, prepare_output
from detcli.pipeline.run import PipelineSettings
from detcli.pipeline.run import run as run_pipeline
from detcli.pipeline.statistics import RunStats
from detcli.sinks.folders.staged_folder import StagedFolder
from detcli.sinks.gallery.gallery_image import GalleryAbout, GalleryImage
from detcli.sinks.gallery.gallery_writer import INDEX, GalleryWriter
from detcli.sinks.sink import BaseSink
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.stop_signal import StopSignal
from detcli.text import counted
from detcli.visualization.colors import color

_MAX_NAMED = 3  # images that a warning names; the report names all
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
    for note in _notes(opened):
        observer.on_warning(note)
    evaluation = None if request.input.ground_truth is None else ReportEvaluation(request, opened, observer)
    stats = RunStats()
    with StagedFolder(request.output) as folder:
        sink = _GallerySink(GalleryWriter(folder.folder), evaluation)
        _run(request, opened, evaluation, sink, stats, plan, observer, stop)
        stats.boxes = sink.writer.boxes
        if stats.interrupted is None:
            sink.writer.finish(_about(request, opened, evaluation))
            replaces = request.if_exists == "overwrite" and is_replaceable(request.output, request.reads, observer)
            for remark in folder.commit(last=INDEX, replace=replaces):
                observer.on_warning(remark)
            stats.outputs = (request.output / INDEX,)
    stats.seconds = time.monotonic() - started
    return stats


class _GallerySink(BaseSink):
    """Adds the images to the gallery in their order.

    writer  of the gallery
    """

    ordered = True
    needs_pixels = False

    def __init__(self, writer: GalleryWriter, evaluation: ReportEvaluation | None) -> None:
        self.writer, self._evaluation = writer, evaluation

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Add one image."""
        index = frame.origin.index
        outcomes = None if self._evaluation is None else self._evaluation.of_image(index)
        self.writer.add(_gallery_image(frame, detections, outcomes))


def _gallery_image(
    frame: Frame | FailedFrame, detections: Detections | FailedFrame, outcomes: ImageOutcomes | None
) -> GalleryImage:
    name = frame.origin.file if frame.origin.frame is None else f"{frame.origin.file}, frame {frame.origin.frame}"
    missing = frame.missing if isinstance(frame, ThumbnailFrame) else None
    if isinstance(detections, FailedFrame) or not isinstance(frame, ThumbnailFrame):
        failed = frame if isinstance(frame, FailedFrame) else detections
        problem = ("failed", f"{failed.code}: {failed.message}") if isinstance(failed, FailedFrame) else None
        image = GalleryImage(name, None, problem=problem)  # type: ignore[arg-type]  # a tuple of literals
    else:
        image = GalleryImage(
            name,
            None if 0 in frame.size_hw else frame.size_hw,
            thumbnail=frame.thumbnail,
            masks=frame.masks,
            problem=None if missing is None else ("missing", missing.message),
        )
    kept = None if isinstance(detections, FailedFrame) else detections
    return _with_boxes(image, kept) if outcomes is None else _with_outcomes(image, kept, outcomes)


def _with_boxes(image: GalleryImage, detections: Detections | None) -> GalleryImage:
    """With all detections, best first."""
    if detections is None:
        return image
    best = detections[np.argsort(-detections.scores, kind="stable")]
    return replace(
        image, boxes_xyxy=best.boxes_xyxy, class_ids=best.class_ids, scores=best.scores, track_ids=best.track_ids
    )


def _with_outcomes(image: GalleryImage, detections: Detections | None, outcomes: ImageOutcomes) -> GalleryImage:
    """With the detections that were evaluated, best first, then the ground truth that was missed."""
    kept = (Detections.empty() if detections is None else detections)[np.array(outcomes.rows, np.int64)]
    order = np.argsort(-kept.scores, kind="stable")
    count = len(outcomes.missed_classes)
    best, missed = kept[order], np.full(count, -1, np.int64)
    return replace(
        image,
        boxes_xyxy=np.concatenate([best.boxes_xyxy, outcomes.missed_boxes]),
        class_ids=np.concatenate([best.class_ids, np.array(outcomes.missed_classes, np.int64)]),
        scores=np.concatenate([best.scores, np.full(count, np.nan)]),
        outcomes=np.concatenate([np.array(outcomes.outcomes, np.int64)[order], np.full(count, MISSED)]),
        expected=np.concatenate([np.array(outcomes.expected, np.int64)[order], missed]),
    )


def _run(
    request: ReportRequest,
    opened: OpenResults,
    evaluation: ReportEvaluation | None,
    sink: _GallerySink,
    stats: RunStats,
    plan: OutputPlan,
    observer: Observer,
    stop: StopSignal,
) -> None:
    extra = [] if evaluation is None else evaluation.missing
    count = opened.count + len(extra)
    source = ReportImages(
        chain(opened, extra),
        count,
        folder=request.input.images,
        also=None if evaluation is None else evaluation.images,
        side=request.thumbnail,
    )

    named: list[str] = []

    def on_result(frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        missing = frame.missing if isinstance(frame, ThumbnailFrame) else None
        stats.images += missing is None
        if missing is not None:
            stats.failed += 1
            if len(named) < _MAX_NAMED:
                named.append(f"'{missing.origin.file}' ({missing.message})")
        observer.on_result(frame, detections)

    observer.on_start(RunStart(plan, opened.labels, stats, 0, lambda: count))
    try:
        settings = PipelineSettings(workers=request.workers)
        done = run_pipeline(source, _ReportDetector(), [sink], settings, stop=stop, on_result=on_result)
        stats.interrupted = done.interrupted
    finally:
        observer.on_end()
    if named:
        more = f" and {stats.failed - len(named):,} more" if stats.failed > len(named) else ""
        cannot = counted(stats.failed, "image cannot be shown, only its", "images cannot be shown, only their")
        observer.on_warning(f"{cannot} boxes: {', '.join(named)}{more}")


class _ReportDetector(StoredDetector):
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
    path = Path(request.input.results[0])
    return GalleryAbout(
        title=path.name or str(path),
        classes=[(name, color(index)) for index, name in enumerate(names)],
        facts=dict(_facts(opened.info)) | ({} if evaluation is None else evaluation.facts()),
        notes=[*_notes(opened), *(() if evaluation is None else (note.replace("`", "") for note in evaluation.notes))],
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


def _notes(opened: OpenResults) -> Iterator[str]:
    if not opened.complete:
        yield "the run that made these results was interrupted: they are those of its first images"
    if any(run.contents.video for run in opened.runs):
        yield "these are results of a video: its frames are shown as boxes, without pixels"
