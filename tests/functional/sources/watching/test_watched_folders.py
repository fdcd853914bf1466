"""Folders that are watched: what arrives is listed once, when it is complete, and nothing else is.

Nothing here waits for a time. That something is not listed is shown by an image that arrives after it.
"""

import os
import shutil
import sys
from pathlib import Path

import pytest

from detcli.errors import InputError, UsageError
from detcli.sources.source import SourceSettings
from detcli.sources.watching import folder_events, watched_folders
from detcli.sources.watching.done_before import DoneBefore
from detcli.sources.watching.watched_folders import WatchedFolders
from detcli.structures.frame import FailedFrame, Frame
from tests.helpers.folder_watches import image_bytes, put, wait_until, watching


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test stands in a folder with an empty folder `in`."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()


def append(path: str, data: bytes) -> None:
    with open(path, "ab") as file:  # noqa: PTH123
        file.write(data)


def test_images_that_are_there_come_first_then_those_that_arrive() -> None:
    for name in ("in/b.png", "in/sub/a.png", "in/a.png"):
        put(name)
        os.utime(name, (0, 0))
    with watching("in") as watch:
        first = [watch.next_item() for _ in range(3)]
        origins = [item.origin for item in first if item is not None]
        assert [(origin.index, origin.file, origin.relative, origin.stem) for origin in origins] == [
            (0, "in/a.png", "a.png", "a"),
            (1, "in/b.png", "b.png", "b"),
            (2, "in/sub/a.png", "sub/a.png", "sub/a"),
        ]
        put("in/0.png")
        item = watch.next_item()
        assert item is not None
        assert (item.origin.index, item.origin.file, item.origin.source) == (3, "in/0.png", "in")
        assert isinstance(item(), Frame)
        assert watch.stop() == []


def test_a_file_that_grows_is_listed_once_and_whole() -> None:
    data = image_bytes(1)
    with watching("in") as watch:
        put("in/first.png")
        assert watch.files(1) == ["in/first.png"]
        pieces = [data[start : start + 2000] for start in range(0, len(data), 2000)]
        for number, piece in enumerate(pieces[:-1]):
            append("in/slow.png", piece)
            put(f"in/other-{number}.png")
            assert watch.files(1) == [f"in/other-{number}.png"]
        append("in/slow.png", pieces[-1])
        item = watch.next_item()
        assert item is not None
        assert item.origin.file == "in/slow.png"
        assert isinstance(item(), Frame)
        put("in/last.png")
        assert watch.files(1) == ["in/last.png"]
        assert watch.stop() == []


def test_renamed_moved_and_linked_files_arrive() -> None:
    put("new.part")
    put("outside/a.png")
    with watching("in") as watch:
        os.rename("new.part", "in/new.png")  # noqa: PTH104
        assert watch.files(1) == ["in/new.png"]
        shutil.move("outside", "in/moved")
        assert watch.files(1) == ["in/moved/a.png"]
        Path("in/link.png").symlink_to("new.png")
        assert watch.files(1) == ["in/link.png"]
        Path("in/made/here").mkdir(parents=True)
        put("in/made/here/b.png")
        assert watch.files(1) == ["in/made/here/b.png"]
        assert watch.stop() == []


def test_a_file_that_is_written_again_is_listed_again() -> None:
    with watching("in") as watch:
        put("in/a.png", 1)
        assert watch.files(1) == ["in/a.png"]
        put("in/a.png", 2)
        assert watch.files(1) == ["in/a.png"]
        put("new.part", 3)
        os.replace("new.part", "in/a.png")  # noqa: PTH105
        assert watch.files(1) == ["in/a.png"]
        Path("in/a.png").unlink()
        put("in/b.png")
        assert watch.files(1) == ["in/b.png"]
        put("in/a.png", 3)
        assert watch.files(1) == ["in/a.png"]
        assert watch.stop() == []


def test_other_changes_and_other_files_are_not_listed() -> None:
    put("in/a.png")
    put("elsewhere/far.png")
    with watching("in", exclude=("no*",), outputs=(Path("in/drawn"),)) as watch:
        assert watch.files(1) == ["in/a.png"]
        os.chmod("in/a.png", 0o600)  # noqa: PTH101
        Path("in/a.png").read_bytes()
        for name in ("in/.hidden.png", "in/a.png.part", "in/b.tmp", "in/.git/c.png", "in/no.png", "in/drawn/a.png"):
            put(name)
        Path("in/linked").symlink_to(Path("elsewhere").absolute())
        put("in/linked/new.png")
        put("in/z.png")
        assert watch.files(1) == ["in/z.png"]
        Path("in/a.png").unlink()
        put("in/zz.png")
        assert watch.files(1) == ["in/zz.png"]
        assert watch.stop() == []


def test_a_thousand_files_at_once_are_listed_once_each() -> None:
    data = image_bytes()
    with watching("in") as watch:
        for number in range(1000):
            Path(f"in/{number:04}.png").write_bytes(data)
        assert sorted(watch.files(1000)) == [f"in/{number:04}.png" for number in range(1000)]
        put("in/last.png")
        assert watch.files(1) == ["in/last.png"]
        assert watch.stop() == []
        assert len(watch.source._states) == 1001


def test_several_folders_are_watched_and_each_names_its_own() -> None:
    Path("other").mkdir()
    with watching("in", "other/", recursive=False) as watch:
        for name, source in (("in/a.png", "in"), ("other/a.png", "other/")):
            put(name)
            item = watch.next_item()
            assert item is not None
            assert (item.origin.file, item.origin.relative, item.origin.source) == (name, name, source)
            put(name.replace("a.png", "sub/b.png"))
        assert watch.stop() == []


def test_a_folder_that_is_removed_is_watched_when_it_is_made_again() -> None:
    Path("other").mkdir()
    with watching("in", "other") as watch:
        put("in/a.png")
        assert watch.files(1) == ["in/a.png"]
        shutil.rmtree("in")
        assert watch.remark() == "the folder 'in' is missing; watching continues when it is there again"
        put("other/b.png")
        assert watch.files(1) == ["other/b.png"]
        put("in/a.png", 5)
        assert watch.files(1) == ["in/a.png"]
        put("in/c.png")
        assert watch.files(1) == ["in/c.png"]
        assert watch.stop() == []


@pytest.mark.parametrize("why", ["limit", "network"])
def test_without_events_folders_are_listed_again_and_again(why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched_folders, "_POLL_S", 0.05)
    if why == "network":
        monkeypatch.setattr(folder_events, "file_system_of", lambda folder: "nfs4")
    else:

        def full(*_: object, **__: object) -> None:
            raise OSError("OS file watch limit reached.")

        monkeypatch.setattr("watchfiles.watch", full)
    with watching("in") as watch:
        assert watch.remark().endswith("folders are listed again and again instead")
        put("in/a.png", 1)
        assert watch.files(1) == ["in/a.png"]
        put("in/sub/b.png")
        assert watch.files(1) == ["in/sub/b.png"]
        os.chmod("in/a.png", 0o600)  # noqa: PTH101
        put("in/sub/b.png", 2)
        assert watch.files(1) == ["in/sub/b.png"]
        Path("in/a.png").unlink()
        put("in/c.png")
        assert watch.files(1) == ["in/c.png"]
        assert watch.stop() == []
        assert watch.remarks.empty()


@pytest.mark.skipif(sys.platform != "linux", reason="file names that are not UTF-8")
def test_names_that_are_not_utf_8_arrive_and_disturb_no_others() -> None:
    with watching("in") as watch:
        for number in range(3):
            with open(b"in/\xff%d.png" % number, "wb") as file:  # noqa: PTH123
                file.write(image_bytes())
            assert watch.files(1) == [f"in/\udcff{number}.png"]
            put(f"in/{number}.png")
            assert watch.files(1) == [f"in/{number}.png"]
        assert watch.remarks.empty()
        assert watch.stop() == []


def test_the_limit_ends_the_source_and_earlier_images_count() -> None:
    done = DoneBefore()
    done.add("in/gone.png")
    for number in range(3):
        put(f"in/{number}.png")
    with watching("in", limit=3, done=done) as watch:
        items = [watch.next_item() for _ in range(3)]
        assert [item and item.origin.index for item in items] == [1, 2, None]


def test_images_of_an_interrupted_run_are_done_unless_written_since() -> None:
    for name in ("done", "again", "new"):
        put(f"in/{name}.png")
        os.utime(f"in/{name}.png", (100, 100))
    os.utime("in/again.png", (300, 300))
    done = DoneBefore(200 * 10**9)
    done.add("in/done.png")
    done.add("in/again.png")
    with watching("in", done=done) as watch:
        assert watch.files(2) == ["in/again.png", "in/new.png"]
        put("in/done.png", 7)
        assert watch.files(1) == ["in/done.png"]
        assert watch.stop() == []


def test_new_only_skips_what_is_there_at_the_start() -> None:
    put("in/old.png")
    with watching("in", new_only=True) as watch:
        wait_until(lambda: len(watch.source._states) == 1)
        put("in/new.png")
        assert watch.files(1) == ["in/new.png"]
        put("in/old.png", 3)
        assert watch.files(1) == ["in/old.png"]
        assert watch.stop() == []


def test_images_that_differ_in_the_suffix_have_different_stems() -> None:
    for name in ("a.png", "a.jpg", "b.png"):
        put(f"in/{name}")
    with watching("in") as watch:
        items = [watch.next_item() for _ in range(3)]
        assert [item and item.origin.stem for item in items] == ["a.jpg", "a.png", "b"]


def test_a_file_that_is_no_image_fails_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detcli.sources.watching.arrivals.PATIENCE_S", 0.5)
    with watching("in") as watch:
        Path("in/a.png").write_bytes(image_bytes()[:1000])
        item = watch.next_item()
        assert item is not None
        failed = item()
        assert isinstance(failed, FailedFrame)
        assert failed.code == "truncated"


def test_only_folders_that_exist_can_be_watched() -> None:
    put("a.png")
    for argument, message in (("a.png", "takes folders"), ("-", "takes folders"), ("s3://b/c", "takes folders")):
        with pytest.raises(UsageError, match=message):
            WatchedFolders([argument], SourceSettings())
    for argument in ("missing", "*.png"):
        with pytest.raises(InputError, match="there is no such folder"):
            WatchedFolders([argument], SourceSettings())
