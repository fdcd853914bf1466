"""Models of boxes use the masks that data has: objects are pasted along them, and boxes are tight after a rotation."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import detcli
from detcli.training.trials.batch_preview import BatchPreview

OFF = {
    **dict.fromkeys(("photometric", "zoom_out", "iou_crop", "flip"), 0),
    "multi_scale_repeat": 0,
    "stop_augmentation_epoch": 0,
    "epochs": 2,
    "fit_to_data": False,
}
TRIANGLE = (12, 8, 76, 8, 12, 56)  # its box is x 12 to 76, y 8 to 56


def write(folder: Path, *, polygons: str, first: int = 0, count: int = 8) -> str:
    """Images of one green triangle each, on a gray of its own.

    polygons  which annotations have one: "all", "none" or "some"
    """
    folder.mkdir(parents=True)
    images, annotations = [], []
    for number in range(1, count + 1):
        pixels = np.full((64, 96, 3), 4 * (first + number), np.uint8)
        rows, columns = np.mgrid[:64, :96] + 0.5
        pixels[(rows >= 8) & (columns >= 12) & ((columns - 12) / 64 + (rows - 8) / 48 < 1)] = (0, 255, 0)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": 96, "height": 64})
        entry = {"id": number, "image_id": number, "category_id": 1, "bbox": [12, 8, 64, 48], "iscrowd": 0, "area": 9}
        has_polygon = polygons == "all" or (polygons == "some" and number % 2 == 0)
        annotations.append({**entry, **({"segmentation": [TRIANGLE]} if has_polygon else {})})
    document = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "triangle"}]}
    (folder / "coco.json").write_text(json.dumps(document))
    return str(folder / "coco.json")


def show(data: Any, model: Path, **changes: Any) -> BatchPreview:
    preview = detcli.show_batch(
        data, model=str(model), batch_size=8, image_size=(64, 96), device="cpu", changes={**OFF, **changes}
    )
    assert preview is not None
    return preview


def grays(preview: BatchPreview) -> list[int]:
    """How many grays each image has, besides those of few pixels at the edges of triangles."""
    found = []
    for image in preview.images:
        gray = image.pixels[(image.pixels[..., 0] == image.pixels[..., 1])][:, 0]
        found.append(int((np.bincount(gray, minlength=256) > 64).sum()))
    return found


def test_objects_are_pasted_along_their_polygons_and_without_any_by_boxes(
    tmp_path: Path, tiny_checkpoint: Path
) -> None:
    shown = {
        name: show(write(tmp_path / name, polygons=name), tiny_checkpoint, copy_paste=1.0)
        for name in ("all", "none", "some")
    }
    assert set(grays(shown["all"])) == {1}, "no background of another image"
    assert max(grays(shown["none"])) > 1
    assert min(grays(shown["some"])) == 1 < max(grays(shown["some"]))
    for image in (image for preview in shown.values() for image in preview.images):
        assert image.ground_truth.masks is None
        assert len(image.ground_truth)


def test_merged_data_with_and_without_polygons_is_combined(tmp_path: Path, tiny_checkpoint: Path) -> None:
    data = [write(tmp_path / "all", polygons="all"), write(tmp_path / "none", polygons="none", first=20)]
    fields = {"copy_paste": 0.5, "mosaic": 0.5, "mixup": 0.5, "rotation": 0.5}
    preview = show(data, tiny_checkpoint, images_per_epoch=64, **fields)
    assert preview.boxes > len(preview.images)


@pytest.mark.parametrize("polygons", ["all", "none"])
def test_boxes_after_a_rotation_are_tight_where_data_has_polygons(
    tmp_path: Path, tiny_checkpoint: Path, polygons: str
) -> None:
    data = write(tmp_path / "data", polygons=polygons)
    preview = show(data, tiny_checkpoint, rotation=1.0, max_rotation=30.0)
    gaps = []
    for image in preview.images:
        green = image.pixels[..., 1].astype(int) - image.pixels[..., 0] > 127
        (rows,), (columns,) = np.nonzero(green.any(axis=1)), np.nonzero(green.any(axis=0))
        seen = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        gaps.append(float(np.abs(image.ground_truth.boxes_xyxy[0] - seen).max()))
    assert (max(gaps) <= 2) == (polygons == "all")


@pytest.mark.parametrize("field", ["mosaic", "mixup"])
def test_polygons_change_nothing_where_no_object_is_pasted_or_rotated(
    tmp_path: Path, tiny_checkpoint: Path, field: str
) -> None:
    pair = [write(tmp_path / name, polygons=name) for name in ("all", "none")]
    one, other = (show(data, tiny_checkpoint, **{field: 0.5}) for data in pair)
    for a, b in zip(one.images, other.images, strict=True):
        assert a.pixels.tobytes() == b.pixels.tobytes()
        assert a.ground_truth.boxes_xyxy.tobytes() == b.ground_truth.boxes_xyxy.tobytes()


def test_polygons_that_cannot_be_read_are_no_error_for_boxes(tmp_path: Path, tiny_checkpoint: Path) -> None:
    where = write(tmp_path / "data", polygons="all")
    document = json.loads(Path(where).read_text())
    for entry in document["annotations"]:
        entry["segmentation"] = [[1, 2]]
    Path(where).write_text(json.dumps(document))
    assert show(where, tiny_checkpoint, copy_paste=1.0).boxes >= 8
