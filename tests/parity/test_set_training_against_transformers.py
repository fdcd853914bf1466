"""A step of DETR and Deformable DETR in transformers 5.23.0 and here: the same losses, and a gradient for every weight.

Left out is what transformers does otherwise than the originals: DETR's auxiliary losses, which change its answers there,
and the losses of Deformable DETR's proposals, which it has not. Its class weight is given as the originals have it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from detcli.models.family import FAMILIES, Family
from detcli.structures.network_io import Targets
from tests.helpers import deformable_detr_samples as deformable_samples
from tests.helpers import detr_samples

transformers = pytest.importorskip("transformers")

SIZES = ((96, 128), (72, 112), (64, 64))
COUNTS = (3, 0, 2)


def random_targets(*, masks: bool) -> list[Targets]:
    """For three images, the second of which has no boxes; in float64."""
    generator = torch.Generator().manual_seed(0)
    made = []
    for count, size_hw in zip(COUNTS, SIZES, strict=True):
        boxes = 0.2 + 0.4 * torch.rand(count, 4, dtype=torch.float64, generator=generator)
        drawn = torch.rand(count, *size_hw, generator=generator) > 0.5
        made.append(Targets(torch.randint(0, 5, (count,), generator=generator), boxes, masks=drawn if masks else None))
    return made


def labels(targets: list[Targets]) -> list[dict[str, Tensor]]:
    named = [{"class_labels": t.class_ids, "boxes": t.boxes_cxcywh, "masks": t.masks} for t in targets]
    return [{name: tensor for name, tensor in one.items() if tensor is not None} for one in named]


def ours(
    family: Family, config: Any, network: nn.Module, targets: list[Targets], *, without: tuple[str, ...]
) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Losses, and gradients by name; zeros for parameters without one."""
    pixels, mask = detr_samples.padded(*SIZES)
    losses = family.criterion(config)(network.double().train()(pixels, mask, targets=targets), targets)
    losses = {name: loss for name, loss in losses.items() if not any(word in name for word in without)}
    torch.stack(list(losses.values())).sum().backward()
    gradients = {name: torch.zeros_like(tensor) for name, tensor in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        if parameter.grad is not None:
            gradients[name] = parameter.grad
    return {name: loss.item() for name, loss in losses.items()}, gradients


def theirs(
    model: nn.Module, targets: list[Targets], weights: Mapping[str, float]
) -> tuple[dict[str, float], dict[str, Tensor]]:
    """The same of transformers, with these weights of the terms."""
    pixels, mask = detr_samples.padded(*SIZES)
    torch.set_default_dtype(torch.float64)  # of the class weights that its loss makes
    try:
        told = model.double().train()(pixels, pixel_mask=mask.long(), labels=labels(targets))
    finally:
        torch.set_default_dtype(torch.float32)
    losses = {}
    for name, loss in told.loss_dict.items():
        term = name.rstrip("_0123456789")
        if term in weights:
            losses[term + "".join(f"_aux_{layer}" for layer in name[len(term) + 1 :])] = weights[term] * loss
    torch.stack(list(losses.values())).sum().backward()
    # Where heads are not shared, the decoder's copies of them give references alone, through which no gradient goes.
    gradients = {name: value.grad for name, value in model.named_parameters() if value.grad is not None}
    return {name: loss.item() for name, loss in losses.items()}, gradients


def load(kind: Any, family: Family, config: Any, state: Mapping[str, Tensor], folder: Path) -> nn.Module:
    folder.mkdir()
    save_file(family.write_weights(state, config), folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(family.write_config(config)))
    model: nn.Module = kind.from_pretrained(folder, attn_implementation="eager")
    return model


def assert_same_step(kind: Any, family: Family, config: Any, network: nn.Module, folder: Path, **how: Any) -> None:
    """Gradients are converted to transformers' names like weights, through a file, in float32."""
    targets = random_targets(masks=family.has_masks(config))
    model = load(kind, family, config, network.state_dict(), folder / "weights")
    if "class_cost" in how:
        model.config.class_cost = how["class_cost"]
    expected, wanted_gradients = theirs(model, targets, how["weights"])
    losses, gradients = ours(family, config, network, targets, without=how["without"])
    assert losses == pytest.approx(expected, rel=1e-6)
    found = dict(load(kind, family, config, gradients, folder / "gradients").named_parameters())
    assert len(wanted_gradients) > 50
    largest = max(float(gradient.abs().max()) for gradient in wanted_gradients.values())
    for name, gradient in wanted_gradients.items():
        error = float((found[name].detach() - gradient).abs().max())
        assert error <= 1e-5 * float(gradient.abs().max()) + 1e-9 * largest, name


@pytest.mark.parametrize(
    "form",
    [{}, detr_samples.SEGMENTING, {**detr_samples.TABLE, "eos_coefficient": 0.4}],
    ids=["boxes", "masks", "norms first"],
)
def test_a_training_step_of_detr_matches(form: dict[str, Any], tmp_path: Path) -> None:
    config = detr_samples.tiny(dropout=0.0, **form)
    assert_same_step(
        getattr(transformers, form.get("architectures", ["DetrForObjectDetection"])[0]),
        FAMILIES["detr"],
        config,
        detr_samples.random_network(config),
        tmp_path,
        weights={"loss_ce": 1.0, "loss_bbox": 5.0, "loss_giou": 2.0, "loss_mask": 1.0, "loss_dice": 1.0},
        without=("_aux_",),
    )


@pytest.mark.parametrize("variant", ["", "single-scale", "with-box-refine", "with-box-refine-two-stage"])
def test_a_training_step_of_deformable_detr_matches(variant: str, tmp_path: Path) -> None:
    config = deformable_samples.tiny(variant, dropout=0.0, auxiliary_loss=True)
    assert_same_step(
        transformers.DeformableDetrForObjectDetection,
        FAMILIES["deformable_detr"],
        config,
        deformable_samples.random_network(config),
        tmp_path,
        class_cost=2,
        weights={"loss_ce": 2.0, "loss_bbox": 5.0, "loss_giou": 2.0},
        without=("_enc",),
    )
