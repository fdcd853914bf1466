"""A run: from a request to sources, detector, sinks and statistics, without a terminal.

stats = run(ImageRequest(input=ImageInputSettings(sources=("images/",)), output=OutputSettings(outputs=("out.jsonl",))))
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from detcli.argument_checks import check_instance
from detcli.engine.observer import DeviceShare, Observer, RunStart
from detcli.engine.outputs.standard_output import StandardOutput
from detcli.engine.prepare import PreparedRun, prepare
from detcli.engine.requests.run_request import ImageRequest, VideoRequest
from detcli.pipeline.failure_policy import FailurePolicy
from detcli.pipeline.statistics import RunStats
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.stop_signal import StopSignal

if TYPE_CHECKING:
    from detcli.counting.run_counter import RunCounter
    from detcli.engine.video.live_policy import LivePolicy
    from detcli.inference.detector import Detector
    from detcli.pipeline.detector_protocol import DetectorProtocol
    from detcli.sinks.sink import Sink
    from detcli.sources.source import Source

__all__ = ["RunStats", "StopSignal", "run", "run_detector"]


def run(
    request: ImageRequest | VideoRequest,
    *,
    observer: Observer | None = None,
    stop: StopSignal | None = None,
    stdout: StandardOutput | None = None,
) -> RunStats:
    """Process the images or videos of a request and write its outputs.

    observer  gets the events of the run; None: they are ignored
    stop      ends the run after the current batch, from a signal handler or another thread; what is written is complete
    stdout    opens sinks on standard output; None: the run writes to files only

    Every call is independent of others, also in other threads. Raises DetcliError for what cannot be started or ends
    the run; no output is then left incomplete under its final name.
    """
    observer, stop = (
        Observer() if observer is None else check_instance("observer", observer, Observer),
        StopSignal() if stop is None else check_instance("stop", stop, StopSignal),
    )
    with prepare(request, observer, stdout) as prepared:
        if prepared is None:
            return RunStats(skipped=True)
        if request.cluster is not None:
            from detcli.engine.cluster.cluster_run import run_on_cluster

            return run_on_cluster(prepared, request.cluster, observer, stop, stdout)
        return _run(prepared, observer, stop, stdout)


def run_detector(
    source: "Source",
    detector: "DetectorProtocol",
    sinks: "Sequence[Sink]",
    *,
    workers: int | None = None,
    failures: FailurePolicy | None = None,
    observer: Observer | None = None,
    stop: StopSignal | None = None,
) -> RunStats:
    """Run a detector over a source into sinks, without a request: for evaluation and other programs.

    Reports `on_result` to the observer. Closes the sinks.
    """
    from detcli.pipeline.run import PipelineSettings
    from detcli.pipeline.run import run as run_pipeline

    settings = PipelineSettings(workers=workers, failures=failures or FailurePolicy())
    on_result = None if observer is None else observer.on_result
    started = time.monotonic()
    stats = run_pipeline(source, detector, sinks, settings, stop=stop, on_result=on_result)
    stats.seconds = time.monotonic() - started
    return stats


def _run(prepared: PreparedRun, observer: Observer, stop: StopSignal, stdout: StandardOutput | None) -> RunStats:
    from detcli.checkpoints.hub.locate_model import repository_of

    request = prepared.request
    if isinstance(request.model.model, str):
        repository_of(request.model.model)  # a wrong name is found before torch is imported
    from detcli.engine.model_files.load_model import ending_processes, load_for

    detector = load_for(request, prepared.plan, observer)
    with ending_processes(detector):
        return _run_detector(prepared, detector, observer, stop, stdout)


def _run_detector(
    prepared: PreparedRun, detector: "Detector", observer: Observer, stop: StopSignal, stdout: StandardOutput | None
) -> RunStats:
    from detcli.engine.inputs.resume import replay
    from detcli.engine.inputs.shard_inputs import is_empty_shard, warn_of_partial_batches
    from detcli.engine.model_files.load_model import HasProcesses
    from detcli.engine.outputs.open_outputs import open_outputs
    from detcli.engine.outputs.provenance import make_run_info
    from detcli.sinks.sink import remarks

    request, plan = prepared.request, prepared.plan
    policy = prepared.policy(detector.batch_size)
    if detector.tiles is None:  # a frame in tiles fills batches by itself
        detector = detector.with_settings(batch_size=policy.batch_size)
    warn_of_partial_batches(request, detector, observer)
    started, stats = time.monotonic(), RunStats()
    info = make_run_info(request, detector, detector.labels)
    with open_outputs(
        request,
        plan,
        info,
        uncertainty=detector.uncertainty,
        observer=observer,
        stdout=stdout,
        video_sinks=prepared.video_sinks,
        counter=prepared.counter,
    ) as outputs:
        observer.on_start(RunStart(plan, detector.labels, stats, outputs.done, prepared.listing.count, policy.live))
        try:
            stats.resumed = replay(outputs.journal, outputs.records, prepared.listing, stats, prepared.counter)
            _run_pipeline(prepared, detector, outputs.sinks, policy, stats=stats, observer=observer, stop=stop)
        finally:
            stats.seconds = time.monotonic() - started
            stats.dropped = 0 if prepared.videos is None else prepared.videos.dropped
            stats.outputs = tuple(path for path, _ in plan.written(complete=stats.interrupted is None))
            stats.empty_shard = is_empty_shard(request, stats)
            observer.on_end()
    if isinstance(detector, HasProcesses):
        observer.on_devices([DeviceShare(*share) for share in detector.shares])
    for remark in (*detector.remarks, *outputs.folders.remarks, *remarks(outputs.sinks)):
        observer.on_warning(remark)
    if prepared.counter is not None:
        _report_counts(prepared.counter, observer)
    _report_empty_videos(prepared, observer)
    if prepared.listing.skipped:
        observer.on_skipped_entries(prepared.listing.skipped)
    stats.seconds = time.monotonic() - started
    return stats


def _run_pipeline(
    prepared: PreparedRun,
    detector: "Detector",
    sinks: "Sequence[Sink]",
    policy: "LivePolicy",
    *,
    stats: RunStats,
    observer: Observer,
    stop: StopSignal,
) -> None:
    from detcli.engine.video.multi_tracker import tracker_of
    from detcli.pipeline.run import PipelineSettings
    from detcli.pipeline.run import run as run_pipeline

    request, videos = prepared.request, prepared.videos
    tracker = tracker_of(request, detector)
    if tracker is not None:
        detector = detector.with_weak_boxes(tracker.detection_threshold)

    def on_result(frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        if videos is not None:
            waited_s = videos.waited_s(frame.origin.index)
            if policy.live and waited_s is not None:
                stats.latency.add(waited_s)
            stats.dropped = videos.dropped
        if tracker is not None:
            stats.tracks = tracker.tracks
        observer.on_result(frame, detections)

    run_pipeline(
        prepared.listing,
        detector,
        sinks,
        PipelineSettings(
            workers=request.compute.workers,
            frames_in_flight=policy.frames_in_flight,
            failures=request.failures,
        ),
        stats=stats,
        stop=stop,
        tracker=tracker,
        counter=prepared.counter,
        on_result=on_result,
    )


def _report_counts(counter: "RunCounter", observer: Observer) -> None:
    for warning in counter.take_warnings():
        observer.on_warning(warning)
    totals = counter.totals()
    if totals:
        observer.on_counts(totals)


def _report_empty_videos(prepared: PreparedRun, observer: Observer) -> None:
    if prepared.videos is None:
        return
    from detcli.engine.inputs.open_videos import empty_videos

    for video in empty_videos(prepared.videos):
        observer.on_empty_video(video)
