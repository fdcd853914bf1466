"""A run on a cluster: from a prepared request to parts, and from parts to the outputs of the request."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from detcli.engine.cluster.chunks import ChunkPlan
from detcli.engine.cluster.dispatcher import Dispatcher, FinishedPart
from detcli.engine.cluster.parts.kept_parts import KeptParts
from detcli.engine.cluster.parts.merge_parts import OrderedParts, frames_in_turn, images_of, is_empty
from detcli.engine.cluster.parts.part_folder import PartFolder
from detcli.engine.cluster.ray_session import RaySession, ray_session
from detcli.engine.cluster.ray_workers import RayWorkers
from detcli.engine.cluster.worker_job import Chunk, PartCounts, VideoItem, WorkerFacts, WorkerJob
from detcli.engine.cluster.worker_outputs import WorkerOutputs
from detcli.engine.cluster.worker_processors import threads_of_one
from detcli.engine.observer import Observer, OpenedVideo, RunStart
from detcli.engine.outputs.open_outputs import open_outputs
from detcli.engine.outputs.provenance import journal_header
from detcli.engine.outputs.standard_output import StandardOutput
from detcli.engine.prepare import PreparedRun
from detcli.engine.requests.cluster_settings import ClusterSettings
from detcli.errors import OutputError, UsageError
from detcli.io.output_paths import tag_output_folder
from detcli.pipeline.run import close_sinks
from detcli.pipeline.statistics import RunStats
from detcli.sinks.sink import Sink, remarks
from detcli.structures.json_records import Result
from detcli.structures.run_info import RunInfo, now
from detcli.structures.stop_signal import StopSignal

_AT_MOST, _AT_MOST_WITH_GPU = 1000, 5000  # images per chunk
_FLUSH_EACH = 1000  # results


def run_on_cluster(
    prepared: PreparedRun,
    settings: ClusterSettings,
    observer: Observer,
    stop: StopSignal,
    stdout: StandardOutput | None,
) -> RunStats:
    """Process the input in chunks on a cluster, and write the outputs as one process writes them.

    Raises what `run` raises, and what `ray_session` raises.
    """
    request, plan = prepared.request, prepared.plan
    overwrite = request.output.if_exists == "overwrite" and not request.output.resume
    folder = PartFolder(plan.parts, resume=request.output.resume, overwrite=overwrite)
    complete = False
    try:
        with ExitStack() as stack:
            session = stack.enter_context(ray_session(settings, request.compute.device, observer))
            job = WorkerJob(request, plan, folder.path, Path.cwd(), folder.token, threads_of_one())
            workers = stack.enter_context(RayWorkers(session, job))
            run = _ClusterRun(prepared, settings, observer, stop, folder, job)
            stats = run.run(session, workers, stdout)
        complete = stats.interrupted is None
    finally:
        folder.close(complete=complete)
    return stats


class _ClusterRun:
    """One run, while its workers exist."""

    def __init__(
        self,
        prepared: PreparedRun,
        settings: ClusterSettings,
        observer: Observer,
        stop: StopSignal,
        folder: PartFolder,
        job: WorkerJob,
    ) -> None:
        self._prepared, self._settings, self._observer, self._stop = prepared, settings, observer, stop
        self._folder, self._job, self._plan = folder, job, prepared.plan
        self._kept = None if self._plan.kept is None else KeptParts(self._plan.kept)
        self._stats = RunStats()
        self._classes = 0

    def run(self, session: RaySession, workers: RayWorkers, stdout: StandardOutput | None) -> RunStats:
        """Wait for a worker, open the outputs, and fill them."""
        self._observer.on_cluster(f"loading the model in {workers.count} worker{'s' * (workers.count > 1)}")
        dispatcher = Dispatcher(workers, self._observer, existing=self._existing, write_failed=self._write_failed)
        facts = dispatcher.first_facts()
        info = self._begin(facts)
        started, stats = time.monotonic(), self._stats
        with open_outputs(
            self._prepared.request,
            self._plan,
            info,
            uncertainty=facts.uncertainty,
            observer=self._observer,
            stdout=stdout,
            video_sinks=self._prepared.video_sinks,
        ) as outputs:
            count = self._prepared.listing.count
            self._observer.on_start(RunStart(self._plan, info.labels, stats, 0, count, chunked=True))
            try:
                parts = dispatcher.parts(self._chunks(session), self._stop)
                self._collect(parts, outputs.sinks)
            finally:
                stats.seconds = time.monotonic() - started
                stats.outputs = tuple(path for path, _ in self._plan.written(complete=stats.interrupted is None))
                self._observer.on_end()
        for remark in (*outputs.folders.remarks, *remarks(outputs.sinks)):
            dispatcher.warn(remark)
        if self._prepared.listing.skipped:
            self._observer.on_skipped_entries(self._prepared.listing.skipped)
        stats.seconds = time.monotonic() - started
        return stats

    def _begin(self, facts: WorkerFacts) -> RunInfo:
        """Agree with the interrupted run, if one is resumed, and tell about the model."""
        info = replace(facts.info, created=now())
        self._folder.begin(journal_header(info, self._plan, self._prepared.request))
        self._classes = len(info.labels)
        self._outputs = WorkerOutputs(self._job, info, facts.uncertainty, self._observer)
        self._observer.on_model_loaded(facts.model)
        if self._kept is not None:
            self._kept.keep_only(self._folder.parts)
            tag_output_folder(self._kept.folder)
        return info

    def _chunks(self, session: RaySession) -> ChunkPlan:
        videos = self._prepared.videos
        items = (
            self._prepared.listing
            if videos is None
            else (VideoItem(video.argument, video.name) for video in videos.sources)
        )
        at_most = _AT_MOST_WITH_GPU if session.share.gpus else _AT_MOST
        return ChunkPlan(
            items,
            workers=session.share.count,
            fixed=self._settings.chunk if videos is None else 1,
            at_most=at_most,
            parts=self._folder.parts,
        )

    def _collect(self, parts: Iterator[FinishedPart], sinks: tuple[Sink, ...]) -> None:
        """Write the results of the parts to the sinks, and close these, as the pipeline does."""
        try:
            if self._kept is not None:
                self._count_kept_parts(self._kept, parts)
            elif self._prepared.videos is not None:
                self._write_videos(parts, sinks)
            else:
                ordered = OrderedParts()
                for part in parts:
                    self._report(part)
                    path = self._folder.part(part.chunk.start, part.chunk.end)
                    for ready in ordered.add(part.chunk.start, part.chunk.end, path):
                        self._write(images_of(ready), sinks)
            self._stats.interrupted = self._stop.signal
        except BaseException:
            close_sinks(sinks, complete=False)
            raise
        failure = close_sinks(sinks, complete=self._stats.interrupted is None)
        if failure is not None:
            raise failure

    def _report(self, part: FinishedPart) -> None:
        """Tell about the progress, and count what an interrupted run did."""
        counts = part.counts
        self._observer.on_chunk(counts.images + counts.failed, counts.failed)
        if part.is_old:
            self._stats.resumed += counts.images + counts.failed
        if counts.tracks is not None:
            self._stats.tracks = (self._stats.tracks or 0) + counts.tracks

    def _write(self, results: Iterator[Result], sinks: tuple[Sink, ...]) -> None:
        for number, result in enumerate(results, 1):
            for sink in sinks:
                sink.write(*result)
            self._stats.add(*result)
            self._observer.on_result(*result)
            self._prepared.request.failures.check(self._stats.failed)
            if number % _FLUSH_EACH == 0:
                _flush(sinks)
        _flush(sinks)

    def _write_videos(self, parts: Iterator[FinishedPart], sinks: tuple[Sink, ...]) -> None:
        """Write the frames of all videos in turn, once all are there."""
        paths = {}
        for part in parts:
            self._report(part)
            paths[part.chunk.start] = self._folder.part(part.chunk.start, part.chunk.end)
        if self._stop.is_set():
            return
        self._write(frames_in_turn(paths), sinks)
        videos = self._prepared.videos
        for position, video in enumerate(() if videos is None else videos.sources):
            if is_empty(paths[position]):
                self._observer.on_empty_video(OpenedVideo(video.file, None, None, live=False))

    def _count_kept_parts(self, kept: KeptParts, parts: Iterator[FinishedPart]) -> None:
        """Count the parts, which stay as they are."""
        written = {}
        for part in parts:
            self._count_kept(part)
            written[part.chunk.start] = part.chunk.end
        if not self._stop.is_set():
            kept.keep_only(written)

    def _count_kept(self, part: FinishedPart) -> None:
        """Count a part that stays as it is, and tell which inputs failed."""
        self._report(part)
        if part.counts.failed:
            for result in images_of(self._folder.part(part.chunk.start, part.chunk.end)):
                self._observer.on_result(*result)
        self._stats.images += part.counts.images
        self._stats.failed += part.counts.failed
        self._stats.boxes += part.counts.boxes
        self._prepared.request.failures.check(self._stats.failed)

    def _write_failed(self, chunk: Chunk, message: str) -> PartCounts:
        return self._outputs.write_failed(chunk, message)

    def _existing(self, chunk: Chunk) -> PartCounts | None:
        """The counts of a part that is written, None if it is not. Raises UsageError where it is of other inputs."""
        path = self._folder.part(chunk.start, chunk.end)
        if not self._folder.has_part(chunk.start, chunk.end):
            return None
        try:
            part = self._folder.read_part(chunk.start, chunk.end)
            if part.names == chunk.names:
                counts = part.check(classes=self._classes)
                is_there = self._kept is None or self._kept.has(chunk.start, chunk.end)
                return counts if is_there else None
        except OutputError:
            self._observer.on_warning(f"'{path.name}' was damaged: its images are processed again")
            return None
        raise UsageError(
            f"cannot resume: the images or videos from '{chunk.first}' on are not those of the interrupted run; start again "
            "with `if_exists=overwrite`"
        )


def _flush(sinks: tuple[Sink, ...]) -> None:
    for sink in sinks:
        sink.flush()
