"""Interrupted `data convert` and `data split`: nothing is torn, and a second run works."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import detcli as package
from detcli.datasets.dataset import open_dataset
from detcli.errors import NoDataError, OutputError
from tests.helpers.annotated_datasets import annotation, image, write_coco, write_image
from tests.helpers.faulty_disk import fail_everywhere

COUNT = 250  # images: more than two reports of the progress


def write_many(folder: Path, count: int = COUNT) -> str:
    """Images that are links to one file."""
    write_image(folder / "0.png")
    for number in range(1, count):
        (folder / f"{number}.png").hardlink_to(folder / "0.png")
    return write_coco(
        folder,
        images=[image(number, f"{number}.png") for number in range(count)],
        annotations=[annotation(number, number, 1, [4, 6, 16, 24]) for number in range(count)],
        categories=[{"id": 1, "name": "cat"}], image_files=None,
    )  # fmt: skip


def convert(data: str, output: Path, **more: Any) -> None:
    package.convert_dataset(data, output, format="yolo", image_files="copy", **more)


def split(data: str, output: Path, **more: Any) -> None:
    package.split_dataset(data, output, parts={"val": 0.5}, image_files="copy", **more)


COMMANDS = [convert, split]


class Interrupting(package.DataObserver):
    """Raises what Ctrl-C raises, in the middle of the images."""

    def on_progress(self, action: str, done: int, total: int) -> None:
        raise KeyboardInterrupt


@pytest.mark.parametrize("write", COMMANDS)
def test_ctrl_c_leaves_nothing_and_earlier_data_as_it_was(tmp_path: Path, write: Callable[..., None]) -> None:
    data = write_many(tmp_path / "data")
    write(write_many(tmp_path / "few", 4), tmp_path / "old")
    for output, how in ((tmp_path / "new", {}), (tmp_path / "old", {"if_exists": "overwrite"})):
        with pytest.raises(KeyboardInterrupt):
            write(data, output, observer=Interrupting(), **how)
    assert not (tmp_path / "new").exists()
    assert len(open_dataset(str(tmp_path / "old"))) in (2, 4)
    write(data, tmp_path / "new")
    assert len(open_dataset(str(tmp_path / "new"))) in (COUNT, COUNT // 2)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL there")
@pytest.mark.parametrize("write", COMMANDS)
def test_a_killed_run_leaves_no_dataset_and_the_next_one_works(tmp_path: Path, write: Callable[..., None]) -> None:
    data = write_many(tmp_path / "data")
    script = f"""
import os, signal, pathlib, detcli
from tests.functional.cli.data.test_data_interrupts import {write.__name__}
class Killing(detcli.DataObserver):
    def on_progress(self, action, done, total):
        os.kill(os.getpid(), signal.SIGKILL)
{write.__name__}({data!r}, pathlib.Path({str(tmp_path / "out")!r}), observer=Killing())
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    assert [path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")] == []
    with pytest.raises(NoDataError, match="is not a dataset"):
        open_dataset(str(tmp_path / "out"))
    write(data, tmp_path / "out")
    assert len(open_dataset(str(tmp_path / "out"))) in (COUNT, COUNT // 2)
    assert not (tmp_path / "out/.detcli-new").exists()


@pytest.mark.parametrize("name", ["yolo", "coco", "voc", "label-studio"])
def test_a_full_disk_is_an_error_that_leaves_all_or_nothing(tmp_path: Path, name: Any) -> None:
    data = write_many(tmp_path / "data", 2)

    def write(target: Path) -> None:
        try:
            package.convert_dataset(data, target / "out", format=name, workers=1)
        except NoDataError as error:  # the disk fails while the data is read
            raise OutputError(str(error)) from error

    (tmp_path / "runs").mkdir()
    for target in fail_everywhere(tmp_path / "runs", write):
        try:
            opened = open_dataset(str(target / "out"))
        except NoDataError:
            continue
        assert (len(opened), opened.report.boxes) == (2, 2)
