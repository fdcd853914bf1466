"""AP of weighted images, from the matches of each image, against COCO's evaluation of the same images."""

from typing import Any

import numpy as np
import pytest

from detcli.evaluation.analysis.average_precision import average_precisions
from detcli.evaluation.analysis.class_matches import match_classes
from detcli.evaluation.coco_library import IouType
from detcli.evaluation.coco_metrics import evaluate_coco
from tests.helpers.evaluation_scenes import random_data
from tests.helpers.mask_scenes import random_data as random_masks

Json = dict[str, Any]


def own_values(document: Json, results: list[Json], weights: list[float], iou_type: IouType = "bbox") -> dict[int, Any]:
    """AP at the ten IoUs by category id; `weights` by position of the image."""
    ids = sorted(image["id"] for image in document["images"])
    by_id = dict(zip((image["id"] for image in document["images"]), weights, strict=True))
    matches = match_classes(document, results, iou_type=iou_type)
    row = np.array([[by_id[image_id] for image_id in ids]])
    return {int(matches.category_ids[index]): ap[0] for index, ap in average_precisions(matches, row)}


def coco_values(document: Json, results: list[Json], iou_type: IouType = "bbox") -> dict[int, Any]:
    metrics = evaluate_coco(document, results, iou_type=iou_type, by="pycocotools")
    return {
        each.category_id: each.precision.mean(axis=1) for each in metrics.classes if not np.isnan(each.precision).any()
    }


def without_ties(results: list[Json]) -> list[Json]:
    """The results with scores that all differ: of equal ones, copies of an image give another order."""
    return [{**entry, "score": entry["score"] + 1e-6 * number} for number, entry in enumerate(results)]


def copied(document: Json, results: list[Json], counts: list[int]) -> tuple[Json, list[Json]]:
    """Each image as often as its count says, under new ids in the order of the old ones, by which equal scores are sorted."""
    images: list[Json] = []
    annotations: list[Json] = []
    found: list[Json] = []
    counted = sorted(zip(document["images"], counts, strict=True), key=lambda pair: pair[0]["id"])
    for image, count in counted:
        for _ in range(count):
            new = len(images) + 1
            images.append({**image, "id": new})
            annotations += [
                {**entry, "image_id": new, "id": len(annotations) + offset}
                for offset, entry in enumerate(
                    (one for one in document["annotations"] if one["image_id"] == image["id"]), 1
                )
            ]
            found += [{**entry, "image_id": new} for entry in results if entry["image_id"] == image["id"]]
    return {**document, "images": images, "annotations": annotations}, found


@pytest.mark.parametrize("seed", range(6))
def test_with_equal_weights_it_is_the_ap_of_coco(seed: int) -> None:
    document, results = random_data(seed, images=25, classes=[7, 3, 20, 2, 5, 1 + 1][seed])
    expected = coco_values(document, results)
    found = own_values(document, results, [1.0] * 25)
    assert found.keys() == expected.keys()
    for category, values in expected.items():
        np.testing.assert_allclose(found[category], values, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_with_equal_weights_it_is_the_ap_of_coco_for_masks(seed: int) -> None:
    document, results = random_masks(seed)
    expected = coco_values(document, results, "segm")
    found = own_values(document, results, [1.0] * 6, "segm")
    assert found.keys() == expected.keys()
    for category, values in expected.items():
        np.testing.assert_allclose(found[category], values, atol=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_a_weight_counts_as_that_many_copies_of_the_image(seed: int) -> None:
    document, results = random_data(seed, images=12, classes=4)
    results = without_ties(results)
    counts = np.random.default_rng(seed).integers(0, 4, 12).tolist()
    expected = coco_values(*copied(document, results, counts))
    found = own_values(document, results, counts)
    known = {category: values for category, values in found.items() if not np.isnan(values).any()}
    assert known.keys() == expected.keys()
    for category, values in expected.items():
        np.testing.assert_allclose(known[category], values, atol=1e-12)


def test_classes_without_ground_truth_in_the_weighted_images_are_nan() -> None:
    document, results = random_data(3, images=10, classes=4)
    empty = [image["id"] for image in document["images"]]
    weights = [0.0] * len(empty)
    assert all(np.isnan(values).all() for values in own_values(document, results, weights).values())


def test_nothing_found_is_an_ap_of_zero_and_no_images_no_class() -> None:
    document, _ = random_data(3, images=10, classes=4)
    assert all((values == 0).all() for values in own_values(document, [], [1.0] * 10).values())
    nothing = {**document, "images": [], "annotations": []}
    assert own_values(nothing, [], []) == {}
