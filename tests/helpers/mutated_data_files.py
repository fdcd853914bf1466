"""Data of labeling tools and in shards: intact documents, and the code that reads them; see `mutated_documents.py`."""

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from detcli.datasets.dataset import open_dataset
from tests.helpers.annotated_datasets import write_image
from tests.helpers.archive_files import tar_bytes
from tests.helpers.label_studio_exports import annotation, as_minimum, brush, polygon, rectangle, result, task
from tests.helpers.mutations import json_bytes, mutated_bytes, mutated_json, mutated_value

_ELLIPSE = {"x": 50.0, "y": 40.0, "radiusX": 10.0, "radiusY": 20.0, "rotation": 30}
_TASKS: list[dict[str, Any]] = [
    task(
        "/data/upload/1/12345678-a.png",
        annotation(rectangle("cat", [8, 6, 16, 12], rotation=10), polygon("dog", [[1, 2], [30, 2], [20, 40]])),
        annotation(result("ellipselabels", "cat", _ELLIPSE), updated_at="2023-01-01"),
    ),
    task("b.png", annotation(brush("cat", np.tri(48, 64, dtype=np.bool_)), ground_truth=True)),
]
_RECORD = {
    "image": {"width": 64, "height": 48},
    "annotations": [
        {"bbox": [8, 6, 16, 12], "category_id": 1, "iscrowd": 0, "segmentation": [[8, 6, 24, 6, 24, 18]]},
        {"bbox": [1, 2, 30, 20], "category": "dog", "segmentation": [[1, 2, 31, 2, 31, 22]]},
    ],
    "categories": [{"id": 1, "name": "cat"}],
}
_COLUMNS = {"objects": {"bbox": [[8, 6, 16, 12], [1, 2, 30, 20]], "category": [0, 1]}, "width": 64, "height": 48}
_ROWS = b"0 0.5 0.5 0.25 0.5\n1 0.25 0.5 0.75 0.25 0.5 1.0\n"


def read_label_studio_export(rng: Random, folder: Path) -> None:
    """An export of Label Studio, JSON or JSON-MIN."""
    tasks = _TASKS if rng.random() < 0.7 else as_minimum(_TASKS)
    for name in ("a.png", "b.png"):
        _image(folder, name)
    (folder / "export.json").write_bytes(mutated_json(rng, tasks))
    _read(folder / "export.json", masks=rng.random() < 0.5)


def read_archive_records(rng: Random, folder: Path) -> None:
    """Records of JSON and rows of YOLO in a tar."""
    image = _image(folder, "a.png")
    kind = rng.randrange(3)
    text = mutated_bytes(rng, _ROWS) if kind == 0 else mutated_json(rng, (_RECORD, _COLUMNS)[kind - 1])
    members = {"a.png": image, ("a.txt" if kind == 0 else "a.json"): text, "classes.txt": b"cat\ndog\n"}
    (folder / "a.tar").write_bytes(tar_bytes(members))
    _read(folder / "a.tar", masks=kind == 1)


def read_archive(rng: Random, folder: Path) -> None:
    """A tar with records."""
    members = {"a.png": _image(folder, "a.png"), "a.json": json_bytes(_RECORD), "classes.txt": b"cat\ndog\n"}
    (folder / "a.tar").write_bytes(mutated_bytes(rng, tar_bytes(members)))
    _read(folder / "a.tar", masks=False)


def read_parquet_data(rng: Random, folder: Path) -> None:
    """Parquet of images with objects: its bytes, its metadata and its values."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    features = {"objects": {"category": {"feature": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    metadata: Any = {"info": {"features": features}}
    rows: Any = [{"image": {"bytes": _image(folder, "a.png"), "path": "a.png"}, **_COLUMNS}]
    which = rng.randrange(3)
    metadata = mutated_json(rng, metadata) if which == 0 else json.dumps(metadata).encode()
    rows = mutated_value(rng, rows) if which == 1 else rows
    try:
        table = pa.Table.from_pylist(rows).replace_schema_metadata({"huggingface": metadata})
        pq.write_table(table, stream := io.BytesIO())
    except (pa.ArrowException, OverflowError, TypeError, ValueError, AttributeError, KeyError):
        return  # no Parquet file can have such values
    (folder / "a.parquet").write_bytes(mutated_bytes(rng, stream.getvalue()) if which == 2 else stream.getvalue())
    _read(folder / "a.parquet", masks=False)


def _image(folder: Path, name: str) -> bytes:
    if not (folder / name).exists():
        write_image(folder / name)
    return (folder / name).read_bytes()


def _read(path: Path, *, masks: bool) -> None:
    dataset = open_dataset(str(path), masks=masks)
    for index in range(len(dataset)):
        dataset.ground_truth(index)
        dataset.read(index)
    dataset.annotations()


DATA_DOCUMENTS: Mapping[str, Callable[[Random, Path], object]] = {
    "Label Studio export": read_label_studio_export,
    "WebDataset record": read_archive_records,
    "WebDataset archive": read_archive,
    "Parquet data": read_parquet_data,
}
