"""What is kept of the predictions: thresholds of classes, no duplicates, then the maximum number; in torch and in numpy."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from detcli.inference.postprocessing.array_postprocess import array_detections
from detcli.inference.postprocessing.non_maximum_suppression import suppress_duplicates
from detcli.inference.postprocessing.selection import NotFiniteError, Selection
from detcli.inference.postprocessing.tensor_postprocess import rows_to_detections, select
from detcli.runtimes.exported.array_io import ArrayOutputs
from detcli.structures.detections import Detections
from detcli.structures.network_io import Outputs

SIZE_HW = (200, 300)
QUERIES, CLASSES = 40, 5


def predictions(seed: int, columns: int = CLASSES) -> Outputs:
    """Queries in groups of almost equal boxes, as a detector that returns an object several times gives them."""
    generator = torch.Generator().manual_seed(seed)
    groups = torch.rand(QUERIES // 4, 4, generator=generator) * 0.5 + 0.2
    boxes = groups.repeat_interleave(4, 0) + torch.randn(QUERIES, 4, generator=generator) * 0.02
    logits = torch.randn(QUERIES, columns, generator=generator) * 2 - 1
    return Outputs(logits[None], boxes[None])


def kept(outputs: Outputs, selection: Selection) -> Detections:
    """The detections of torch, which numpy must give too."""
    sizes = torch.tensor([SIZE_HW])
    [found] = rows_to_detections(select(outputs, selection), sizes, selection)
    arrays = ArrayOutputs(outputs.logits.numpy(), outputs.boxes_cxcywh.numpy())
    [same] = array_detections(arrays, sizes.numpy(), selection)
    assert isinstance(found, Detections)
    assert isinstance(same, Detections)
    np.testing.assert_allclose(found.boxes_xyxy, same.boxes_xyxy, atol=1e-3)
    np.testing.assert_allclose(found.scores, same.scores, atol=1e-6)
    assert found.class_ids.tolist() == same.class_ids.tolist()
    return found


def everything(outputs: Outputs, scores: Any) -> Detections:
    """Each class of each query for sigmoid, the best one for softmax."""
    if scores == "softmax":
        return kept(outputs, Selection(0.0, 10**6, scores="softmax"))
    wide = Outputs(outputs.logits.transpose(1, 2).reshape(1, -1, 1), outputs.boxes_cxcywh.repeat(1, CLASSES, 1))
    found = kept(wide, Selection(0.0, 10**6))
    ids = np.repeat(np.arange(CLASSES), QUERIES)
    order = torch.argsort(wide.logits.flatten(), descending=True, stable=True).numpy()
    assert len(found) == len(order)
    return replace(found, class_ids=ids[order])


def expected(every: Detections, selection: Selection) -> Detections:
    """The documented order, one step after the other: classes, thresholds, duplicates, maximum number."""
    chosen = every
    if selection.class_ids is not None:
        chosen = chosen[np.isin(chosen.class_ids, selection.class_ids)]
    of_classes = dict(selection.class_thresholds)
    least = np.array([of_classes.get(int(class_id), selection.threshold) for class_id in chosen.class_ids])
    chosen = chosen[chosen.scores > least][:QUERIES]  # as many candidates as queries
    if selection.nms is not None:
        chosen = suppress_duplicates(chosen, selection.nms, across_classes=selection.nms_agnostic)
    return chosen[: selection.max_detections]


@pytest.mark.parametrize("scores", ["sigmoid", "softmax"])
@pytest.mark.parametrize("limit", [1, 4, 300])
@pytest.mark.parametrize("class_ids", [None, (0, 2, 4)])
@pytest.mark.parametrize("class_thresholds", [(), ((0, 0.1), (2, 0.9)), ((1, 0.0), (4, 1.0))])
@pytest.mark.parametrize(("nms", "agnostic"), [(None, False), (0.6, False), (0.6, True)])
def test_classes_thresholds_duplicates_and_limit_in_this_order(
    scores: Any, limit: int, class_ids: Any, class_thresholds: Any, nms: float | None, agnostic: bool
) -> None:
    for seed in range(3):
        outputs = predictions(seed, CLASSES + (scores == "softmax"))  # softmax: the last column is "no object"
        selection = Selection(0.45, limit, class_ids, scores, class_thresholds, nms, agnostic)
        found, wanted = kept(outputs, selection), expected(everything(outputs, scores), selection)
        assert found.class_ids.tolist() == wanted.class_ids.tolist()
        np.testing.assert_allclose(found.boxes_xyxy, wanted.boxes_xyxy, atol=1e-3)


def test_what_is_below_the_threshold_of_its_class_takes_no_place() -> None:
    logits = torch.tensor([[[3.0, -2.0], [2.9, -2.1], [2.8, -2.2]]])  # class 0 has all the best scores
    boxes = torch.tensor([[[0.2, 0.5, 0.1, 0.1], [0.5, 0.5, 0.1, 0.1], [0.8, 0.5, 0.1, 0.1]]])
    selection = Selection(0.99, class_thresholds=((1, 0.05),))
    assert kept(Outputs(logits, boxes), selection).class_ids.tolist() == [1, 1, 1]
    assert len(kept(Outputs(logits, boxes), replace(selection, max_detections=2))) == 2


def test_a_score_equal_to_the_threshold_of_its_class_is_not_above_it() -> None:
    outputs = Outputs(torch.tensor([[[0.0, 0.0]]]), torch.tensor([[[0.5, 0.5, 0.2, 0.2]]]))
    assert kept(outputs, Selection(0.5, class_thresholds=((0, 0.4999),))).class_ids.tolist() == [0]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("agnostic", [False, True])
@pytest.mark.parametrize("class_thresholds", [(), ((0, 0.2), (2, 0.8))])
@pytest.mark.parametrize("limit", [3, 300])
def test_weak_boxes_change_no_box_above_its_threshold(
    seed: int, agnostic: bool, class_thresholds: Any, limit: int
) -> None:
    selection = Selection(0.5, limit, class_thresholds=class_thresholds, nms=0.5, nms_agnostic=agnostic)
    outputs = predictions(seed)
    outputs.logits.sub_(2.5)  # fewer candidates than queries
    alone, both = kept(outputs, selection), kept(outputs, replace(selection, weak_threshold=0.1))
    of_classes = dict(class_thresholds)
    least = np.array([of_classes.get(int(class_id), 0.5) for class_id in both.class_ids])
    assert both[both.scores > least] == alone
    assert (both.scores > 0.1).all()
    assert limit == 3 or len(both) > len(alone)


@pytest.mark.parametrize("selection", [Selection(0.4, nms=0.7), Selection(0.4, class_thresholds=((1, 0.2),))])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_outputs_that_are_no_numbers_are_still_an_error(selection: Selection, number: float) -> None:
    outputs = predictions(0)
    outputs.logits[0, 3, 2] = number
    sizes = torch.tensor([SIZE_HW])
    assert isinstance(rows_to_detections(select(outputs, selection), sizes, selection)[0], NotFiniteError)
    arrays = ArrayOutputs(outputs.logits.numpy(), outputs.boxes_cxcywh.numpy())
    assert isinstance(array_detections(arrays, sizes.numpy(), selection)[0], NotFiniteError)


@pytest.mark.parametrize("selection", [Selection(0.2, nms=0.6), Selection(0.2, nms=0.6, nms_agnostic=True)])
def test_an_image_gives_the_same_alone_and_in_a_batch(selection: Selection) -> None:
    alone = [predictions(seed) for seed in range(3)]
    batch = Outputs(torch.cat([one.logits for one in alone]), torch.cat([one.boxes_cxcywh for one in alone]))
    together = rows_to_detections(select(batch, selection), torch.tensor([SIZE_HW] * 3), selection)
    assert together == [kept(one, selection) for one in alone]
