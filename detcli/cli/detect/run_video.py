"""A run over videos: what the flags of `video` ask for becomes sources, a detector and sinks.

Checks run from cheap to dear, as in `looking.py`: flags, outputs, then the sources are opened, and only then the model.
"""

import time
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from detcli.cli.detect.run_images import check_place
from detcli.cli.framework.console import Console
from detcli.engine.request import VideoRequest
from detcli.errors import TooManyFailuresError, UsageError

if TYPE_CHECKING:
    from detcli.engine.outputs import OutputPlan
    from detcli.engine.video_sinks import VideoSinks
    from detcli.inference.detector import Detector
    from detcli.sources.video.multiplexer import Multiplexer
    from detcli.structures.detections import Detections
    from detcli.structures.frame import FailedFrame, Frame

_WAITING_BYTES = 1 << 29  # of decoded frames between source and sinks


def watch(console: Console, wish: VideoRequest) -> int:
    """Do what is wished for; returns the exit code.

    Raises DetcliError for what cannot be begun, or ends a run.
    """
    if not wish.sources:
        raise UsageError("nothing to look at: name a video, a camera (cam0), an address or '-'")
    check_place()
    from detcli.runtimes.process import limit_spinning

    limit_spinning()
    from detcli.engine.outputs import check_plan
    from detcli.engine.video_outputs import make_video_plan
    from detcli.sources.video.open_video import flat_names

    with closing(_source(wish)) as source:
        places = [part.place for part in source.parts]
        plan = make_video_plan(wish, places, flat_names(places), live=source.live)
        read = [str(path) for path in (wish.gt, wish.font, console.config) if path is not None]
        inputs = [part.file for part in source.parts if part.is_file] + read
        if_exists = "overwrite" if wish.yes else wish.if_exists
        wished = plan
        plan = check_plan(plan, inputs, if_exists=if_exists, resume=wish.resume)
        for path in plan.skipped:
            console.say(f"'{path}' exists; skipped")
        if plan.is_empty and not wished.is_empty:
            return 0
        from detcli.cli.detect.video_report import dry_run, open_all, tell
        from detcli.engine.video_sinks import VideoSinks

        sinks = VideoSinks(wish, plan, source)
        sinks.check()
        open_all(console, source)
        tell(console, wish, source)
        if wished.is_empty and not wish.show:
            console.say("nothing is kept: -o FILE keeps the results, --save-video FILE the annotated video")
        if wish.dry_run:
            return dry_run(console, wish, plan, source)
        return _run(console, wish, plan, source, sinks)


def _source(wish: VideoRequest) -> "Multiplexer":
    from detcli.sources.source import DEFAULT_MAX_PIXELS
    from detcli.sources.video.open_video import open_together
    from detcli.sources.video.video_source import VideoSettings

    settings = VideoSettings(
        stride=wish.stride,
        fps=wish.fps,
        start_s=wish.start,
        duration_s=wish.duration,
        max_frames=wish.max_frames,
        size_hw=wish.camera_size,
        rate=wish.camera_rate,
        live=wish.live,
        reconnect=not wish.no_reconnect,
        max_pixels=wish.max_pixels or DEFAULT_MAX_PIXELS,
    )
    written = [wish.save_video, *map(Path, wish.outputs)]
    return open_together(wish.sources, settings, outputs=[str(path) for path in written if path is not None])


def _run(console: Console, wish: VideoRequest, plan: "OutputPlan", source: "Multiplexer", sinks: "VideoSinks") -> int:
    from detcli.checkpoints.hub.locate_model import repository_of

    repository_of(wish.model)  # a slip in the name is told before torch is imported
    from detcli.cli.detect.video_progress import LatencyStats, VideoProgress, video_closing
    from detcli.cli.detect.video_report import warn_of_nothing
    from detcli.cli.framework.signals import stopping
    from detcli.engine.listing import SourceListing
    from detcli.engine.load_model import load
    from detcli.engine.multi_tracker import MultiSourceTracker
    from detcli.engine.open_outputs import open_sinks
    from detcli.pipeline.latency_timer import TimedDetector
    from detcli.pipeline.run import FailurePolicy, RunStats, StopSignal, run
    from detcli.sinks.sink import remarks
    from detcli.structures.frame import FailedFrame

    detector = load(console, wish, plan)
    if source.live and wish.batch is None:  # a larger batch would only hold the first frame of it back
        detector.batch_size = min(detector.batch_size, len(source.parts))
    timed = TimedDetector(detector)
    started = time.monotonic()
    tally, stop, measures = RunStats(), StopSignal(), LatencyStats()
    before = 0
    with ExitStack() as stack:
        opened = stack.enter_context(open_sinks(console, wish, plan, detector, sinks))
        stack.enter_context(stopping(console, stop))
        following = MultiSourceTracker(detector.threshold) if wish.track else None
        if following is not None:
            low = min(detector.threshold, following.settings.low_threshold)
            detector.selection = replace(detector.selection, threshold=low)
        listing = SourceListing(source)
        before = opened.replay(listing, tally)
        progress = stack.enter_context(
            VideoProgress(
                console,
                detector.labels,
                measures,
                done=before,
                total=source.count,
                dropped=lambda: source.dropped,
                detection_s=lambda: timed.latency_s,
            )
        )

        def on_result(frame: "Frame | FailedFrame", detections: "Detections | FailedFrame") -> None:
            waited_s = source.waited_s(frame.origin.index)
            if source.live and waited_s is not None:
                measures.took(waited_s)
            if following is not None:
                measures.tracks = following.tracks
            progress.advance(detections)
            if isinstance(detections, FailedFrame):
                origin = frame.origin
                console.failure(origin.file, detections.code, detections.message, time_s=origin.time_s or None)

        def close() -> None:
            video_closing(
                console,
                tally,
                measures,
                plan,
                before=before,
                dropped=source.dropped,
                seconds=time.monotonic() - started,
            )

        try:
            run(
                listing,
                timed,
                opened.sinks,
                workers=wish.workers,
                tally=tally,
                limits=FailurePolicy(wish.strict, wish.max_failures),
                stop=stop,
                in_flight=_in_flight(source, detector),
                tracker=following,
                on_result=on_result,
            )
        except TooManyFailuresError:
            close()
            raise
    for remark in remarks(opened.sinks):
        console.warning(remark)
    warn_of_nothing(console, wish, source)
    close()
    return tally.exit_code


def _in_flight(source: "Multiplexer", detector: "Detector") -> int | None:
    """Most frames between source and sinks: few of live sources, so that none is old; of large ones what fits."""
    if source.live:
        return 2 * len(source.parts)  # one in the network, one that waits for it
    sizes = [
        facts.size_hw for part in source.parts if (facts := source.known(part.place)) is not None and facts.size_hw
    ]
    if not sizes:
        return None
    largest = max(height * width * 3 for height, width in sizes)
    return max(2 * detector.batch_size, _WAITING_BYTES // largest)
