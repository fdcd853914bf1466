"""Which worker gets which chunk: retries after a worker ended, and what becomes of a chunk that ends its workers."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from detcli.engine.cluster.chunks import ChunkPlan, halves
from detcli.engine.cluster.ray_workers import ChunkDone, Event, RayWorkers, WorkerLost, WorkerReady
from detcli.engine.cluster.worker_job import Chunk, PartCounts, WorkerFacts
from detcli.engine.observer import Observer
from detcli.errors import DeviceError, UsageError
from detcli.structures.stop_signal import StopSignal

_ATTEMPTS = 3  # workers that may end on a chunk before it is halved, or its only input failed
_POLL_S = 0.2  # longest delay until a signal is noticed
_WINDOW = 32  # chunks per worker that may be done before one that is not: the others wait for it then
_QUIET_S = 30.0  # without a worker, after which the user is told what the run waits for


@dataclass(frozen=True, slots=True)
class FinishedPart:
    """A part that is written; `is_old` if an interrupted run wrote it."""

    chunk: Chunk
    counts: PartCounts
    is_old: bool = False


class Dispatcher:
    """Sends chunks to workers until all parts are written.

    existing      returns the counts of the part of a chunk that is written already; None: it is not, or not usable
    write_failed  writes the part of a chunk whose input ends every worker, and returns its counts
    """

    def __init__(
        self,
        workers: RayWorkers,
        observer: Observer,
        *,
        existing: Callable[[Chunk], PartCounts | None],
        write_failed: Callable[[Chunk, str], PartCounts],
    ) -> None:
        self._workers, self._observer = workers, observer
        self._existing, self._write_failed = existing, write_failed
        self._facts: WorkerFacts | None = None
        self._waiting: deque[Chunk] = deque()  # to be sent again
        self._open: set[int] = set()  # starts of the chunks that are taken and not done
        self._done: dict[int, int] = {}  # end of each part behind the first chunk that is not done, by its start
        self._position = 0  # all before are done
        self._losses = 0  # workers that ended since the last chunk was done
        self._said: set[str] = set()

    def first_facts(self) -> WorkerFacts:
        """Wait for the first worker that is ready. Raises what it reports, or DeviceError if workers end at their start."""
        waited_s = 0.0
        while self._facts is None:
            events = list(self._workers.wait(_POLL_S))
            for event in events:
                self._handle(event)
            waited_s += _POLL_S * (not events)
            if waited_s > _QUIET_S:
                self.warn(
                    "waiting for a worker: the processors or GPUs of the cluster are in use, or it is starting machines"
                )
        return self._facts

    def parts(self, plan: ChunkPlan, stop: StopSignal) -> Iterator[FinishedPart]:
        """Each part when it is written, in any order, until the input or the run ends.

        Raises the error of a worker, DeviceError if workers end again and again, and what listing the input raises.
        """
        chunks = iter(plan)
        while not stop.is_set():
            yield from self._send(chunks)
            if not self._open:
                break
            for event in self._workers.wait(_POLL_S):
                yield from self._handle(event)
        if not stop.is_set() and plan.is_longer:
            raise _shorter_input()

    def warn(self, message: str) -> None:
        """Report a warning, once."""
        if message not in self._said:
            self._said.add(message)
            self._observer.on_warning(message)

    def _send(self, chunks: Iterator[tuple[Chunk, int | None]]) -> Iterator[FinishedPart]:
        limit = _WINDOW * self._workers.count
        while self._workers.has_room:
            if self._waiting:
                self._workers.submit(self._waiting.popleft())
                continue
            if len(self._open) + len(self._done) >= limit:
                return
            chunk, end = next(chunks, (None, None))
            if chunk is None:
                return
            if end not in (None, chunk.end):
                raise _shorter_input()
            counts = None if end is None else self._existing(chunk)
            self._open.add(chunk.start)
            if counts is not None:
                yield self._finished(chunk, counts, is_old=True)
            else:
                self._workers.submit(chunk)

    def _handle(self, event: Event) -> Sequence[FinishedPart]:
        if isinstance(event, WorkerReady):
            self._check_same(event.facts)
            return ()
        if isinstance(event, WorkerLost):
            return self._handle_loss(event)
        return [self._handle_report(event)]

    def _handle_report(self, event: ChunkDone) -> FinishedPart:
        self._losses = 0
        for warning in event.report.warnings:
            self.warn(warning)
        return self._finished(event.chunk, event.report.counts)

    def _check_same(self, facts: WorkerFacts) -> None:
        """Raise UsageError where a worker has another model or other settings than the first one."""
        for warning in facts.warnings:
            self.warn(warning)
        if self._facts is None:
            self._facts = facts
            return
        first, other = self._facts.comparable, facts.comparable
        for name in sorted({*first, *other}):
            if first.get(name) != other.get(name):
                here, there = (str(values.get(name))[:64] for values in (first, other))
                raise UsageError(
                    f"the workers differ: {name} is {here} on {self._facts.host}, and {there} on {facts.host}; install the "
                    "same versions and models on every machine of the cluster, or name this setting"
                )

    def _handle_loss(self, event: WorkerLost) -> Sequence[FinishedPart]:
        error, chunks = event.error, deque(event.chunks)
        if error is not None and not (isinstance(error, DeviceError) and chunks):
            raise error
        self._losses += 1
        self.warn(f"a worker ended, and others continue with its images: {event.reason}")
        if not chunks:
            if self._losses > _ATTEMPTS * self._workers.count:
                raise DeviceError(f"the workers end while they start: {event.reason}")
            return ()
        done = self._reported_late(chunks)
        if chunks:
            lost = chunks.popleft()
            self._waiting.extendleft(reversed(chunks))
            self._check_losses(lost, event)
            done += self._again(replace(lost, attempts=lost.attempts + 1), event)
        return done

    def _reported_late(self, chunks: deque[Chunk]) -> list[FinishedPart]:
        """Take the chunks whose part is written: their worker ended before its report had left it."""
        done = []
        while chunks and (counts := self._existing(chunks[0])) is not None:
            self._losses = 1
            done.append(self._finished(chunks.popleft(), counts))
        return done

    def _check_losses(self, lost: Chunk, event: WorkerLost) -> None:
        """Raise an error if workers end and nothing else happens."""
        if self._losses > 2 * _ATTEMPTS * max(2, self._workers.count):
            raise event.error or DeviceError(
                f"{self._losses} workers ended, and none has processed its chunk, the last one that of '{lost.first}': "
                f"{event.reason}; the parts that are written stay, and `resume` continues"
            )

    def _again(self, chunk: Chunk, event: WorkerLost) -> list[FinishedPart]:
        """Send a chunk again; halve one that ended several workers, until the input that ends them is alone."""
        if chunk.attempts < _ATTEMPTS:
            self._waiting.appendleft(chunk)
            return []
        if event.error is not None:
            raise event.error
        if len(chunk.items) > 1:
            first, second = halves(chunk)
            self._open.add(second.start)
            self._waiting.extend((first, second))  # behind others, which show whether workers end on every chunk
            return []
        counts = self._write_failed(chunk, "each worker that processed it ended")
        return [self._finished(chunk, counts)]

    def _finished(self, chunk: Chunk, counts: PartCounts, *, is_old: bool = False) -> FinishedPart:
        self._open.discard(chunk.start)
        self._done[chunk.start] = chunk.end
        while self._position in self._done:
            self._position = self._done.pop(self._position)
        return FinishedPart(chunk, counts, is_old)


def _shorter_input() -> UsageError:
    return UsageError(
        "cannot resume: the input is shorter than that of the interrupted run; start again with `if_exists=overwrite`"
    )
