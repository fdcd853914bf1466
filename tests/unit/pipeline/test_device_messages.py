"""Messages between the process of a run and those of its devices."""

import io

import numpy as np
import pytest

from detcli.errors import DeviceError, SourceError
from detcli.pipeline.devices.messages import Failed, Results, receive, send
from detcli.pipeline.devices.worker import how_it_ended
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame, Origin
from detcli.structures.masks import Rle

ORIGIN = Origin(3, "a.png", "a.png", "a")


def returned(message: object) -> object:
    stream = io.BytesIO()
    send(stream, message)
    stream.seek(0)
    return receive(stream)


@pytest.mark.parametrize("side", [1, 400])
def test_results_arrive_as_they_were_sent(side: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (side, side, 3), dtype=np.uint8)
    mask = Rle.of(pixels[..., 0] > 100)
    found = Detections(np.ones((1, 4)), np.ones(1, np.float32), np.zeros(1, np.int64), masks=(mask,))
    sent = Results(((Frame(ORIGIN, (side, side), pixels), found),), (0.5,), ("a remark",))
    got = returned(sent)
    assert isinstance(got, Results)
    frame, detections = got.results[0]
    assert isinstance(frame, Frame)
    assert frame.pixels is not None
    assert np.array_equal(frame.pixels, pixels)
    assert (frame.origin, frame.size_hw, detections) == (ORIGIN, (side, side), found)
    assert (got.seconds, got.remarks) == (sent.seconds, sent.remarks)


def test_failures_and_errors_keep_their_kind_and_fields() -> None:
    failed = FailedFrame(ORIGIN, "truncated", "half of it is missing")
    got = returned(Results(((failed, failed),), (), ()))
    assert isinstance(got, Results)
    assert got.results == ((failed, failed),)
    error = returned(Failed(DeviceError("no memory", out_of_memory=True)))
    assert isinstance(error, Failed)
    assert isinstance(error.error, DeviceError)
    assert (str(error.error), error.error.out_of_memory) == ("no memory", True)
    source = returned(Failed(SourceError("gap", "lost")))
    assert isinstance(source, Failed)
    assert isinstance(source.error, SourceError)
    assert source.error.code == "gap"


def test_a_message_that_is_cut_anywhere_is_the_end() -> None:
    stream = io.BytesIO()
    send(stream, np.zeros(100_000, np.uint8))
    data = stream.getvalue()
    for length in (0, 1, 11, 12, 20, 100, len(data) - 1):
        assert receive(io.BytesIO(data[:length])) is None
    assert receive(io.BytesIO(data)) is not None


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (3, "it ended with exit code 3"),
        (-9, "it was killed by SIGKILL, perhaps for lack of memory"),
        (-11, "it was killed by SIGSEGV"),
        (-99, "it was killed by signal 99"),
    ],
)
def test_the_end_of_a_process_is_told_in_words(code: int, told: str) -> None:
    assert how_it_ended(code) == told
