"""Which stream is chosen by flags, lengths and sizes, without a file."""

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest
from av.stream import Disposition

from detcli.sources.video.ffmpeg.stream_choice import choose_stream


def stream(width: int, **more: Any) -> SimpleNamespace:
    """A stream of 240 frames in ten seconds."""
    facts = {"disposition": Disposition(0), "frames": 240, "duration": 10_000, "average_rate": Fraction(24), **more}
    context = SimpleNamespace(name="h264", width=width, height=width // 2)
    return SimpleNamespace(codec_context=context, time_base=Fraction(1, 1000), metadata={}, **facts)


def chosen(*streams: SimpleNamespace, packets: tuple[int, ...] = ()) -> Any:
    for index, one in enumerate(streams):
        one.index = index
    container = SimpleNamespace(
        streams=SimpleNamespace(video=streams),
        format=SimpleNamespace(name="any"),
        demux=lambda: iter([SimpleNamespace(size=9, stream_index=index) for index in packets]),
    )
    return choose_stream(container)  # type: ignore[arg-type]


@pytest.mark.parametrize("flag", ["attached_pic", "timed_thumbnails", "still_image", "dependent", "non_diegetic"])
def test_a_stream_beside_the_video_is_not_chosen(flag: str) -> None:
    side = stream(4000, disposition=Disposition[flag] | Disposition.default)
    assert chosen(side, stream(640)).stream.index == 1
    assert chosen(stream(640), side).stream.index == 0


@pytest.mark.parametrize("flag", ["attached_pic", "timed_thumbnails"])
def test_covers_alone_are_no_video(flag: str) -> None:
    assert chosen(stream(640, disposition=Disposition[flag])) is None


def test_a_still_alone_is_read() -> None:
    assert chosen(stream(640, disposition=Disposition.still_image, frames=1)).stream.index == 0
    assert chosen(stream(640, frames=1), stream(320, frames=1)).stream.index == 0


@pytest.mark.parametrize("other", [{"frames": 1}, {"frames": 0, "duration": 41}, {"duration": 4000}, {"frames": 12}])
def test_a_still_a_preview_and_slides_are_not_chosen(other: dict[str, int]) -> None:
    assert chosen(stream(4000, **other), stream(640)).stream.index == 1


def test_streams_of_similar_length_are_compared_by_flag_and_size() -> None:
    assert chosen(stream(640), stream(1280, duration=9_900, frames=238)).stream.index == 1
    assert chosen(stream(640, disposition=Disposition.default), stream(1280)).stream.index == 0


def test_a_stream_without_a_decoder_is_not_chosen() -> None:
    unknown = stream(1280)
    unknown.codec_context = None
    assert chosen(unknown, stream(640)).stream.index == 1


def test_packets_tell_where_headers_do_not() -> None:
    unknown = {"frames": 0, "duration": None}
    found = chosen(stream(1280, **unknown), stream(640, **unknown), packets=(0, *[1] * 20))
    assert found.stream.index == 1
    assert "not stream 0: h264, 1280 x 640, 1 frame" in found.description
    assert chosen(stream(1280, **unknown), stream(640, **unknown), packets=(0, 1) * 20).stream.index == 0


def test_all_packets_read_ahead_are_handed_on() -> None:
    unknown = {"frames": 0, "duration": None}
    found = chosen(stream(1280, **unknown), stream(640, **unknown), packets=(0, 1, 2) * 12)
    assert [packet.stream_index for packet in found.read_ahead] == list((0, 1, 2) * 12)[: len(found.read_ahead)]
    assert not chosen(stream(1280), stream(640), packets=(0, 1)).read_ahead
