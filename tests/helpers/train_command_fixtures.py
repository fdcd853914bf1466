"""Images of colored rectangles with their annotations, and `detcli train` on a tiny model."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.helpers.cli_runs import Run

Train = Callable[..., Run]
COLORS = {"dog": (220, 40, 40), "zebra": (40, 60, 220)}
SHORT = ("--epochs", "2", "-b", "4", "--imgsz", "64", "96", "--set", "base_batch=4", "-d", "cpu", "-j", "1")


def dataset(folder: Path, count: int, *, names: Sequence[str] = tuple(COLORS), seed: int = 0) -> Path:
    """Images of one colored rectangle each, and their COCO annotations; category ids are 3, 6, …."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for number in range(1, count + 1):
        pixels = random.integers(90, 130, (64, 96, 3)).astype(np.uint8)
        x, y, width, height = (int(value) for value in random.integers(8, 40, 4))
        class_id = number % len(names)
        pixels[y : y + height, x : x + width] = list(COLORS.values())[class_id]
        Image.fromarray(pixels).save(folder / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": 96, "height": 64})
        box = [x, y, min(width, 96 - x), min(height, 64 - y)]
        annotations.append(
            {"id": number, "image_id": number, "category_id": 3 * (class_id + 1), "bbox": box,
             "area": box[2] * box[3], "iscrowd": 0}
        )  # fmt: skip
    categories = [{"id": 3 * (index + 1), "name": name} for index, name in enumerate(names)]
    file = folder / "truth.json"
    file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return file


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test stands in an empty folder, with eight images to learn from and four to evaluate by."""
    monkeypatch.chdir(tmp_path)
    dataset(Path("val"), 4, seed=1)
    return dataset(Path("data"), 8)


@pytest.fixture
def train(detcli: Callable[..., Run], tiny_checkpoint: Path) -> Train:
    """Run `detcli train` here on a model that knows cat, dog and cow."""

    def run(*arguments: str | Path, **others: Any) -> Run:
        return detcli("train", "-m", tiny_checkpoint, *arguments, **others)

    return run
