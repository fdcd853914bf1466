"""Datasets as labeling tools write them: supervision, Label Studio, Roboflow, merged files, other names of folders."""

import json
import unicodedata
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml

from detcli.datasets.coco.coco_dataset import CocoDataset
from detcli.datasets.dataset import Dataset, has_part, open_dataset
from detcli.datasets.yolo.yolo_folders import label_path
from detcli.errors import DataError, UsageError
from detcli.evaluation.coco_ground_truth import read_ground_truth
from detcli.evaluation.results.evaluate_results import find_ground_truth
from tests.helpers.annotated_datasets import annotation, image, write_coco, write_image

ROW = "0 0.5 0.5 0.25 0.5\n"
CATS = [{"id": 2, "name": "cat"}]


def labeled(folder: Path, images: str, labels: str, name: str = "a") -> None:
    """An image with one box in YOLO's rows."""
    write_image(folder / images / f"{name}.png")
    (folder / labels).mkdir(parents=True, exist_ok=True)
    (folder / labels / f"{name}.txt").write_text(ROW)


def data_yaml(folder: Path, **content: Any) -> str:
    (folder / "data.yaml").write_text(yaml.safe_dump({"nc": 2, "names": ["cat", "dog"], **content}))
    return str(folder)


def told(dataset: Dataset, words: str) -> bool:
    return any(words in issue for issue in dataset.report.issues)


def images_of(dataset: Dataset) -> list[str]:
    return [dataset.read(index).origin.relative for index in range(len(dataset))]


# ---- YOLO without the names of image folders


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("{part}/images", "{part}/labels"),
        ("images/{part}", "labels/{part}"),
        ("{part}", "{part}"),
        ("{part}/img", "{part}/labels"),
        ("JPEGImages/{part}", "labels/{part}"),
    ],
)
@pytest.mark.parametrize("val", ["val", "valid", "validation"])
def test_parts_are_found_where_the_yaml_names_none(tmp_path: Path, images: str, labels: str, val: str) -> None:
    for name, part in (("a", "train"), ("b", val)):
        labeled(tmp_path, images.format(part=part), labels.format(part=part), name)
    where = data_yaml(tmp_path)
    assert has_part(where, "train")
    assert has_part(where, "val")
    for name, part in (("a", "train"), ("b", "val")):
        dataset = open_dataset(where, part=part)  # type: ignore[arg-type]
        assert [Path(file).stem for file in images_of(dataset)] == [name]
        assert dataset.report.boxes == 1
        assert told(dataset, "'data.yaml' names no images; taken by convention: ")


@pytest.mark.parametrize("images", ["images", "img", "imgs", "JPEGImages", "."])
@pytest.mark.parametrize("classes", ["data.yaml", "classes.txt"])
def test_a_dataset_without_parts_is_taken_for_any(tmp_path: Path, images: str, classes: str) -> None:
    labeled(tmp_path, images, "labels" if images != "." else ".")
    (tmp_path / "labels").mkdir(exist_ok=True)
    if classes == "data.yaml":
        data_yaml(tmp_path)
    else:
        (tmp_path / "classes.txt").write_text("cat\ndog\n")
        (tmp_path / "notes.json").write_text('{"categories": [], "info": {}}')
    for where in (tmp_path, tmp_path / classes):
        assert not has_part(str(where), "val"), "training has no validation set"
        for part in ("train", "val"):
            dataset = open_dataset(str(where), part=part)  # type: ignore[arg-type]
            assert dataset.labels.names == ("cat", "dog")
            assert dataset.report.boxes == 1
            assert told(dataset, f"'{classes}' names no images")
            assert classes in dataset.report.files


def test_a_class_list_has_names_in_any_script(tmp_path: Path) -> None:
    labeled(tmp_path, "images", "labels")
    (tmp_path / "classes.txt").write_bytes("\ufeffFuchs rot\r\n犬\r\n\r\n".encode())
    assert open_dataset(str(tmp_path)).labels.names == ("Fuchs rot", "犬")


def test_a_yaml_without_any_images_says_where_it_searched(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no part 'train': it names no images, and there are none in '.*images'"):
        open_dataset(data_yaml(tmp_path))


def test_a_class_list_alone_is_no_dataset(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("cat\n")
    with pytest.raises(UsageError, match="is not a dataset"):
        open_dataset(str(tmp_path))


def test_coco_annotations_next_to_a_class_list_stay_coco(tmp_path: Path) -> None:
    write_coco(tmp_path)
    (tmp_path / "classes.txt").write_text("cat\n")
    assert isinstance(open_dataset(str(tmp_path)), CocoDataset)


@pytest.mark.parametrize("name", ["JPEGImages", "img", "imgs"])
def test_labels_are_next_to_other_image_folders_too(tmp_path: Path, name: str) -> None:
    labeled(tmp_path, f"{name}/sub", "labels/sub")
    assert open_dataset(data_yaml(tmp_path, train=name)).report.boxes == 1
    beside = tmp_path / "other" / name / "a.png"
    assert label_path(str(beside)) == str(beside.with_suffix(".txt")), "without a folder labels"


# ---- a training part only


@pytest.mark.parametrize("val", ["../valid/images", "valid/images", ["valid/images", "more/images"]])
def test_a_named_validation_set_that_is_missing_is_none_and_told(tmp_path: Path, val: Any) -> None:
    labeled(tmp_path, "train/images", "train/labels")
    where = data_yaml(tmp_path, train="../train/images", val=val)
    assert has_part(where, "train")
    assert not has_part(where, "val")
    dataset = open_dataset(where)
    assert dataset.report.boxes == 1
    assert told(dataset, "it names the validation images ")
    with pytest.raises(UsageError, match="no such folder or list"):
        open_dataset(where, part="val")


@pytest.mark.parametrize("name", ["_annotations.coco.json", "annotations.json", "result.json"])
def test_a_folder_with_a_training_part_only_is_trained_on(tmp_path: Path, name: str) -> None:
    write_coco(tmp_path / "train", name=name)
    assert open_dataset(str(tmp_path)).report.boxes == 2
    assert not has_part(str(tmp_path), "val")
    with pytest.raises(UsageError, match=rf"has no part 'val'; it has only '.*train/{name}'"):
        open_dataset(str(tmp_path), part="val")


# ---- COCO with names of another place


@pytest.mark.parametrize(
    "prefix",
    [
        "/home/x/photos/",
        "/data/upload/3/",
        "C:\\Users\\x\\",
        "\\\\host\\share\\",
        "../../media/upload/",
        "images/train/",
        "/data/local-files/?d=photos/",
        "/data/local-files/?d=",
        "s3://bucket/photos/",
        "https://example.org/x/",
        "/data/upload/3/8c1d2e3f-",
    ],
)
@pytest.mark.parametrize("folder", ["images", "."])
def test_names_of_another_place_are_found_by_their_end(tmp_path: Path, prefix: str, folder: str) -> None:
    files = [f"{folder}/{name}.png" for name in ("a", "b c", "ü")]
    entries = [image(10 * n, prefix + name) for n, name in enumerate(("a.png", "b%20c.png", "ü.png"), 1)]
    where = write_coco(tmp_path, images=entries, image_files=files)
    dataset = CocoDataset(where)
    assert images_of(dataset) == ["a.png", "b c.png", "ü.png"]
    assert dataset.report.boxes == 2
    assert told(dataset, "3 images were found in ")
    assert told(dataset, "by the end of their name: ")
    _, lookup = find_ground_truth(Path(where), iou_type="bbox", images=None)
    assert lookup.read(10) is not None
    assert lookup.read(20) is not None


@pytest.mark.parametrize(("written", "stored"), [("NFC", "NFD"), ("NFD", "NFC")])
@pytest.mark.parametrize("folder", ["", "Fotos für später/"])
def test_names_are_found_however_their_letters_are_composed(
    tmp_path: Path, written: Literal["NFC", "NFD"], stored: Literal["NFC", "NFD"], folder: str
) -> None:
    """macOS writes an umlaut as a letter and two dots."""
    files = [unicodedata.normalize(stored, f"{folder}{name}.png") for name in ("grün", "가나", "a")]
    entries = [image(10 * number, unicodedata.normalize(written, name)) for number, name in enumerate(files, 1)]
    dataset = CocoDataset(write_coco(tmp_path, images=entries, image_files=files))
    assert images_of(dataset) == files
    assert dataset.report.boxes == 2


def test_the_named_folder_is_searched_with_its_subfolders(tmp_path: Path) -> None:
    where = write_coco(
        tmp_path / "labels",
        images=[image(10, "/x/1/a.png"), image(20, "/x/2/b.png")],
        image_files=["../photos/one/a.png", "../photos/two/b.png"],
    )
    assert images_of(CocoDataset(where, images=tmp_path / "photos")) == ["one/a.png", "two/b.png"]
    with pytest.raises(DataError, match="`images` names the folder of the images"):
        CocoDataset(where)


def test_a_base_name_that_two_files_have_is_not_guessed(tmp_path: Path) -> None:
    where = write_coco(
        tmp_path,
        images=[image(10, "/x/a.png"), image(20, "/x/b.png")],
        image_files=["p/one/a.png", "p/two/a.png", "p/b.png"],
    )
    with pytest.raises(DataError, match=r"1 file name leads out of the folder '.*p': '/x/a.png'"):
        CocoDataset(where, images=tmp_path / "p")


def test_two_names_never_share_one_file(tmp_path: Path) -> None:
    entries = [image(10, "/x/1/a.png"), image(20, "/x/2/a.png"), image(30, "/x/b.png"), image(40, "/x/c.png")]
    rows = [annotation(1, 10, 2, [1, 2, 10, 20]), annotation(2, 30, 2, [1, 2, 10, 20])]
    where = write_coco(tmp_path, images=entries, annotations=rows, categories=CATS)
    with pytest.raises(DataError, match=r"2 file names lead out of the folder '.*': '/x/1/a.png', '/x/2/a.png'"):
        CocoDataset(where)


def test_nothing_outside_the_folder_is_read_by_the_end_of_a_name(tmp_path: Path) -> None:
    write_image(tmp_path / "secret.png")
    names = ["../secret.png", "/secret.png", str(tmp_path / "secret.png"), "images/../../secret.png"]
    for name in names:
        where = write_coco(
            tmp_path / "data" / "in", images=[image(10, name), image(20, "/x/b.png")], image_files=["im/b.png"]
        )
        with pytest.raises(DataError):
            CocoDataset(where, images=tmp_path / "data" / "in" / "im")


def test_a_name_that_exists_is_never_looked_up_otherwise(tmp_path: Path) -> None:
    entries = [image(10, "one/a.png"), image(20, "b.png")]
    where = write_coco(tmp_path, images=entries, image_files=["two/a.png", "b.png"])
    assert told(CocoDataset(where), "1 image is missing and was skipped"), (
        "one/a.png is missing, two/a.png is another image"
    )


# ---- a hint for names in other letters


def test_a_missing_image_with_other_letters_is_hinted_at(tmp_path: Path) -> None:
    files = ["a.PNG", "b.png", "c.png"]
    where = write_coco(tmp_path, image_files=files)
    if (tmp_path / "a.png").exists():
        pytest.skip("this file system ignores case")
    assert told(CocoDataset(where), "a.png' ('a.PNG' exists: only upper and lower case differ)")
    alone = write_coco(
        tmp_path / "alone", images=[image(10, "A.jpg"), image(20, "B.jpg")], image_files=["A.JPG", "B.JPG"]
    )
    with pytest.raises(DataError, match=r"\('A.JPG' exists: only upper and lower case differ\)"):
        CocoDataset(alone)


def test_a_listed_image_with_other_letters_is_hinted_at(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        labeled(tmp_path, "images", "labels", name)
    (tmp_path / "list.txt").write_text("images/a.png\nimages/b.png\nimages/c.PNG\n")
    if (tmp_path / "images/c.PNG").exists():
        pytest.skip("this file system ignores case")
    assert told(
        open_dataset(data_yaml(tmp_path, train="list.txt")), "('c.png' exists: only upper and lower case differ)"
    )


# ---- Roboflow's root category, and merged files


ROOT = {"id": 0, "name": "animals", "supercategory": "none"}
BELOW = [{"id": 1, "name": "cat", "supercategory": "animals"}, {"id": 2, "name": "dog", "supercategory": "animals"}]


def test_the_unused_root_category_is_dropped_and_told(tmp_path: Path) -> None:
    dataset = CocoDataset(
        write_coco(tmp_path, annotations=[annotation(1, 10, 1, [1, 2, 10, 20])], categories=[ROOT, *BELOW])
    )
    assert (dataset.labels.names, dataset.labels.category_ids) == (("cat", "dog"), (1, 2))
    assert told(dataset, "1 category without boxes was dropped: only the supercategory of others: 0 'animals'")


@pytest.mark.parametrize(
    ("categories", "used", "names"),
    [
        ([ROOT, *BELOW], 0, ("animals", "cat", "dog")),  # it has boxes
        ([{**ROOT, "supercategory": "living"}, *BELOW], 1, ("animals", "cat", "dog")),  # it has a place of its own
        ([ROOT, {"id": 1, "name": "cat"}], 1, ("animals", "cat")),  # of no other category
        (
            [{"id": 0, "name": "cat", "supercategory": "cat"}, {"id": 1, "name": "dog", "supercategory": "dog"}],
            1,
            ("cat", "dog"),
        ),
    ],
)
def test_other_categories_without_boxes_stay(
    tmp_path: Path, categories: Any, used: int, names: tuple[str, ...]
) -> None:
    rows = [annotation(1, 10, used, [1, 2, 10, 20])]
    assert CocoDataset(write_coco(tmp_path, annotations=rows, categories=categories)).labels.names == names


def test_entries_that_are_twice_in_a_merged_file_count_once(tmp_path: Path) -> None:
    images = [image(10, "a.png"), image(20, "b.png")]
    where = write_coco(
        tmp_path,
        images=[*images, *images],
        annotations=[annotation(1, 10, 2, [1, 2, 10, 20])],
        categories=[*CATS, *CATS],
    )
    dataset = CocoDataset(where)
    assert (len(dataset), dataset.labels.names, dataset.report.boxes) == (2, ("cat",), 1)
    assert told(dataset, "2 images are in the file twice, with the same id and name")
    assert told(dataset, "1 category is in the file twice, with the same id and name")
    truth = read_ground_truth(Path(where))
    assert (len(truth.images), len(truth.annotations["categories"])) == (2, 1)
    assert any("2 images are in the file twice" in note for note in truth.notes)


@pytest.mark.parametrize("change", [{"file_name": "c.png"}, {"width": 65}])
def test_entries_with_one_id_that_differ_are_an_error(tmp_path: Path, change: dict[str, Any]) -> None:
    first = image(10, "a.png")
    where = write_coco(
        tmp_path,
        images=[first, {**first, **change}],
        annotations=[annotation(1, 10, 2, [1, 2, 10, 20])],
        categories=CATS,
    )
    with pytest.raises(DataError, match="the id of another one"):
        CocoDataset(where)
    with pytest.raises(DataError, match="another entry has the id 10"):
        read_ground_truth(Path(where))


def test_label_studios_coco_export_is_read(tmp_path: Path) -> None:
    write_coco(
        tmp_path,
        name="result.json",
        images=[image(0, "../../label-studio/data/media/upload/4/1a2b3c4d-a.png"), image(1, "/x/1a2b3c4e-b.png")],
        annotations=[annotation(0, 0, 0, [1, 2, 10, 20])],
        categories=[{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}],
        image_files=["images/1a2b3c4d-a.png", "images/1a2b3c4e-b.png"],
    )
    dataset = open_dataset(str(tmp_path))
    assert images_of(dataset) == ["1a2b3c4d-a.png", "1a2b3c4e-b.png"]
    assert json.loads((tmp_path / "result.json").read_text())["images"][0]["id"] == 0
    assert dataset.labels.category_ids == (0, 1)
