"""Jumps by the index of a file: to a key frame before the requested time, with the number of skipped frames."""

from pathlib import Path

import av
import pytest

from detcli.sources.video.ffmpeg.seek import jump_ahead
from tests.helpers.video_samples import write_video


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds of 30 frames, a key frame every 12 at least."""
    return write_video(tmp_path_factory.mktemp("index") / "a.mp4", 240)


def time_stamps(path: Path) -> list[int | None]:
    """Of all packets in their order."""
    with av.open(str(path)) as file:
        return [packet.dts for packet in file.demux(video=0) if packet.size]


@pytest.mark.parametrize(("seconds", "least"), [(7.9, 150), (4.0, 50), (1.0, 0), (0.0, 0), (99.0, 150)])
def test_skipped_frames_are_counted(path: Path, seconds: float, least: int) -> None:
    every = time_stamps(path)
    with av.open(str(path)) as file:
        [stream] = file.streams.video
        packets = iter(file.demux(stream))
        _, begins = next(packets), next(packet for packet in packets if packet.is_keyframe)
        until = round(seconds / stream.time_base)
        landed, passed = jump_ahead(file, stream, packets, begins, until)  # type: ignore[arg-type]
        assert landed.is_keyframe
        assert landed is begins or (landed.pts or 0) <= until
        assert every.index(landed.dts) - every.index(begins.dts) == passed >= least
        assert next(packets).dts == every[every.index(landed.dts) + 1]
