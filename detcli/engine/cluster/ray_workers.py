"""The workers of a run as Ray's actors: chunks are sent to them, and what happens to them comes back as events."""

import pickle
import socket
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from detcli.engine.cluster.chunk_worker import ChunkWorker
from detcli.engine.cluster.ray_session import RaySession, problem_of
from detcli.engine.cluster.worker_job import Chunk, ChunkReport, WorkerFacts, WorkerJob
from detcli.errors import DetcliError, UsageError
from detcli.version import __version__

_CHUNKS_WAITING = 2  # per worker: one that is processed, one that is there when it is done


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """A worker has loaded its model."""

    facts: WorkerFacts


@dataclass(frozen=True, slots=True)
class ChunkDone:
    """A chunk is processed."""

    chunk: Chunk
    report: ChunkReport


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """A worker ended, or reported an error; another one has taken its place.

    chunks  the one that it processed, and those that it had not begun; none: it was starting
    reason  as Ray reports it
    error   that the worker reported; None: its process ended
    """

    chunks: Sequence[Chunk]
    reason: str
    error: DetcliError | None = None


Event = WorkerReady | ChunkDone | WorkerLost


@dataclass(slots=True, eq=False)
class _Actor:
    """An actor: its handle, the call that loads its model, and the calls for chunks in their order."""

    handle: Any
    loading: Any
    calls: deque[tuple[Any, Chunk]] = field(default_factory=deque)

    @property
    def next_call(self) -> Any:
        """The call that ends next; None: it has no work."""
        if self.loading is not None:
            return self.loading
        return self.calls[0][0] if self.calls else None


class RayWorkers:
    """As many workers as the session has room for; use as a context manager, at whose end they end."""

    def __init__(self, session: RaySession, job: WorkerJob) -> None:
        self._ray, self._share, self._check = session.ray, session.share, session.check
        try:
            self._job = pickle.dumps(job)
        except (TypeError, AttributeError, pickle.PicklingError) as error:
            raise UsageError(f"the request cannot be sent to workers: {error}") from error
        self._kind = self._ray.remote(ChunkWorker).options(
            num_cpus=self._share.processors,
            num_gpus=self._share.gpus,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy="SPREAD",
        )
        self._actors: list[_Actor] = []

    def __enter__(self) -> Self:
        for _ in range(self._share.count):
            self._start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for actor in self._actors:
            self._ray.kill(actor.handle)
        self._actors = []

    @property
    def count(self) -> int:
        """The number of workers, also of those that are starting."""
        return self._share.count

    @property
    def has_room(self) -> bool:
        """Whether a worker that has loaded its model takes another chunk."""
        return any(self._takes(actor) for actor in self._actors)

    def submit(self, chunk: Chunk) -> None:
        """Send a chunk to the worker with the least work. Raises UsageError for inputs that cannot be sent."""
        actor = min(filter(self._takes, self._actors), key=lambda actor: len(actor.calls))
        try:
            packed = pickle.dumps(chunk)
        except (TypeError, AttributeError, pickle.PicklingError) as error:
            raise UsageError(
                f"'{chunk.first}' cannot be sent to the workers of a cluster, which read files and addresses themselves: "
                "run without `cluster`"
            ) from error
        actor.calls.append((actor.handle.run.remote(packed), chunk))

    def wait(self, timeout_s: float) -> Iterator[Event]:
        """What happened; waits for the first event at most so long. Raises SystemExit once the process is to end."""
        self._check()
        calls = {actor.next_call: actor for actor in self._actors if actor.next_call is not None}
        if not calls:
            return
        ready, _ = self._ray.wait(list(calls), num_returns=1, timeout=timeout_s)
        for call in ready:
            yield self._event(calls[call], call)

    def _event(self, actor: _Actor, call: Any) -> Event:
        try:
            answer = self._ray.get(call)
        except self._ray.exceptions.RayTaskError as error:  # a bug
            raise getattr(error, "cause", None) or error from error
        except self._ray.exceptions.RayError as error:
            return self._replace(actor, problem_of(error), None)
        if isinstance(answer, DetcliError):
            return self._replace(actor, str(answer), answer)
        if isinstance(answer, WorkerFacts):
            actor.loading = None
            return WorkerReady(answer)
        return ChunkDone(actor.calls.popleft()[1], answer)

    def _replace(self, actor: _Actor, reason: str, error: DetcliError | None) -> WorkerLost:
        """Start another worker in the place of one that ended."""
        chunks = [chunk for _, chunk in actor.calls]
        self._ray.kill(actor.handle)
        self._actors.remove(actor)
        self._start()
        return WorkerLost(chunks, reason, error)

    def _start(self) -> None:
        handle = self._kind.remote(__version__, socket.gethostname(), self._job, self._share.processors)
        self._actors.append(_Actor(handle, handle.load.remote()))

    @staticmethod
    def _takes(actor: _Actor) -> bool:
        return actor.loading is None and len(actor.calls) < _CHUNKS_WAITING
