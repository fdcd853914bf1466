"""Galleries to look at, and what their files hold."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detcli.sinks.folders.output_folder import OutputFolder, as_output_folder
from detcli.sinks.gallery.gallery_image import GalleryAbout, GalleryImage
from detcli.sinks.gallery.gallery_writer import GalleryWriter
from detcli.visualization.colors import color


def summary_of(folder: Path) -> dict[str, Any]:
    """What the page says about all images."""
    value: dict[str, Any] = _argument(folder / "data/summary.js", "begin")
    return value


def records_of(folder: Path) -> list[dict[str, Any]]:
    """The images of all chunks in their order."""
    chunks = range(summary_of(folder)["chunks"])
    return [record for number in chunks for record in _argument(folder / f"data/images-{number}.js", "add")]


def _argument(path: Path, function: str) -> Any:
    text = path.read_bytes().decode("ascii")
    start, end = f"gallery.{function}(", ");\n"
    assert text.startswith(start)
    assert text.endswith(end)
    return json.loads(text[len(start) : -len(end)])


def write_gallery(
    folder: Path | OutputFolder, images: Sequence[GalleryImage], classes: Sequence[str], **about: Any
) -> None:
    """A gallery of these images."""
    writer = GalleryWriter(as_output_folder(folder))
    for image in images:
        writer.add(image)
    named = [(name, color(index)) for index, name in enumerate(classes)]
    writer.finish(GalleryAbout(**({"title": "made-up", "classes": named} | about)))


def boxes_at(*corners: tuple[float, float, float, float]) -> dict[str, Any]:
    """Boxes of the classes 0, 1, … with falling scores, as fields of a GalleryImage."""
    count = len(corners)
    return {
        "boxes_xyxy": np.array(corners, np.float64).reshape(-1, 4),
        "class_ids": np.arange(count),
        "scores": np.linspace(0.9, 0.5, count, dtype=np.float32),
    }


def many_images(count: int, *, classes: int, thumbnail: bytes) -> list[GalleryImage]:
    """Images with up to 20 boxes; the first page has thumbnails."""
    random = np.random.default_rng(0)
    found = []
    for number in range(count):
        boxes = random.uniform(0, 300, (random.integers(0, 21), 4))
        boxes[:, 2:] += boxes[:, :2] + 1
        found.append(
            GalleryImage(
                f"photos/{number:05d}.jpg",
                (640, 640),
                boxes,
                random.integers(0, classes, len(boxes)),
                np.sort(random.random(len(boxes)))[::-1].copy(),
                thumbnail=thumbnail if number < 48 else None,
            )
        )
    return found
