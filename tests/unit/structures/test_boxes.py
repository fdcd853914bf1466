"""Two notations of a box, the same box; and how far two boxes are the same."""

import pytest
import torch

from detcli.structures.boxes import (
    area,
    cxcywh_to_xyxy,
    giou,
    iou,
    iou_and_giou,
    pairwise_giou,
    pairwise_iou,
    xyxy_to_cxcywh,
)

UNIT = torch.tensor([0.0, 0.0, 2.0, 2.0])


def some_boxes(count: int, seed: int = 0) -> torch.Tensor:
    random = torch.rand(count, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return cxcywh_to_xyxy(random * torch.tensor([1.0, 1.0, 0.8, 0.8], dtype=torch.float64) + 0.05)


def test_there_and_back_is_the_same_box() -> None:
    boxes = torch.rand(5, 7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(xyxy_to_cxcywh(cxcywh_to_xyxy(boxes)), boxes, atol=1e-15)


def test_a_center_and_a_size_become_corners() -> None:
    assert cxcywh_to_xyxy(torch.tensor([10.0, 20.0, 4.0, 6.0])).tolist() == [8.0, 17.0, 12.0, 23.0]


@pytest.mark.parametrize(
    ("other", "overlap", "generalised"),
    [
        ((0.0, 0.0, 2.0, 2.0), 1.0, 1.0),
        ((1.0, 0.0, 3.0, 2.0), 1 / 3, 1 / 3),  # the hull is the union
        ((1.0, 1.0, 3.0, 3.0), 1 / 7, 1 / 7 - 2 / 9),
        ((2.0, 0.0, 4.0, 2.0), 0.0, 0.0),  # they touch
        ((6.0, 0.0, 8.0, 2.0), 0.0, -0.5),
    ],
)
def test_overlaps_of_two_squares(other: tuple[float, ...], overlap: float, generalised: float) -> None:
    box = torch.tensor(other)
    assert iou(UNIT, box).item() == pytest.approx(overlap)
    assert giou(UNIT, box).item() == pytest.approx(generalised)


def test_overlaps_are_the_same_from_both_sides_and_within_their_bounds() -> None:
    one, other = some_boxes(200), some_boxes(200, seed=1)
    overlap, generalised = iou_and_giou(one, other)
    assert torch.allclose(overlap, iou(other, one))
    assert torch.allclose(generalised, giou(other, one))
    assert ((overlap >= 0) & (overlap <= 1)).all()
    assert ((generalised >= -1) & (generalised <= overlap + 1e-12)).all()


def test_each_with_each_is_row_by_row_for_every_pair() -> None:
    ones, others = some_boxes(6).view(2, 3, 4), some_boxes(8, seed=1).view(2, 4, 4)
    assert pairwise_iou(ones, others).shape == (2, 3, 4)
    assert torch.equal(pairwise_iou(ones, others)[1, 2, 3], iou(ones[1, 2], others[1, 3]))
    assert torch.equal(pairwise_giou(ones, others)[0, 1, 2], giou(ones[0, 1], others[0, 2]))


def test_boxes_without_area_overlap_nothing_and_their_gradient_is_finite() -> None:
    point = torch.tensor([1.0, 1.0, 1.0, 1.0], requires_grad=True)
    overlap, generalised = iou_and_giou(point, point.detach())
    assert overlap.item() == generalised.item() == 0
    generalised.backward()
    assert point.grad is not None
    assert point.grad.isfinite().all()


def test_a_box_with_swapped_edges_has_no_area_and_no_overlap() -> None:
    turned = torch.tensor([1.5, 1.5, 0.5, 0.5])
    assert area(turned).item() == 0
    assert iou(turned, UNIT).item() == 0
    assert -1 <= giou(turned, UNIT).item() <= 0


def test_areas_are_width_times_height() -> None:
    assert area(torch.tensor([[1.0, 2.0, 4.0, 7.0], [0.0, 0.0, 0.5, 0.5]])).tolist() == [15.0, 0.25]
