"""The outputs of a run, opened."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from detcli.counting.run_counter import RunCounter
from detcli.engine.observer import Observer
from detcli.engine.outputs.category_ids import renumber
from detcli.engine.outputs.count_sinks import open_count_table
from detcli.engine.outputs.format_losses import losses_of_run
from detcli.engine.outputs.output_plan import OutputPlan
from detcli.engine.outputs.output_targets import ResultTarget
from detcli.engine.outputs.provenance import journal_header
from detcli.engine.outputs.replaced_folders import replaces_folder
from detcli.engine.outputs.standard_output import StandardOutput
from detcli.engine.requests.run_request import RunRequest, VideoRequest
from detcli.io.coco.coco_ids import read_coco_ids
from detcli.io.journal import Journal
from detcli.io.output_paths import tag_output_folder
from detcli.sinks.folders.output_folder import OutputFolders
from detcli.sinks.selected_images import SelectedResults
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
    folders  that the run writes files into
    """

    sinks: tuple[Sink, ...]
    records: tuple[Sink, ...]
    journal: Journal | None
    folders: OutputFolders

    @property
    def done(self) -> int:
        """The number of results of the interrupted run that is resumed."""
        return 0 if self.journal is None else self.journal.done


@contextmanager
def open_outputs(
    request: RunRequest,
    plan: OutputPlan,
    info: RunInfo,
    *,
    uncertainty: bool,
    observer: Observer,
    stdout: StandardOutput | None = None,
    video_sinks: "VideoSinks | None" = None,
    counter: RunCounter | None = None,
) -> Iterator[OpenOutputs]:
    """Open every output of the plan; whatever ends the block early leaves no incomplete file under a final name.

    info         provenance of the results, with the labels of the model
    uncertainty  detections have the standard deviation of each edge
    video_sinks  opens the sinks that only videos have
    counter      counts in the frames; None: nothing is counted
    """
    settings = sink_settings(request, info, uncertainty=uncertainty, observer=observer)
    asked = uncertainty and not request.output.drawing.show_uncertainty  # to draw it, it need not be held
    for sentence in losses_of_run(plan.targets, request.output, tracks=request.tracks, uncertainty=asked):
        observer.on_warning(sentence)
    opened: list[Sink] = []
    journal, folders = None, OutputFolders()
    try:
        if plan.images is not None:  # first: a bad font is found before an output is lost
            from detcli.visualization.text_renderer import text_renderer

            text_renderer(request.output.drawing.font)
        for folder in (*plan.folders, *plan.extra_folders, *plan.video_folders):
            tag_output_folder(folder)
        journal = _open_journal(request, plan, settings.info)
        folders = OutputFolders(replaces_folder(request, journal, observer))
        settings = replace(settings, folders=folders)
        for target in _files_first(plan.targets):
            sink = _open_target(target, settings, stdout, video_sinks)
            opened.append(sink if request.output.select is None else SelectedResults(sink, request.output.select))
        if counter is not None:
            opened += _count_tables(request, plan, settings, counter, video_sinks)
        records = tuple(opened)
        opened += _image_sinks(request, plan, settings)
        if video_sinks is not None:
            opened += video_sinks.open(settings)
        if journal is not None:
            opened.append(journal)
        yield OpenOutputs(tuple(opened), records, journal, folders)
    except BaseException:
        for sink in opened:
            sink.abort()
        if journal is not None:
            journal.abort()
        raise
    finally:
        folders.close()


def _files_first(targets: Sequence[ResultTarget]) -> list[ResultTarget]:
    """The targets in an order in which one that is locked is found before the files of a folder are removed."""
    return sorted(targets, key=lambda target: target.is_folder or target.extra_folder is not None)


def sink_settings(request: RunRequest, info: RunInfo, *, uncertainty: bool, observer: Observer) -> SinkSettings:
    """What the sinks of a run need to know; category and image ids are those of the ground truth, if there is one."""
    output, labels, image_ids = request.output, info.labels, None
    if output.ground_truth is not None:
        ids = read_coco_ids(output.ground_truth)
        image_ids = ids.image_ids
        labels, warning = renumber(labels, ids, output.ground_truth)
        if warning is not None:
            observer.on_warning(warning)
    return SinkSettings(
        replace(info, labels=labels),
        header=output.header,
        csv_safe=output.csv_safe,
        no_scores=output.no_scores,
        rows=output.rows,
        image_ids=image_ids,
        skip_existing=output.if_exists == "skip",
        tracks=request.tracks,
        uncertainty=uncertainty,
    )


def _open_journal(request: RunRequest, plan: OutputPlan, info: RunInfo) -> Journal | None:
    if plan.journal is None:
        return None
    output = request.output
    return Journal.open(
        plan.journal,
        journal_header(info, plan, request),
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


def _count_tables(
    request: RunRequest,
    plan: OutputPlan,
    settings: SinkSettings,
    counter: RunCounter,
    video_sinks: "VideoSinks | None",
) -> Iterator[Sink]:
    for target in plan.tables:
        yield open_count_table(
            target,
            counter,
            settings.info.labels,
            video=isinstance(request, VideoRequest),
            csv_safe=settings.csv_safe,
            last_index=None if video_sinks is None else video_sinks.last_index,
        )


def _image_sinks(request: RunRequest, plan: OutputPlan, settings: SinkSettings) -> Iterator[Sink]:
    labels, skip_existing, folders = settings.info.labels, settings.skip_existing, settings.folders
    if plan.images is not None:
        from detcli.sinks.images.annotated_images import AnnotatedImageSink

        folder = folders.open(plan.images)
        yield AnnotatedImageSink(folder, labels, request.output.drawing, skip_existing=skip_existing)
    if plan.crops is not None:
        from detcli.sinks.images.crops import Crops

        yield Crops(folders.open(plan.crops), labels, skip_existing=skip_existing)
    if plan.masks is not None:
        from detcli.sinks.images.label_maps import LabelMaps

        of_classes = request.task == "semantic"
        folder = folders.open(plan.masks)
        yield LabelMaps(folder, labels, of_classes=of_classes, skip_existing=skip_existing)
