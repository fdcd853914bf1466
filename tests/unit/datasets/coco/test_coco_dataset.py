"""COCO annotations are read as written, and every invalid entry is named."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from detcli.datasets.coco.coco_dataset import CocoDataset
from detcli.errors import DataError, UsageError
from detcli.structures.frame import FailedFrame, Frame
from tests.helpers.annotated_datasets import ANNOTATIONS, CATEGORIES, IMAGES, annotation, image, write_coco, write_image

BOX = [1, 2, 10, 20]


def rejection(where: str, **settings: Any) -> str:
    with pytest.raises(DataError) as caught:
        CocoDataset(where, **settings)
    assert where in str(caught.value)
    return str(caught.value)


def issue(dataset: CocoDataset, words: str) -> str:
    [message] = [message for message in dataset.report.issues if words in message]
    return message


def test_images_are_in_order_with_their_ground_truth(tmp_path: Path) -> None:
    dataset = CocoDataset(write_coco(tmp_path))
    assert len(dataset) == 3
    assert [dataset.image_id(index) for index in range(3)] == [10, 20, 30]
    assert dataset.ground_truth(0).boxes_xyxy.tolist() == [[5, 6, 12.5, 14]]
    assert dataset.ground_truth(1).boxes_xyxy.tolist() == [[1, 2, 11, 22], [0, 0, 64, 48]]
    assert dataset.ground_truth(1).crowd.tolist() == [False, True]
    assert len(dataset.ground_truth(2)) == 0
    assert [dataset.box_classes(index).tolist() for index in range(3)] == [[0], [1], []], "without crowds"
    frame = dataset.read(1)
    assert isinstance(frame, Frame)
    assert frame.origin.index == 1
    assert frame.origin.file == str(tmp_path / "b.png")
    assert frame.origin.relative == "b.png"
    assert np.array_equal(frame.pixels, np.asarray(Image.open(tmp_path / "b.png")))


def test_an_image_is_resized_by_a_given_function(tmp_path: Path) -> None:
    frame = CocoDataset(write_coco(tmp_path)).read(0, lambda image: np.asarray(image.resize((8, 4))))
    assert isinstance(frame, Frame)
    assert frame.pixels is None
    assert frame.prepared is not None
    assert frame.prepared.shape == (4, 8, 3)
    assert frame.size_hw == (48, 64)


def test_classes_are_in_the_order_of_category_ids_with_holes(tmp_path: Path) -> None:
    dataset = CocoDataset(write_coco(tmp_path))
    assert dataset.labels.names == ("cat", "dog")
    assert dataset.labels.category_ids == (2, 7)
    assert dataset.ground_truth(1).class_ids.tolist() == [1, 0]


def test_the_report_has_counts(tmp_path: Path) -> None:
    report = CocoDataset(write_coco(tmp_path)).report
    assert (report.images, report.boxes, report.empty, report.crowd) == (3, 2, 1, 1)
    assert report.boxes_of == {"cat": 1, "dog": 1}
    assert report.issues == ()


def test_annotations_are_read_as_written(tmp_path: Path) -> None:
    written = CocoDataset(write_coco(tmp_path)).annotations()
    assert [(entry["id"], entry["file_name"], entry["height"], entry["width"]) for entry in written["images"]] == [
        (10, "a.png", 48, 64),
        (20, "b.png", 48, 64),
        (30, "c.png", 48, 64),
    ]
    assert written["annotations"] == [
        annotation(1, 10, 2, [5, 6, 7.5, 8], area=60.0, iscrowd=0),
        annotation(2, 20, 7, [1, 2, 10, 20], area=150.5, iscrowd=0),
        annotation(3, 20, 2, [0, 0, 64, 48], area=64.0 * 48, iscrowd=1),
    ]
    assert written["categories"] == [{"id": 2, "name": "cat"}, {"id": 7, "name": "dog"}]


@pytest.mark.parametrize("seed", range(5))
def test_random_annotations_are_read_as_written(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids = rng.choice(10_000, 6, replace=False).tolist()
    images = [image(number, f"sub folder/{place}.png") for place, number in enumerate(ids)]
    starts = rng.random((40, 2)) * [60, 44]
    sides = rng.random((40, 2)) * ([64, 48] - starts)
    rows = [
        annotation(row + 1, int(rng.choice(ids)), int(rng.choice([2, 7])), [*start, *side], iscrowd=0)
        for row, (start, side) in enumerate(zip(starts.tolist(), sides.tolist(), strict=True))
    ]
    where = write_coco(tmp_path, images=images, annotations=rows, image_files=[entry["file_name"] for entry in images])
    back = CocoDataset(where).annotations()

    def key(entry: dict[str, Any]) -> tuple[Any, ...]:
        return (entry["image_id"], entry["category_id"], *np.round(entry["bbox"], 9))

    assert sorted(map(key, back["annotations"])) == sorted(map(key, rows))


def test_pycocotools_reads_the_annotations(tmp_path: Path) -> None:
    from pycocotools.coco import COCO

    ground_truth = COCO()
    ground_truth.dataset = CocoDataset(write_coco(tmp_path)).annotations()
    ground_truth.createIndex()
    assert ground_truth.getImgIds() == [10, 20, 30]
    assert [entry["iscrowd"] for entry in ground_truth.loadAnns(ground_truth.getAnnIds(imgIds=[20]))] == [0, 1]


# ---- classes of a model or of the training data


def test_categories_match_given_classes_by_name_in_any_case(tmp_path: Path) -> None:
    dataset = CocoDataset(write_coco(tmp_path), classes=("person", "Dog", "cat"))
    assert dataset.labels.names == ("person", "Dog", "cat")
    assert dataset.labels.category_ids[1:] == (7, 2)
    assert dataset.labels.category_ids[0] not in (2, 7)
    assert dataset.ground_truth(1).class_ids.tolist() == [1, 2]
    assert {entry["category_id"] for entry in dataset.annotations()["annotations"]} == {2, 7}


def test_an_unknown_category_is_rejected_with_a_suggestion(tmp_path: Path) -> None:
    message = rejection(write_coco(tmp_path), classes=("dogs", "cat"))
    assert "'dog' (did you mean 'dogs'?)" in message
    assert "'cat'" not in message


def test_a_category_without_boxes_needs_no_class(tmp_path: Path) -> None:
    where = write_coco(tmp_path, categories=[*CATEGORIES, {"id": 0, "name": "animals"}])
    assert CocoDataset(where, classes=("cat", "dog")).labels.names == ("cat", "dog")
    dataset = CocoDataset(where)
    assert dataset.labels.names == ("animals", "cat", "dog")
    assert "'animals'" in issue(dataset, "1 class has no box")


def test_categories_that_would_share_a_class_are_rejected(tmp_path: Path) -> None:
    where = write_coco(tmp_path, categories=[{"id": 7, "name": "Cat"}, {"id": 2, "name": "CAT"}])
    assert "same class" in rejection(where, classes=("cat", "dog"))


# ---- rejected annotations


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": [*IMAGES, image(20, "d.png")]}, ["1 image has the id of another", "'d.png' (20)"]),
        ({"images": []}, ["no images"]),
        ({"images": [image("x", "a.png")]}, ["1 entry is invalid: image 0: id is the text 'x'"]),  # type: ignore[arg-type]
        ({"images": [image(True, "a.png")]}, ["image 0: id is True"]),
        ({"images": [image(1 << 70, "a.png")]}, ["needs more than 64 bits"]),
        ({"images": [{"id": 1}]}, ["1 entry is invalid: image 0: file_name is missing"]),
        ({"images": ["a.png"]}, ["image 0: 'a.png' is not a JSON object"]),
        ({"images": [image(10, "../a.png"), image(20, "b.png")]}, ["leads out", "'../a.png'"]),
        ({"images": [image(10, "a/../../a.png"), image(20, "b.png")]}, ["leads out"]),
        ({"images": [image(10, "/etc/passwd"), image(20, "b.png")]}, ["leads out", "'/etc/passwd'"]),
        ({"images": [image(10, "..\\a.png"), image(20, "b.png")]}, ["leads out"]),
        ({"images": [image(10, "x.png"), image(20, "y.png")]}, ["none of its 2 images exists", "'x.png'"]),
        ({"images": [*IMAGES, *(image(n, f"{n}.png") for n in range(4))]}, ["4 of 7 images are missing", "3.png'"]),
        ({"categories": []}, ["no categories"]),
        ({"categories": [{"id": "2", "name": "cat"}]}, ["category 0: id is the text '2'"]),
        ({"categories": [{"id": 2, "name": None}]}, ["category 0: name is missing"]),
        ({"categories": [*CATEGORIES, {"id": 2, "name": "cow"}]}, ["has the id of another", "2 'cow'"]),
        ({"categories": [{"id": 2, "name": "cat"}, {"id": 7, "name": "cat"}]}, ["has the name of another", "'cat'"]),
        (
            {"categories": CATEGORIES[:1]},
            ["2 annotations are of an unknown category", "annotation 2 of 'a.png' of category 2"],
        ),
        ({"annotations": []}, ["none of its 3 images has a box"]),
        ({"annotations": [annotation(1, 10, 2, BOX, iscrowd=1)]}, ["none of its 3 images has a box"]),
        ({"annotations": ["x"]}, ["annotation 0: 'x' is not a JSON object"]),
        ({"annotations": [annotation(1, "10", 2, BOX)]}, ["annotation 0: image_id is the text '10'"]),  # type: ignore[arg-type]
        ({"annotations": [annotation(1, 10, None, BOX)]}, ["annotation 0: category_id is missing"]),  # type: ignore[arg-type]
        ({"annotations": [annotation(n, 99, 2, BOX) for n in (1, 2)]}, ["2 annotations are of unknown images"]),
        (
            {"annotations": [annotation(n, 10, 2, [1, 1, 0, 5]) for n in (1, 2)]},
            ["2 of 2 boxes cannot be used", "no area"],
        ),
        ({"annotations": [annotation(n, 10, 2, [0.1, 0.2, 0.3, 0.4]) for n in (1, 2)]}, ["fractions"]),
        ({"annotations": [annotation(n, 10, 2, [30, 20, 60, 40]) for n in (1, 2)]}, ["two corners"]),
    ],
)
def test_unusable_annotations_are_rejected(tmp_path: Path, changes: dict[str, Any], words: list[str]) -> None:
    message = rejection(write_coco(tmp_path, **changes))
    for word in words:
        assert word in message


@pytest.mark.parametrize("scored", [1, 3])
def test_annotations_with_scores_are_refused(tmp_path: Path, scored: int) -> None:
    rows = [entry | ({"score": 0.5} if place < scored else {}) for place, entry in enumerate(ANNOTATIONS)]
    message = rejection(write_coco(tmp_path, annotations=rows))
    assert f"{scored} of its 3 annotations ha" in message
    assert "as detections have" in message


def test_the_report_says_which_files_were_taken(tmp_path: Path) -> None:
    where = write_coco(tmp_path)
    report = CocoDataset(where).report
    assert report.annotations == where
    assert report.image_folders == (str(tmp_path),)
    assert report.files == f"annotations '{where}', images in '{tmp_path}'"


def test_the_first_ten_invalid_entries_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    rows = [annotation(number, 10, 99, BOX) for number in range(1, 25)]
    message = rejection(write_coco(tmp_path, annotations=rows))
    assert "24 annotations" in message
    assert "annotation 10 of" in message
    assert "annotation 11 of" not in message
    assert "and 14 more" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("\x00\xff", "not JSON"),
        ('{"images": [' + "9" * 5000 + "]}", "not JSON"),
        ("[]", "it is a list; COCO results are lists"),
        ('{"images": [], "categories": []}', "no list of 'annotations'"),
        ('{"images": {}, "annotations": [], "categories": []}', "no list of 'images'"),
        ("3", "no list of 'images'"),
    ],
)
def test_a_file_without_annotations_is_a_usage_error(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "annotations.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(UsageError, match=words) as caught:
        CocoDataset(str(path))
    assert str(path) in str(caught.value)


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = Path(write_coco(tmp_path))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(CocoDataset(str(path))) == 3


# ---- reported issues


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ([1, 1, 0, 5], "has no area and was dropped"),
        ([1, 1, 5, -5], "has no area and was dropped"),
        ([70, 1, 5, 5], "is outside the image and was dropped"),
        ([-9, 1, 9, 5], "is outside the image and was dropped"),
        ([1, float("nan"), 5, 5], "is not four numbers and was dropped"),
        ([1, float("inf"), 5, 5], "is not four numbers and was dropped"),
        ([1, 2, 3], "is not four numbers and was dropped"),
        (["1", 2, 3, 4], "is not four numbers and was dropped"),
        ([True, 2, 3, 4], "is not four numbers and was dropped"),
        ([10**400, 2, 3, 4], "is not four numbers and was dropped"),
        ({"x": 1}, "is not four numbers and was dropped"),
        (None, "is not four numbers and was dropped"),
    ],
)
def test_an_invalid_box_is_dropped_and_named(tmp_path: Path, box: Any, words: str) -> None:
    dataset = CocoDataset(write_coco(tmp_path, annotations=[*ANNOTATIONS, annotation(77, 10, 2, box)]))
    assert dataset.ground_truth(0).boxes_xyxy.tolist() == [[5, 6, 12.5, 14]]
    assert "annotation 77 of 'a.png'" in issue(dataset, words)


def test_a_box_that_extends_beyond_its_image_is_clipped(tmp_path: Path) -> None:
    rows = [annotation(1, 10, 2, [-5, 40, 20, 20]), annotation(2, 10, 2, [0, 0, 64.3, 48.02])]
    dataset = CocoDataset(write_coco(tmp_path, annotations=rows))
    assert dataset.ground_truth(0).boxes_xyxy.tolist() == [
        [0, 40, 15, 48],
        [0, 0, 64.3, 48.02],
    ]  # less than a pixel is rounding
    assert "1 box was cut off" in issue(dataset, "cut off")
    assert "annotation 1 of 'a.png'" in issue(dataset, "cut off")


def test_missing_images_are_skipped_with_their_boxes(tmp_path: Path) -> None:
    dataset = CocoDataset(write_coco(tmp_path, image_files=["b.png", "c.png"]))
    assert [dataset.image_id(index) for index in range(len(dataset))] == [20, 30]
    assert dataset.ground_truth(0).boxes_xyxy[0].tolist() == [1, 2, 11, 22]
    assert "a.png'" in issue(dataset, "1 image is missing")


def test_a_folder_in_place_of_an_image_is_missing(tmp_path: Path) -> None:
    where = write_coco(tmp_path, image_files=["a.png", "b.png"])
    (tmp_path / "c.png").mkdir()
    assert "1 image is missing" in issue(CocoDataset(where), "missing")


def test_single_annotations_of_unknown_images_are_dropped(tmp_path: Path) -> None:
    dataset = CocoDataset(write_coco(tmp_path, annotations=[*ANNOTATIONS, annotation(4, 99, 2, BOX)]))
    assert "annotation 4 of image 99" in issue(dataset, "of unknown images")
    assert dataset.report.boxes == 2


def test_repeated_annotations_count_once(tmp_path: Path) -> None:
    rows = [*ANNOTATIONS, ANNOTATIONS[0], annotation(2, 30, 2, BOX)]
    dataset = CocoDataset(write_coco(tmp_path, annotations=rows))
    assert "annotation 1 of 'b.png'" in issue(dataset, "repeated with the same id and was dropped")
    assert "annotation 2 of 'c.png'" in issue(dataset, "1 annotation has the id of another one and was kept")
    assert [len(dataset.ground_truth(index)) for index in range(3)] == [1, 2, 1]
    numbers = [entry["id"] for entry in dataset.annotations()["annotations"]]
    assert numbers == [1, 2, 3, 4]


def test_boxes_with_other_ids_are_dropped_for_training_if_duplicate(tmp_path: Path) -> None:
    rows = [*ANNOTATIONS, *(entry | {"id": entry["id"] + 10} for entry in ANNOTATIONS)]
    where = write_coco(tmp_path, annotations=rows)
    training, validation = CocoDataset(where, part="train"), CocoDataset(where, part="val")
    assert [len(training.ground_truth(index)) for index in range(3)] == [1, 2, 0]
    once = CocoDataset(write_coco(tmp_path, name="once.json"))
    assert training.annotations()["annotations"] == once.annotations()["annotations"]
    words = "3 boxes are duplicates of another one, of the same image and class, and were dropped"
    assert "annotation 12 of 'a.png', annotation 11 of 'b.png'" in issue(training, words)
    assert [len(validation.ground_truth(index)) for index in range(3)] == [2, 4, 0]
    assert "annotation 11 of 'b.png'" in issue(validation, "each is evaluated separately, which lowers AP")


@pytest.mark.parametrize(
    "change",
    [{"image_id": 20}, {"category_id": 7}, {"bbox": [1, 2, 10, 20.5]}, {"bbox": [1, 2, 20, 10]}, {"iscrowd": 1}],
)
def test_boxes_that_differ_in_anything_are_no_duplicates(tmp_path: Path, change: dict[str, Any]) -> None:
    rows = [annotation(1, 10, 2, BOX), annotation(2, 10, 2, BOX) | change]
    report = CocoDataset(write_coco(tmp_path, annotations=rows)).report
    assert report.boxes + report.crowd == 2
    assert not any("duplicate" in message for message in report.issues)


def test_equal_boxes_with_other_masks_are_duplicates_only_as_boxes(tmp_path: Path) -> None:
    polygons = [[[1, 2, 11, 2, 11, 22]], [[1, 2, 1, 22, 11, 22]], [[1, 2, 11, 2, 11, 22]]]
    rows = [annotation(n, 10, 2, BOX, segmentation=polygon) for n, polygon in enumerate(polygons, 1)]
    where = write_coco(tmp_path, annotations=rows)
    assert CocoDataset(where).report.boxes == 1
    with_masks = CocoDataset(where, masks=True)
    assert with_masks.report.boxes == 2
    assert "annotation 3" in issue(with_masks, "1 box is a duplicate of another one")


def test_annotations_without_ids_are_read(tmp_path: Path) -> None:
    rows = [{key: value for key, value in row.items() if key != "id"} for row in ANNOTATIONS]
    dataset = CocoDataset(write_coco(tmp_path, annotations=[*rows, {**rows[0], "bbox": [1, 1, 0, 0]}]))
    assert dataset.report.boxes == 2
    assert "annotation number 3 in the list of 'b.png'" in issue(dataset, "no area")


def test_images_that_share_a_file_are_reported(tmp_path: Path) -> None:
    dataset = CocoDataset(write_coco(tmp_path, images=[*IMAGES, image(40, "./a.png")]))
    assert "'a.png'" in issue(dataset, "1 image has the same file as another one")


def test_of_two_categories_with_one_name_the_unused_is_skipped(tmp_path: Path) -> None:
    dataset = CocoDataset(write_coco(tmp_path, categories=[{"id": 0, "name": "dog"}, *CATEGORIES]))
    assert dataset.labels.names == ("cat", "dog")
    assert dataset.labels.category_ids == (2, 7)
    assert "0 'dog'" in issue(dataset, "skipped")


def test_an_image_without_a_size_has_that_of_its_header(tmp_path: Path) -> None:
    images = [image(10, "a.png", None), *IMAGES[1:], image(40, "d.jpg", (0, 0))]
    rows = [*ANNOTATIONS, annotation(4, 10, 2, [60, 40, 20, 20]), annotation(5, 40, 2, [40, 50, 20, 20])]
    where = write_coco(tmp_path, images=images, annotations=rows)
    write_image(tmp_path / "d.jpg", (48, 64), orientation=6)
    dataset = CocoDataset(where)
    assert dataset.ground_truth(0).boxes_xyxy[1].tolist() == [60, 40, 64, 48]
    assert dataset.ground_truth(3).boxes_xyxy.tolist() == [[40, 50, 48, 64]]
    assert "'a.png', 'd.jpg'" in issue(dataset, "2 images have no size")


def test_a_missing_box_is_computed_from_polygons(tmp_path: Path) -> None:
    row = {"id": 1, "image_id": 10, "category_id": 2, "segmentation": [[4, 5, 20, 9, 7, 30], [40, 8, 41, 9, 42, 7]]}
    holes = {"id": 2, "image_id": 10, "category_id": 2, "segmentation": {"counts": "abc", "size": [48, 64]}}
    boxed = annotation(3, 10, 2, BOX, segmentation=[[0, 0, 60, 40, 3, 3]])
    dataset = CocoDataset(write_coco(tmp_path, annotations=[row, holes, boxed]))
    assert dataset.ground_truth(0).boxes_xyxy.tolist() == [[4, 5, 42, 30], [1, 2, 11, 22]]
    assert "annotation 2" in issue(dataset, "not four numbers")


@pytest.mark.parametrize("area", [-1, 0, None, "12", float("nan"), True])
def test_a_missing_area_is_that_of_the_box(tmp_path: Path, area: Any) -> None:
    dataset = CocoDataset(write_coco(tmp_path, annotations=[annotation(1, 10, 2, BOX, area=area)]))
    assert dataset.annotations()["annotations"][0]["area"] == 200


def test_an_unreadable_image_is_reported(tmp_path: Path) -> None:
    where = write_coco(tmp_path)
    (tmp_path / "a.png").write_bytes(b"no image")
    dataset = CocoDataset(where)
    image = dataset.read(0)
    assert isinstance(image, FailedFrame)
    assert image.code == "not-an-image"
    assert "'a.png'" in issue(dataset, "1 image cannot be read")
    assert [entry["file_name"] for entry in dataset.annotations()["images"]] == ["a.png", "b.png", "c.png"]
    assert len(dataset.ground_truth(0)) == 1  # evaluation counts it as missed


# ---- finding images


def test_images_are_found_in_the_given_folder(tmp_path: Path) -> None:
    where = write_coco(tmp_path / "json", image_files=None)
    for name in ("a.png", "b.png", "c.png"):
        write_image(tmp_path / "elsewhere" / name)
    assert "none of its 3 images exists" in rejection(where)
    assert len(CocoDataset(where, images=tmp_path / "elsewhere")) == 3


def test_absolute_names_are_accepted_only_inside_the_folder(tmp_path: Path) -> None:
    inside = [image(10, str(tmp_path / "images" / "a.png")), image(20, "b.png")]
    where = write_coco(tmp_path, images=inside, image_files=["images/a.png", "images/b.png", "a.png"])
    dataset = CocoDataset(where, images=tmp_path / "images")
    assert dataset.annotations()["images"][0]["file_name"] == "a.png"
    outside = [image(10, str(tmp_path / "a.png")), image(20, "b.png")]
    assert "leads out" in rejection(write_coco(tmp_path, images=outside, image_files=None), images=tmp_path / "images")


def test_names_with_windows_separators_are_found(tmp_path: Path) -> None:
    where = write_coco(
        tmp_path, images=[image(10, "sub\\a.png"), image(20, "b.png")], image_files=["sub/a.png", "b.png"]
    )
    assert CocoDataset(where).annotations()["images"][0]["file_name"] == "sub/a.png"


@pytest.mark.parametrize("name", ["", ".", "a\0b", "x" * 5000, "\ud800.png", "http://x/a.png", "a.png/b"])
def test_any_odd_name_is_only_missing(tmp_path: Path, name: str) -> None:
    dataset = CocoDataset(write_coco(tmp_path, images=[*IMAGES, image(40, name)]))
    assert len(dataset) == 3
    assert "1 image is missing" in issue(dataset, "missing")


def test_names_in_any_script_or_with_invalid_utf8_are_read(tmp_path: Path) -> None:
    names = ["日本 \U0001f600.png", "line\nbreak.png", "\udcff\udcfe.png"]
    images = [image(10 * place, name) for place, name in enumerate(names, start=1)]
    dataset = CocoDataset(write_coco(tmp_path, images=images, image_files=names))
    assert all(isinstance(dataset.read(index), Frame) for index in range(3))


def test_annotations_are_kept_as_arrays(tmp_path: Path) -> None:
    rows = [
        annotation(n, 10, 2, [1, 2, 10, n / 10], segmentation=[[1.5] * 200], caption="x" * 100) for n in range(1, 200)
    ]
    tables = CocoDataset(write_coco(tmp_path, annotations=rows))._tables
    kept = [getattr(tables, name) for name in ("boxes_xyxy", "class_ids", "crowd", "areas")]
    assert sum(array.nbytes for array in kept) == 199 * (32 + 8 + 1 + 8)
    assert json.dumps(tables.names) == '["a.png", "b.png", "c.png"]'
