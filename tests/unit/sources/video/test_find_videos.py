"""The videos that arguments name."""

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from detcli.errors import InputError
from detcli.sources.video.open_multiplexer import open_multiplexer
from detcli.sources.video.video_source import VideoSettings
from detcli.sources.video.video_stream import VideoStream


def files(*arguments: str | Path, outputs: Sequence[str] = ()) -> list[str]:
    multiplexer = open_multiplexer([str(argument) for argument in arguments], VideoSettings(), outputs=outputs)
    return [channel.file for channel in multiplexer.sources]


@pytest.fixture
def locked() -> Iterator[Path]:
    """A folder that may not be listed next to a video, for a user whom permissions bind."""
    if sys.platform == "win32":
        pytest.skip("Windows has other permissions")
    root = Path(os.path.realpath("/tmp")) / f"detcli-moving-{os.getpid()}"
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    (root / "shut").mkdir(parents=True)
    (root / "a.mp4").touch()
    (root / "shut").chmod(0)
    yield root
    (root / "shut").chmod(0o700)
    shutil.rmtree(root)
    if was_root:
        os.seteuid(0)


def test_an_unreadable_folder_is_a_source_with_an_error(locked: Path) -> None:
    assert files(locked) == [f"{locked}/a.mp4", f"{locked}/shut"]
    multiplexer = open_multiplexer([str(locked / "shut"), str(locked / "shut" / "*.mp4")], VideoSettings())
    assert all(isinstance(channel.video, VideoStream) for channel in multiplexer.sources)
    with pytest.raises(InputError, match="none of the 2 sources"):
        multiplexer.open()
    errors = [multiplexer.error(channel.name) for channel in multiplexer.sources]
    assert [error.code for error in errors if error is not None] == ["no-permission"] * 2


def test_outputs_of_the_run_are_no_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "out.mp4", "drawn/a.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert files(".", outputs=["drawn", "out.mp4"]) == ["./a.mp4"]
    assert files("*", outputs=["drawn/", "out.mp4"]) == ["a.mp4"]
    assert files("drawn", outputs=["drawn"]) == ["drawn/a.mp4"]


def test_a_folder_without_videos_and_a_glob_without_a_match_are_errors(tmp_path: Path) -> None:
    for argument, words in ((tmp_path, "no videos in"), (tmp_path / "*.mp4", "no file matches")):
        with pytest.raises(InputError, match=words):
            files(argument)
    with pytest.raises(InputError, match="no file matches"):
        files(tmp_path / "gone" / "*.mp4")
