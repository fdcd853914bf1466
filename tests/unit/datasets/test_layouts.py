"""The layouts of datasets: what is no regular file is never waited for."""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from detcli.datasets.dataset import has_part, open_dataset
from detcli.errors import DetcliError, NoDataError

NAMES = (
    "annotations.json", "data.yaml", "annotations.xml", "classes.txt", "part.parquet", "part.tar",
    "train/_annotations.coco.json", "annotations/instances_train2017.json", "labels/a.json", "ImageSets/Main/train.txt",
)  # fmt: skip


def listen(path: Path) -> None:
    """Make a socket; its name must be short."""
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(before)


KINDS: dict[str, Callable[[Path], None]] = {
    "a named pipe (FIFO)": lambda path: os.mkfifo(path),
    "a socket": listen,
    "a device": lambda path: path.symlink_to("/dev/zero"),
}
only_posix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes there")


@only_posix
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_pipes_sockets_and_devices_are_refused_without_waiting(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if name.startswith("ImageSets"):
        (tmp_path / "Annotations").mkdir()
    KINDS[kind](path)
    for where in (str(path), str(tmp_path)):
        with pytest.raises(DetcliError):
            open_dataset(where)
        with suppress(NoDataError):  # there is no dataset at all
            assert not has_part(where, "val")


@only_posix
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["annotations.json", "data.yaml", "part.tar"])
def test_a_folder_with_nothing_else_names_what_it_has(tmp_path: Path, name: str, kind: str) -> None:
    KINDS[kind](tmp_path / name)
    with pytest.raises(NoDataError, match=rf"'{name}' cannot be read: {kind.partition(' (')[0]}"):
        open_dataset(str(tmp_path))
