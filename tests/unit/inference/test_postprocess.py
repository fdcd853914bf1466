"""From logits to boxes in an image's own pixels."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from detcli.inference.postprocessing.array_postprocess import array_detections
from detcli.inference.postprocessing.selection import NotFiniteError, Selection
from detcli.inference.postprocessing.tensor_postprocess import rows_to_detections, select, without_padding
from detcli.runtimes.exported.array_io import ArrayOutputs
from detcli.structures.detections import Detections
from detcli.structures.network_io import Batch, Outputs


def to_detections(outputs: Outputs, sizes_hw: torch.Tensor, selection: Selection) -> list[Detections | NotFiniteError]:
    return rows_to_detections(select(outputs, selection), sizes_hw, selection)


def random_outputs(seed: int, batch: int = 2, queries: int = 30, classes: int = 5) -> Outputs:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, queries, classes, generator=generator) * 3
    return Outputs(logits, torch.rand(batch, queries, 4, generator=generator) * 1.2)


def single(outputs: Outputs, size_hw: tuple[int, int], selection: Selection) -> Detections:
    [found] = to_detections(outputs, torch.tensor([size_hw]), selection)
    assert isinstance(found, Detections)
    return found


def one_box(box: list[float], logit: float = 4.0) -> Outputs:
    return Outputs(torch.tensor([[[logit, -9.0]]]), torch.tensor([[box]]))


@pytest.mark.parametrize("seed", range(5))
def test_scores_labels_and_boxes_are_the_reference_processors(seed: int) -> None:
    processors = pytest.importorskip("transformers.models.rt_detr.image_processing_pil_rt_detr")
    modeling = pytest.importorskip("transformers.models.rt_detr.modeling_rt_detr")
    outputs = random_outputs(seed)
    sizes = torch.tensor([[480, 640], [1080, 1920]])
    expected = processors.RTDetrImageProcessorPil().post_process_object_detection(
        modeling.RTDetrObjectDetectionOutput(logits=outputs.logits, pred_boxes=outputs.boxes_cxcywh),
        threshold=0.3,
        target_sizes=sizes,
    )
    for found, wanted, (height, width) in zip(
        to_detections(outputs, sizes, Selection(0.3)), expected, sizes.tolist(), strict=True
    ):
        assert isinstance(found, Detections)
        limits = torch.tensor([width, height, width, height])
        clipped = wanted["boxes"].clamp(min=0).minimum(limits)
        keep = ((clipped[:, 2:] - clipped[:, :2]) > 0).all(1)
        assert np.array_equal(found.class_ids, wanted["labels"][keep].numpy())
        assert np.allclose(found.scores, wanted["scores"][keep].numpy(), atol=1e-6)
        assert np.allclose(found.boxes_xyxy, clipped[keep].numpy(), atol=1e-2)


@pytest.mark.parametrize("seed", range(5))
def test_softmax_scores_are_the_reference_processors_sorted(seed: int) -> None:
    processors = pytest.importorskip("transformers.models.detr.image_processing_pil_detr")
    modeling = pytest.importorskip("transformers.models.detr.modeling_detr")
    outputs = random_outputs(seed)
    sizes = torch.tensor([[480, 640], [1080, 1920]])
    expected = processors.DetrImageProcessorPil().post_process_object_detection(
        modeling.DetrObjectDetectionOutput(logits=outputs.logits, pred_boxes=outputs.boxes_cxcywh),
        threshold=0.3,
        target_sizes=sizes,
    )
    for found, wanted, (height, width) in zip(
        to_detections(outputs, sizes, Selection(0.3, scores="softmax")), expected, sizes.tolist(), strict=True
    ):
        assert isinstance(found, Detections)
        limits = torch.tensor([width, height, width, height])
        clipped = wanted["boxes"].clamp(min=0).minimum(limits)
        keep = ((clipped[:, 2:] - clipped[:, :2]) > 0).all(1)
        order = wanted["scores"][keep].argsort(descending=True)
        assert len(found) > 5
        assert np.array_equal(found.class_ids, wanted["labels"][keep][order].numpy())
        assert np.allclose(found.scores, wanted["scores"][keep][order].numpy(), atol=1e-6)
        assert np.allclose(found.boxes_xyxy, clipped[keep][order].numpy(), atol=1e-2)


def test_softmax_gives_each_query_one_class_and_never_the_last() -> None:
    outputs = random_outputs(4, batch=1)
    everything = single(outputs, (100, 100), Selection(0.0, scores="softmax"))
    assert len(everything) <= 30
    assert set(everything.class_ids.tolist()) <= set(range(4))
    assert (np.diff(everything.scores) <= 0).all()
    best = single(outputs, (100, 100), Selection(0.0, max_detections=7, scores="softmax"))
    assert np.array_equal(best.scores, everything.scores[: len(best)])


def test_a_softmax_score_is_its_share_of_the_row() -> None:
    outputs = Outputs(torch.tensor([[[1.0, 2.0, 3.0]]]), torch.tensor([[[0.5, 0.5, 0.2, 0.2]]]))
    found = single(outputs, (10, 10), Selection(0.0, scores="softmax"))
    assert found.class_ids.tolist() == [1]
    assert found.scores[0] == pytest.approx(np.exp(2) / (np.exp(1) + np.exp(2) + np.exp(3)), rel=1e-6)


def test_a_class_that_is_surely_absent_does_not_hide_the_others() -> None:
    outputs = Outputs(torch.tensor([[[-float("inf"), 2.0, 1.0]]]), torch.tensor([[[0.5, 0.5, 0.2, 0.2]]]))
    assert single(outputs, (10, 10), Selection(0.0, scores="softmax")).class_ids.tolist() == [1]


def test_the_best_come_first_and_never_more_than_queries_or_the_limit() -> None:
    outputs = random_outputs(1, batch=1)
    everything = single(outputs, (100, 100), Selection(0.0))
    assert len(everything) <= 30
    assert (np.diff(everything.scores) <= 0).all()
    assert len(single(outputs, (100, 100), Selection(0.0, max_detections=7))) <= 7
    assert len(single(outputs, (100, 100), Selection(0.0, max_detections=10**6))) == len(everything)


def test_a_class_filter_keeps_a_subset() -> None:
    outputs = random_outputs(2, batch=1)
    everything = single(outputs, (100, 100), Selection(0.97))
    some = single(outputs, (100, 100), Selection(0.97, class_ids=(1, 3)))
    assert len(everything) < 30  # the limit was not reached
    wanted = np.isin(everything.class_ids, (1, 3))
    assert wanted.any()
    assert np.array_equal(some.boxes_xyxy, everything.boxes_xyxy[wanted])
    assert np.array_equal(some.scores, everything.scores[wanted])


def test_a_score_equal_to_the_threshold_is_not_above_it() -> None:
    outputs = one_box([0.5, 0.5, 0.2, 0.2], logit=0.0)
    assert len(single(outputs, (10, 10), Selection(0.5))) == 0
    assert len(single(outputs, (10, 10), Selection(0.4999))) == 1


def test_boxes_are_clipped_to_the_image() -> None:
    found = single(one_box([0.0, 1.0, 0.5, 0.5]), (100, 200), Selection(0.5))
    assert found.boxes_xyxy.tolist() == [[0.0, 75.0, 50.0, 100.0]]


@pytest.mark.parametrize("box", [[1.5, 0.5, 0.2, 0.2], [0.5, 0.5, 0.0, 0.2], [0.5, 0.5, -0.3, 0.2]])
def test_boxes_that_are_empty_or_outside_are_dropped(box: list[float]) -> None:
    assert len(single(one_box(box), (100, 100), Selection(0.5))) == 0


@pytest.mark.parametrize("scores", ["sigmoid", "softmax"])
@pytest.mark.parametrize("threshold", [0.0, 0.3])
@pytest.mark.parametrize("limit", [1, 3, 30])
@pytest.mark.parametrize("class_ids", [(0,), (2, 1), (3, 3), (0, 1, 2, 3)])
def test_classes_are_selected_before_the_limit(
    scores: Any, threshold: float, limit: int, class_ids: tuple[int, ...]
) -> None:
    outputs = random_outputs(6, batch=1)
    limits = torch.tensor([100.0, 100.0] * 2)
    if scores == "softmax":
        classes = outputs.logits.shape[-1] - 1
        values, labels = outputs.logits[0].double().softmax(-1)[:, :-1].max(-1)
        pairs = [(float(values[query]), int(labels[query]), query) for query in range(30)]
    else:
        classes = outputs.logits.shape[-1]
        values = outputs.logits[0].double().sigmoid()
        pairs = [(float(values[query, label]), label, query) for query in range(30) for label in range(classes)]
    wanted = sorted((pair for pair in pairs if pair[1] in class_ids), reverse=True)[: min(limit, 30)]
    expected = []
    for score, label, query in wanted:
        x, y, w, h = outputs.boxes_cxcywh[0, query].double().tolist()
        box = torch.tensor([x - w / 2, y - h / 2, x + w / 2, y + h / 2]).clamp(min=0) * 100
        box = box.minimum(limits)
        if score > threshold and bool((box[2:] > box[:2]).all()):
            expected.append((round(score, 5), label))
    found = single(outputs, (100, 100), Selection(threshold, limit, class_ids, scores))
    assert [(round(float(s), 5), int(c)) for s, c in zip(found.scores, found.class_ids, strict=True)] == expected
    assert expected or limit == 1 or scores == "softmax"


@pytest.mark.parametrize("scores", ["sigmoid", "softmax"])
def test_a_rare_class_is_found_although_others_have_all_places(scores: Any) -> None:
    logits = torch.full((1, 30, 5), -8.0)
    logits[0, :, 0] = 3.0
    logits[0, 7] = torch.tensor([-8.0, -8.0, 1.0, -8.0, -8.0])
    outputs = Outputs(logits, torch.full((1, 30, 4), 0.5))
    assert single(outputs, (9, 9), Selection(0.3, 1, (2,), scores)).class_ids.tolist() == [2]
    assert single(outputs, (9, 9), Selection(0.0, 5, (2,), scores)).class_ids[0] == 2


@pytest.mark.parametrize("scores", ["sigmoid", "softmax"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_in_a_class_that_is_not_selected_is_an_error(scores: Any, value: float) -> None:
    outputs = random_outputs(3, batch=1)
    outputs.logits[0, 4, 0] = value
    [found] = to_detections(outputs, torch.tensor([[9, 9]]), Selection(0.3, 300, (1,), scores))
    assert isinstance(found, NotFiniteError)


@pytest.mark.parametrize("scores", ["sigmoid", "softmax"])
@pytest.mark.parametrize("poison", ["logits", "boxes"])
def test_nan_or_infinity_is_an_error_of_that_image_only(poison: str, scores: Any) -> None:
    outputs = random_outputs(3)
    (outputs.logits if poison == "logits" else outputs.boxes_cxcywh)[1].fill_(float("nan"))
    first, second = to_detections(outputs, torch.tensor([[9, 9], [9, 9]]), Selection(0.3, scores=scores))
    assert isinstance(first, Detections)
    assert isinstance(second, NotFiniteError)


def with_std(outputs: Outputs, seed: int = 9) -> Outputs:
    generator = torch.Generator().manual_seed(seed)
    return replace(outputs, box_std=torch.rand(outputs.boxes_cxcywh.shape, generator=generator) * 0.01)


@pytest.mark.parametrize("scores", ["sigmoid", "softmax"])
@pytest.mark.parametrize("class_ids", [None, (1, 3)])
def test_uncertainty_changes_no_box(scores: Any, class_ids: tuple[int, ...] | None) -> None:
    outputs, selection = random_outputs(3), Selection(0.2, 10, class_ids, scores)
    sizes = torch.tensor([[480, 640], [1080, 1920]])
    for found, plain in zip(
        to_detections(with_std(outputs), sizes, selection), to_detections(outputs, sizes, selection), strict=True
    ):
        assert isinstance(found, Detections)
        assert found.box_std is not None
        assert found.box_std.shape == (len(found), 4)
        assert replace(found, box_std=None) == plain


def test_each_box_has_its_own_uncertainty_in_pixels() -> None:
    inside = replace(one_box([0.5, 0.5, 0.2, 0.4]), box_std=torch.tensor([[[0.01, 0.02, 0.03, 0.04]]]))
    found = single(inside, (100, 200), Selection(0.5))
    assert found.box_std is not None
    np.testing.assert_allclose(found.box_std, [[2.0, 2.0, 6.0, 4.0]], rtol=1e-6)
    many = with_std(random_outputs(1, batch=1))
    found = single(many, (1000, 1000), Selection(0.3, 20))
    assert found.box_std is not None
    assert many.box_std is not None
    for box, std in zip(found.boxes_xyxy, found.box_std, strict=True):
        if box.min() > 100 and box.max() < 900:  # not near a border
            center = torch.tensor([(box[0] + box[2]) / 2000, (box[1] + box[3]) / 2000])
            query = int((many.boxes_cxcywh[0, :, :2] - center).abs().sum(-1).argmin())
            np.testing.assert_allclose(std, many.box_std[0, query] * 1000, rtol=1e-4)


def test_arrays_give_the_uncertainty_of_tensors() -> None:
    outputs, selection = with_std(random_outputs(5)), Selection(0.2, 10)
    sizes = torch.tensor([[480, 640], [1080, 1920]])
    assert outputs.box_std is not None
    arrays = ArrayOutputs(outputs.logits.numpy(), outputs.boxes_cxcywh.numpy(), box_std=outputs.box_std.numpy())
    assert array_detections(arrays, sizes.numpy(), selection) == to_detections(outputs, sizes, selection)


def test_padding_stretches_the_uncertainty_with_the_box() -> None:
    outputs = replace(one_box([0.25, 0.25, 0.2, 0.2]), box_std=torch.full((1, 1, 4), 0.01))
    resized = torch.tensor([[320, 640]])
    found = without_padding(outputs, Batch(torch.zeros(1, 3, 640, 640), None, resized, resized))
    assert found.box_std is not None
    torch.testing.assert_close(found.box_std, torch.tensor([[[0.01, 0.02, 0.01, 0.02]]]))


@pytest.mark.parametrize("class_thresholds", [(), ((0, None),)])
def test_a_score_that_is_written_like_its_threshold_is_not_above_it(class_thresholds: Any) -> None:
    """Whatever float32 made of it: about half of them are above the number that their text stands for."""
    for logit in np.linspace(-2, 3, 60):
        outputs = one_box([0.5, 0.5, 0.2, 0.2], float(logit))
        [score] = single(outputs, (100, 100), Selection(0.0)).scores
        written = float(str(score))
        own = ((0, written),) if class_thresholds else ()
        assert len(single(outputs, (100, 100), Selection(0.0 if own else written, class_thresholds=own))) == 0
        below = written - 1e-6
        own = ((0, below),) if class_thresholds else ()
        assert len(single(outputs, (100, 100), Selection(0.0 if own else below, class_thresholds=own))) == 1
