"""The parts of a dataset in `detcli data`: a part for testing in every format, and all parts divided anew."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import detcli as package
from detcli.datasets.dataset import has_part, open_dataset
from detcli.errors import UsageError
from tests.helpers.annotated_datasets import annotation, image, write_coco, write_image
from tests.helpers.cli_runs import Run
from tests.helpers.data_folders import objects_by_name, read_json, write_panoptic
from tests.helpers.labeled_files import cvat_box, cvat_image, cvat_xml, labelme, shape, voc_object, voc_xml
from tests.helpers.sharded_datasets import write_tar

Detcli = Callable[..., Run]
PARTS = {"train": 3, "valid": 2, "test": 1}  # number of images
BOX = (4, 6, 20, 30)


class Warnings(package.DataObserver):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def on_warning(self, message: str) -> None:
        self.told.append(message)


def coco_part(folder: Path, count: int, name: str = "_annotations.coco.json") -> None:
    names = [f"{number}.png" for number in range(count)]
    for number, file in enumerate(names):
        write_image(folder / file, seed=number + 10 * len(folder.name))
    boxes = [annotation(number, number, 2, [4, 6, 16, 24]) for number in range(count)]
    images = [image(number, file) for number, file in enumerate(names)]
    categories = [
        {"id": 1, "name": "animal", "supercategory": "none"},
        {"id": 2, "name": "cat", "supercategory": "animal"},
    ]
    write_coco(folder, images=images, annotations=boxes, categories=categories, image_files=None, name=name)


def roboflow(folder: Path) -> Path:
    for part, count in PARTS.items():
        coco_part(folder / part, count)
    return folder


def coco_files(folder: Path) -> Path:
    for part, count in PARTS.items():
        coco_part(folder / part, count, "labels.json")
    return folder


def yolo_images(folder: Path, pattern: str) -> None:
    for part, count in PARTS.items():
        for number in range(count):
            write_image(folder / pattern.format(part, "images") / f"{number}.png", seed=number + 10 * len(part))
            label = folder / pattern.format(part, "labels") / f"{number}.txt"
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text("0 0.5 0.5 0.25 0.5\n")


def yolo_yaml(folder: Path) -> Path:
    """As ultralytics names the parts; the YAML file is given, not its folder."""
    yolo_images(folder, "{0}/{1}")
    names = {"train": "train", "val": "valid", "test": "test"}
    document = {key: f"../{part}/images" for key, part in names.items()}
    (folder / "data.yaml").write_text(yaml.safe_dump({**document, "names": ["cat"]}))
    return folder / "data.yaml"


def yolo_classes(folder: Path) -> Path:
    yolo_images(folder, "{1}/{0}")
    (folder / "classes.txt").write_text("cat\n")
    return folder


def voc_lists(folder: Path) -> Path:
    for part, count in PARTS.items():
        for number in range(count):
            write_image(folder / "JPEGImages" / f"{part}{number}.png", seed=number + 10 * len(part))
            path = folder / "Annotations" / f"{part}{number}.xml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(voc_xml(voc_object("cat", BOX)))
        listed = folder / "ImageSets/Main" / f"{part}.txt"
        listed.parent.mkdir(parents=True, exist_ok=True)
        listed.write_text("".join(f"{part}{number}\n" for number in range(count)))
    return folder


def voc_folders(folder: Path) -> Path:
    for part, count in PARTS.items():
        for number in range(count):
            write_image(folder / part / f"{number}.png", seed=number + 10 * len(part))
            (folder / part / f"{number}.xml").write_text(voc_xml(voc_object("cat", BOX)))
    return folder


def labelme_folders(folder: Path) -> Path:
    for part, count in PARTS.items():
        for number in range(count):
            write_image(folder / part / f"{number}.png", seed=number + 10 * len(part))
            labelme(folder / part / f"{number}.json", shape("rectangle", "cat", [list(BOX[:2]), list(BOX[2:])]))
    return folder


def cvat_project(folder: Path) -> Path:
    """The XML file itself, with subsets as CVAT names them."""
    images = []
    for part, count in PARTS.items():
        subset = {"train": "Train", "valid": "Validation", "test": "Test"}[part]
        for number in range(count):
            write_image(folder / "images" / f"{part}{number}.png", seed=number + 10 * len(part))
            images.append(cvat_image(f"{part}{number}.png", cvat_box("cat", BOX), subset=subset))
    (folder / "annotations.xml").write_text(cvat_xml(*images, labels=("cat",)))
    return folder / "annotations.xml"


def shards(folder: Path) -> Path:
    folder.mkdir()
    for part, count in PARTS.items():
        members: dict[str, bytes | str] = {"classes.txt": "cat\n"}
        for number in range(count):
            write_image(folder / "one.png", seed=number + 10 * len(part))
            members |= {f"{number}.png": (folder / "one.png").read_bytes(), f"{number}.txt": "0 0.5 0.5 0.25 0.5\n"}
        write_tar(folder / f"{part}-000.tar", members)
    (folder / "one.png").unlink()
    return folder


LAYOUTS = [
    roboflow, coco_files, yolo_yaml, yolo_classes, voc_lists, voc_folders, labelme_folders, cvat_project, shards,
]  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_test_part_of_every_format_is_converted(tmp_path: Path, layout: Callable[[Path], Path]) -> None:
    data = layout(tmp_path / "data")
    report = package.convert_dataset(data, tmp_path / "out", format="coco", image_files="none")
    assert [(part.name, part.images) for part in report.parts] == [("train", 3), ("val", 2), ("test", 1)]
    entries = read_json(tmp_path / "out/annotations/instances_test.json")["annotations"]
    assert len(entries) == 1
    assert len(open_dataset(str(data), part="test")) == 1
    assert [part.part for part in package.dataset_statistics(data).parts] == ["train", "val", "test"]
    only = package.convert_dataset(data, tmp_path / "test", format="yolo", part="test", image_files="none")
    assert [(part.name, part.images) for part in only.parts] == [("test", 1)]


@pytest.mark.parametrize("name", ["coco", "yolo", "voc", "label-studio"])
def test_a_test_part_that_was_written_is_read_again(tmp_path: Path, name: Any) -> None:
    package.convert_dataset(roboflow(tmp_path / "data"), tmp_path / "one", format=name)
    report = package.convert_dataset(tmp_path / "one", tmp_path / "two", format="coco")
    assert [(part.name, part.images, part.boxes) for part in report.parts] == [
        ("train", 3, 3), ("val", 2, 2), ("test", 1, 1),
    ]  # fmt: skip


@pytest.mark.parametrize("layout", [yolo_classes, voc_folders, labelme_folders, shards])
def test_a_dataset_with_a_test_part_alone_is_not_divided(tmp_path: Path, layout: Callable[[Path], Path]) -> None:
    data = layout(tmp_path / "data")
    for path in [*data.rglob("train*"), *data.rglob("valid*")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if layout in (yolo_classes, shards):
        assert not has_part(str(data), "train")
        assert not has_part(str(data), "test")


def test_a_test_part_that_cannot_be_used_is_left_out_and_said(tmp_path: Path, detcli: Detcli) -> None:
    missing, unlabeled = yolo_yaml(tmp_path / "missing"), yolo_yaml(tmp_path / "unlabeled")
    shutil.rmtree(missing.parent / "test")
    shutil.rmtree(unlabeled.parent / "test/labels")
    for data, why in ((missing, "there is no such folder or list"), (unlabeled, "has a box to train on")):
        run = detcli("data", "convert", data, "-f", "voc", "-o", data.parent / "out")
        assert run.code == 0, run.err
        assert "the part 'test' is left out" in run.err
        assert why in run.err
        assert "5 images (train 3, val 2)" in run.err
        assert detcli("data", "convert", data, "-f", "voc", "--part", "test", "-o", data.parent / "no").code == 4
        for name in ("stats", "view", "check"):
            output = [("-o", data.parent / page) if name == "view" else () for page in ("page", "no")]
            run = detcli("data", name, data, *output[0])
            assert run.code == (10 if name == "check" else 0), run.err  # train and val share images
            assert "the part 'test' is left out" in run.err
            assert why in run.err
            assert detcli("data", name, data, "--part", "test", *output[1]).code == 4


@pytest.mark.parametrize("other", ["train", "valid"])
def test_images_that_test_shares_with_another_part_are_found(tmp_path: Path, detcli: Detcli, other: str) -> None:
    data = roboflow(tmp_path / "data")
    for number in range(PARTS["valid"]):
        write_image(data / "valid" / f"{number}.png", seed=90 + number)
    shutil.copyfile(data / other / "0.png", data / "test/0.png")
    run = detcli("data", "check", data)
    assert run.code == 10
    assert f"{'train' if other == 'train' else 'val'}, test: 1 image" in run.err + run.out


# ---- detcli data split


def test_all_parts_are_divided_anew_on_request(tmp_path: Path, detcli: Detcli) -> None:
    data = roboflow(tmp_path / "data")
    run = detcli("data", "split", data, "-o", tmp_path / "out")
    assert (run.code, "into train, val and test: name the one to divide in --part, or 'all'" in run.err) == (2, True)
    run = detcli("data", "split", data, "--part", "all", "--parts", "train=3,val=2,a=1", "-o", tmp_path / "out")
    assert run.code == 0, run.err
    assert "the parts have images of the same id: all images are numbered anew" in run.err
    documents = [read_json(tmp_path / f"out/annotations/instances_{part}.json") for part in ("train", "val", "a")]
    assert [len(document["images"]) for document in documents] == [3, 2, 1]
    assert sorted(entry["id"] for document in documents for entry in document["images"]) == [1, 2, 3, 4, 5, 6]
    names = {entry["file_name"] for document in documents for entry in document["images"]}
    assert len(names) == 6, "images of one name in two parts are two images"
    for document in documents:
        assert [(entry["id"], entry["name"]) for entry in document["categories"]] == [(2, "cat")]
        own = {entry["id"] for entry in document["images"]}
        assert {entry["image_id"] for entry in document["annotations"]} == own
    joined: dict[str, Any] = {}
    for part in ("train", "val"):
        joined |= objects_by_name(open_dataset(str(tmp_path / "out"), part=part))  # type: ignore[arg-type]
    assert all(found == [("cat", [4.0, 6.0, 20.0, 30.0], False)] for found in joined.values())


def test_ids_and_fields_stay_where_parts_have_different_ones(tmp_path: Path) -> None:
    for number, part in enumerate(("train", "val")):
        write_image(tmp_path / part / "a.png", seed=number)
        write_coco(
            tmp_path / part,
            images=[{**image(7 + number, "a.png"), "camera": part}],
            annotations=[annotation(100 + number, 7 + number, 5, [1, 2, 3 + number, 4], note=part)],
            categories=[{"id": 5, "name": ("dog", "cat")[number], "color": number}], image_files=None,
        )  # fmt: skip
    observer = Warnings()
    package.split_dataset(tmp_path, tmp_path / "out", part="all", parts={"val": 1}, observer=observer)
    assert not any("numbered anew" in message for message in observer.told)
    documents = [read_json(tmp_path / f"out/annotations/instances_{part}.json") for part in ("train", "val")]
    names = {entry["id"]: entry["name"] for entry in documents[0]["categories"]}
    assert sorted(names.values()) == ["cat", "dog"], "one id of two classes is two ids"
    found = {entry["id"]: entry["camera"] for document in documents for entry in document["images"]}
    assert found == {7: "train", 8: "val"}
    boxes = [entry for document in documents for entry in document["annotations"]]
    assert {entry["id"]: (names[entry["category_id"]], entry["note"]) for entry in boxes} == {
        100: ("dog", "train"), 101: ("cat", "val"),
    }  # fmt: skip


def test_masks_of_some_objects_stay_in_every_part(tmp_path: Path) -> None:
    corners = [[4, 6], [20, 6], [20, 30]]
    for part in ("train", "valid"):
        for number in range(3):
            write_image(tmp_path / part / f"{number}.png", seed=number)
            labelme(
                tmp_path / part / f"{number}.json",
                shape("rectangle", "cat", [list(BOX[:2]), list(BOX[2:])]), shape("polygon", "dog", corners),
            )  # fmt: skip
    package.split_dataset(tmp_path, tmp_path / "out", part="all", parts={"val": 2})
    for part in ("train", "val"):
        entries = read_json(tmp_path / f"out/annotations/instances_{part}.json")["annotations"]
        assert len(entries) in (4, 8)
        assert sum("segmentation" in entry for entry in entries) == len(entries) / 2


def test_panoptic_parts_are_not_joined(tmp_path: Path) -> None:
    write_panoptic(tmp_path / "data")
    package.split_dataset(tmp_path / "data", tmp_path / "parts", parts={"val": 1})
    with pytest.raises(UsageError, match="cannot be 'all' for panoptic data"):
        package.split_dataset(tmp_path / "parts", tmp_path / "out", part="all")
    assert not (tmp_path / "out").exists()


def test_a_test_part_stays_as_it_is_where_training_is_divided(tmp_path: Path, detcli: Detcli) -> None:
    data = roboflow(tmp_path / "data")
    shutil.rmtree(data / "valid")
    run = detcli("data", "split", data, "--val", "1", "-o", tmp_path / "out")
    assert "3 images in 2 parts" in run.err
