"""What runs in a worker: a model, loaded once, and the pipeline over one chunk after the other."""

import os
import pickle
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from detcli.engine.cluster.parts.part_folder import is_marked
from detcli.engine.cluster.worker_job import Chunk, ChunkReport, PartCounts, VideoItem, WorkerFacts, WorkerJob
from detcli.engine.cluster.worker_outputs import WorkerOutputs
from detcli.engine.cluster.worker_processors import WorkerProcessors
from detcli.engine.inputs.open_videos import video_settings
from detcli.engine.inputs.source_listing import SourceListing
from detcli.engine.model_files.load_model import Detector, describe_model, load_for
from detcli.engine.observer import Observer
from detcli.engine.outputs.provenance import make_run_info
from detcli.engine.prepare import PreparedRun
from detcli.engine.process import tune_process, tune_process_for_video
from detcli.engine.requests.run_request import ComputeSettings, VideoRequest
from detcli.engine.video.multi_tracker import tracker_of
from detcli.errors import DetcliError, OutputError, SourceError, UsageError
from detcli.io.remote.store_path import StorePath
from detcli.pipeline.devices.worker import thread_variables
from detcli.pipeline.run import PipelineSettings
from detcli.pipeline.run import run as run_pipeline
from detcli.pipeline.statistics import RunStats
from detcli.sources.source import SourceItem
from detcli.sources.video.multiplexer import Multiplexer
from detcli.sources.video.open_multiplexer import channel_source
from detcli.version import __version__


class ChunkWorker:
    """Processes chunks; Ray makes one in each worker process.

    version     of detcli where the run was started
    home        the machine where the run was started
    job         a pickled WorkerJob, read only by the same version
    processors  for this worker

    Methods return the error of a run instead of raising it, since it keeps its type that way.
    """

    def __init__(self, version: str, home: str, job: bytes, processors: float) -> None:
        self._version, self._packed, self._processors = version, job, max(1, int(processors))
        self._home = home
        self._host = socket.gethostname()
        self._observer = _WorkerObserver()
        self._detector: Detector | None = None

    def load(self) -> WorkerFacts | DetcliError:
        """Check that this machine fits the run, and load the model."""
        try:
            return self._load()
        except DetcliError as error:
            return self._named(error)

    def run(self, chunk: bytes) -> ChunkReport | DetcliError:
        """Process a pickled Chunk and write its part."""
        try:
            return self._run(pickle.loads(chunk))  # noqa: S301 - of the same program
        except DetcliError as error:
            return self._named(error)

    def _load(self) -> WorkerFacts:
        if self._version != __version__:
            raise UsageError(
                f"the worker on {self._host} has detcli {__version__}, and this run needs {self._version}: "
                "install the same version on every machine of the cluster"
            )
        job: WorkerJob = pickle.loads(self._packed)  # noqa: S301 - of the same program
        _enter(job, self._host)
        request = job.request
        compute = replace(request.compute, workers=request.compute.workers or self._processors)
        self._job, self._request = job, replace(request, compute=compute)
        self._take_processors(request.compute, job)
        if isinstance(request, VideoRequest):
            tune_process_for_video()
        detector = load_for(self._request, job.plan, self._observer)
        info = make_run_info(request, detector, detector.labels)
        self._outputs = WorkerOutputs(job, info, detector.uncertainty, self._observer)
        self._detector = detector
        model = describe_model(detector)
        model = replace(model, class_thresholds=dict(model.class_thresholds))
        return WorkerFacts(self._host, info, model, detector.uncertainty, self._observer.take())

    def _take_processors(self, compute: ComputeSettings, job: WorkerJob) -> None:
        """Give the network its share of the processors; with `deterministic`, as many threads as in one process."""
        if compute.deterministic:
            # This process belongs to the run, and torch is not imported.
            os.environ.update(thread_variables(job.threads))
        else:
            self._taken = WorkerProcessors(self._processors, job.token)

    def _run(self, chunk: Chunk) -> ChunkReport:
        if self._detector is None:
            self._load()
        videos = self._videos(chunk)
        if videos is None:
            listing = SourceListing(_ListedItems([item for item in chunk.items if not isinstance(item, VideoItem)]))
            return self._process(chunk, PreparedRun(self._request, self._job.plan, listing))
        try:
            with suppress(SourceError):  # a video that cannot be opened becomes a record
                videos.open()
            return self._process(chunk, PreparedRun(self._request, self._job.plan, SourceListing(videos), videos))
        finally:
            videos.close()

    def _videos(self, chunk: Chunk) -> Multiplexer | None:
        if not isinstance(self._request, VideoRequest):
            return None
        settings = video_settings(self._request.input)
        items = [item for item in chunk.items if isinstance(item, VideoItem)]
        return Multiplexer([channel_source(item.argument, item.name, settings) for item in items])

    def _process(self, chunk: Chunk, prepared: PreparedRun) -> ChunkReport:
        detector = self._detector
        assert detector is not None  # noqa: S101 - loaded by the caller
        policy = prepared.policy(detector.batch_size)
        tracker = tracker_of(self._request, detector)
        if detector.tiles is None:  # as in one process
            detector = detector.with_settings(batch_size=policy.batch_size)
        if tracker is not None:
            detector = detector.with_weak_boxes(tracker.detection_threshold)
        stats = RunStats()
        with self._outputs.open(chunk) as (sinks, part):
            run_pipeline(
                prepared.listing,
                detector,
                sinks,
                PipelineSettings(workers=self._request.compute.workers, frames_in_flight=policy.frames_in_flight),
                stats=stats,
                tracker=tracker,
            )
            counts = PartCounts(stats.images, stats.failed, stats.boxes, None if tracker is None else tracker.tracks)
            part.finish(counts)
        for remark in (*detector.remarks, *self._outputs.remarks(sinks)):
            self._observer.on_warning(remark)
        return ChunkReport(counts, self._observer.take())

    def _named(self, error: DetcliError) -> DetcliError:
        """The error with the name of this machine, where the run has others."""
        if self._host != self._home and self._host not in str(error):
            error.args = (f"{error} (worker on {self._host})", *error.args[1:])
        return error


class _WorkerObserver(Observer):
    """Tunes the process, which is the worker's own, and keeps warnings until they are taken."""

    def __init__(self) -> None:
        self._warnings: dict[str, None] = {}

    def on_model_load(self, compute: ComputeSettings) -> None:
        tune_process(compute)

    def on_warning(self, message: str) -> None:
        self._warnings[message] = None

    def take(self) -> tuple[str, ...]:
        """The warnings since the last call."""
        warnings, self._warnings = tuple(self._warnings), {}
        return warnings


class _ListedItems:
    """The images of a chunk as a source."""

    def __init__(self, items: Sequence[SourceItem]) -> None:
        self._items = items

    def __iter__(self) -> Iterator[SourceItem]:
        return iter(self._items)

    def count(self) -> int | None:
        """The number of images."""
        return len(self._items)


def _enter(job: WorkerJob, host: str) -> None:
    """Start from the folder of the run, unless it names addresses only.

    Raises UsageError where this machine does not see the folders of the run.
    """
    try:
        os.chdir(job.current)
    except OSError as error:
        if not job.is_remote:
            raise UsageError(
                f"the worker on {host} has no folder '{job.current}', where the run was started: every machine of the "
                "cluster must see the same folders"
            ) from error
    reason = ""
    try:
        is_same = is_marked(job.folder, job.token)
    except OutputError as error:
        is_same, reason = False, f" ({error})"
    if not is_same:
        where = (
            "the machines of the cluster must reach the same store, with credentials of their own"
            if isinstance(job.folder, StorePath)
            else "`outputs` must be on storage that every machine of the cluster shares"
        )
        raise UsageError(
            f"the worker on {host} does not see '{job.folder}', where the run collects its parts{reason}: {where}"
        )
