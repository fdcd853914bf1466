"""What a worker writes of a chunk: its part, and a file of results where the parts of a run are kept."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from detcli.engine.cluster.parts.kept_parts import KeptParts
from detcli.engine.cluster.parts.part_files import PartWriter, part_name
from detcli.engine.cluster.worker_job import Chunk, PartCounts, VideoItem, WorkerJob
from detcli.engine.observer import Observer
from detcli.engine.outputs.open_outputs import sink_settings
from detcli.sinks.sink import Sink, SinkSettings, remarks, sink_class
from detcli.sources.video.video_source import gap_origin
from detcli.structures.frame import FailedFrame
from detcli.structures.run_info import RunInfo


class WorkerOutputs:
    """Opens the outputs of one chunk after the other.

    info         provenance of the results, with the labels of the model
    uncertainty  detections have standard deviations of edges
    """

    def __init__(self, job: WorkerJob, info: RunInfo, uncertainty: bool, observer: Observer) -> None:
        self._job, self._labels = job, info.labels
        self._settings: SinkSettings | None = None
        if job.plan.kept is not None:
            settings = sink_settings(job.request, info, uncertainty=uncertainty, observer=observer)
            self._settings = replace(settings, whole_files=True)

    @contextmanager
    def open(self, chunk: Chunk) -> Iterator[tuple[Sequence[Sink], PartWriter]]:
        """The sinks of a chunk, and among them its part, to be finished; nothing is left of a block that fails."""
        kept = self._job.plan.kept
        path = self._job.folder / part_name(chunk.start, chunk.end)
        sinks: list[Sink] = []
        try:
            if kept is not None and self._settings is not None:
                target = KeptParts(kept).path(chunk.start, chunk.end)
                sinks.append(_WholePart(sink_class(kept.format)(target, self._settings)))
            part = PartWriter(path, self._labels, chunk.names, only_failed=kept is not None)
            sinks.append(part)
            yield sinks, part
        except BaseException:
            for sink in sinks:
                sink.abort()
            raise

    def write_failed(self, chunk: Chunk, message: str) -> PartCounts:
        """Write a chunk whose inputs all failed, since their workers ended."""
        counts = PartCounts(failed=len(chunk.items))
        with self.open(chunk) as (sinks, part):
            for item in chunk.items:
                origin = (
                    gap_origin(0, file=item.argument, source=item.name, frame=0, time_s=0.0)
                    if isinstance(item, VideoItem)
                    else item.origin
                )
                failed = FailedFrame(origin, "device", message)
                for sink in sinks:
                    sink.write(failed, failed)
            for sink in sinks:
                sink.close(complete=True)
            part.finish(counts)
        return counts

    @staticmethod
    def remarks(sinks: Sequence[Sink]) -> tuple[str, ...]:
        """What the sinks of a chunk have to say, once they are closed."""
        return remarks(sinks)


class _WholePart:
    """The sink of a part that is kept: nothing is left of one that is not complete."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.ordered, self.needs_pixels = sink.ordered, sink.needs_pixels
        self.write, self.flush, self.abort = sink.write, sink.flush, sink.abort

    def close(self, *, complete: bool) -> None:
        if complete:
            self._sink.close(complete=True)
        else:
            self._sink.abort()

    @property
    def remarks(self) -> Sequence[str]:
        return self._sink.remarks
