"""Camera numbers of arguments, and names of frames."""

from pathlib import Path

import pytest

from detcli.sources.video.video_source import camera_number, frame_origin, gap_origin


@pytest.mark.parametrize(("argument", "number"), [("cam0", 0), ("2", 2), ("/dev/video11", 11)])
def test_cameras_are_named_in_three_ways(argument: str, number: int) -> None:
    assert camera_number(argument) == number


@pytest.mark.parametrize("argument", ["in.mp4", "camera", "cam", "cam0.mp4", "-1", "-", "rtsp://cam0", "cam٣", "9999"])
def test_other_names_are_not_cameras(argument: str) -> None:
    assert camera_number(argument) is None


def test_a_file_with_the_name_of_a_camera_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cam0").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert camera_number("cam0") is None
    assert camera_number("cam1") == 1


def test_a_frame_and_a_gap_of_one_number_have_different_names() -> None:
    frame = frame_origin(7, file="d/in.mp4", source="in", frame=12, time_s=0.5)
    gap = gap_origin(6, file="d/in.mp4", source="in", frame=12, time_s=0.5)
    assert (frame.relative, frame.stem) == ("in/frame_000012.jpg", "in/frame_000012")
    assert (frame.frame, frame.time_s) == (gap.frame, gap.time_s) == (12, 0.5)
    assert gap.relative != frame.relative
    assert frame.source == gap.source == "in"
