"""AP of small, medium and large images, and the objects of each size."""

from typing import Any

import pytest

from detcli.evaluation.analysis.class_matches import match_classes
from detcli.evaluation.analysis.size_metrics import image_sizes, object_sizes
from detcli.evaluation.coco_metrics import evaluate_coco
from tests.helpers.evaluation_scenes import random_data

Json = dict[str, Any]


def sized(document: Json, sizes: list[tuple[int, int]]) -> Json:
    images = [
        {**image, "width": sizes[index % len(sizes)][0], "height": sizes[index % len(sizes)][1]}
        for index, image in enumerate(document["images"])
    ]
    return {**document, "images": images}


@pytest.mark.parametrize(
    ("sizes", "names"),
    [
        ([(700, 700)], ["all"]),
        ([(700, 700), (900, 900)], ["small", "large"]),
        ([(700, 700), (800, 700), (900, 900), (1000, 900), (1600, 1200), (3000, 2000)], ["small", "medium", "large"]),
    ],
)
def test_each_group_has_the_ap_of_its_images(sizes: list[tuple[int, int]], names: list[str]) -> None:
    document, results = random_data(2, images=30, classes=3)
    document = sized(document, sizes)
    groups = image_sizes(document, match_classes(document, results))
    assert [group.name for group in groups] == names
    assert sum(group.images or 0 for group in groups) == 30
    for group in groups:
        images = [one for one in document["images"] if group.low <= one["width"] * one["height"] <= group.high]
        ids = {one["id"] for one in images}
        alone = {
            **document,
            "images": images,
            "annotations": [one for one in document["annotations"] if one["image_id"] in ids],
        }
        metrics = evaluate_coco(alone, [one for one in results if one["image_id"] in ids], by="pycocotools")
        assert len(images) == group.images
        assert dict(group.metrics) == pytest.approx({name: metrics.by_name[name] for name in ("AP", "AP50", "AP75")})


def test_images_without_a_size_are_in_no_group() -> None:
    document, results = random_data(2, images=4, classes=2)
    unknown = {**document, "images": [{"id": one["id"], "file_name": one["file_name"]} for one in document["images"]]}
    assert image_sizes(unknown, match_classes(unknown, results)) == ()


def test_objects_are_counted_in_the_sizes_of_coco() -> None:
    document, results = random_data(5, images=30, classes=3)
    groups = object_sizes(document, evaluate_coco(document, results))
    single = [one["area"] for one in document["annotations"] if not one["iscrowd"]]
    assert [group.ground_truth for group in groups] == [
        sum(area < 1024 for area in single),
        sum(1024 <= area <= 9216 for area in single),
        sum(area > 9216 for area in single),
    ]
    metrics = evaluate_coco(document, results).by_name
    assert groups[1].to_dict() == {
        "name": "medium", "pixels": [1024.0, 9216.0], "ground_truth": groups[1].ground_truth,
        "AP": metrics["APm"], "AR": metrics["ARm"],
    }  # fmt: skip
