"""Writes the files of a gallery: thumbnails and records as images come, the page at the end.

The records are scripts that call a function of the page, because a page that is opened as a file cannot fetch files.
The page is the same for every gallery; what differs is in the records, as JSON in ASCII. So no text of an image, a class
or a file ever becomes HTML.
"""

import json
from importlib.resources import files
from typing import Any

import numpy as np

from detcli.sinks.folders.output_folder import OutputFolder
from detcli.sinks.gallery.gallery_image import GalleryAbout, GalleryImage, GalleryMetrics
from detcli.version import __version__

INDEX = "index.html"
CHUNK = 500  # images of a script
_FOLDER = 1000  # thumbnails of a folder
_BINS = 20  # of scores
_AREAS = (32**2, 96**2)  # pixels: COCO's small, medium and large boxes
_ASSETS = ("gallery.css", "store.js", "elements.js", "charts.js", "cards.js", "viewer.js", "main.js")


class GalleryWriter:
    """Writes a gallery into a folder, image by image; memory holds the records of one chunk.

    folder  is empty
    """

    def __init__(self, folder: OutputFolder) -> None:
        self._folder = folder
        self._chunk: list[dict[str, Any]] = []
        self._chunks = 0
        self.images = self.failed = self.missing = self.boxes = 0
        self._classes = np.zeros(0, np.int64)
        self._scores = np.zeros(_BINS, np.int64)
        self._other_scores = 0
        self._sizes = np.zeros(3, np.int64)

    def add(self, image: GalleryImage) -> None:
        """Add an image after those before it. Raises OutputError."""
        self._write_thumbnails(image)
        self._count(image)
        self._chunk.append(_record(image))
        self.images += 1
        if len(self._chunk) == CHUNK:
            self._write_chunk()

    def finish(self, about: GalleryAbout) -> None:
        """Write the rest; the page comes last. Raises OutputError."""
        if self._chunk or not self._chunks:
            self._write_chunk()
        self._folder.write("data/summary.js", _script("begin", self._summary(about)))
        page = files("detcli.sinks.gallery") / "page"
        for name in _ASSETS:
            self._folder.write(f"page/{name}", (page / name).read_bytes())
        self._folder.write(INDEX, (page / INDEX).read_bytes(), durable=True)

    def _write_thumbnails(self, image: GalleryImage) -> None:
        stem = f"thumbs/{self.images // _FOLDER:03d}/{self.images:06d}"
        for suffix, data in ((".jpg", image.thumbnail), (".png", image.masks)):
            if data is not None:
                self._folder.write(stem + suffix, data)

    def _write_chunk(self) -> None:
        self._folder.write(f"data/images-{self._chunks}.js", _script("add", self._chunk))
        self._chunks += 1
        self._chunk = []

    def _count(self, image: GalleryImage) -> None:
        self.failed += image.problem is not None and image.problem[0] == "failed"
        self.missing += image.problem is not None and image.problem[0] == "missing"
        has_score = np.ones(len(image.class_ids), np.bool_) if image.scores is None else ~np.isnan(image.scores)
        class_ids, boxes = image.class_ids[has_score], image.boxes_xyxy[has_score]
        self.boxes += len(class_ids)
        counts = np.bincount(class_ids, minlength=len(self._classes))
        counts[: len(self._classes)] += self._classes
        self._classes = counts
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        self._sizes += np.bincount(np.digitize(areas, _AREAS), minlength=3)
        if image.scores is not None:
            scores = image.scores[has_score]
            usual = scores[(scores >= 0) & (scores <= 1)]
            self._other_scores += len(scores) - len(usual)
            self._scores += np.histogram(usual, bins=_BINS, range=(0, 1))[0]

    def _summary(self, about: GalleryAbout) -> dict[str, Any]:
        counts = np.zeros(len(about.classes), np.int64)
        counts[: len(self._classes)] = self._classes
        return {
            "detcli": __version__,
            "title": about.title,
            "boxesAre": about.boxes,
            "images": self.images,
            "failed": self.failed,
            "missing": self.missing,
            "boxes": self.boxes,
            "chunks": self._chunks,
            "chunkSize": CHUNK,
            "folderSize": _FOLDER,
            "areas": list(_AREAS),
            "classes": [
                {"name": name, "color": _hex(color), "count": int(count)}
                for (name, color), count in zip(about.classes, counts, strict=True)
            ],
            "scores": self._scores.tolist() if self._scores.any() or self._other_scores else None,
            "otherScores": self._other_scores,
            "sizes": self._sizes.tolist(),
            "facts": dict(about.facts),
            "notes": list(about.notes),
            "outcomes": [
                {"name": each.name, "color": _hex(each.color), "dashes": list(each.dashes), "mistake": each.mistake}
                for each in about.outcomes
            ],
            "metrics": None if about.metrics is None else _metrics(about.metrics),
        }


def _record(image: GalleryImage) -> dict[str, Any]:
    """An image as the page reads it; what is absent has no key. Boxes are left, top, width, height to a tenth of a pixel."""
    boxes = image.boxes_xyxy.copy()
    boxes[:, 2:] -= boxes[:, :2]
    record: dict[str, Any] = {
        "name": image.name,
        "size": None if image.size_hw is None else [image.size_hw[1], image.size_hw[0]],
        "boxes": [_number(value, 1) for value in boxes.reshape(-1).tolist()],
        "classes": image.class_ids.tolist(),
    }
    if image.scores is not None:
        record["scores"] = [None if value != value else _number(value, 4) for value in image.scores.tolist()]
    for name, values in (("outcomes", image.outcomes), ("expected", image.expected), ("tracks", image.track_ids)):
        if values is not None:
            record[name] = values.tolist()
    if image.thumbnail is not None:
        record["thumbnail"] = 1
    if image.masks is not None:
        record["masks"] = 1
    if image.problem is not None:
        record["problem"] = list(image.problem)
    return record


def _metrics(metrics: GalleryMetrics) -> dict[str, Any]:
    return {
        "metrics": {name: None if value is None else round(value, 4) for name, value in metrics.metrics.items()},
        "counts": dict(metrics.counts),
        "curves": {name: _curve(curve) for name, curve in metrics.curves.items()},
        "classes": [
            {
                "name": each.name,
                "truth": each.ground_truth,
                "detections": each.detections,
                "ap": None if each.ap is None else round(each.ap, 4),
                "ap50": None if each.ap50 is None else round(each.ap50, 4),
                "curve": _curve(each.curve),
            }
            for each in metrics.classes
        ],
    }


def _curve(values: Any) -> list[float]:
    return [_number(float(value), 3) for value in values]


def _number(value: float, digits: int) -> float | int:
    """As short as JSON allows."""
    rounded = round(value, digits)
    return int(rounded) if rounded == int(rounded) else rounded


def _hex(color: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _script(function: str, value: object) -> bytes:
    """A call with a value as JSON; ASCII, so that nothing depends on how a browser reads the file."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return f"gallery.{function}({text});\n".encode("ascii")
