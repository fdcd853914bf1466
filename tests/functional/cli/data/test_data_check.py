"""`detcli data check`: planted mistakes are found and named, clean data has none, and the exit code tells."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.annotated_datasets import annotation, image, write_coco, write_image
from tests.helpers.cli_runs import Run

Detcli = Callable[..., Run]
CATEGORIES = [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}]
NAMES = ("a.png", "b.png", "c.png", "d.png")


def part(folder: Path, *, first: int) -> Path:
    """A dataset of four images with two boxes each; images of another `first` have other pixels."""
    boxes = [
        annotation(2 * number + kind, number, kind, [number + 3, 5 * kind, 9 + number, 12 + 3 * kind])
        for number in range(1, len(NAMES) + 1)
        for kind in (1, 2)
    ]
    images = [image(number, name) for number, name in enumerate(NAMES, 1)]
    for number, name in enumerate(NAMES):
        write_image(folder / name, seed=first + number)
    return Path(write_coco(folder, images=images, annotations=boxes, categories=CATEGORIES, image_files=None))


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The test stands in a folder with clean training and validation data."""
    monkeypatch.chdir(tmp_path)
    return part(Path("train"), first=0), part(Path("val"), first=10)


def findings(detcli: Detcli, *arguments: str | Path) -> list[dict[str, Any]]:
    """The findings of `detcli data check --json`."""
    found: list[dict[str, Any]] = json.loads(detcli("data", "check", *arguments, "--json").out)["findings"]
    return found


def test_clean_data_has_no_findings(detcli: Detcli, parts: tuple[Path, Path]) -> None:
    run = detcli("data", "check", parts[0], "--val", parts[1])
    assert (run.code, run.out) == (0, "")
    assert "0 warnings and 0 notes in 8 images" in run.err


@pytest.mark.parametrize("door", ["copy", "link"])
def test_an_image_of_both_parts_is_named(detcli: Detcli, parts: tuple[Path, Path], door: str) -> None:
    Path("val/c.png").unlink()
    if door == "copy":
        shutil.copy("train/b.png", "val/c.png")
    else:
        Path("val/c.png").symlink_to("../train/b.png")
    run = detcli("data", "check", parts[0], "--val", parts[1])
    assert run.code == 10
    assert "1 image is in both train and val, so metrics on val are too high: 'b.png' is 'c.png'" in run.out
    (found,) = findings(detcli, parts[0], "--val", parts[1])
    assert found["files"] == [["train/b.png", "val/c.png"]]
