"""A padded batch of images, and tiny networks that learn it by heart: losses, gradients and networks fit together."""

import torch
from torch import Tensor, nn

from detcli.models.backbones.resnet import ResNetConfig
from detcli.models.deformable_detr.config import DeformableDetrConfig
from detcli.models.deformable_detr.criterion import criterion as deformable_criterion
from detcli.models.deformable_detr.network import DeformableDetr
from detcli.models.family import Criterion
from detcli.structures.boxes import cxcywh_to_xyxy, pairwise_iou, xyxy_to_cxcywh
from detcli.structures.network_io import Outputs, Targets

LABELS = ("red", "green", "blue")
# Height and width; then class, left, top, right and bottom of each thing.
IMAGES = [
    ((96, 96), [(0, 8, 10, 40, 50), (1, 56, 40, 88, 88)]),
    ((64, 96), [(2, 20, 12, 76, 48)]),
    ((96, 80), [(1, 4, 60, 40, 90), (0, 44, 8, 76, 40), (2, 8, 12, 34, 40)]),
]


def scene() -> tuple[Tensor, Tensor, list[Targets]]:
    """Pixels [3, 3, 96, 96] of colored objects on gray, their mask, and the ground truth."""
    pixels, mask, targets = torch.zeros(3, 3, 96, 96), torch.zeros(3, 96, 96, dtype=torch.bool), []
    for place, ((height, width), things) in enumerate(IMAGES):
        mask[place, :height, :width] = True
        masks = torch.zeros(len(things), height, width, dtype=torch.bool)
        for own, (label, left, top, right, bottom) in zip(masks, things, strict=True):
            own[top:bottom, left:right] = True
            pixels[place, :, :height, :width][:, own] = 2 * torch.eye(3)[label][:, None] - 1
        numbers = torch.tensor(things)
        boxes = xyxy_to_cxcywh(numbers[:, 1:] / torch.tensor([width, height, width, height]))
        targets.append(Targets(numbers[:, 0], boxes, masks=masks))
    return pixels, mask, targets


def backbone(*out_indices: int) -> ResNetConfig:
    return ResNetConfig(
        depths=(1, 1, 1, 1),
        hidden_sizes=(16, 24, 32, 48),
        layer_type="basic",
        embedding_size=16,
        out_indices=out_indices,
    )


def learn(network: nn.Module, criterion: Criterion, steps: int) -> tuple[float, float, Outputs]:
    """The first loss, the last one, and the final outputs. Every parameter must get a gradient."""
    pixels, mask, targets = scene()
    learning = {name: value for name, value in network.named_parameters() if value.requires_grad}
    optimizer = torch.optim.AdamW(learning.values(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps, pct_start=0.15)
    totals = []
    for _ in range(steps):
        losses = criterion(network.train()(pixels, mask, targets=targets), targets)
        total = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad()
        total.backward()
        assert [name for name, value in learning.items() if value.grad is None] == []
        nn.utils.clip_grad_norm_(learning.values(), 1.0)
        optimizer.step()
        schedule.step()
        totals.append(total.item())
    with torch.no_grad():
        return totals[0], totals[-1], network.eval()(pixels, mask)


def assert_known(chances: Tensor, boxes: Tensor, target: Targets) -> list[int]:
    """Check that scores [Q, K] and boxes [Q, 4] of one image have each object once and no other; the queries of objects."""
    sure, labels = chances.max(-1)
    [told] = (sure > 0.4).nonzero(as_tuple=True)
    overlaps = pairwise_iou(cxcywh_to_xyxy(target.boxes_cxcywh), cxcywh_to_xyxy(boxes[told]))
    assert len(told) == len(target.class_ids)
    assert overlaps.amax(1).min() > 0.85
    queries = told[overlaps.argmax(1)]
    assert labels[queries].tolist() == target.class_ids.tolist()
    return queries.tolist()


def assert_deformable_detr_overfits(*, two_stage: bool) -> None:
    """Check that a tiny Deformable DETR learns the boxes of the batch."""
    torch.manual_seed(0)
    config = DeformableDetrConfig(
        labels=LABELS,
        backbone=backbone(3, 4),
        d_model=32,
        num_queries=8,
        num_feature_levels=2,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        with_box_refine=two_stage,
        two_stage=two_stage,
        two_stage_num_proposals=8,
        dropout=0.0,
    )
    first, last, outputs = learn(DeformableDetr(config), deformable_criterion(config), 260 if two_stage else 200)
    assert last < first / 20
    for place, target in enumerate(scene()[2]):
        assert_known(outputs.logits[place].sigmoid(), outputs.boxes_cxcywh[place], target)
