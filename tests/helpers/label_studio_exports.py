"""Exports of Label Studio, made by tests from pixels."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SIZE = (48, 64)  # height and width


def rectangle(label: str, xywh: Sequence[float], size_hw: tuple[int, int] = SIZE, **more: Any) -> dict[str, Any]:
    """A result of a box in pixels."""
    height, width = size_hw
    x, y, w, h = xywh
    percent = {"x": x / width * 100, "y": y / height * 100, "width": w / width * 100, "height": h / height * 100}
    return result("rectanglelabels", label, {**percent, "rotation": 0, **more}, size_hw)


def polygon(label: str, points: Sequence[Sequence[float]], size_hw: tuple[int, int] = SIZE) -> dict[str, Any]:
    """A result of a polygon in pixels."""
    percent = [[x / size_hw[1] * 100, y / size_hw[0] * 100] for x, y in points]
    return result("polygonlabels", label, {"points": percent, "closed": True}, size_hw)


def brush(label: str, mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """A result of a painted mask."""
    height, width = mask.shape
    return result("brushlabels", label, {"format": "rle", "rle": packed(mask)}, (height, width))


def result(kind: str, label: str, value: dict[str, Any], size_hw: tuple[int, int] = SIZE) -> dict[str, Any]:
    """A result of any type."""
    return {
        "id": f"{kind}-{label}-{len(str(value))}", "type": kind, "from_name": "label", "to_name": "image",
        "original_width": size_hw[1], "original_height": size_hw[0], "image_rotation": 0,
        "value": {**value, kind: [label]},
    }  # fmt: skip


def annotation(*results: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The annotation of one person."""
    return {
        "id": 1, "completed_by": 1, "result": list(results), "was_cancelled": False, "ground_truth": False,
        "created_at": "2024-01-01T10:00:00.000000Z", "updated_at": "2024-01-01T10:00:00.000000Z", **more,
    }  # fmt: skip


def task(image: str, *annotations: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A task with the image as Label Studio serves it."""
    return {"id": 1, "annotations": list(annotations), "predictions": [], "data": {"image": image}, **more}


def as_minimum(tasks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same tasks as JSON-MIN."""
    entries = []
    for number, one in enumerate(tasks, 1):
        for given in one["annotations"]:
            sizes = ("original_width", "original_height")
            values = [{**res["value"], **{side: res[side] for side in sizes}} for res in given["result"]]
            entry = {**one["data"], "id": number, "annotator": 1, "annotation_id": len(entries) + 1}
            entries.append(entry | {"updated_at": given["updated_at"]} | ({"label": values} if values else {}))
    return entries


def write_export(folder: Path, tasks: Sequence[Any], name: str = "export.json") -> str:
    """Write an export and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(list(tasks)))
    return str(folder / name)


def packed(mask: npt.NDArray[np.bool_], *, literal: bool = False) -> list[int]:
    """A mask as `@thi.ng/rle-pack` packs the RGBA bytes of its image; `literal` without repeated values."""
    rgba = np.zeros((*mask.shape, 4), np.uint8)
    rgba[mask] = 255
    values = rgba.reshape(-1).tolist()
    bits = f"{len(values):032b}" + f"{7:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))
    bits += "".join(_literals(values) if literal else _runs(values))
    bits += "0" * (-len(bits) % 8)
    return [int(bits[start : start + 8], 2) for start in range(0, len(bits), 8)]


def _runs(values: list[int]) -> Iterator[str]:
    start = 0
    while start < len(values):
        stop = start
        while stop < len(values) and values[stop] == values[start] and stop - start < 1 << 16:
            stop += 1
        yield "1" + _length(stop - start) + f"{values[start]:08b}"
        start = stop


def _literals(values: list[int]) -> Iterator[str]:
    for start in range(0, len(values), 200):
        part = values[start : start + 200]
        yield "0" + _length(len(part)) + "".join(f"{value:08b}" for value in part)


def _length(count: int) -> str:
    index, size = next((index, size) for index, size in enumerate((3, 4, 8, 16)) if count <= 1 << size)
    return f"{index:02b}" + f"{count - 1:0{size}b}"
