"""What comes before a run, and before a dry run: outputs decided, sources open, nothing read and nothing written."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from detcli.engine.cluster.cluster_checks import (
    check_cluster,
    check_other_state,
    check_videos_are_files,
    plan_parts,
    without_kept,
)
from detcli.engine.cluster.parts.kept_parts import check_kept_parts
from detcli.engine.inputs.input_files import input_files
from detcli.engine.inputs.open_images import open_images
from detcli.engine.inputs.source_listing import SourceListing
from detcli.engine.observer import Observer
from detcli.engine.outputs.output_plan import OutputPlan, check_plan, make_plan
from detcli.engine.outputs.standard_output import StandardOutput
from detcli.engine.requests.run_request import ImageRequest, RunRequest, VideoRequest
from detcli.engine.video.live_policy import LivePolicy
from detcli.errors import SourceError, UsageError
from detcli.io.naming import SkippedEntries

if TYPE_CHECKING:
    from detcli.counting.run_counter import RunCounter
    from detcli.engine.outputs.video_sinks import VideoSinks
    from detcli.sources.video.multiplexer import Multiplexer


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """A request whose outputs are decided and whose sources are open.

    listing      the images or frames
    videos       the same source where it is one of videos, else None
    video_sinks  the sinks that only videos have, else None
    counter      counts in the frames; None where nothing is counted
    """

    request: RunRequest
    plan: OutputPlan
    listing: SourceListing
    videos: "Multiplexer | None" = None
    video_sinks: "VideoSinks | None" = None
    counter: "RunCounter | None" = None

    def policy(self, batch_size: int) -> LivePolicy:
        """Batch size and frames in flight of the run, for a detector with this batch size."""
        if self.videos is None:
            return LivePolicy(False, batch_size, None)
        infos = [self.videos.known_info(video.name) for video in self.videos.sources]
        return LivePolicy.of(
            live=self.videos.live,
            source_count=len(self.videos.sources),
            sizes_hw=[info.size_hw for info in infos if info is not None and info.size_hw],
            batch_size=batch_size,
            batch_size_is_given=self.request.compute.batch_size is not None,
        )


@contextmanager
def prepare(
    request: ImageRequest | VideoRequest, observer: Observer, stdout: StandardOutput | None
) -> Iterator[PreparedRun | None]:
    """Decide the outputs and open the sources; None where every output exists already and is skipped.

    Checks run from fast to slow: the request, the outputs, then the input. Raises UsageError, OutputError, InputError.
    """
    _check_working_folder()
    check_cluster(request)
    if isinstance(request, ImageRequest):
        prepared = _prepare_images(request, observer, stdout)
        try:
            yield prepared
        finally:
            if prepared is not None:
                prepared.listing.close()
        return
    from detcli.engine.inputs.open_videos import open_videos

    skipped = SkippedEntries()
    with closing(open_videos(request, skipped)) as source:
        yield _prepare_videos(request, SourceListing(source, skipped), source, observer, stdout)


def _prepare_images(request: ImageRequest, observer: Observer, stdout: StandardOutput | None) -> PreparedRun | None:
    output, images = request.output, request.input
    own = output if request.cluster is None else without_kept(output)
    plan = plan_parts(request, make_plan(own, stdout if own is output else None, task=request.task))
    from detcli.engine.outputs.count_sinks import make_counter

    lists = () if images.files_from is None else (images.files_from,)
    inputs = (*input_files(images.sources, plan.paths), *lists, *output.reads)
    checked = _checked(plan, inputs, request, observer)
    if checked is None:
        return None
    return PreparedRun(request, checked, _listing(request, checked, observer), counter=make_counter(request))


def _listing(request: ImageRequest, plan: OutputPlan, observer: Observer) -> SourceListing:
    if not request.input.watch:
        return open_images(request, plan)
    from detcli.engine.inputs.open_watched import open_watched

    return open_watched(request, plan, observer.on_warning)


def _prepare_videos(
    request: VideoRequest,
    listing: SourceListing,
    source: "Multiplexer",
    observer: Observer,
    stdout: StandardOutput | None,
) -> PreparedRun | None:
    from detcli.engine.inputs.open_videos import check_regions, describe_videos
    from detcli.engine.outputs.count_sinks import make_counter
    from detcli.engine.outputs.video_plan import make_video_plan
    from detcli.engine.outputs.video_sinks import VideoSinks

    names, flat_names = [video.name for video in source.sources], [video.flat_name for video in source.sources]
    plan = make_video_plan(request, names, flat_names, live=source.live, stdout=stdout)
    files = (video.file for video in source.sources if video.is_file)
    checked = _checked(plan_parts(request, plan), (*files, *request.output.reads), request, observer)
    if checked is None:
        return None
    sinks = VideoSinks(request, checked, source)
    sinks.check()
    if request.cluster is not None:  # its workers open them
        check_videos_are_files(source.live)
        observer.on_videos_opened(describe_videos(source))
        return PreparedRun(request, checked, listing, source, sinks)
    try:
        source.open()
    except SourceError:
        if len(source.sources) > 1:
            observer.on_no_video_opened(describe_videos(source))
        raise
    counter = make_counter(request)
    for warning in () if counter is None else check_regions(counter, source):
        observer.on_warning(warning)
    observer.on_videos_opened(describe_videos(source))
    return PreparedRun(request, checked, listing, source, sinks, counter)


def _checked(plan: OutputPlan, inputs: tuple[str, ...], request: RunRequest, observer: Observer) -> OutputPlan | None:
    check_other_state(plan, request.output)
    writes_parts = check_kept_parts(plan, request.output)
    checked = check_plan(plan, inputs, request.output)
    if not writes_parts:
        checked = replace(checked, kept=None, parts=None, skipped=(*checked.skipped, *plan.kept_folders))
    observer.on_plan(checked)
    for path in checked.skipped:
        observer.on_skipped_output(path)
    return None if checked.is_empty and not plan.is_empty else checked


def _check_working_folder() -> None:
    """Raise UsageError where the working folder was deleted: no relative path can be resolved then."""
    try:
        Path.cwd()
    except OSError as error:
        raise UsageError(f"the working folder cannot be found ({error.strerror}): change to another one") from error
