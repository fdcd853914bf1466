"""RT-DETR's losses, and a training step, against those of transformers 5.23.0 in float64."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from detcli.models.losses.denoising import DenoisingLayout, make_denoising_queries
from detcli.models.rtdetr import FAMILY
from detcli.models.rtdetr.config import RtDetrConfig, Version
from detcli.models.rtdetr.criterion import criterion
from detcli.models.rtdetr.network import LayerPredictions, RtDetr, RtDetrTrainingDetails
from detcli.structures.network_io import Outputs, Targets
from tests.helpers.dfine_samples import images
from tests.helpers.rtdetr_parity import transformers_model
from tests.helpers.rtdetr_samples import random_network, tiny

transformers = pytest.importorskip("transformers")
loss_rt_detr = pytest.importorskip("transformers.loss.loss_rt_detr")

LAYERS, QUERIES, CLASSES = 3, 7, 5
COUNTS = [(3, 1), (0, 4), (9, 2), (0, 0)]  # ground-truth boxes of two images
SETTINGS: dict[str, dict[str, Any]] = {
    "as published": {},
    "other weights": {"weight_loss_vfl": 0.5, "weight_loss_bbox": 3.0, "weight_loss_giou": 0.25},
    "other costs": {"matcher_class_cost": 0.5, "matcher_bbox_cost": 1.0, "matcher_giou_cost": 7.0},
    "other focal costs": {"matcher_alpha": 0.6, "matcher_gamma": 1.0},
    "softmax costs": {"use_focal_loss": False},
    "another varifocal loss": {"focal_loss_alpha": 0.4, "focal_loss_gamma": 1.5},
}


def make_targets(*counts: int) -> list[Targets]:
    generator = torch.Generator().manual_seed(0)
    return [
        Targets(
            torch.randint(0, CLASSES, (count,), generator=generator),
            0.2 + 0.4 * torch.rand(count, 4, dtype=torch.float64, generator=generator),
            seed=index,
        )
        for index, count in enumerate(counts)
    ]


def labels(targets: list[Targets]) -> list[dict[str, Tensor]]:
    return [{"class_labels": target.class_ids, "boxes": target.boxes_cxcywh} for target in targets]


def predictions(queries: int, seed: int) -> LayerPredictions:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(LAYERS, 2, queries, CLASSES, dtype=torch.float64, generator=generator)
    boxes = 0.2 + 0.5 * torch.rand(LAYERS, 2, queries, 4, dtype=torch.float64, generator=generator)
    return LayerPredictions(logits.requires_grad_(), boxes.requires_grad_())


def ours_by_their_names(losses: dict[str, Tensor]) -> dict[str, Tensor]:
    """transformers counts the encoder as another layer."""
    return {name.replace("_enc_0", f"_aux_{LAYERS - 1}"): loss for name, loss in losses.items()}


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("setting", SETTINGS)
def test_losses_and_gradients_match(setting: str, counts: tuple[int, ...]) -> None:
    config = tiny(2, **SETTINGS[setting])
    targets = make_targets(*counts)
    layout = DenoisingLayout(2, max(counts), counts) if max(counts) else None
    ordinary, noisy = predictions(QUERIES, 1), predictions(layout.queries, 2) if layout is not None else None
    encoder = predictions(QUERIES, 3)
    leaves = [ordinary, encoder] if noisy is None else [ordinary, encoder, noisy]
    details = RtDetrTrainingDetails(ordinary, encoder.logits[0], encoder.boxes_cxcywh[0], noisy, layout)
    ours = ours_by_their_names(
        criterion(config)(Outputs(ordinary.logits[-1], ordinary.boxes_cxcywh[-1], details), targets)
    )

    def joined(name: str) -> Tensor:
        parts = [getattr(one, name) for one in (noisy, ordinary) if one is not None]
        return torch.cat(parts, dim=2).transpose(0, 1)

    meta = None
    if layout is not None:
        split = [layout.queries, QUERIES]
        meta = {"dn_positive_idx": positives_of(layout), "dn_num_group": layout.groups, "dn_num_split": split}
    document = transformers.RTDetrV2Config(**FAMILY.write_config(config), auxiliary_loss=True)
    _, theirs, _ = loss_rt_detr.RTDetrForObjectDetectionLoss(
        joined("logits")[:, -1], labels(targets), "cpu", joined("boxes_cxcywh")[:, -1], document, joined("logits"),
        joined("boxes_cxcywh"), encoder.logits[0], encoder.boxes_cxcywh[0], meta,
    )  # fmt: skip
    assert ours.keys() == theirs.keys()
    for name, loss in ours.items():
        assert loss.item() == pytest.approx(theirs[name].item(), rel=1e-7, abs=1e-12), name
    tensors = [tensor for one in leaves for tensor in (one.logits, one.boxes_cxcywh)]
    mine = torch.autograd.grad(torch.stack(list(ours.values())).sum(), tensors, allow_unused=True)
    expected = torch.autograd.grad(torch.stack(list(theirs.values())).sum(), tensors, allow_unused=True)
    for one, other in zip(mine, expected, strict=True):
        assert one is not None
        assert other is not None
        assert torch.allclose(one, other, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("layers", [1, 3])
def test_a_training_step_matches(version: Version, layers: int, tmp_path: Path) -> None:
    """Without denoising, whose random numbers are others; gradients of boxes go one layer farther back than theirs.

    So with several layers only the gradients of what no box of a later layer depends on are compared.
    """
    config = tiny(version, decoder_layers=layers, num_denoising=0, freeze_backbone_batch_norms=False)
    network = random_network(config).double().train()
    model = transformers_model(network.float(), config, tmp_path / "weights").double().train()
    network.double()
    targets, pixels = make_targets(3, 2), images(2, 64, 96)
    losses = criterion(config)(network(pixels, targets=targets), targets)
    torch.stack(list(losses.values())).sum().backward()
    told = model(pixels, labels=labels(targets))
    told.loss.backward()
    names = {name.replace("_enc_0", f"_aux_{layers - 1}"): loss.item() for name, loss in losses.items()}
    assert names == pytest.approx({name: loss.item() for name, loss in told.loss_dict.items()}, rel=1e-6)
    found = gradients_by_their_names(network, config, tmp_path / "gradients")
    expected = {name: value.grad for name, value in model.named_parameters() if value.grad is not None}
    last = [f"decoder.{part}.{layers - 1}." for part in ("layers", "class_embed", "bbox_embed")]
    compared = [name for name in expected if layers == 1 or any(word in name for word in last[1:])]
    assert len(compared) > (50 if layers == 1 else 5)
    largest = max(float(expected[name].abs().max()) for name in compared)
    for name in compared:
        error = float((found[name] - expected[name]).abs().max())
        assert error <= 1e-5 * float(expected[name].abs().max()) + 1e-8 * largest, name


def gradients_by_their_names(network: RtDetr, config: RtDetrConfig, folder: Path) -> dict[str, Tensor]:
    """Gradients, converted to transformers' names like weights, through a file, in float32."""
    state = {name: torch.zeros_like(tensor).float() for name, tensor in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        if parameter.grad is not None:
            state[name] = parameter.grad.float()
    folder.mkdir()
    save_file(FAMILY.write_weights(state, config), folder / "model.safetensors", {"format": "pt"})
    document = FAMILY.write_config(config)
    (folder / "config.json").write_text(json.dumps(document))
    model = getattr(transformers, document["architectures"][0]).from_pretrained(folder)
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("counts", [(3, 2), (0, 4)])
def test_a_step_with_denoising_has_the_same_losses(
    version: Version, counts: tuple[int, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """transformers decodes our denoising queries, whose random numbers are others than its own."""
    config = tiny(version, decoder_layers=3)
    network = random_network(config)
    model = transformers_model(network, config, tmp_path).double().train()
    network.double().train()
    targets, pixels = make_targets(*counts), images(2, 64, 96)
    noisy = make_denoising_queries(targets, classes=CLASSES, total=100, noise=network.noise, dtype=torch.float64)
    assert noisy is not None
    layout = noisy.layout

    def ours(
        targets: object, num_classes: int, num_queries: int, class_embed: nn.Module, **_: object
    ) -> tuple[Any, ...]:
        visible = layout.mask(num_queries, torch.device("cpu"))
        mask = torch.zeros(visible.shape, dtype=torch.float64).masked_fill(~visible, -torch.inf)
        meta = {
            "dn_positive_idx": positives_of(layout),
            "dn_num_group": layout.groups,
            "dn_num_split": [layout.queries, num_queries],
        }
        return class_embed(noisy.class_ids), noisy.references, mask, meta

    modeling = importlib.import_module(type(model).__module__)
    monkeypatch.setattr(modeling, "get_contrastive_denoising_training_group", ours)
    losses = criterion(config)(network(pixels, targets=targets), targets)
    told = model(pixels, labels=labels(targets))
    names = {name.replace("_enc_0", "_aux_2"): loss.item() for name, loss in losses.items()}
    assert any("_dn_2" in name for name in names)
    assert names == pytest.approx({name: loss.item() for name, loss in told.loss_dict.items()}, rel=1e-6)


def positives_of(layout: DenoisingLayout) -> list[Tensor]:
    """The positive queries of each image, counted within it."""
    queries = torch.as_tensor(layout.positives().queries)
    return [
        part - image * layout.queries
        for image, part in enumerate(queries.split([n * layout.groups for n in layout.counts]))
    ]
