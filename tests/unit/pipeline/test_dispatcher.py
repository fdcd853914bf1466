"""Which process gets which images, without processes."""

import threading
from dataclasses import dataclass, field
from typing import Any

import pytest

from detcli.pipeline.devices.image_dispatcher import ImageDispatcher, ImageTask
from detcli.pipeline.devices.messages import Images
from detcli.pipeline.in_flight import InFlight
from detcli.structures.frame import FailedFrame, Frame, Origin, Resize


@dataclass(eq=False)
class Recipient:
    """Keeps what a process would get; `got` is set with each message."""

    sent: list[Images] = field(default_factory=list)
    got: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def send(self, message: Images) -> None:
        self.sent.append(message)
        self.got.release()

    @property
    def indices(self) -> list[list[int]]:
        return [[int(item) for item in images.items] for images in self.sent]


@dataclass(frozen=True)
class Item:
    origin: Origin

    def __call__(self, resize: Resize | None = None) -> Frame | FailedFrame:
        raise NotImplementedError


def task(index: int) -> ImageTask:
    origin = Origin(index, f"{index}.png", f"{index}.png", str(index))
    return ImageTask(InFlight(Item(origin)), origin, str(index).encode())


def dispatcher(count: int, **given: Any) -> tuple[ImageDispatcher, list[Any]]:
    workers: list[Any] = [Recipient() for _ in range(count)]
    settings = {"chunk": 4, "most": 8, "deterministic": False, "keep_pixels": False, "nbytes": 1000} | given
    return ImageDispatcher(workers, **settings), workers


def run_with(made: ImageDispatcher, tasks: int, workers: list[Any], messages: int) -> None:
    """Add images, end the list, and wait until so many messages are sent."""
    for index in range(tasks):
        made.add(task(index))
    made.end()
    thread = threading.Thread(target=made.run)
    thread.start()
    await_messages(workers, messages)
    made.close()
    thread.join(30)


def await_messages(workers: list[Any], messages: int) -> None:
    while sum(len(worker.sent) for worker in workers) < messages:
        for worker in workers:
            worker.got.acquire(timeout=0.01)


def test_each_chunk_goes_to_the_process_with_the_fewest_images() -> None:
    made, workers = dispatcher(2)
    run_with(made, 16, workers, 4)
    assert [worker.indices for worker in workers] == [
        [[0, 1, 2, 3], [8, 9, 10, 11]],
        [[4, 5, 6, 7], [12, 13, 14, 15]],
    ]
    assert not any(images.is_last for worker in workers for images in worker.sent)


def test_a_process_never_has_more_images_than_it_should() -> None:
    made, workers = dispatcher(2, most=8)
    run_with(made, 100, workers, 4)
    assert [len(load.tasks) for load in made.loads] == [8, 8]
    finished = made.finished(workers[1], 3)
    assert [each.index for each in finished] == [4, 5, 6]
    assert [(load.done, len(load.tasks)) for load in made.loads] == [(0, 8), (3, 5)]


def test_images_of_a_lost_process_go_to_others_in_order() -> None:
    made, workers = dispatcher(2)
    run_with(made, 16, workers, 4)
    made.finished(workers[0], 2)
    assert made.lose(workers[0]) == 6
    assert made.first_lost == "2.png"
    made._closed = False
    made.finished(workers[1], 8)
    thread = threading.Thread(target=made.run)
    thread.start()
    await_messages(workers, 6)
    made.close()
    thread.join(30)
    assert workers[1].indices[2:] == [[2, 3, 8, 9], [10, 11]]
    assert made.lose(workers[1]) is None


@pytest.mark.parametrize(("first", "count", "chunks"), [(0, 10, [4, 4, 2]), (6, 7, [2, 4, 1])])
def test_deterministic_chunks_are_whole_batches_of_the_input(first: int, count: int, chunks: list[int]) -> None:
    made, workers = dispatcher(1, deterministic=True, most=100)
    thread = threading.Thread(target=made.run)
    thread.start()
    for index in range(first, first + count):
        made.add(task(index))
    await_messages(workers, len(chunks) - 1)
    assert [len(images.items) for images in workers[0].sent] == chunks[:-1]
    made.end()
    await_messages(workers, len(chunks))
    made.close()
    thread.join(30)
    assert [len(images.items) for images in workers[0].sent] == chunks
    assert [images.is_last for images in workers[0].sent] == [len(images.items) < 4 for images in workers[0].sent]


def test_deterministic_chunks_of_a_shard_fill_batches() -> None:
    """Images with other positions in a batch share one; a process waits for the rest of it unless it is the last."""
    made, workers = dispatcher(1, deterministic=True, most=100)
    for index in range(0, 48, 3):
        made.add(task(index))
    for index in (50, 54, 58):
        made.add(task(index))
    made.end()
    thread = threading.Thread(target=made.run)
    thread.start()
    await_messages(workers, 7)
    made.close()
    thread.join(30)
    assert workers[0].indices == [[i, i + 3, i + 6, i + 9] for i in (0, 12, 24, 36)] + [[50], [54], [58]]
    assert [images.is_last for images in workers[0].sent] == [False] * 4 + [True] * 3


def test_few_large_images_are_sent_where_results_have_pixels() -> None:
    made, workers = dispatcher(2, keep_pixels=True, most=100, nbytes=1000)
    made.finished(workers[0], 0, nbytes=50)  # 1000 // (50 * 2): ten for each process
    run_with(made, 100, workers, 4)
    assert [len(load.tasks) for load in made.loads] == [8, 8]


def test_one_chunk_is_sent_before_the_size_of_images_is_known() -> None:
    made, workers = dispatcher(2, keep_pixels=True, most=100)
    run_with(made, 100, workers, 2)
    assert [len(load.tasks) for load in made.loads] == [4, 4]
