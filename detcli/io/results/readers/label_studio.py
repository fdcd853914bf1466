"""Reads tasks of Label Studio with predictions, as `sinks/results/label_studio.py` and Label Studio's exports have them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from detcli.errors import InputError
from detcli.io.documents import DocumentError, parse_json
from detcli.io.record_values import RecordPosition, shown
from detcli.io.results.label_studio_names import BOX_TYPE, local_file
from detcli.io.results.open_file import opened
from detcli.io.results.stored import StoredBox, StoredImage

_SIDES = ("x", "y", "width", "height")


def read_label_studio(path: Path) -> Iterator[StoredImage]:
    """Read one image per task; the file is loaded completely. Raises InputError for invalid values."""
    with opened(path) as file:
        data = file.read()
    try:
        tasks = parse_json(data)
    except DocumentError as error:
        raise InputError(f"'{path}' is not complete JSON: {error}") from error
    if not isinstance(tasks, list):
        raise InputError(f"'{path}' is not a list of tasks of Label Studio")
    for number, task in enumerate(tasks, 1):
        position = RecordPosition(path, f"task {number}")
        yield _image(position, position.mapping(task))


def _image(position: RecordPosition, task: Mapping[str, Any]) -> StoredImage:
    data = position.mapping(task.get("data"))
    results = _results(position, task)
    sizes = {_size(position, result) for result in results}
    if len(sizes) > 1:
        position.refuse("its boxes are of images of different sizes")
    return StoredImage(
        position.where,
        _file(position, data),
        None,
        next(iter(sizes), None) or _size_in_data(data),
        tuple(_box(position, result) for result in results),
        frame=position.integer_or_none(data.get("frame"), "frame"),
        time_s=None if data.get("time_s") is None else position.number(data["time_s"], "time_s"),
    )


def _file(position: RecordPosition, data: Mapping[str, Any]) -> str:
    if data.get("file") is not None:
        return position.text(data["file"], "file")
    return local_file(position.text(data.get("image"), "image"))


def _results(position: RecordPosition, task: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    predictions = task.get("predictions")
    if not isinstance(predictions, list) or not predictions:
        position.refuse("it has no predictions; annotations of people have no scores")
    if len(predictions) > 1:
        position.refuse(f"it has {len(predictions)} predictions: keep those of one model")
    results = position.mapping(predictions[0]).get("result")
    if not isinstance(results, list):
        position.refuse(f"the result of its prediction is {shown(results)}, not a list")
    return [position.mapping(result) for result in results]


def _size(position: RecordPosition, result: Mapping[str, Any]) -> tuple[int, int]:
    height, width = (
        position.integer(result.get(f"original_{side}"), f"original_{side}") for side in ("height", "width")
    )
    if min(height, width) < 1:
        position.refuse(f"original_width and original_height are {width} and {height}")
    return height, width


def _size_in_data(data: Mapping[str, Any]) -> tuple[int, int] | None:
    """The size that detcli writes; other programs have other things under these names."""
    height, width = data.get("height"), data.get("width")
    if type(height) is not int or type(width) is not int or min(height, width) < 1:
        return None
    return height, width


def _box(position: RecordPosition, result: Mapping[str, Any]) -> StoredBox:
    if result.get("type") != BOX_TYPE:
        position.refuse(f"a result is of the type {shown(result.get('type'))}; only {BOX_TYPE} can be read")
    value = position.mapping(result.get("value"))
    if value.get("rotation"):
        position.refuse(f"a box is rotated by {shown(value['rotation'])} degrees")
    labels = value.get(BOX_TYPE)
    if not isinstance(labels, list) or len(labels) != 1:
        position.refuse(f"{BOX_TYPE} of a box is {shown(labels)}, not a list of one label")
    height, width = _size(position, result)
    x, y, w, h = (position.coordinate(value.get(side), side) / 100 for side in _SIDES)
    meta = result.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    return StoredBox(
        position.text(labels[0], "label"),
        None,
        position.score(result.get("score")),
        position.sides(x * width, y * height, w * width, h * height),
        track_id=position.integer_or_none(meta.get("track_id"), "track_id"),
        box_std=position.numbers(meta.get("bbox_std"), "bbox_std"),
    )
