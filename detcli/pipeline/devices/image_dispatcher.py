"""Which process gets which images: the next chunk goes to the one with the fewest, those of a lost one to the others."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from detcli.inference.batches.batching import DeterministicBatch
from detcli.pipeline.devices.messages import Images
from detcli.pipeline.devices.worker import Worker
from detcli.pipeline.in_flight import InFlight
from detcli.structures.frame import Origin


@dataclass(frozen=True, slots=True, eq=False)
class ImageTask:
    """An image to process: its place in the pipeline, where it comes from, and its pickled `SourceItem`."""

    entry: InFlight
    origin: Origin
    item: bytes

    @property
    def index(self) -> int:
        """Its position in the input."""
        return self.origin.index


@dataclass(slots=True, eq=False)
class WorkerLoad:
    """The images of a process: those it has, in the order in which it got them, and the number that it has finished."""

    worker: Worker
    tasks: deque[ImageTask] = field(default_factory=deque)
    done: int = 0
    is_lost: bool = False


class ImageDispatcher:
    """Sends images to processes, in one thread.

    chunk         most images in one message
    most          most images that a process has at a time
    deterministic  a chunk has the images of one batch, counted from the start of the input
    keep_pixels   results have pixels: so few images are sent that their pixels stay within `nbytes`
    nbytes        of pixels in all processes
    """

    def __init__(
        self,
        workers: Sequence[Worker],
        *,
        chunk: int,
        most: int,
        deterministic: bool,
        keep_pixels: bool,
        nbytes: int,
    ) -> None:
        self._loads = {worker: WorkerLoad(worker) for worker in workers}
        self._chunk, self._most, self._deterministic = chunk, most, deterministic
        self._keep_pixels, self._nbytes, self._largest = keep_pixels, nbytes, 0
        self._changed = threading.Condition()
        self._waiting: deque[ImageTask] = deque()
        self._again: list[ImageTask] = []  # of lost processes
        self._ended = self._closed = False

    @property
    def loads(self) -> list[WorkerLoad]:
        """The processes and their images."""
        return list(self._loads.values())

    @property
    def first_lost(self) -> str | None:
        """The file of the first image that lost processes had; None: they had none, or others got all of them."""
        with self._changed:
            return self._again[0].origin.file if self._again else None

    def run(self) -> None:
        """Send images until `close`; the body of the thread."""
        while (job := self._next_job()) is not None:
            worker, images = job
            worker.send(images)

    def add(self, task: ImageTask) -> None:
        """Add the next image of the input."""
        with self._changed:
            self._waiting.append(task)
            self._changed.notify_all()

    def end(self) -> None:
        """There are no more images in the input."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def close(self) -> None:
        """Send nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def finish(self) -> None:
        """Tell the processes that the run is over; another one may follow."""
        for load in self._loads.values():
            if not load.is_lost:
                load.worker.send(Images((), self._keep_pixels, is_last=True))

    def finished(self, worker: Worker, count: int, *, nbytes: int = 0) -> list[ImageTask]:
        """A process sent the results of its next `count` images; returns these images.

        nbytes  pixels of the largest of them
        """
        with self._changed:
            load = self._loads[worker]
            load.done += count
            self._largest = max(self._largest, nbytes)
            self._changed.notify_all()
            return [load.tasks.popleft() for _ in range(count)]

    def lose(self, worker: Worker) -> int | None:
        """A process is gone: others get its images. Returns their number; None where no process is left."""
        with self._changed:
            lost = self._loads[worker]
            lost.is_lost = True
            count = len(lost.tasks)
            self._again = sorted([*self._again, *lost.tasks], key=lambda task: task.index)
            lost.tasks.clear()
            self._changed.notify_all()
            return None if all(load.is_lost for load in self._loads.values()) else count

    def _next_job(self) -> tuple[Worker, Images] | None:
        """Wait for images and for a process that has room for them; None once it is closed."""
        with self._changed:
            while not self._closed:
                load, count = self._idlest(), self._ready()
                if load is not None and count:
                    return load.worker, self._take(load, count)
                self._changed.wait()
            return None

    def _idlest(self) -> WorkerLoad | None:
        """The process with the fewest images; None where all have as many as they should."""
        alive = [load for load in self._loads.values() if not load.is_lost]
        if not alive:
            return None
        load = min(alive, key=lambda load: len(load.tasks))
        most = self._most
        if self._keep_pixels:
            fitting = self._nbytes // (self._largest * len(alive)) if self._largest else 0
            most = max(self._chunk, min(most, fitting))
        return load if not load.tasks or len(load.tasks) + self._chunk <= most else None

    def _ready(self) -> int:
        """The number of images that can be sent now."""
        if self._again:
            return min(self._chunk, len(self._again))
        if not self._waiting or not self._deterministic:
            return min(self._chunk, len(self._waiting))
        count = self._batch_length()
        is_complete = count == self._chunk or count < len(self._waiting)
        return count if is_complete or self._ended else 0

    def _batch_length(self) -> int:
        """How many of the images that wait are in the first batch, as far as it is known."""
        batch = DeterministicBatch(self._chunk)
        for task in islice(self._waiting, self._chunk):
            if not batch.add(task.index):
                break
        return len(batch)

    def _take(self, load: WorkerLoad, count: int) -> Images:
        if self._again:
            tasks, self._again = self._again[:count], self._again[count:]
            is_last = True
        else:
            tasks = [self._waiting.popleft() for _ in range(count)]
            is_last = self._deterministic and count < self._chunk  # else it would wait for the rest
        load.tasks.extend(tasks)
        return Images(tuple(task.item for task in tasks), self._keep_pixels, is_last)
