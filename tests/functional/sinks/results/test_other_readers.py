"""Other programs read what is written: the SDK of Label Studio, and datumaro.

Both need too many packages for the extra `test`; without them, these tests are skipped.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detcli.structures.detections import Detections
from detcli.structures.json_records import Result
from detcli.structures.run_info import RunInfo
from tests.helpers.cli_runs import image
from tests.helpers.sink_fixtures import LABELS, frame_named, info, random_detections
from tests.helpers.stored_results import store

__all__ = ["info"]

NAMES = ("a.jpg", "sub/ä ö.jpg", "c.jpg", "empty.jpg")
SIZE = (48, 64)
CONFIGURATION = """<View>
  <Image name="image" value="$image"/>
  <RectangleLabels name="label" toName="image">
    <Label value="cat"/><Label value="dog"/><Label value="traffic light"/>
  </RectangleLabels>
</View>"""


@pytest.fixture
def results() -> list[Result]:
    """One to three boxes, and none in the last image."""
    counts = (1, 3, 2, 0)
    return [
        (frame_named(name, i, size_hw=SIZE), random_detections(i, count, size_hw=SIZE))
        for i, (name, count) in enumerate(zip(NAMES, counts, strict=True))
    ]


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The images in `in/`, where the test stands."""
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        image(tmp_path / "in" / name)
    return tmp_path / "in"


def expected(results: list[Result]) -> dict[str, list[tuple[float, ...]]]:
    """Class, left, top, right and bottom of the boxes of each image by its name without folder and suffix."""
    return {
        Path(frame.origin.stem).name: sorted(
            (int(c), *box) for c, box in zip(found.class_ids, found.boxes_xyxy.tolist(), strict=True)
        )
        for frame, found in results
        if isinstance(found, Detections)
    }


def assert_same(read: dict[str, Any], results: list[Result], *, pixels: float) -> None:
    wanted = expected(results)
    assert read.keys() == wanted.keys()
    for name, rows in wanted.items():
        np.testing.assert_allclose(np.reshape(sorted(read[name]), (-1, 5)), np.reshape(rows, (-1, 5)), atol=pixels)


def test_label_studio_accepts_and_converts_the_predictions(
    results: list[Result], info: RunInfo, tmp_path: Path
) -> None:
    interface = pytest.importorskip("label_studio_sdk.label_interface").LabelInterface(CONFIGURATION)
    converter = pytest.importorskip("label_studio_sdk.converter").Converter(
        CONFIGURATION, str(tmp_path), download_resources=False
    )
    tasks = json.loads(store(tmp_path / "tasks.json", results, info, "label-studio").read_bytes())
    for number, task in enumerate(tasks, 1):
        assert interface.validate_task({"data": task["data"]})
        assert all(interface.validate_prediction(prediction) for prediction in task["predictions"])
        accepted = {"id": number, "completed_by": 1, "was_cancelled": False, "result": task["predictions"][0]["result"]}
        task |= {"id": number, "annotations": [accepted]}
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    converter.convert_to_coco(str(tmp_path / "export.json"), str(tmp_path / "coco"), is_dir=False)
    document = json.loads((tmp_path / "coco/result.json").read_bytes())
    classes = {category["id"]: LABELS.names.index(category["name"]) for category in document["categories"]}
    read: dict[str, Any] = {Path(NAMES[number]).stem: [] for number in range(len(document["images"]))}
    for entry in document["annotations"]:
        left, top, width, height = entry["bbox"]
        row = (classes[entry["category_id"]], left, top, left + width, top + height)
        read[Path(NAMES[entry["image_id"]]).stem].append(row)
    assert_same(read, results, pixels=1e-3)


def datumaro_boxes(folder: Path, format_name: str) -> dict[str, Any]:
    datumaro = pytest.importorskip("datumaro")
    dataset = datumaro.Dataset.import_from(str(folder), format_name)
    names = [category.name for category in dataset.categories()[datumaro.AnnotationType.label]]
    return {
        Path(item.id).name: [(LABELS.names.index(names[box.label]), *box.points) for box in item.annotations]
        for item in dataset
    }


def make_voc(results: list[Result], info: RunInfo) -> Iterator[Any]:
    """The layout of VOCdevkit around the folder of files."""
    store(Path("voc/Annotations"), results, info, "voc")
    shutil.copytree("in", "voc/JPEGImages")
    Path("voc/ImageSets/Main").mkdir(parents=True)
    Path("voc/ImageSets/Main/train.txt").write_text("".join(f"{frame.origin.stem}\n" for frame, _ in results))
    Path("voc/labelmap.txt").write_text("".join(f"{name}:::\n" for name in LABELS.names))
    yield from (Path("voc"), "voc_detection")


def make_coco(results: list[Result], info: RunInfo) -> Iterator[Any]:
    store(Path("coco/annotations/instances_default.json"), results, info, "coco")
    shutil.copytree("in", "coco/images/default")
    yield from (Path("coco"), "coco_instances")


def make_yolo(results: list[Result], info: RunInfo) -> Iterator[Any]:
    store(Path("yolo"), results, info, "yolo", no_scores=True)
    yield from (Path("yolo"), "yolo")


@pytest.mark.parametrize("make", [make_voc, make_coco, make_yolo])
def test_datumaro_reads_the_same_boxes(make: Any, results: list[Result], info: RunInfo, images: Path) -> None:
    pytest.importorskip("datumaro")
    assert_same(datumaro_boxes(*make(results, info)), results, pixels=0.01)  # it rounds to hundredths
