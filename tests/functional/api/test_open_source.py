"""`open_source` and `open_video`: frames one by one, and an error for each wrong argument."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import detcli
from tests.helpers.video_samples import write_video

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write an image of this name in the current folder."""
    from PIL import Image

    monkeypatch.chdir(tmp_path)

    def write(name: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 6), (255, 0, 0)).save(path)
        return path

    return write


@pytest.fixture
def video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_video(tmp_path / "in.mp4", 5)


def test_one_image_is_a_path_or_its_text(write: Write) -> None:
    for source in (str(write("a.png")), write("a.png"), [write("a.png")], iter(["a.png"])):
        [frame] = detcli.open_source(source)
        assert isinstance(frame, detcli.Frame)
        assert frame.pixels is not None
        assert (frame.pixels.shape, frame.pixels.dtype) == ((6, 8, 3), np.uint8)
        assert frame.pixels[0, 0].tolist() == [255, 0, 0]


def test_folders_and_files_come_in_the_order_of_the_list(write: Write) -> None:
    for name in ("a/1.png", "a/2.png", "b.png"):
        write(name)
    frames = detcli.open_source(["b.png", "a/"])
    assert frames.count() == 3
    expected = [("b.png", "b.png"), ("a/1.png", "a/"), ("a/2.png", "a/")]
    for _ in range(2):  # each iteration starts at the first image
        assert [(frame.origin.file, frame.origin.source) for frame in frames] == expected


def test_keywords_choose_the_images(write: Write) -> None:
    for name in ("a/1.png", "a/2.png", "a/3.bmp"):
        write(name)
    assert len(list(detcli.open_source("a", limit=1))) == 1
    assert len(list(detcli.open_source("a", extensions=[".bmp"]))) == 1
    assert len(list(detcli.open_source("a", exclude="1.*"))) == 2
    [failed] = detcli.open_source("a/1.png", max_pixels=1)
    assert isinstance(failed, detcli.FailedFrame)
    assert failed.code == "too-large"


def test_images_are_read_when_the_loop_reaches_them(write: Write) -> None:
    write("a/1.png")
    write("a/2.png")
    frames = iter(detcli.open_source(["a/1.png", "a/2.png"]))
    next(frames)
    Path("a/2.png").unlink()
    second = next(frames)
    assert isinstance(second, detcli.FailedFrame)
    assert second.code == "not-found"


def test_a_missing_image_is_a_failed_frame(tmp_path: Path) -> None:
    [failed] = detcli.open_source(tmp_path / "missing.png")
    assert isinstance(failed, detcli.FailedFrame)
    assert (failed.code, failed.origin.file) == ("not-found", str(tmp_path / "missing.png"))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((None,), TypeError, "`sources` must be a str or a path, or a list of them, not NoneType"),
        ((0,), TypeError, "`sources` must be a str or a path, or a list of them, not int"),
        ((b"a.png",), TypeError, "`sources` must be .*, not bytes"),
        ((["a.png", 1],), TypeError, "each item of `sources` must be a str or a path, not int"),
        (([None],), TypeError, "each item of `sources` must be a str or a path, not NoneType"),
        ((np.zeros((4, 4, 3), np.uint8),), TypeError, "each item of `sources` must be a str or a path, not ndarray"),
        (([],), detcli.UsageError, "nothing to process: `sources` must name an image"),
        ((), detcli.UsageError, "nothing to process: `sources` must name an image"),
        ((["-", "-"],), detcli.UsageError, r"standard input \('-'\) is named more than once"),
    ],
)
def test_open_source_rejects_a_wrong_argument(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        detcli.open_source(*arguments)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"limit": 0}, ValueError, "`limit` must be at least 1, not 0"),
        ({"limit": "3"}, TypeError, "`limit` must be an integer, not str"),
        ({"recursive": 1}, TypeError, "`recursive` must be True or False, not int"),
        ({"extensions": 3}, TypeError, "`extensions` must be"),
        ({"files_from": "missing.txt"}, detcli.UsageError, "the list 'missing.txt' does not exist"),
        ({"unknown": 1}, TypeError, "unexpected keyword argument 'unknown'"),
    ],
)
def test_open_source_rejects_a_wrong_option(options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        detcli.open_source("a.png", **options)


def test_a_video_is_iterated_in_a_with_block(video: Path) -> None:
    with detcli.open_video("in.mp4") as frames:
        assert frames.info.size_hw is not None
        assert not frames.live
        read = list(frames)
    assert [frame.origin.frame for frame in read] == [0, 1, 2, 3, 4]
    assert all(isinstance(frame, detcli.Frame) and frame.pixels is not None for frame in read)
    assert {frame.origin.source for frame in read} == {"in"}


def test_a_video_needs_no_with_block_and_is_iterated_once(video: Path) -> None:
    frames = detcli.open_video(video, stride=2)
    assert frames.count() == 3
    assert [frame.origin.frame for frame in frames] == [0, 2, 4]
    assert list(frames) == []
    frames.close()


def test_a_closed_video_ends(video: Path) -> None:
    with detcli.open_video(video) as frames:
        next(frames)
    assert list(frames) == []


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((None,), TypeError, r'`video` must be a path, a URL or a camera \("cam0"\), not NoneType'),
        ((0,), TypeError, r'`video` must be a path, a URL or a camera \("cam0"\), not int'),
        (([],), TypeError, "`video` must be a path, .*, not list"),
        ((["in.mp4"],), TypeError, "`video` must be a path, .*, not list"),
        (("",), detcli.UsageError, "`video` is empty"),
        (("missing.mp4",), detcli.SourceError, "cannot read 'missing.mp4': no such file or folder"),
        (("ftp://host/in.mp4",), detcli.UsageError, "cannot be read as a video"),
        (("*.none",), detcli.InputError, "no file matches"),
    ],
)
def test_open_video_rejects_a_wrong_argument(
    arguments: Any, error: type[Exception], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        detcli.open_video(*arguments)


def test_open_video_rejects_a_folder_of_several_videos(video: Path) -> None:
    write_video(video.parent / "second.mp4", 1)
    with pytest.raises(detcli.UsageError, match="`video` must name one video"):
        detcli.open_video(".")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"stride": 0}, ValueError, "`stride` must be at least 1, not 0"),
        ({"fps": 0}, ValueError, "`fps` must be greater than 0"),
        ({"start": -1}, ValueError, "`start` must be at least 0"),
        ({"max_frames": 1.5}, TypeError, "`max_frames` must be an integer, not float"),
        ({"live": "yes"}, TypeError, "`live` must be True or False, not str"),
        ({"camera_size": (1, 2, 3)}, ValueError, "`camera_size` must be an int or a pair"),
    ],
)
def test_open_video_rejects_a_wrong_option(video: Path, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        detcli.open_video(video, **options)


def test_a_source_error_has_the_reason_as_a_field() -> None:
    error = detcli.SourceError("empty", "cannot read 'a.mp4': an empty file", reason="an empty file")
    assert (str(error), error.reason) == ("cannot read 'a.mp4': an empty file", "an empty file")
    assert detcli.SourceError("gap", "the stream was lost").reason == "the stream was lost"
