"""Several video sources as one: order, origins, failures."""

import threading
from collections.abc import Iterator

import pytest

from detcli.errors import SourceError
from detcli.sources.source import SourceItem
from detcli.sources.video.channel import ChannelSource
from detcli.sources.video.multiplexer import Multiplexer
from detcli.sources.video.video_source import VideoInfo
from detcli.structures.frame import FailedFrame
from tests.helpers.fake_video_sources import FakeVideoSource, fake_frame, gap

GONE = SourceError("not-found", "there is no 'b'")


def channel(name: str, source: FakeVideoSource, max_frames: int | None = None) -> ChannelSource:
    return ChannelSource(f"{name}.mp4", name, source, max_frames)


def source_of_frames(count: int) -> FakeVideoSource:
    return FakeVideoSource([fake_frame(number) for number in range(count)])


def test_files_take_turns_and_each_frame_has_a_unique_origin() -> None:
    multiplexer = Multiplexer(
        [channel("a", source_of_frames(3)), channel("d/b", source_of_frames(1)), channel("c", source_of_frames(2))]
    )
    multiplexer.open()
    assert multiplexer.count() == 6
    origins = [image.origin for image in multiplexer]
    assert [(origin.file, origin.frame) for origin in origins] == [
        ("a.mp4", 0), ("d/b.mp4", 0), ("c.mp4", 0), ("a.mp4", 1), ("c.mp4", 1), ("a.mp4", 2),
    ]  # fmt: skip
    assert [origin.index for origin in origins] == list(range(6))
    assert len({origin.relative for origin in origins}) == 6
    assert origins[1].relative == "d/b/frame_000000.jpg"
    assert [origin.source for origin in origins] == ["a", "d/b", "c", "a", "c", "a"]


def test_frames_keep_their_origin_when_they_are_read() -> None:
    multiplexer = Multiplexer([channel("a", FakeVideoSource([gap(0), fake_frame(0)]))])
    images = list(multiplexer)
    assert [image().origin for image in images] == [image.origin for image in images]
    assert isinstance(images[0](), FailedFrame)
    assert images[0].origin.relative == "a/gap_000000_0.jpg"
    assert {image.origin.source for image in images} == {"a"}


def test_a_source_that_cannot_be_opened_fails_alone() -> None:
    multiplexer = Multiplexer([channel("b", FakeVideoSource([], error=GONE)), channel("a", source_of_frames(2))])
    multiplexer.open()
    results = [image() for image in multiplexer]
    assert isinstance(results[0], FailedFrame)
    assert (results[0].code, results[0].message, results[0].origin.file) == ("not-found", "there is no 'b'", "b.mp4")
    assert [result.origin.frame for result in results[1:]] == [0, 1]
    assert multiplexer.info("b") is None


class Late(FakeVideoSource):
    """A camera that is not there at first."""

    tries = 0

    def __iter__(self) -> Iterator[SourceItem]:
        self.info()
        return super().__iter__()

    def info(self) -> VideoInfo:
        self.tries += 1
        if self.tries < 3:
            raise GONE
        return super().info()


def test_a_missing_live_source_is_reported_and_waited_for() -> None:
    late = Late([fake_frame(0), fake_frame(1)], live=True)
    multiplexer = Multiplexer(
        [
            ChannelSource("a", "a", FakeVideoSource([fake_frame(0)], live=True)),
            ChannelSource("b", "b", late, waits=True),
        ]
    )
    multiplexer.open()
    results = [image() for image in multiplexer if image.origin.file == "b"]
    assert isinstance(results[0], FailedFrame)
    assert results[-1].origin.frame == 1
    assert multiplexer.known_info("b") is not None
    assert multiplexer.error("b") is None


def test_a_live_source_that_refuses_is_not_waited_for() -> None:
    refuses = FakeVideoSource([], error=SourceError("not-found", "404", refused=True), live=True)
    multiplexer = Multiplexer(
        [
            ChannelSource("a", "a", FakeVideoSource([fake_frame(0)], live=True)),
            ChannelSource("b", "b", refuses, waits=True),
        ]
    )
    multiplexer.open()
    assert [type(image()) for image in multiplexer if image.origin.file == "b"] == [FailedFrame]


def test_a_lost_source_reports_its_position() -> None:
    multiplexer = Multiplexer(
        [channel("a", FakeVideoSource([fake_frame(0), fake_frame(1)], error=SourceError("gap", "gone")))]
    )
    *_, last = [image() for image in multiplexer]
    assert isinstance(last, FailedFrame)
    assert (last.origin.frame, last.origin.index) == (2, 2)


def test_no_source_to_open_is_an_error_with_the_reason_of_each() -> None:
    empty = SourceError("empty", "cannot read 'a.mp4': an empty file", reason="an empty file")
    multiplexer = Multiplexer(
        [channel("a", FakeVideoSource([], error=empty)), channel("b", FakeVideoSource([], error=GONE))]
    )
    with pytest.raises(SourceError, match="none of the 2 sources can be read"):
        multiplexer.open()
    assert [error.reason for name in "ab" if (error := multiplexer.error(name))] == ["an empty file", "there is no 'b'"]
    with pytest.raises(SourceError, match="cannot read 'a"):
        Multiplexer([channel("a", FakeVideoSource([], error=empty))]).open()


def test_the_number_of_open_files_is_limited() -> None:
    sources = [source_of_frames(2) for _ in range(5)]
    multiplexer = Multiplexer([channel(str(number), source) for number, source in enumerate(sources)], max_open=2)
    most = 0
    for _ in multiplexer:
        most = max(most, sum(source.read_count > 0 and not source.closed.is_set() for source in sources))
    assert most == 2
    assert [source.read_count for source in sources] == [2] * 5
    assert all(source.closed.is_set() for source in sources)


def test_the_first_live_source_with_a_frame_is_next() -> None:
    silent = FakeVideoSource([fake_frame(0)], live=True, steps=threading.Semaphore(0))
    steps = threading.Semaphore(0)
    busy = FakeVideoSource([fake_frame(number) for number in range(3)], live=True, steps=steps)
    multiplexer = Multiplexer([channel("silent", silent), channel("busy", busy)])
    frames = iter(multiplexer)
    seen = []
    for _ in range(3):
        steps.release()
        seen.append(next(frames).origin)
    assert [(origin.file, origin.frame) for origin in seen] == [("busy.mp4", 0), ("busy.mp4", 1), ("busy.mp4", 2)]
    multiplexer.close()
    assert list(frames) == []


def test_the_last_index_is_known_after_the_last_frame() -> None:
    multiplexer = Multiplexer([channel("a", source_of_frames(1)), channel("b", source_of_frames(3))])
    frames = iter(multiplexer)
    next(frames)
    assert multiplexer.last_index("a") is None
    assert len(list(frames)) == 3
    assert (multiplexer.last_index("a"), multiplexer.last_index("b")) == (0, 3)


def test_the_waiting_time_of_a_frame_is_returned_once() -> None:
    multiplexer = Multiplexer([channel("a", source_of_frames(1))])
    [image] = multiplexer
    assert (multiplexer.waited_s(image.origin.index) or -1) >= 0
    assert multiplexer.waited_s(image.origin.index) is None
