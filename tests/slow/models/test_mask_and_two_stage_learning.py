"""A tiny DETR overfits masks, and a tiny two-stage Deformable DETR its boxes."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from detcli.models.detr.config import DetrConfig
from detcli.models.detr.criterion import criterion as detr_criterion
from detcli.models.detr.network import Detr
from detcli.structures.network_io import Targets
from tests.helpers.set_learning import LABELS, assert_deformable_detr_overfits, assert_known, backbone, learn, scene


def assert_drawn(logits: Tensor, queries: Sequence[int], target: Targets) -> None:
    """Check that mask logits [Q, h, w] of these queries of an image are the ground-truth masks."""
    assert target.masks is not None
    drawn = F.interpolate(logits[None, list(queries)], size=(96, 96), mode="bilinear")[0] > 0
    drawn = drawn[:, : target.masks.shape[1], : target.masks.shape[2]]
    shared, any_form = (drawn & target.masks).sum((1, 2)), (drawn | target.masks).sum((1, 2))
    assert (shared / any_form).min() > 0.6


def test_detr_overfits_boxes_and_masks() -> None:
    torch.manual_seed(0)
    config = DetrConfig(
        labels=LABELS,
        backbone=backbone(1, 2, 3, 4),
        has_masks=True,
        d_model=64,
        num_queries=8,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        dropout=0.0,
    )
    first, last, outputs = learn(Detr(config), detr_criterion(config), 160)
    assert last < first / 15
    assert outputs.masks is not None
    for place, target in enumerate(scene()[2]):
        chances = outputs.logits[place].softmax(-1)[:, :-1]
        queries = assert_known(chances, outputs.boxes_cxcywh[place], target)
        assert_drawn(outputs.masks[place], queries, target)


def test_two_stage_deformable_detr_overfits_boxes() -> None:
    assert_deformable_detr_overfits(two_stage=True)
