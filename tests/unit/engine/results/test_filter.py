"""Filters of stored results: each keeps what it says, in the order of the results."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detcli.engine.results.results_request import ResultsFilter
from detcli.errors import UnknownClassError, UsageError
from detcli.inference.postprocessing.non_maximum_suppression import suppress_duplicates
from detcli.structures.detections import Detections
from detcli.structures.json_records import Result
from detcli.structures.run_info import RunInfo
from tests.helpers.sink_fixtures import LABELS, frame_named, info, random_detections, random_segments, results
from tests.helpers.stored_results import content, rewrite, store

__all__ = ["info", "results"]

Keeps = Callable[[dict[str, Any]], bool]


def area(box: dict[str, Any]) -> float:
    return float(box["bbox"][2] * box["bbox"][3])


def center_x(box: dict[str, Any]) -> float:
    return float(box["bbox"][0] + box["bbox"][2] / 2)


def filtered(tmp_path: Path, info: RunInfo, listed: list[Result], **keep: Any) -> tuple[list[Any], list[Any]]:
    """The records before and after."""
    first = store(tmp_path / "a.jsonl", listed, info, "jsonl", header=True)
    rewrite([first], tmp_path / "b.jsonl", keep=ResultsFilter(**keep))
    before, after = (
        [json.loads(line) for line in path.read_bytes().splitlines()] for path in (first, tmp_path / "b.jsonl")
    )
    return before, after


@pytest.mark.parametrize(
    ("keep", "keeps"),
    [
        ({"threshold": 0.5}, lambda box: box["score"] > 0.5),
        ({"threshold": {"*": 0.3, "dog": 0.8}}, lambda box: box["score"] > (0.8 if box["label"] == "dog" else 0.3)),
        ({"threshold": {"cat": 0.9}}, lambda box: box["label"] != "cat" or box["score"] > 0.9),
        ({"classes": ["dog", "0"]}, lambda box: box["label"] in ("dog", "cat")),
        ({"min_area": 10_000}, lambda box: area(box) >= 10_000),
        ({"max_area": 10_000}, lambda box: area(box) <= 10_000),
        ({"region": (0, 0, 320, 480)}, lambda box: center_x(box) <= 320),
        (
            {"threshold": 0.2, "classes": ["traffic light"], "max_area": 50_000},
            lambda box: box["score"] > 0.2 and box["label"] == "traffic light" and area(box) <= 50_000,
        ),
    ],
)
def test_each_filter_keeps_what_it_says(keep: dict[str, Any], keeps: Keeps, tmp_path: Path, info: RunInfo) -> None:
    listed = [(frame_named(f"{i}.jpg", i), random_detections(i, 30)) for i in range(5)]
    before, after = filtered(tmp_path, info, listed, **keep)
    expected = [[box for box in record["detections"] if keeps(box)] for record in before[1:]]
    assert [record["detections"] for record in after[1:]] == expected
    assert 0 < sum(map(len, expected)) < 150


@pytest.mark.parametrize("agnostic", [False, True])
def test_overlapping_boxes_are_removed_as_in_a_run(agnostic: bool, tmp_path: Path, info: RunInfo) -> None:
    found = random_detections(4, 60)
    _, after = filtered(tmp_path, info, [(frame_named("a.jpg"), found)], nms=0.4, nms_agnostic=agnostic)
    kept = suppress_duplicates(found, 0.4, across_classes=agnostic)
    assert [box["score"] for box in after[1]["detections"]] == pytest.approx(kept.scores.tolist())
    assert len(kept) < 60


def test_the_best_are_kept_in_the_order_of_the_results(tmp_path: Path, info: RunInfo) -> None:
    found = random_detections(1, 9)[np.random.default_rng(0).permutation(9)]
    before, after = filtered(tmp_path, info, [(frame_named("a.jpg"), found)], max_detections=3)
    least = sorted(box["score"] for box in before[1]["detections"])[-3]
    assert after[1]["detections"] == [box for box in before[1]["detections"] if box["score"] >= least]


@pytest.mark.parametrize("only", ["with", "without"])
def test_images_with_and_without_detections(only: str, tmp_path: Path, info: RunInfo, results: list[Result]) -> None:
    before, after = filtered(tmp_path, info, results, only=only, classes=["dog"])
    names = {
        record["file"]
        for record in before[1:]
        if record["detections"] is not None
        and any(box["label"] == "dog" for box in record["detections"]) == (only == "with")
    }
    assert [record["file"] for record in after[1:]] == [r["file"] for r in before[1:] if r["file"] in names]
    assert [record["index"] for record in after[1:]] == [r["index"] for r in before[1:] if r["file"] in names]


def test_failed_images_and_provenance_stay(tmp_path: Path, info: RunInfo, results: list[Result]) -> None:
    before, after = filtered(tmp_path, info, results, threshold=0.5)
    assert [r["error"] for r in after[1:]] == [r["error"] for r in before[1:]]
    arguments = after[0]["detcli"]["arguments"]
    assert arguments == {"threshold": 0.5, "filtered": [{"threshold": 0.5}]}
    assert before[0]["detcli"]["model"] == after[0]["detcli"]["model"]


def test_a_lower_threshold_is_not_claimed(tmp_path: Path, info: RunInfo, results: list[Result]) -> None:
    _, after = filtered(tmp_path, info, results, threshold=0.1)
    assert after[0]["detcli"]["arguments"]["threshold"] == 0.4


def test_filtering_twice_changes_no_detections(tmp_path: Path, info: RunInfo) -> None:
    listed = [(frame_named(f"{i}.jpg", i), random_detections(i, 20)) for i in range(4)]
    keep = {"threshold": 0.3, "nms": 0.5, "max_detections": 4}
    first = store(tmp_path / "a.jsonl", listed, info, "jsonl")
    for source, target in (("a", "b"), ("b", "c")):
        rewrite([tmp_path / f"{source}.jsonl"], tmp_path / f"{target}.jsonl", keep=ResultsFilter(**keep))
    assert first.exists()
    assert content(tmp_path / "b.jsonl") == content(tmp_path / "c.jsonl")


def test_masks_tracks_and_uncertainty_go_with_their_boxes(tmp_path: Path, info: RunInfo) -> None:
    segments = random_segments(3, 5)
    found = replace(segments, track_ids=np.arange(1, 6), box_std=np.full((5, 4), 0.5))
    before, after = filtered(tmp_path, info, [(frame_named("a.jpg", size_hw=(48, 64)), found)], max_detections=2)
    kept = {box["track_id"]: box for box in before[1]["detections"]}
    assert len(after[1]["detections"]) == 2
    for number, box in enumerate(after[1]["detections"], 1):
        assert box == kept[box["track_id"]] | {"segment_id": number}


def test_ids_of_images_stay_in_coco(tmp_path: Path, info: RunInfo, results: list[Result]) -> None:
    first = store(tmp_path / "a.json", results, info, "coco")
    rewrite([first], tmp_path / "b.json", keep=ResultsFilter(only="with"))
    before, after = (json.loads(path.read_bytes()) for path in (first, tmp_path / "b.json"))
    ids = {image["file_name"]: image["id"] for image in before["images"]}
    assert {image["file_name"]: image["id"] for image in after["images"]}.items() <= ids.items()
    assert after["categories"] == before["categories"]


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ({}, "nothing is to be filtered"),
        ({"threshold": 1.5}, "threshold"),
        ({"min_area": 9, "max_area": 3}, "`min_area` is 9, which is above `max_area`, 3"),
        ({"region": (9, 0, 3, 8)}, "9,0,3,8 is empty"),
        ({"region": (1, 2)}, "four numbers"),
        ({"nms_agnostic": True}, "`nms_agnostic` needs `nms`"),
        ({"only": "some"}, "`only` must be"),
    ],
)
def test_filters_that_make_no_sense_are_refused(keep: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ResultsFilter(**keep)


def test_a_class_that_the_results_do_not_have_is_refused(tmp_path: Path, info: RunInfo) -> None:
    all_classes = Detections(np.array([[1, 2, 3, 4]] * 3), np.array([0.9] * 3), np.arange(3))
    with pytest.raises(UnknownClassError, match="no class 'dgo': did you mean 'dog'"):
        filtered(tmp_path, info, [(frame_named("a.jpg"), all_classes)], classes=["dgo"])
    assert not (tmp_path / "b.jsonl").exists()
    assert LABELS.names[1] == "dog"
