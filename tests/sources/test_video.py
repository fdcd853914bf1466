"""Video files: each frame that PyAV decodes, at its time, upright; and what cannot be read is said."""

from pathlib import Path

import numpy as np
import pytest
from video_samples import frames_of, plainly, read, write_video

KINDS = {
    "h264.mp4": {},
    "h264.mkv": {},
    "h264.ts": {},
    "mpeg4.avi": {"codec": "mpeg4"},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "mjpeg.avi": {"codec": "mjpeg"},
    "raw.y4m": {"codec": "wrapped_avframe"},
}


@pytest.mark.parametrize("name", KINDS)
def test_frames_are_those_that_pyav_decodes_and_their_times_too(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / name, 30, **KINDS[name])  # type: ignore[arg-type]
    expected = plainly(path)
    answers = frames_of(read(path))
    assert len(answers) == len(expected) == 30
    for number, (answer, (time_s, pixels)) in enumerate(zip(answers, expected, strict=True)):
        assert answer.origin.frame == answer.origin.index == number
        assert answer.origin.time_s == pytest.approx(time_s, abs=0.001)
        assert answer.size_hw == (48, 64)
        assert np.array_equal(answer.pixels, pixels)
