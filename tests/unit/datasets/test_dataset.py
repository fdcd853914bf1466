"""Datasets are opened by name: every common layout, and a clear error for anything else."""

from pathlib import Path

import pytest

from detcli.datasets.coco.coco_dataset import CocoDataset
from detcli.datasets.dataset import DATASETS, has_part, open_dataset
from detcli.datasets.shapes import ShapesDataset
from detcli.datasets.yolo.yolo_dataset import YoloDataset
from detcli.errors import UsageError
from tests.helpers.annotated_datasets import annotation, image, write_coco, write_image


def small(folder: Path, name: str, image_file: str, file_name: str = "a.png") -> None:
    """Annotations of one image, which lies somewhere else below the folder."""
    rows = [annotation(1, 1, 2, [1, 2, 10, 20])]
    write_coco(folder, images=[image(1, file_name)], annotations=rows, name=name, image_files=None)
    write_image(folder / image_file)


COCO_LAYOUTS = {
    "coco 2017": {
        "train": ("annotations/instances_train2017.json", "train2017/a.png"),
        "val": ("annotations/instances_val2017.json", "val2017/a.png"),
    },
    "coco 2014 below images": {
        "train": ("annotations/instances_train2014.json", "images/train2014/a.png"),
        "val": ("annotations/instances_val2014.json", "images/val2014/a.png"),
    },
    "roboflow": {
        "train": ("train/_annotations.coco.json", "train/a.png"),
        "val": ("valid/_annotations.coco.json", "valid/a.png"),
    },
    "bare": {"train": ("train.json", "train/a.png"), "val": ("val.json", "val/a.png")},
    "bare, images together": {"train": ("train.json", "images/a.png"), "val": ("val.json", "images/a.png")},
}
SINGLE_LAYOUTS = {
    "one json": ("annotations.json", "a.png"),
    "one json, images below": ("annotations.json", "images/a.png"),
    "cvat": ("annotations/instances_default.json", "images/default/a.png"),
    "roboflow, one part": ("_annotations.coco.json", "a.png"),
}


@pytest.mark.parametrize("layout", COCO_LAYOUTS)
def test_both_parts_of_a_folder_are_found_with_their_images(tmp_path: Path, layout: str) -> None:
    for annotations, image_file in COCO_LAYOUTS[layout].values():
        small(tmp_path, annotations, image_file)
    for part in ("train", "val"):
        dataset = open_dataset(str(tmp_path), part=part)
        assert isinstance(dataset, CocoDataset)
        image = dataset.read(0)
        assert image.origin.file == str(tmp_path / COCO_LAYOUTS[layout][part][1])
        assert has_part(str(tmp_path), part)


@pytest.mark.parametrize("layout", SINGLE_LAYOUTS)
def test_annotations_without_parts_are_used_for_any_part(tmp_path: Path, layout: str) -> None:
    annotations, image = SINGLE_LAYOUTS[layout]
    small(tmp_path, annotations, image)
    for part in ("train", "val"):
        assert open_dataset(str(tmp_path), part=part).read(0).origin.file == str(tmp_path / image)
        assert open_dataset(str(tmp_path / annotations), part=part).report.boxes == 1
        assert not has_part(str(tmp_path), part)
        assert not has_part(str(tmp_path / annotations), part)


def test_a_missing_part_is_reported_and_not_replaced(tmp_path: Path) -> None:
    small(tmp_path, "train/_annotations.coco.json", "train/a.png")
    assert has_part(str(tmp_path), "train")
    assert not has_part(str(tmp_path), "val")
    with pytest.raises(UsageError, match="has no part 'val'"):
        open_dataset(str(tmp_path), part="val")


def test_images_are_taken_from_the_folder_of_their_part(tmp_path: Path) -> None:
    for part in ("train", "val"):
        small(tmp_path, f"annotations/{part}.json", f"images/{part}/a.png")
    assert open_dataset(str(tmp_path), part="val").read(0).origin.file == str(tmp_path / "images" / "val" / "a.png")


def test_captions_and_keypoints_next_to_instances_are_ignored(tmp_path: Path) -> None:
    small(tmp_path, "annotations/instances_val2017.json", "val2017/a.png")
    for name in ("captions_val2017.json", "person_keypoints_val2017.json", "instances_val2014.json"):
        (tmp_path / "annotations" / name).write_text("[]")
    assert open_dataset(str(tmp_path), part="val").report.boxes == 1


def write_yolo(folder: Path, content: str) -> None:
    write_image(folder / "images" / "a.png")
    (folder / "labels").mkdir()
    (folder / "labels" / "a.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (folder / "data.yaml").write_text(content)


def test_yolo_is_recognized_by_its_yaml_and_has_its_parts(tmp_path: Path) -> None:
    write_yolo(tmp_path, "names: [cat]\ntrain: images\n")
    for where in (str(tmp_path), str(tmp_path / "data.yaml")):
        assert isinstance(open_dataset(where), YoloDataset)
        assert has_part(where, "train")
        assert not has_part(where, "val")
    with pytest.raises(UsageError, match="has no part 'val'"):
        open_dataset(str(tmp_path), part="val")


def test_shapes_is_synthetic_even_next_to_a_folder_of_this_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shapes").mkdir()
    dataset = open_dataset("shapes:3:5", part="val")
    assert isinstance(dataset, ShapesDataset)
    assert len(dataset) == 5
    assert has_part("shapes", "val")


def test_more_than_one_dataset_is_ambiguous(tmp_path: Path) -> None:
    write_yolo(tmp_path, "names: [cat]\ntrain: images\n")
    small(tmp_path, "annotations.json", "a.png")
    with pytest.raises(UsageError, match=r"is ambiguous.*data\.yaml.*annotations\.json"):
        open_dataset(str(tmp_path))
    (tmp_path / "data.yaml").unlink()
    (tmp_path / "more.json").write_text("{}")
    with pytest.raises(UsageError, match=r"is ambiguous.*annotations\.json.*more\.json"):
        open_dataset(str(tmp_path))


@pytest.mark.parametrize("name", ["nothing", "", "a.txt", "folder", "a.json/b", "x" * 5000, "a\0b"])
def test_a_path_that_is_not_a_dataset_is_named_in_a_usage_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "folder").mkdir()
    where = f"{tmp_path}/folder/{name}" if not name else f"{tmp_path}/{name}"
    with pytest.raises(UsageError) as caught:
        open_dataset(where)
    assert where.rstrip("/") in str(caught.value)


def test_for_an_empty_folder_the_expected_files_are_listed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"data\.yaml.*\.json.*instances_.*_annotations\.coco\.json"):
        open_dataset(str(tmp_path))


@pytest.mark.parametrize("name", DATASETS)
def test_every_registered_dataset_loads(name: str) -> None:
    assert DATASETS[name].__name__.lower() == name.replace("-", "") + "dataset"
