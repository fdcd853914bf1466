"""Deformable DETR in training: details for the criterion, parameter groups, and changed classes."""

from typing import Any

import pytest
import torch
from torch import Tensor

from detcli.models.deformable_detr import FAMILY
from detcli.models.deformable_detr.network import DeformableDetr
from detcli.models.deformable_detr.published import published_config
from detcli.models.empty_weights import empty_weights
from detcli.models.family import ParameterGroup, ReplacedClassHead
from detcli.models.losses.training_details import SetTrainingDetails
from detcli.structures.network_io import Outputs, Targets
from tests.helpers.deformable_detr_samples import VARIANTS, padded, random_network, tiny
from tests.helpers.dfine_samples import images

TWO_STAGE = "with-box-refine-two-stage"


def random_targets(*counts: int) -> list[Targets]:
    generator = torch.Generator().manual_seed(0)
    return [
        Targets(torch.randint(0, 5, (n,), generator=generator), 0.2 + 0.4 * torch.rand(n, 4, generator=generator))
        for n in counts
    ]


def training_network(variant: str = "", **changes: Any) -> DeformableDetr:
    return random_network(tiny(variant, dropout=0.0, **changes)).double().train()


def batch() -> tuple[Tensor, Tensor]:
    return padded(images(2, 96, 112), [(96, 90), (70, 112)])


def training_details(outputs: Outputs) -> SetTrainingDetails:
    assert isinstance(outputs.details, SetTrainingDetails)
    return outputs.details


@pytest.mark.parametrize("variant", VARIANTS)
def test_with_targets_every_layer_predicts(variant: str) -> None:
    pixels, mask = batch()
    network = training_network(variant, decoder_layers=3)
    details = training_details(network(pixels, mask, targets=random_targets(2, 1)))
    queries = tiny(variant).queries
    assert details.logits.shape == (3, 2, queries, 5)
    assert details.boxes_cxcywh.shape == (3, 2, queries, 4)
    assert details.mask is mask
    assert details.masks is None
    plain = network.eval()(pixels, mask)
    torch.testing.assert_close(details.logits[-1], plain.logits)
    torch.testing.assert_close(details.boxes_cxcywh[-1], plain.boxes_cxcywh)


def test_two_stage_models_return_all_proposals_in_training() -> None:
    pixels, mask = batch()
    details = training_details(training_network(TWO_STAGE)(pixels, mask, targets=random_targets(2, 1)))
    tokens = 12 * 14 + 6 * 7 + 3 * 4 + 2 * 2
    assert details.encoder_logits is not None
    assert details.encoder_boxes_cxcywh is not None
    assert details.encoder_logits.shape == (2, tokens, 5)
    assert details.encoder_boxes_cxcywh.shape == (2, tokens, 4)
    assert details.encoder_boxes_cxcywh.isfinite().all()
    others = training_details(training_network()(pixels, mask, targets=random_targets(2, 1)))
    assert (others.encoder_logits, others.encoder_boxes_cxcywh) == (None, None)


def gradients(network: DeformableDetr, loss: Tensor) -> set[str]:
    """Names of parameters with a gradient of a loss."""
    network.zero_grad()
    loss.backward()
    return {name for name, p in network.named_parameters() if p.grad is not None and bool(p.grad.any())}


def test_reference_boxes_pass_no_gradient_to_earlier_layers() -> None:
    pixels, mask = batch()
    network = training_network("with-box-refine")
    details = training_details(network(pixels, mask, targets=random_targets(2, 1)))
    reached = gradients(network, details.boxes_cxcywh[1].sum())
    assert "decoder.box_heads.1.layers.2.weight" in reached
    assert not [name for name in reached if name.startswith(("decoder.box_heads.0.", "decoder.class_heads."))]


def test_learned_reference_points_get_gradients_of_every_layer() -> None:
    pixels, mask = batch()
    network = training_network()
    for layer in (0, 1):
        details = training_details(network(pixels, mask, targets=random_targets(2, 1)))
        assert "query_source.references.weight" in gradients(network, details.boxes_cxcywh[layer].sum())


def test_decoder_losses_do_not_train_the_proposals() -> None:
    pixels, mask = batch()
    network = training_network(TWO_STAGE)
    details = training_details(network(pixels, mask, targets=random_targets(2, 1)))
    reached = gradients(network, details.boxes_cxcywh.sum() + details.logits.sum())
    assert not [
        name
        for name in reached
        if name.startswith(("query_source.box_head", "query_source.class_head", "query_source.projection"))
    ]
    assert "query_source.positions.weight" in reached


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_trainable_parameter_gets_a_gradient(variant: str) -> None:
    config = tiny(variant, dropout=0.0)
    network = random_network(config).double().train()
    pixels, mask = batch()
    targets = random_targets(3, 2)
    losses = FAMILY.criterion(config)(network(pixels, mask, targets=targets), targets)
    sum(losses.values(), torch.zeros(())).backward()
    learning = {name for group in FAMILY.parameter_groups(network) for name in group.names}
    silent = {name for name, p in network.named_parameters() if name in learning and p.grad is None}
    assert not silent


def test_dropout_is_active_only_in_training() -> None:
    network = random_network(tiny(dropout=0.5, attention_dropout=0.5, activation_dropout=0.5))
    pixels = images(1, 64, 96).float()
    with torch.inference_mode():
        assert torch.equal(network(pixels).logits, network(pixels).logits)
        network.train()
        assert not torch.equal(network(pixels).logits, network(pixels).logits)


def test_targets_must_be_one_per_image() -> None:
    pixels, mask = batch()
    with pytest.raises(ValueError, match="1 targets for 2 images"):
        training_network()(pixels, mask, targets=random_targets(1))


def test_targets_in_evaluation_mode_give_all_losses_of_training() -> None:
    (pixels, mask), network, targets = batch(), training_network(), random_targets(1, 2)
    criterion = FAMILY.criterion(tiny())
    in_training = criterion(network(pixels, mask, targets=targets), targets)
    first, second = (criterion(network.eval()(pixels, mask, targets=targets), targets) for _ in range(2))
    assert first.keys() == in_training.keys()
    assert first == second


def groups(variant: str) -> tuple[ParameterGroup, ...]:
    with empty_weights():
        return FAMILY.parameter_groups(DeformableDetr(published_config(variant, ["label"] * 91)))


@pytest.mark.parametrize("variant", VARIANTS)
def test_groups_are_those_of_the_published_recipe(variant: str) -> None:
    backbone, others, aiming = groups(variant)
    assert [(g.rate, g.factor, g.decay) for g in (backbone, others, aiming)] == [
        ("backbone", 1.0, True),
        ("base", 1.0, True),
        ("base", 0.1, True),
    ]
    assert len(backbone.names) == 53  # convolutions; all norms are frozen
    points = 0 if variant == TWO_STAGE else 2
    assert len(aiming.names) == 2 * 12 + points
    assert all(".offsets." in name or name.startswith("query_source.references.") for name in aiming.names)
    assert not [name for name in others.names if name.startswith("backbone.") or ".offsets." in name]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_parameter_is_in_one_group(variant: str) -> None:
    with empty_weights():
        network = DeformableDetr(published_config(variant, ["label"] * 91))
    names = [name for group in FAMILY.parameter_groups(network) for name in group.names]
    assert len(names) == len(set(names))
    assert set(names) == {name for name, _ in network.named_parameters()}


OLD = ("person", "dog", "Traffic Light", "dog", "cat")


def relabelled(variant: str, *names: str, seed: int = 0) -> tuple[dict[str, Tensor], ReplacedClassHead]:
    config = tiny(variant, id2label={str(index): name for index, name in enumerate(OLD)})
    state = dict(random_network(config).state_dict())
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return state, FAMILY.replace_class_head(state, config, names)


@pytest.mark.parametrize("variant", VARIANTS)
def test_rows_of_same_names_and_all_else_are_kept(variant: str) -> None:
    state, made = relabelled(variant, "zebra", "traffic light", "Dog ")
    assert made.kept == (1, 2)
    assert made.config.labels == ("zebra", "traffic light", "Dog ")
    for name, tensor in state.items():
        if name.startswith("decoder.class_heads."):
            assert torch.equal(made.state[name][1:], tensor[[2, 1]])
        elif not name.startswith("query_source.class_head."):
            assert torch.equal(made.state[name], tensor), name
    DeformableDetr(made.config).load_state_dict(made.state, strict=True)


def test_the_objectness_row_of_proposals_is_always_kept() -> None:
    state, made = relabelled(TWO_STAGE, "zebra", "person")
    for kind in ("weight", "bias"):
        assert torch.equal(
            made.state[f"query_source.class_head.{kind}"][0], state[f"query_source.class_head.{kind}"][0]
        )


def test_new_rows_depend_on_the_seed() -> None:
    (_, one), (_, same), (_, other) = (relabelled("", "zebra", seed=seed) for seed in (1, 1, 2))
    weights = [made.state["decoder.class_heads.0.weight"] for made in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_first_boxes_are_small_without_proposals() -> None:
    def sizes(variant: str) -> list[float]:
        heads = DeformableDetr(tiny(variant)).decoder.box_heads
        return [float(head.linears[-1].bias[2].detach()) for head in heads]  # type: ignore[union-attr, index]

    assert {variant: sizes(variant) for variant in ("", "with-box-refine", TWO_STAGE)} == {
        "": [-2.0],
        "with-box-refine": [-2.0, 0.0],
        TWO_STAGE: [0.0, 0.0],
    }
