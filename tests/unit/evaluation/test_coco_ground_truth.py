"""Annotations that would make metrics wrong are refused, and invalid entries are named."""

import json
from pathlib import Path
from typing import Any

import pytest

from detcli.errors import DataError, InputError, UsageError
from detcli.evaluation.coco_ground_truth import read_ground_truth


def annotations(count: int = 3) -> dict[str, Any]:
    return {
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 64, "height": 48} for i in range(count)],
        "annotations": [
            {"id": i + 1, "image_id": i, "category_id": 7, "bbox": [1, 2, 3, 4], "area": 12, "iscrowd": 0}
            for i in range(count)
        ],
        "categories": [{"id": 7, "name": "cat"}, {"id": 9, "name": "dog"}],
    }


def written(folder: Path, document: Any) -> Path:
    path = folder / "gt.json"
    path.write_text(json.dumps(document))
    return path


def test_valid_annotations_have_names_and_sizes(tmp_path: Path) -> None:
    document = annotations()
    document["images"][0]["file_name"] = "sub\\0.jpg"
    truth = read_ground_truth(written(tmp_path, document))
    assert truth.categories == {7: "cat", 9: "dog"}
    assert truth.sizes() == {"sub/0.jpg": (48, 64), "1.jpg": (48, 64), "2.jpg": (48, 64)}
    assert truth.notes == ()


@pytest.mark.parametrize(
    ("section", "number", "change", "said"),
    [
        ("images", 1, {"id": "1"}, "image 1: id is the text '1'"),
        ("images", 1, {"id": 0}, "image 1: another entry has the id 0"),
        ("images", 1, {"file_name": None}, "image 1: file_name is missing"),
        ("categories", 1, {"id": 7}, "category 1: another entry has the id 7"),
        ("categories", 0, {"name": 3.5}, "category 0: name is 3.5, not a text in quotes"),
        ("annotations", 2, {"image_id": 12}, "annotation 2: image_id 12 is not in 'images'"),
        ("annotations", 2, {"image_id": "2"}, "annotation 2: image_id is the text '2'"),
        ("annotations", 2, {"category_id": 8}, "annotation 2: category_id 8 is not in 'categories'"),
        ("annotations", 2, {"bbox": None}, "annotation 2: bbox is missing"),
        ("annotations", 2, {"bbox": [1, 2, -3, 4]}, "annotation 2: the box at 1, 2 has the width -3"),
        ("annotations", 2, {"iscrowd": 3}, "annotation 2: iscrowd must be 0 or 1, not 3"),
    ],
)
def test_an_invalid_entry_is_named(
    section: str, number: int, change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    document = annotations()
    document[section][number] |= change
    with pytest.raises(DataError, match=f"1 entry is invalid: {said}"):
        read_ground_truth(written(tmp_path, document))


@pytest.mark.parametrize("key", ["score", "confidence"])
def test_detections_are_refused_as_ground_truth(key: str, tmp_path: Path) -> None:
    document = annotations()
    document["annotations"][1][key] = 0.9
    with pytest.raises(
        DataError, match="cannot be used as ground truth: 1 of its 3 annotations has a score, as detections"
    ):
        read_ground_truth(written(tmp_path, document))
    document["annotations"][1][key] = None
    assert len(read_ground_truth(written(tmp_path, document)).annotations["annotations"]) == 3


def test_the_first_ten_invalid_entries_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    document = annotations(30)
    for entry in document["annotations"][:25]:
        entry["category_id"] = 99
    with pytest.raises(DataError) as caught:
        read_ground_truth(written(tmp_path, document))
    message = str(caught.value)
    assert "25 entries are invalid" in message
    assert message.count("category_id 99") == 10
    assert message.endswith("; and 15 more")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([1], "holds no COCO annotations"),
        ({"images": [], "annotations": [], "categories": []}, "has no images"),
        (annotations() | {"categories": []}, "has no categories"),
        (annotations() | {"annotations": []}, "has no annotations to evaluate against"),
        (
            annotations() | {"annotations": [one | {"iscrowd": 1} for one in annotations()["annotations"]]},
            r"has only crowds \(iscrowd 1\)",
        ),
    ],
)
def test_annotations_without_content_are_rejected(document: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        read_ground_truth(written(tmp_path, document))


def test_missing_files_and_invalid_json_are_reported(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read the annotations '.*gone.json': no such file"):
        read_ground_truth(tmp_path / "gone.json")
    (tmp_path / "gt.json").write_text("{")
    with pytest.raises(InputError, match="are not JSON"):
        read_ground_truth(tmp_path / "gt.json")


@pytest.mark.parametrize("area", ["big", 0, -3, True, float("nan")])
def test_an_invalid_area_is_reported_and_that_of_the_box(area: Any, tmp_path: Path) -> None:
    document = annotations()
    document["annotations"][2]["area"] = area
    truth = read_ground_truth(written(tmp_path, document))
    assert truth.annotations["annotations"][2]["area"] == 12
    assert truth.notes == ("1 annotation has an area that is not a positive number: the area of the box counts",)


@pytest.mark.parametrize("masks", [True, False])
def test_duplicate_annotations_are_counted_and_kept(masks: bool, tmp_path: Path) -> None:
    document = annotations()
    polygons = [[[1, 2, 4, 2, 4, 6]], [[1, 2, 4, 6, 1, 6]]]
    for entry in document["annotations"]:
        entry["segmentation"] = polygons[0]
    document["annotations"] += [entry | {"id": entry["id"] + 10} for entry in document["annotations"]]
    document["annotations"].append(document["annotations"][0] | {"id": 99, "segmentation": polygons[1]})
    truth = read_ground_truth(written(tmp_path, document), masks=masks)
    assert len(truth.annotations["annotations"]) == 7
    count = 3 if masks else 4
    assert truth.notes == (
        f"{count} annotations are duplicates of another one, of the same image and category: each is evaluated "
        "separately, which lowers AP",
    )


def test_annotations_that_share_an_id_are_counted(tmp_path: Path) -> None:
    document = annotations()
    for entry in document["annotations"]:
        entry["id"] = 5
    (note,) = read_ground_truth(written(tmp_path, document)).notes
    assert note.startswith("2 annotations share their id with another one")
