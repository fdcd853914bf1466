"""An entry that the system cannot tell about fails alone: the others of its folder are listed and read."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from detcli.checkpoints.hub.hub_cache import cached_repositories
from detcli.datasets.coco.coco_dataset import CocoDataset
from detcli.datasets.layouts import find_layout
from detcli.datasets.yolo.yolo_dataset import YoloDataset
from detcli.errors import InputError, UsageError
from detcli.io.results.readers.yolo import read_yolo
from detcli.sources.video.find_videos import find_videos
from tests.helpers.annotated_datasets import annotation, write_coco, write_image
from tests.helpers.annotated_datasets import image as coco_image
from tests.helpers.odd_entries import ERRORS, make_odd_links

pytestmark = pytest.mark.skipif(os.name == "nt", reason="symbolic links need permission on Windows")
Tree = Callable[..., Path]
Files = Callable[..., list[str]]
Codes = Callable[..., dict[str, str]]
Inject = Callable[..., None]


def test_links_that_cannot_be_followed_are_failed_images(tree: Tree, codes: Codes) -> None:
    folder = tree("d/a.jpg", "d/in/b.jpg", "d/z.jpg")
    odd = make_odd_links(folder / "d", ".jpg")
    read = codes("d")
    assert {name: read.pop(f"d/{name}") for name in odd} == dict.fromkeys(odd, "not-found")
    assert read == {"d/a.jpg": "ok", "d/in/b.jpg": "ok", "d/z.jpg": "ok"}


def test_links_without_an_image_suffix_hide_nothing(tree: Tree, files: Files) -> None:
    folder = tree("d/a.jpg", "d/in/b.jpg")
    make_odd_links(folder / "d", "")
    assert files("d") == files("d/**/*.jpg") == files("d/**") == ["d/a.jpg", "d/in/b.jpg"]
    assert files("d/*/*.jpg") == ["d/in/b.jpg"]


@pytest.mark.parametrize("number", ERRORS)
@pytest.mark.parametrize("argument", ["d", "d/*", "d/**/*.jpg", "list.txt"])
def test_no_error_of_stat_hides_other_images(
    tree: Tree, files: Files, failing_entry: Inject, number: int, argument: str
) -> None:
    folder = tree("d/a.jpg", "d/m.jpg", "d/z.jpg")
    (folder / "list.txt").write_text("d\n")
    failing_entry("m.jpg", number)
    found = files(files_from="list.txt") if argument == "list.txt" else files(argument)
    assert found == ["d/a.jpg", "d/m.jpg", "d/z.jpg"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.ESTALE, errno.EIO])
def test_an_entry_that_may_be_a_folder_is_listed(tree: Tree, files: Files, failing_entry: Inject, number: int) -> None:
    tree("d/a.jpg", "d/m/b.jpg", "d/z.jpg")
    failing_entry("m", number)
    assert files("d") == ["d/a.jpg", "d/m/b.jpg", "d/z.jpg"]
    assert files("d", recursive=False) == ["d/a.jpg", "d/z.jpg"]


def test_a_listing_that_breaks_off_keeps_what_it_gave(tree: Tree, codes: Codes, failing_entry: Inject) -> None:
    tree("d/a.jpg", "d/m.jpg", "d/z.jpg", "e/b.jpg")
    failing_entry("m.jpg", errno.EIO, ends=True)
    assert codes("d", "e") == {"d": "decode-failed", "d/a.jpg": "ok", "e/b.jpg": "ok"}


@pytest.mark.parametrize("number", ERRORS)
def test_no_error_of_stat_hides_other_videos(tmp_path: Path, failing_entry: Inject, number: int) -> None:
    for name in ("a.mp4", "m.mp4", "z.mp4"):
        (tmp_path / name).write_bytes(b"x")
    failing_entry("m.mp4", number)
    expected = [str(tmp_path / name) for name in ("a.mp4", "m.mp4", "z.mp4")]
    assert find_videos([str(tmp_path)]) == find_videos([f"{tmp_path}/*.mp4"]) == expected


def test_links_that_cannot_be_read_do_not_end_the_exclusion(
    tree: Tree, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tree("d/a.jpg", "d/z.jpg", "d/v.mp4")
    (folder / "d/m.jpg").symlink_to("a.jpg")
    (folder / "out").symlink_to("d/out")

    def fail(path: Any, **_: Any) -> str:
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    monkeypatch.setattr(os, "readlink", fail)
    assert files("d", outputs=(Path("out"),)) == ["d/a.jpg", "d/m.jpg", "d/z.jpg"]
    assert find_videos(["d"], outputs=["out"]) == ["d/v.mp4"]


def _yolo(folder: Path) -> Path:
    write_image(folder / "images/train/a.png")
    write_image(folder / "images/train/z.png", seed=1)
    (folder / "labels/train").mkdir(parents=True)
    (folder / "labels/train/a.txt").write_text("0 0.5 0.5 0.25 0.5\n")
    (folder / "data.yaml").write_text("train: images/train\nnames: [cat]\n")
    return folder


def test_links_in_a_yolo_dataset_fail_alone(tmp_path: Path) -> None:
    folder = _yolo(tmp_path)
    make_odd_links(folder, ".json")
    make_odd_links(folder / "images/train", "")
    dataset = YoloDataset(str(folder))
    assert [Path(dataset.read(index).origin.file).name for index in range(len(dataset))] == ["a.png", "z.png"]


@pytest.mark.parametrize("number", ERRORS)
def test_no_error_of_stat_hides_a_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    folder, stat = _yolo(tmp_path), os.stat
    (folder / "notes.json").write_text("{}")

    def fail(path: Any, *rest: Any, **more: Any) -> os.stat_result:
        if str(path).endswith("notes.json"):
            raise OSError(number, os.strerror(number), str(path))
        return stat(path, *rest, **more)

    monkeypatch.setattr(os, "stat", fail)
    monkeypatch.setattr(Path, "stat", lambda path, **more: fail(path, **more))
    assert find_layout(str(folder), "train").annotations == folder / "data.yaml"


def test_a_dataset_says_which_file_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "data.yaml").symlink_to("data.yaml")
    with pytest.raises(UsageError, match=r"'data\.yaml' cannot be read: a symbolic link to itself"):
        find_layout(str(tmp_path), "train")


def test_a_folder_of_a_yolo_dataset_that_cannot_be_listed_is_said(tmp_path: Path, failing_entry: Inject) -> None:
    folder = _yolo(tmp_path)
    write_image(folder / "images/train/m/b.png", seed=2)
    failing_entry("b.png", errno.EIO, ends=True)
    dataset = YoloDataset(str(folder))
    assert len(dataset) == 2
    assert any(message.startswith("1 folder cannot be listed and was skipped") for message in dataset.report.issues)


@pytest.mark.parametrize("number", ERRORS)
def test_no_error_of_stat_hides_images_of_coco(tmp_path: Path, failing_entry: Inject, number: int) -> None:
    for name in ("a.png", "m.png"):
        write_image(tmp_path / name)
    images = [coco_image(1, "a.png"), coco_image(2, "m.png")]
    boxes = [annotation(place, place, 7, [1, 1, 9, 9]) for place in (1, 2)]
    path = write_coco(tmp_path, images=images, annotations=boxes, image_files=None)
    failing_entry("m.png", number)
    assert len(CocoDataset(path)) == 2


def test_results_in_a_folder_that_cannot_be_listed_are_refused(tmp_path: Path, failing_entry: Inject) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "classes.txt").write_text("cat\n")
    for name in ("a.txt", "in/b.txt"):
        (tmp_path / name).write_text("0 0.5 0.5 0.5 0.5 0.9\n")
    sizes = {"a.jpg": (8, 8), "in/b.jpg": (8, 8)}
    assert [stored.file for stored in read_yolo(tmp_path, sizes)] == ["a.jpg", "in/b.jpg"]
    failing_entry("b.txt", errno.EIO, ends=True)
    with pytest.raises(InputError, match="cannot list the folder"):
        list(read_yolo(tmp_path, sizes))


@pytest.mark.parametrize("number", ERRORS)
def test_no_error_of_stat_hides_other_downloaded_models(tmp_path: Path, failing_entry: Inject, number: int) -> None:
    for name in ("models--a--one", "models--m--two", "models--z--three"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "detcli.json").write_text("{}")
    failing_entry("models--m--two", number)
    assert [found.repository for found in cached_repositories(tmp_path)] == ["a/one", "m/two", "z/three"]
