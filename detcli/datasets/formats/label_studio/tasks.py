"""Reads the tasks of a Label Studio export, JSON or JSON-MIN, and chooses one annotation of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from detcli.errors import DataError, ImageError, NoDataError
from detcli.io.documents import DocumentError, parse_json
from detcli.io.images.formats import IMAGE_SUFFIXES
from detcli.io.read import read_bytes
from detcli.io.record_values import RecordError, RecordPosition, shown
from detcli.io.results.label_studio_names import local_file

_MAX_BYTES = 4 << 30
_ENTRIES = ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time")  # of JSON-MIN
_SUFFIXES = tuple(f".{suffix}" for suffix in IMAGE_SUFFIXES)

State = Literal["labeled", "cancelled", "predicted", "unlabeled"]


@dataclass(frozen=True, slots=True)
class Task:
    """An image and what was annotated in it.

    image    its name, as Label Studio serves it
    state    "labeled"; or why there is nothing to learn from: all annotations are cancelled, only a model's predictions, or nothing
    regions  results of the annotation that counts
    others   how many more annotations there are
    data     values of the task
    """

    image: str
    state: State
    regions: Sequence[Mapping[str, Any]]
    others: int
    data: Mapping[str, Any]


def read_tasks(path: Path) -> list[Task]:
    """Read all tasks.

    Raises NoDataError if the file cannot be read or is not JSON of Label Studio, and DataError naming the first ten invalid tasks.
    """
    try:
        entries = parse_json(read_bytes(path, max_bytes=_MAX_BYTES))
    except ImageError as error:
        raise NoDataError(f"cannot read '{path}': {error}") from error
    except DocumentError as error:
        raise NoDataError(f"'{path}' is not complete JSON: {error}") from error
    if not isinstance(entries, list):
        raise NoDataError(f"'{path}' is not a list of tasks of Label Studio")
    tasks: list[Task] = []
    invalid: list[str] = []
    for number, entry in enumerate(_as_tasks(entries), 1):
        position = RecordPosition(path, f"task {number}")
        try:
            tasks.append(_task(position, position.mapping(entry)))
        except RecordError as error:
            invalid.append(f"{error.where}: {error.reason}")
    if invalid:
        more = f" and {len(invalid) - 10:,} more" if len(invalid) > 10 else ""
        raise DataError(f"'{path}' cannot be used: {'; '.join(invalid[:10])}{more}")
    return tasks


def _as_tasks(entries: Sequence[Any]) -> Iterator[Any]:
    """Tasks as in JSON; entries of JSON-MIN, one for each annotation, are converted."""
    by_id: dict[Any, dict[str, Any]] = {}
    for entry in entries:
        if not isinstance(entry, dict) or "data" in entry:
            yield entry
            continue
        data = {key: value for key, value in entry.items() if key not in _ENTRIES and not _is_list_of_objects(value)}
        results = [
            {"value": value, **{side: value.get(side) for side in ("original_width", "original_height")}}
            for key, values in entry.items()
            if key not in _ENTRIES and _is_list_of_objects(values)
            for value in values
        ]
        annotation = {"result": results, **{key: entry.get(key) for key in ("created_at", "updated_at")}}
        key = str(entry.get("id")) if entry.get("id") is not None else id(entry)
        by_id.setdefault(key, {"data": data, "annotations": []})["annotations"].append(annotation)
    yield from by_id.values()


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)


def _task(position: RecordPosition, entry: Mapping[str, Any]) -> Task:
    data = entry.get("data")
    if not isinstance(data, dict):
        position.refuse(f"its data is {shown(data)}, not a JSON object")
    annotations = _list(position, entry, "annotations")
    kept = [annotation for annotation in annotations if not annotation.get("was_cancelled")]
    image = _image(position, data)
    if not kept:
        predictions = _list(position, entry, "predictions")
        state: State = "cancelled" if annotations else "predicted" if predictions else "unlabeled"
        return Task(image, state, (), 0, data)
    regions = _list(position, _chosen(kept), "result")
    return Task(image, "labeled", regions, len(kept) - 1, data)


def _chosen(annotations: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Of several annotations the ground truth, else the one that was changed last."""

    def rank(place: int) -> tuple[bool, str, int]:
        annotation = annotations[place]
        changed = str(annotation.get("updated_at") or annotation.get("created_at") or "")
        return annotation.get("ground_truth") is True, changed, place

    return annotations[max(range(len(annotations)), key=rank)]


def _list(position: RecordPosition, entry: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = entry.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        position.refuse(f"{key} is not a list")
    return [position.mapping(inner) for inner in value]


def _image(position: RecordPosition, data: Mapping[str, Any]) -> str:
    """The image of a task: `image`, or the only value that names an image file."""
    if isinstance(data.get("image"), str):
        return _served(data["image"])
    texts = (value for value in data.values() if isinstance(value, str))
    named = [text for text in texts if text.lower().endswith(_SUFFIXES) or _without_query(text).endswith(_SUFFIXES)]
    if len(named) != 1:
        position.refuse(f"its data has {len(named)} values that name an image; one of them must be 'image'")
    return _served(named[0])


def _without_query(text: str) -> str:
    return text.partition("?")[0].lower()


def _served(image: str) -> str:
    """The name of an image, relative where it is one of Label Studio's own: `data/upload/3/8c1d2e3f-a.jpg`."""
    name = local_file(image)
    return name.removeprefix("/") if name.startswith("/data/") else name
