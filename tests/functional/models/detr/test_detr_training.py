"""DETR in training: details for the criterion, parameter groups, and changed classes."""

import dataclasses

import pytest
import torch
from torch import Tensor

from detcli.models.detr import FAMILY
from detcli.models.detr.config import DetrConfig
from detcli.models.detr.network import Detr
from detcli.models.detr.published import published_config
from detcli.models.empty_weights import empty_weights
from detcli.models.losses.training_details import SetTrainingDetails
from detcli.structures.network_io import Outputs, Targets
from tests.helpers.detr_samples import SEGMENTING, images, padded, random_network, tiny


def random_targets(*counts: int, size_hw: tuple[int, int] | None = None) -> list[Targets]:
    """Random ground-truth boxes, and masks of their rectangles if a size is given."""
    generator = torch.Generator().manual_seed(0)
    targets = []
    for count in counts:
        boxes = 0.2 + 0.4 * torch.rand(count, 4, generator=generator)
        masks = None
        if size_hw is not None:
            masks = torch.rand(count, *size_hw, generator=generator) > 0.5
        targets.append(Targets(torch.randint(0, 5, (count,), generator=generator), boxes, masks=masks))
    return targets


def training_network(**changes: object) -> Detr:
    return random_network(tiny(dropout=0.0, **changes)).double().train()


def training_details(outputs: Outputs) -> SetTrainingDetails:
    assert isinstance(outputs.details, SetTrainingDetails)
    return outputs.details


@pytest.mark.parametrize("form", [{}, SEGMENTING], ids=["boxes", "masks"])
def test_with_targets_every_layer_predicts(form: dict[str, object]) -> None:
    pixels, mask = padded((96, 130), (70, 101))
    network = training_network(decoder_layers=3, **form)
    outputs = network(pixels, mask, targets=random_targets(2, 1))
    details = training_details(outputs)
    assert details.logits.shape == (3, 2, 12, 6)
    assert details.boxes_cxcywh.shape == (3, 2, 12, 4)
    assert details.mask is mask
    assert (details.encoder_logits, details.encoder_boxes_cxcywh) == (None, None)
    plain = network.eval()(pixels, mask)
    torch.testing.assert_close(details.logits[-1], plain.logits)
    torch.testing.assert_close(details.boxes_cxcywh[-1], plain.boxes_cxcywh)
    torch.testing.assert_close(details.masks, plain.masks)
    assert (details.masks is None) == (not form)


def test_earlier_layers_predict_like_shorter_networks() -> None:
    """They have the same norm as the last layer, and later layers do not read its output."""
    long, short = training_network(decoder_layers=3), training_network(decoder_layers=2)
    short.load_state_dict({k: v for k, v in long.state_dict().items() if not k.startswith("decoder.layers.2.")})
    pixels = images(1, 70, 101)
    details = training_details(long(pixels, targets=random_targets(1)))
    torch.testing.assert_close(details.logits[1], short.eval()(pixels).logits)


@pytest.mark.parametrize("form", [{}, SEGMENTING], ids=["boxes", "masks"])
@pytest.mark.parametrize("counts", [(2, 1), (0, 0)], ids=["boxes", "empty"])
def test_every_trainable_parameter_gets_a_gradient(form: dict[str, object], counts: tuple[int, ...]) -> None:
    config = tiny(dropout=0.0, **form)
    network = random_network(config).double().train()
    pixels, mask = padded((96, 130), (70, 101))
    targets = random_targets(*counts)
    if form:
        sizes = ((96, 130), (70, 101))
        targets = [
            dataclasses.replace(target, masks=torch.ones(len(target.class_ids), *size, dtype=torch.bool))
            for target, size in zip(targets, sizes, strict=True)
        ]
    losses = FAMILY.criterion(config)(network(pixels, mask, targets=targets), targets)
    torch.stack(list(losses.values())).sum().backward()
    learning = {name for group in FAMILY.parameter_groups(network) for name in group.names}
    for name, parameter in network.named_parameters():
        if name in learning:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name


def test_training_on_one_batch_lowers_its_losses() -> None:
    config = tiny(dropout=0.0, **SEGMENTING)
    torch.manual_seed(0)
    network = Detr(config).train()
    criterion = FAMILY.criterion(config)
    pixels, targets = images(2, 64, 96).float(), random_targets(2, 1, size_hw=(64, 96))
    adamw = torch.optim.AdamW(network.parameters(), lr=1e-3)
    totals = []
    for _ in range(30):
        loss = torch.stack(list(criterion(network(pixels, targets=targets), targets).values())).sum()
        adamw.zero_grad()
        loss.backward()
        adamw.step()
        totals.append(float(loss.detach()))
    assert totals[-1] < 0.6 * totals[0]


def test_dropout_is_active_only_in_training() -> None:
    network = random_network(tiny(dropout=0.3, attention_dropout=0.2, activation_dropout=0.2)).double()
    pixels = images(1, 64, 96)
    assert torch.equal(network(pixels).logits, network(pixels).logits)
    network.train()
    assert not torch.equal(network(pixels).logits, network(pixels).logits)


def test_targets_must_be_one_per_image() -> None:
    with pytest.raises(ValueError, match="1 targets for 2 images"):
        training_network()(images(2, 64, 96), targets=random_targets(1))


def test_targets_in_evaluation_mode_give_the_same_losses_each_time() -> None:
    network, targets = random_network(tiny(dropout=0.3)), random_targets(1, 2)
    criterion = FAMILY.criterion(tiny())
    first, second = (criterion(network(images(2, 64, 96).float(), targets=targets), targets) for _ in range(2))
    assert first == second
    assert {"loss_ce", "loss_bbox", "loss_giou", "loss_ce_aux_0"} <= set(first)


def test_every_parameter_is_in_one_group_and_decays() -> None:
    with empty_weights():
        network = Detr(published_config("r50-panoptic", ["label"] * 250))
    groups = FAMILY.parameter_groups(network)
    grouped = [name for group in groups for name in group.names]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {name for name, _ in network.named_parameters()}
    assert all(group.decay and group.factor == 1 for group in groups)
    backbone, base = groups
    assert (backbone.rate, base.rate) == ("backbone", "base")
    assert {name.split(".")[0] for name in backbone.names} == {"backbone"}
    # Source: ResNet-50 has 53 convolutions; its norms are frozen buffers.
    assert len(backbone.names) == 53


def relabelled(config: DetrConfig, *names: str) -> tuple[dict[str, Tensor], dict[str, Tensor], tuple[int, ...]]:
    state = dict(random_network(config).state_dict())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = FAMILY.replace_class_head(state, config, names)
    assert made.config == dataclasses.replace(config, labels=names)
    Detr(made.config).load_state_dict(made.state)
    return state, made.state, made.kept


def test_rows_of_same_names_and_of_no_object_are_kept() -> None:
    config = dataclasses.replace(tiny(**SEGMENTING), labels=("person", "dog", "Traffic Light", "dog", "cat"))
    old, new, kept = relabelled(config, "zebra", "traffic light", "Dog ")
    assert kept == (1, 2)
    for name in ("class_head.weight", "class_head.bias"):
        assert torch.equal(new[name][[1, 2, 3]], old[name][[2, 1, 5]])
        assert new[name].shape[0] == 4
    for name, tensor in old.items():
        if not name.startswith("class_head."):
            assert torch.equal(new[name], tensor), name


def test_rows_of_new_classes_are_newly_initialized() -> None:
    config = tiny()
    _, new, kept = relabelled(config, "zebra", "lion")
    assert kept == ()
    torch.manual_seed(0)
    fresh = Detr(dataclasses.replace(config, labels=("zebra", "lion")))
    assert torch.equal(new["class_head.weight"][:2], fresh.class_head.weight[:2])
