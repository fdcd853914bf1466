"""Non-maximum suppression: the greedy rule, whatever the order, the ties and the number of boxes."""

import numpy as np
import pytest

from detcli.inference.postprocessing import non_maximum_suppression
from detcli.inference.postprocessing.non_maximum_suppression import suppress_duplicates
from detcli.structures.detections import Detections
from detcli.structures.masks import Rle
from detcli.tracking.box_iou import pairwise_iou

CASES = [(seed, across) for seed in range(6) for across in (False, True)]


def crowded(seed: int, count: int = 120, classes: int = 3) -> Detections:
    """Many overlapping boxes, with few different scores: ties of every kind, and a few identical boxes."""
    random = np.random.default_rng(seed)
    corner, size = random.integers(0, 60, (count, 2)), random.integers(10, 40, (count, 2))
    boxes = np.concatenate((corner, corner + size), axis=1).astype(np.float64)
    boxes[-5:] = boxes[:5]
    scores = random.integers(1, 12, count) / np.float32(12)
    return Detections(boxes, scores, random.integers(0, classes, count))


def greedy(detections: Detections, iou: float, *, across: bool) -> set[tuple[float, ...]]:
    """The rule in plain words: the best box first, and none that overlaps one that was taken."""
    rows = [
        (-score, class_id, *box)
        for score, class_id, box in zip(
            detections.scores.tolist(), detections.class_ids.tolist(), detections.boxes_xyxy.tolist(), strict=True
        )
    ]
    taken: list[tuple[float, ...]] = []
    for row in sorted(rows):
        rivals = np.array([one[2:] for one in taken if across or one[1] == row[1]]).reshape(-1, 4)
        if not (pairwise_iou(np.array([row[2:]]), rivals) > iou).any():
            taken.append(row)
    return set(taken)


def as_set(detections: Detections) -> set[tuple[float, ...]]:
    return {
        (-score, class_id, *box)
        for score, class_id, box in zip(
            detections.scores.tolist(), detections.class_ids.tolist(), detections.boxes_xyxy.tolist(), strict=True
        )
    }


@pytest.mark.parametrize("iou", [0.05, 0.3, 0.5, 0.7, 0.95])
@pytest.mark.parametrize(("seed", "across"), CASES)
def test_the_best_box_of_overlapping_ones_is_kept(seed: int, across: bool, iou: float) -> None:
    detections = crowded(seed)
    found = suppress_duplicates(detections, iou, across_classes=across)
    assert as_set(found) == greedy(detections, iou, across=across)
    assert len(found) == len(as_set(found)), "of identical boxes one is kept"


@pytest.mark.parametrize(("seed", "across"), CASES)
def test_again_it_changes_nothing(seed: int, across: bool) -> None:
    once = suppress_duplicates(crowded(seed), 0.5, across_classes=across)
    assert suppress_duplicates(once, 0.5, across_classes=across) == once


@pytest.mark.parametrize(("seed", "across"), CASES)
def test_the_order_of_the_boxes_does_not_matter(seed: int, across: bool) -> None:
    detections = crowded(seed)
    shuffled = detections[np.random.default_rng(seed + 100).permutation(len(detections))]
    found = suppress_duplicates(shuffled, 0.5, across_classes=across)
    assert as_set(found) == as_set(suppress_duplicates(detections, 0.5, across_classes=across))
    kept = as_set(found)
    order = [row for row in map(tuple, _rows(shuffled)) if row in kept]
    assert list(dict.fromkeys(order)) == [tuple(row) for row in _rows(found)], "they stay in their order"


@pytest.mark.parametrize("pairs", [1, 50, 1000])
@pytest.mark.parametrize(("seed", "across"), CASES[:4])
def test_blocks_of_any_size_give_the_same(seed: int, across: bool, pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = suppress_duplicates(crowded(seed), 0.4, across_classes=across)
    monkeypatch.setattr(non_maximum_suppression, "_MAX_PAIRS", pairs)
    assert suppress_duplicates(crowded(seed), 0.4, across_classes=across) == whole


@pytest.mark.parametrize("seed", range(4))
def test_opencv_keeps_the_same_boxes(seed: int) -> None:
    cv2 = pytest.importorskip("cv2")
    random = np.random.default_rng(seed)
    detections = crowded(seed)
    scores = random.permutation(len(detections)).astype(np.float32) / len(
        detections
    )  # no ties: there it has another rule
    detections = Detections(detections.boxes_xyxy, scores, detections.class_ids)
    corner, far = np.split(detections.boxes_xyxy, 2, axis=1)
    boxes = np.concatenate((corner, far - corner), axis=1).tolist()
    kept = cv2.dnn.NMSBoxesBatched(boxes, scores.tolist(), detections.class_ids.tolist(), -1.0, 0.45)
    assert as_set(suppress_duplicates(detections, 0.45)) == as_set(detections[np.sort(kept)])


def test_no_box_and_one_box_stay() -> None:
    assert len(suppress_duplicates(Detections.empty(), 0.5)) == 0
    assert len(suppress_duplicates(crowded(0)[:1], 0.5)) == 1


def test_an_overlap_of_exactly_the_limit_is_no_duplicate() -> None:
    halves = Detections([[0, 0, 10, 10], [0, 0, 10, 5]], [0.9, 0.8], [0, 0])  # type: ignore[arg-type]
    assert len(suppress_duplicates(halves, 0.5)) == 2
    assert len(suppress_duplicates(halves, 0.4999)) == 1


def test_masks_and_track_ids_follow_their_boxes() -> None:
    masks = tuple(Rle.of(np.eye(4, k=k, dtype=bool)) for k in range(3))
    three = Detections(
        [[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 9]],
        [0.7, 0.8, 0.9],
        [1, 1, 1],
        masks=masks,
        track_ids=[5, 6, 7],  # type: ignore[arg-type]
    )
    found = suppress_duplicates(three, 0.5)
    assert found.masks == masks[1:]
    assert found.track_ids is not None
    assert found.track_ids.tolist() == [6, 7]


def _rows(detections: Detections) -> list[list[float]]:
    return [
        [-score, class_id, *box]
        for score, class_id, box in zip(
            detections.scores.tolist(), detections.class_ids.tolist(), detections.boxes_xyxy.tolist(), strict=True
        )
    ]
