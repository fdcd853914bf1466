"""Writes a gallery of a dataset: the page of `detcli report`, with ground truth."""

import time
from dataclasses import replace

from detcli.argument_checks import check_instance
from detcli.engine.data.data_parts import open_parts
from detcli.engine.data.data_request import DataObserver
from detcli.engine.data.gallery.view_images import AnnotatedSource
from detcli.engine.data.gallery.view_request import ViewRequest
from detcli.engine.data.shared_classes import SharedClasses
from detcli.engine.observer import RunStart
from detcli.engine.outputs.output_plan import OutputPlan
from detcli.engine.outputs.replaced_folders import is_replaceable
from detcli.engine.results.report.report_results import ReportDetector
from detcli.engine.results.report.report_sink import ReportSink
from detcli.pipeline.run import PipelineSettings
from detcli.pipeline.run import run as run_pipeline
from detcli.pipeline.statistics import RunStats
from detcli.sinks.folders.staged_folder import StagedFolder
from detcli.sinks.gallery.gallery_image import GalleryAbout, GalleryImage
from detcli.sinks.gallery.gallery_writer import INDEX, GalleryWriter
from detcli.structures.detections import Detections
from detcli.structures.stop_signal import StopSignal
from detcli.visualization.colors import color


def view_data(
    request: ViewRequest, *, observer: DataObserver | None = None, stop: StopSignal | None = None
) -> RunStats:
    """Write the gallery of the request; it appears when it is complete.

    observer  gets the events; `on_warning` names images that are missing or have another size
    stop      ends it between two images, and nothing is written

    Returns the counts: images that cannot be shown are `failed`. Raises UsageError, NoDataError or DataError for data that
    cannot be read, and OutputError.
    """
    observer = DataObserver() if observer is None else check_instance("observer", observer, DataObserver)
    stop = stop or StopSignal()
    if not request.is_free():
        observer.on_skipped_output(request.output)
        return RunStats(skipped=True)
    plan = OutputPlan((), request.output)
    observer.on_plan(plan)
    started = time.monotonic()
    parts = open_parts(request.data, observer, masks=True)
    classes = SharedClasses(parts)
    source, stats = AnnotatedSource(parts, classes, side=request.thumbnail), RunStats()
    with StagedFolder(request.output) as folder:
        writer = GalleryWriter(folder.folder)
        sink = _GroundTruthSink(writer, None, stats)
        observer.on_start(RunStart(plan, classes.labels, stats, 0, source.count))
        try:
            settings = PipelineSettings(workers=request.data.workers)
            done = run_pipeline(source, ReportDetector(), [sink], settings, stop=stop, on_result=observer.on_result)
        finally:
            observer.on_end()
        stats.interrupted = done.interrupted
        for remark in sink.remarks:
            observer.on_warning(remark)
        if stats.interrupted is None:
            names = classes.labels.names
            writer.finish(
                GalleryAbout(
                    title=request.data.data,
                    classes=[(name, color(index)) for index, name in enumerate(names)],
                    boxes="ground truth",
                    facts={part.name: part.dataset.report.files or part.dataset.report.name for part in parts},
                    notes=[f"{part.name}: {issue}" for part in parts for issue in part.dataset.report.issues],
                )
            )
            replaces = request.if_exists == "overwrite" and is_replaceable(request.output, request.reads, observer)
            for remark in folder.commit(last=INDEX, replace=replaces):
                observer.on_warning(remark)
            stats.outputs = (request.output / INDEX,)
    stats.seconds = time.monotonic() - started
    return stats


class _GroundTruthSink(ReportSink):
    """Adds images whose boxes have no scores."""

    def with_boxes(self, image: GalleryImage, detections: Detections) -> GalleryImage:
        """With all boxes, in their order."""
        return replace(image, boxes_xyxy=detections.boxes_xyxy, class_ids=detections.class_ids)
