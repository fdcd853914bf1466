"""RT-DETR in inference and in training: folding, fewer queries and layers, denoising, gradients, learning."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from detcli.models.inference_form import optimize
from detcli.models.rtdetr import FAMILY
from detcli.models.rtdetr.config import Version
from detcli.models.rtdetr.network import RtDetr, RtDetrTrainingDetails
from detcli.structures.network_io import Outputs, Targets
from tests.helpers.dfine_samples import distance, images
from tests.helpers.dfine_steps import make_targets
from tests.helpers.rtdetr_samples import random_network, tiny

VERSIONS: tuple[Version, ...] = (1, 2)


def details_of(outputs: Outputs) -> RtDetrTrainingDetails:
    assert isinstance(outputs.details, RtDetrTrainingDetails)
    return outputs.details


def step(network: RtDetr, pixels: Tensor, targets: list[Targets]) -> tuple[Outputs, dict[str, Tensor]]:
    outputs: Outputs = network(pixels, targets=targets)
    return outputs, FAMILY.criterion(network.config)(outputs, targets)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("layer_type", ["basic", "bottleneck"])
def test_the_inference_form_gives_the_same(version: Version, frozen: bool, layer_type: str) -> None:
    sizes = [8, 16, 24, 32]
    config = tiny(
        version, freeze_backbone_batch_norms=frozen, backbone={"layer_type": layer_type, "hidden_sizes": sizes}
    )
    network, pixels = random_network(config).double(), images(2, 64, 96)
    with torch.inference_mode():
        expected = network(pixels)
        for _ in range(2):  # folding twice changes nothing
            logits, boxes = distance(optimize(network)(pixels), expected.logits, expected.boxes_cxcywh)
            assert max(logits, boxes) < 1e-9
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert network.denoising_labels is None


def test_stages_after_the_last_map_are_dropped() -> None:
    config = tiny(backbone={"out_indices": [2, 3]}, encoder_in_channels=[16, 24], decoder_in_channels=[32, 32],
                  num_feature_levels=2, encode_proj_layers=[1])  # fmt: skip
    network = random_network(config)
    assert len(network.backbone.stages) == 4
    assert network.config.size_divisor == (16, 16)
    assert len(optimize(network).backbone.stages) == 3
    with torch.inference_mode():
        assert network(images(1, 48, 80).float()).logits.shape == (1, 12, 5)


def test_pixels_of_another_size_are_an_error() -> None:
    with pytest.raises(ValueError, match="multiple of 32"):
        random_network(tiny())(torch.zeros(1, 3, 64, 80))


@pytest.mark.parametrize("version", VERSIONS)
def test_fewer_layers_and_queries_are_those_of_a_smaller_network(version: Version) -> None:
    network, pixels = random_network(tiny(version, decoder_layers=3)).double(), images(1, 64, 64)
    smaller = RtDetr(tiny(version, decoder_layers=2, num_queries=5)).double().eval()
    smaller.load_state_dict({name: t for name, t in network.state_dict().items() if name in smaller.state_dict()})
    assert (network.num_queries, network.num_decoder_layers, network.has_ranked_queries) == (12, 3, True)
    network.keep_queries(5)
    network.keep_decoder_layers(2)
    with torch.inference_mode():
        ours, expected = network(pixels), smaller(pixels)
    assert torch.equal(ours.logits, expected.logits)
    assert torch.equal(ours.boxes_cxcywh, expected.boxes_cxcywh)


@pytest.mark.parametrize("version", VERSIONS)
def test_with_targets_every_layer_and_denoising_query_predicts(version: Version) -> None:
    network, pixels, targets = random_network(tiny(version)).double(), images(2, 64, 64), make_targets(3, 1)
    details = details_of(network(pixels, targets=targets))
    assert details.layout is not None
    assert details.denoising is not None
    assert (details.layout.groups, details.layout.queries) == (33, 198)
    assert details.predictions.logits.shape == (2, 2, 12, 5)
    assert details.denoising.boxes_cxcywh.shape == (2, 2, 198, 4)
    plain = network(pixels)
    torch.testing.assert_close(details.predictions.logits[-1], plain.logits)  # ordinary queries do not see the others
    torch.testing.assert_close(details.predictions.boxes_cxcywh[-1], plain.boxes_cxcywh)


@pytest.mark.parametrize("counts", [(3, 1), (0, 2), (0, 0)])
def test_every_parameter_that_learns_has_a_gradient(counts: tuple[int, int]) -> None:
    network = random_network(tiny(freeze_backbone_batch_norms=False)).train()
    _, losses = step(network, images(2, 64, 64).float(), make_targets(*counts))
    torch.stack(list(losses.values())).sum().backward()
    assert [name for name, p in network.named_parameters() if p.requires_grad and p.grad is None] == []


def test_losses_have_the_names_of_layers_encoder_and_denoising() -> None:
    _, losses = step(random_network(tiny(decoder_layers=3)).train(), images(2, 64, 64).float(), make_targets(2, 1))
    endings = ("", "_aux_0", "_aux_1", "_enc_0", "_dn_0", "_dn_1", "_dn_2")
    assert losses.keys() == {f"loss_{term}{ending}" for term in ("vfl", "bbox", "giou") for ending in endings}


def test_gradients_of_boxes_go_back_one_layer() -> None:
    network = random_network(tiny(decoder_layers=3, num_denoising=0)).train()
    details = details_of(network(images(1, 64, 64).float(), targets=make_targets(1)))
    boxes = details.predictions.boxes_cxcywh[2].sum()
    boxes.backward()
    reached = [bool(head.linears[-1].bias.grad.any()) for head in network.decoder.box_heads]
    assert reached == [False, True, True]


def test_dropout_is_part_of_training_only() -> None:
    plain = tiny(1)
    config = replace(plain, dropout=0.3, attention_dropout=0.2, activation_dropout=0.4)
    network, pixels = random_network(config).double(), images(1, 64, 64)
    same = random_network(plain).double()
    with torch.inference_mode():
        assert torch.equal(network(pixels).logits, same(pixels).logits)
        network.train()
        torch.manual_seed(0)
        one = network(pixels, targets=make_targets(1)).logits
        two = network(pixels, targets=make_targets(1)).logits
    assert not torch.equal(one, two)


def test_classes_with_the_same_name_keep_their_rows() -> None:
    config = tiny(2)
    state = dict(random_network(config).state_dict())
    made = FAMILY.replace_class_head(state, config, ["new", "class 3"])
    assert made.kept == (1,)
    for name in ("query_selection.class_head.weight", "decoder.class_heads.1.bias", "denoising_labels.weight"):
        assert torch.equal(made.state[name][1], state[name][3])
    assert made.state["denoising_labels.weight"].shape == (3, 32)
    FAMILY.build(made.config).load_state_dict(made.state)


def test_a_tiny_network_overfits_two_images() -> None:
    torch.manual_seed(0)
    config = tiny(1, num_queries=8, freeze_backbone_batch_norms=False)
    network = RtDetr(config).train()
    pixels, targets = images(2, 64, 64).float(), make_targets(2, 1, seed=3)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    totals = []
    for _ in range(150):
        _, losses = step(network, pixels, targets)
        total = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        totals.append(total.item())
        if totals[-1] < totals[0] / 4:
            return
    pytest.fail(f"the loss is {totals[-1]:.2f} after 150 steps, {totals[0]:.2f} at first")
