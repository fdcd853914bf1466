"""What moves the weights does so by the numbers of the published recipes."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from detcli.errors import UsageError
from detcli.models.dfine import FAMILY
from detcli.models.dfine.published import published_config
from detcli.training.optimization.optimizer import (
    MovingAverage,
    Optimizer,
    clip_gradients,
    schedule_factor,
)
from detcli.training.recipes.recipe import Recipe
from detcli.training.training_setup import trained_groups
from tests.helpers.dfine_samples import tiny


@pytest.mark.parametrize(
    # Tensors in the original: n 186 of the backbone, 151 that do not decay, 91 others; x 125, 226 and 277. There the
    # maps of queries, keys and values are one tensor and their biases one: n has 4 attention layers, x 7.
    ("size", "frozen", "counts"),
    [("n", False, (186, 151 + 4 * 2, 91 + 4 * 2)), ("x", True, (125, 226, 277 + 7 * 4))],
)
def test_groups_are_the_originals(size: str, frozen: bool, counts: tuple[int, ...]) -> None:
    config = published_config(size, [str(i) for i in range(80)])  # type: ignore[arg-type]
    config = replace(config, backbone=replace(config.backbone, frozen=frozen))
    with torch.device("meta"):
        network = FAMILY.build(config)
    groups = trained_groups(FAMILY, network, Recipe(frozen=("backbone.stem.",) if frozen else ()))
    assert tuple(len(group.names) for group in groups) == counts


def test_rates_scale_with_the_batch_and_frozen_parameters_have_none() -> None:
    network = FAMILY.build(tiny(freeze_backbone_batch_norms=False))
    frozen = ("backbone.stem.", "decoder.")
    recipe = Recipe(batch=16, base_batch=64, lr=4e-4, backbone_lr=2e-4, weight_decay=0.5, frozen=frozen)
    groups = trained_groups(FAMILY, network, recipe)
    optimizer = Optimizer(network, groups, recipe)
    optimizer.set_factor(0.5)
    rates = [(group["lr"], group["weight_decay"]) for group in optimizer.adamw.param_groups]
    assert rates == [(2.5e-5, 0.5), (5e-5, 0.0), (5e-5, 0.5)]
    assert not any(name.startswith(frozen) for name in optimizer.parameters)
    assert any(name.startswith("backbone.stages.") for name in optimizer.parameters)
    assert optimizer.rate == 5e-5


def factors(recipe: Recipe, steps: int, *, steps_of_an_epoch: int = 1000) -> list[float]:
    return [schedule_factor(recipe, step, epoch=step // steps_of_an_epoch, total_steps=steps) for step in range(steps)]


def test_rates_rise_in_a_line_and_stay() -> None:
    got = factors(Recipe(warmup_steps=500), 5000)
    assert got[0] == 1 / 500
    assert got[249] == 0.5
    assert got[498] < 1.0
    assert set(got[499:]) == {1.0}


def test_a_short_run_warms_up_for_a_tenth_of_it() -> None:
    assert factors(Recipe(warmup_steps=500), 40)[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert factors(Recipe(warmup_steps=500), 5) == [1.0] * 5


def test_rates_fall_at_milestones() -> None:
    recipe = Recipe(warmup_steps=0, schedule="step", milestone_epochs=(2, 3), gamma=0.5)
    got = factors(recipe, 40, steps_of_an_epoch=10)
    assert got == [1.0] * 20 + [0.5] * 10 + [0.25] * 10


def test_a_cosine_falls_from_one_to_the_final_factor() -> None:
    got = factors(Recipe(warmup_steps=0, schedule="cosine", final_factor=0.1), 101)
    assert got[0] == 1.0
    assert got[50] == pytest.approx(0.55)
    assert got[100] == pytest.approx(0.1)
    assert got == sorted(got, reverse=True)
    flat = factors(Recipe(warmup_steps=0, schedule="flat-cosine", flat_fraction=0.5, final_factor=0.0), 201)
    assert set(flat[:101]) == {1.0}
    assert flat[101] < 1.0
    assert flat[200] == pytest.approx(0.0, abs=1e-12)


def test_the_average_follows_the_published_rule() -> None:
    network = nn.BatchNorm1d(1)
    average = MovingAverage(network, decay=0.9999, warmup_steps=1000)
    assert average.decay_at(1) == 0.9999 * (1 - math.exp(-1 / 1000))
    assert average.decay_at(2000) == pytest.approx(0.9999 * (1 - math.exp(-2)))
    by_hand = 1.0
    for update in (1, 2, 3):
        with torch.no_grad():
            network.weight.fill_(update * 10.0)
            network.running_mean.fill_(update * 10.0)  # type: ignore[union-attr]
            network.num_batches_tracked.fill_(update)  # type: ignore[union-attr]
        average.update()
        decay = 0.9999 * (1 - math.exp(-update / 1000))
        by_hand = by_hand * decay + update * 10.0 * (1 - decay)
    state = average.state()
    assert float(state["weight"]) == pytest.approx(by_hand, rel=1e-6)
    assert float(state["running_mean"]) == pytest.approx(by_hand, rel=1e-3)  # which began at 0, not 1
    assert int(state["num_batches_tracked"]) == 3
    assert MovingAverage(network, decay=0.5, warmup_steps=0).decay_at(1) == 0.5


def stepped(optimizer: Optimizer, seeds: range) -> None:
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        for parameter in optimizer.parameters.values():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.adamw.step()


def test_an_optimizer_continues_from_its_state_bit_by_bit() -> None:
    config = tiny()
    straight, halted = FAMILY.build(config), FAMILY.build(config)
    halted.load_state_dict(straight.state_dict())
    one, two, three = (
        Optimizer(network.to(memory_format=torch.channels_last), FAMILY.parameter_groups(network), Recipe())  # type: ignore[call-overload]
        for network in (straight, halted, halted)
    )
    stepped(one, range(4))
    stepped(two, range(2))
    three.load_state({name: tensor.contiguous().clone() for name, tensor in two.state().items()})
    stepped(three, range(2, 4))
    for name, tensor in straight.state_dict().items():
        assert torch.equal(tensor, halted.state_dict()[name]), name


@pytest.mark.parametrize(("largest", "after"), [(2.5, 2.5), (0.0, 5.0), (7.0, 5.0)])
def test_gradients_are_clipped_by_their_norm_together(largest: float, after: float) -> None:
    parameters = [nn.Parameter(torch.zeros(1)) for _ in range(3)]
    parameters[0].grad, parameters[1].grad = torch.tensor([3.0]), torch.tensor([4.0])
    assert float(clip_gradients(parameters, largest)) == pytest.approx(5.0)
    left: list[Tensor] = [p.grad for p in parameters if p.grad is not None]
    assert float(torch.cat(left).norm()) == pytest.approx(after, rel=1e-5)


def test_accumulation_must_divide_the_batch() -> None:
    with pytest.raises(UsageError, match="accumulate"):
        Recipe().merged({"accumulate": 5})
