"""The results of one source among several, in an output of its own."""

from dataclasses import replace

import numpy as np
import pytest

from detcli.sinks.per_source import PerSourceSink
from detcli.sources.video.video_source import frame_origin
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame


class Remembers:
    """A sink that remembers what it was told."""

    ordered, needs_pixels = True, False

    def __init__(self) -> None:
        self.told: list[object] = []
        self.remarks = ("a remark",)

    def write(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        self.told.append((frame.origin.index, frame.origin.frame))

    def flush(self) -> None:
        self.told.append("flush")

    def close(self, *, complete: bool) -> None:
        self.told.append(("close", complete))

    def abort(self) -> None:
        self.told.append("abort")


def frame(index: int, place: str, number: int) -> Frame:
    origin = frame_origin(index, file=place, source=place, frame=number, time_s=number / 10)
    return Frame(origin, (4, 4), np.zeros((4, 4, 3), np.uint8))


@pytest.fixture
def made() -> list[Remembers]:
    return []


def of(place: str, made: list[Remembers], last: int | None = None) -> PerSourceSink:
    def make() -> Remembers:
        made.append(Remembers())
        return made[-1]

    return PerSourceSink(place, make, ordered=True, needs_pixels=False, last_index=lambda: last)


def test_only_results_of_the_source_pass_with_indices_from_0(made: list[Remembers]) -> None:
    sink = of("b", made)
    for index, (place, number) in enumerate([("a", 0), ("b", 0), ("a", 1), ("b", 1), ("b/c", 0), ("bc", 0)]):
        sink.write(frame(index, place, number), Detections.empty())
    sink.close(complete=False)
    sink.close(complete=False)
    assert [one.told for one in made] == [[(0, 0), (1, 1), ("close", False)]]
    assert sink.remarks == ("a remark",)


def test_a_source_is_known_by_its_field_not_by_the_path(made: list[Remembers]) -> None:
    sink = of("b", made)
    for index, (place, source) in enumerate([("b", "a"), ("a", "b")]):
        shot = frame(index, place, index)
        sink.write(replace(shot, origin=replace(shot.origin, source=source)), Detections.empty())
    assert [sink.told for sink in made] == [[(0, 1)]]


def test_the_output_is_closed_after_the_last_image(made: list[Remembers]) -> None:
    sink = of("a", made, last=2)
    for index in range(4):
        sink.write(frame(index, "a" if index < 3 else "b", index), Detections.empty())
    assert made[0].told[-1] == ("close", True)
    sink.flush()
    sink.abort()
    sink.close(complete=False)
    assert made[0].told[-1] == ("close", True)


def test_a_source_without_results_has_no_output(made: list[Remembers]) -> None:
    sink = of("a", made)
    sink.write(frame(0, "b", 0), Detections.empty())
    sink.flush()
    sink.abort()
    sink.close(complete=True)
    assert made == []
    assert sink.remarks == ()
