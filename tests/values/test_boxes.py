"""Two notations of a box, the same box."""

import torch

from detcli.values.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh


def test_there_and_back_is_the_same_box() -> None:
    boxes = torch.rand(5, 7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(xyxy_to_cxcywh(cxcywh_to_xyxy(boxes)), boxes, atol=1e-15)


def test_a_centre_and_a_size_become_corners() -> None:
    assert cxcywh_to_xyxy(torch.tensor([10.0, 20.0, 4.0, 6.0])).tolist() == [8.0, 17.0, 12.0, 23.0]
