"""The outputs of a run, opened."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from detcli.engine.observer import Observer
from detcli.engine.outputs.output_plan import OutputPlan, ResultTarget
from detcli.engine.outputs.provenance import journal_header, make_run_info, renumber
from detcli.engine.outputs.standard_output import StandardOutput
from detcli.engine.requests.run_request import RunRequest
from detcli.inference.detector import Detector
from detcli.io.coco.coco_ids import read_coco_ids
from detcli.io.journal import Journal
from detcli.io.output_paths import tag_output_folder
from detcli.sinks.sink import Sink, SinkSettings, sink_class
from detcli.structures.run_info import RunInfo

if TYPE_CHECKING:
    from detcli.engine.outputs.video_sinks import VideoSinks


@dataclass(frozen=True, slots=True)
class OpenOutputs:
    """The sinks of a run, open.

    sinks    all of them; the journal is the last, so that it is removed only when the others are complete
    records  those that get the earlier results again in a resumed run
    journal  None where the run cannot be resumed
    """

    sinks: tuple[Sink, ...]
    records: tuple[Sink, ...]
    journal: Journal | None

    @property
    def done(self) -> int:
        """The number of results of the interrupted run that is resumed."""
        return 0 if self.journal is None else self.journal.done


@contextmanager
def open_outputs(
    request: RunRequest,
    plan: OutputPlan,
    detector: Detector,
    *,
    observer: Observer,
    stdout: StandardOutput | None = None,
    video_sinks: "VideoSinks | None" = None,
) -> Iterator[OpenOutputs]:
    """Open every output of the plan; whatever ends the block early leaves no incomplete file under a final name.

    video_sinks  opens the sinks that only videos have
    """
    settings = _sink_settings(request, detector, observer)
    opened: list[Sink] = []
    journal = None
    try:
        image_sinks = tuple(
            _image_sinks(request, plan, settings)
        )  # first: a bad font is found before an output is lost
        for folder in (*plan.folders, *plan.extra_folders, *plan.video_folders):
            tag_output_folder(folder)
        journal = _open_journal(request, plan, settings.info)
        for target in plan.targets:
            opened.append(_open_target(target, settings, stdout, video_sinks))  # noqa: PERF401 - aborted where one fails
        records = tuple(opened)
        opened += image_sinks
        if video_sinks is not None:
            opened += video_sinks.open(settings)
        if journal is not None:
            opened.append(journal)
        yield OpenOutputs(tuple(opened), records, journal)
    except BaseException:
        for sink in opened:
            sink.abort()
        if journal is not None:
            journal.abort()
        raise


def _sink_settings(request: RunRequest, detector: Detector, observer: Observer) -> SinkSettings:
    output, labels, image_ids = request.output, detector.labels, None
    if output.ground_truth is not None:
        ids = read_coco_ids(output.ground_truth)
        image_ids = ids.image_ids
        labels, warning = renumber(labels, ids, output.ground_truth)
        if warning is not None:
            observer.on_warning(warning)
    return SinkSettings(
        make_run_info(request, detector, labels),
        header=output.header,
        csv_safe=output.csv_safe,
        image_ids=image_ids,
        skip_existing=output.if_exists == "skip",
        tracks=request.tracks,
    )


def _open_journal(request: RunRequest, plan: OutputPlan, info: RunInfo) -> Journal | None:
    if plan.journal is None:
        return None
    output = request.output
    return Journal.open(
        plan.journal,
        journal_header(info, plan),
        labels=info.labels,
        resume=output.resume,
        overwrite=output.if_exists == "overwrite" and not output.resume,
    )


def _open_target(
    target: ResultTarget, settings: SinkSettings, stdout: StandardOutput | None, video_sinks: "VideoSinks | None"
) -> Sink:
    if target.path is None:
        if stdout is None:
            raise ValueError("there is no standard output to write to")
        return stdout.open(target.format, settings)
    if target.source is not None and video_sinks is not None:
        return video_sinks.open_target(target, settings)
    return sink_class(target.format)(target.path, settings)


def _image_sinks(request: RunRequest, plan: OutputPlan, settings: SinkSettings) -> Iterator[Sink]:
    labels, skip_existing = settings.info.labels, settings.skip_existing
    if plan.images is not None:
        from detcli.sinks.images.annotated_images import AnnotatedImageSink

        yield AnnotatedImageSink(plan.images, labels, request.output.drawing, skip_existing=skip_existing)
    if plan.crops is not None:
        from detcli.sinks.images.crops import Crops

        yield Crops(plan.crops, labels, skip_existing=skip_existing)
    if plan.masks is not None:
        from detcli.sinks.images.label_maps import LabelMaps

        of_classes = request.task == "semantic"
        yield LabelMaps(plan.masks, labels, of_classes=of_classes, skip_existing=skip_existing)
