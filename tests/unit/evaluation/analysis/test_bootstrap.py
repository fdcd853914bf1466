"""Confidence intervals of AP over images."""

import numpy as np
import pytest

from detcli.evaluation.analysis.bootstrap import LEVEL, bootstrap_intervals, image_weights
from detcli.evaluation.analysis.class_matches import match_classes
from detcli.evaluation.coco_metrics import evaluate_coco
from tests.helpers.evaluation_scenes import random_data, scene
from tests.unit.evaluation.analysis.test_class_matches import copied, without_ties


def test_each_sample_has_as_many_images_and_every_call_the_same_ones() -> None:
    weights = image_weights(40, 300)
    assert (weights.sum(axis=1) == 40).all()
    assert (weights == image_weights(40, 300)).all()
    assert len(np.unique(weights, axis=0)) == 300
    assert weights.mean(axis=0) == pytest.approx(np.ones(40), abs=0.3)


def test_intervals_are_the_quantiles_of_ap_of_the_drawn_images() -> None:
    document, results = random_data(4, images=12, classes=3)
    results, samples = without_ties(results), 15
    found = bootstrap_intervals(match_classes(document, results), samples)
    assert found is not None
    order = np.argsort([image["id"] for image in document["images"]])  # weights are by ascending id
    rows = np.empty((samples, 12), int)
    rows[:, order] = image_weights(12, samples).astype(int)
    drawn = [evaluate_coco(*copied(document, results, row.tolist()), by="pycocotools") for row in rows]
    for name, interval in found.metrics.items():
        values = [metrics.by_name[name] for metrics in drawn]
        assert interval is not None
        expected = np.quantile([value for value in values if value is not None], [0.025, 0.975])
        assert interval.to_json() == pytest.approx(expected.tolist(), abs=1e-9)
    for category, interval in found.classes.items():
        aps = [one.ap for metrics in drawn for one in metrics.classes if one.category_id == category]
        known = [ap for ap in aps if ap is not None]
        assert interval is not None
        assert interval.to_json() == pytest.approx(np.quantile(known, [0.025, 0.975]).tolist(), abs=1e-9)


def test_the_interval_has_ap_inside_and_narrows_with_images() -> None:
    widths = []
    for images in (30, 480):
        document, results = scene(["cat", "dog"], images=images)
        ap = evaluate_coco(document, results).ap
        interval = bootstrap_intervals(match_classes(document, results), 300).metrics["AP"]  # type: ignore[union-attr]
        assert interval is not None
        assert interval.low < ap < interval.high
        widths.append(interval.high - interval.low)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.5)  # the square root of 16


def test_images_that_are_all_alike_have_no_spread() -> None:
    document, results = scene(["cat", "dog"], images=1, seed=3)
    document, results = copied(document, results, [20])
    interval = bootstrap_intervals(match_classes(document, results), 50).metrics["AP"]  # type: ignore[union-attr]
    assert interval is not None
    assert interval.low == interval.high == pytest.approx(evaluate_coco(document, results).ap)


def test_one_image_has_no_interval() -> None:
    document, results = scene(["cat", "dog"], images=1, seed=3)
    assert bootstrap_intervals(match_classes(document, results), 50) is None
    two = copied(document, results, [2])
    assert bootstrap_intervals(match_classes(*two), 50) is not None


def test_without_images_or_ground_truth_there_is_no_interval() -> None:
    document, results = random_data(1, images=3, classes=2)
    assert bootstrap_intervals(match_classes({**document, "images": [], "annotations": []}, []), 10) is None
    empty = bootstrap_intervals(match_classes({**document, "annotations": []}, results), 10)
    assert empty is not None
    assert empty.to_dict() == {"level": LEVEL, "samples": 10, "seed": 0, "AP": None, "AP50": None, "AP75": None}
