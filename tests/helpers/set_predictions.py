"""Random predictions of decoder layers, encoder and mask head, ground truth, and criteria for them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed

from detcli.models.deformable_detr.criterion import criterion as deformable_criterion
from detcli.models.deformable_detr.published import published_config as deformable_published
from detcli.models.detr.criterion import criterion as detr_criterion
from detcli.models.detr.published import published_config as detr_published
from detcli.models.losses.layerwise_criterion import LayerwiseCriterion
from detcli.models.losses.training_details import SetTrainingDetails
from detcli.structures.network_io import Outputs, Targets

CLASSES, QUERIES, LAYERS, POSITIONS = 5, 7, 3, 30
SIZE_HW = (24, 32)  # of the network's input


LABELS = tuple(f"class {i}" for i in range(CLASSES))


def detr(**changes: Any) -> LayerwiseCriterion:
    """DETR's criterion for a published configuration with changes."""
    return detr_criterion(replace(detr_published("r50-panoptic", LABELS), **changes))


def deformable(**changes: Any) -> LayerwiseCriterion:
    """Deformable DETR's, likewise."""
    return deformable_criterion(replace(deformable_published("with-box-refine-two-stage", LABELS), **changes))


@dataclass(frozen=True)
class Predictions:
    """Leaf tensors in float64; those of masks and encoder are optional."""

    logits: Tensor
    boxes: Tensor
    masks: Tensor | None
    encoder_logits: Tensor | None
    encoder_boxes: Tensor | None

    def outputs(self, images: slice = slice(None), mask: Tensor | None = None) -> Outputs:
        """Outputs of a network in training, of some images."""
        logits, boxes = self.logits[:, images], self.boxes[:, images]
        others = (self.masks, self.encoder_logits, self.encoder_boxes)
        cut = (None if other is None else other[images] for other in others)
        return Outputs(logits[-1], boxes[-1], SetTrainingDetails(logits, boxes, *cut, mask=mask))

    def gradients(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Gradients of the sum of losses, by name."""
        leaves = {name: leaf for name, leaf in vars(self).items() if leaf is not None}
        total = torch.stack(list(losses.values())).sum()
        return dict(zip(leaves, torch.autograd.grad(total, list(leaves.values())), strict=True))


def random_predictions(
    images: int, *, classes: int = CLASSES, masks: bool = True, encoder: bool = False, seed: int = 0
) -> Predictions:
    """Random predictions; DETR has one class more, for no object."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=torch.float64, generator=generator)

    def leaf(tensor: Tensor) -> Tensor:
        return tensor.requires_grad_()

    return Predictions(
        leaf(random(LAYERS, images, QUERIES, classes)),
        leaf(random(LAYERS, images, QUERIES, 4).sigmoid()),
        leaf(3 * random(images, QUERIES, 6, 8)) if masks else None,
        leaf(random(images, POSITIONS, classes)) if encoder else None,
        leaf(random(images, POSITIONS, 4).sigmoid()) if encoder else None,
    )


def make_targets(
    *counts: int, masks: bool = True, sizes_hw: Sequence[tuple[int, int]] | None = None, seed: int = 0
) -> list[Targets]:
    """Targets of images with these numbers of boxes, in float64, and masks."""
    generator = torch.Generator().manual_seed(1000 + seed)
    made = []
    for count, size_hw in zip(counts, sizes_hw or [SIZE_HW] * len(counts), strict=True):
        centers = torch.rand(count, 2, dtype=torch.float64, generator=generator) * 0.5 + 0.25
        sizes = torch.rand(count, 2, dtype=torch.float64, generator=generator) * 0.3 + 0.1
        labels = torch.randint(0, CLASSES, (count,), generator=generator)
        shapes = torch.rand(count, *size_hw, generator=generator) > 0.6
        made.append(Targets(labels, torch.cat((centers, sizes), dim=1), masks=shapes if masks else None))
    return made


def padding(sizes_hw: Sequence[tuple[int, int]]) -> Tensor:
    """The mask of a batch of images of these sizes."""
    mask = torch.zeros(len(sizes_hw), *(max(side) for side in zip(*sizes_hw, strict=True)), dtype=torch.bool)
    for image, (height, width) in zip(mask, sizes_hw, strict=True):
        image[:height, :width] = True
    return mask


def values(losses: dict[str, Tensor]) -> dict[str, float]:
    """Losses as floats."""
    return {name: loss.item() for name, loss in losses.items()}


def shared_case(name: str, counts: Sequence[int]) -> tuple[LayerwiseCriterion, Predictions, list[Targets]]:
    """A case for several processes; images with a single box have no masks."""
    criterion, classes = (deformable(), CLASSES) if name == "deformable" else (detr(), CLASSES + 1)
    if name == "weighted detr":
        criterion.class_weights = torch.arange(1.0, CLASSES + 1)
    targets = [
        Targets(target.class_ids, target.boxes_cxcywh, masks=target.masks if len(target.class_ids) != 1 else None)
        for target in make_targets(*counts)
    ]
    return criterion, random_predictions(len(counts), classes=classes, encoder=name == "deformable"), targets


def work(rank: int, cases: Sequence[tuple[str, Sequence[int]]], folder: Path) -> None:
    """Compute the losses of this process's half of each batch; save losses and gradients."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    try:
        for number, (name, counts) in enumerate(cases):
            criterion, predictions, targets = shared_case(name, counts)
            half = slice(rank * len(counts) // 2, (rank + 1) * len(counts) // 2)
            losses = criterion(predictions.outputs(half), targets[half])
            torch.save((values(losses), predictions.gradients(losses)), folder / f"{number}-{rank}")
    finally:
        distributed.destroy_process_group()
