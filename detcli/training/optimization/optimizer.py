"""AdamW over groups of parameters, the schedule of its learning rates, and the moving average of the weights."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from detcli.models.family import ParameterGroup
from detcli.training.recipes.recipe import Recipe

_MOMENTS = ("exp_avg", "exp_avg_sq")


class Optimizer:
    """AdamW over the groups of a network; its state is tensors by the names of the parameters.

    network  parameters in no group are not trained
    groups   as the family gives them, without those that the recipe freezes
    factor   the part of the learning rates in force
    """

    def __init__(self, network: nn.Module, groups: Sequence[ParameterGroup], recipe: Recipe) -> None:
        own = dict(network.named_parameters())
        self.parameters = {name: own[name] for group in groups for name in group.names}
        scale = recipe.rate_scale
        self._rates = [
            scale * group.factor * (recipe.lr if group.rate == "base" else recipe.backbone_lr) for group in groups
        ]
        settings = [
            {
                "params": [own[name] for name in group.names],
                "lr": rate,
                "weight_decay": recipe.weight_decay if group.decay else 0.0,
            }
            for group, rate in zip(groups, self._rates, strict=True)
        ]
        self.adamw = torch.optim.AdamW(settings, betas=recipe.betas, fused=True)
        self.factor = 1.0

    def set_factor(self, factor: float) -> None:
        """Set every group to this part of its learning rate."""
        self.factor = factor
        for group, rate in zip(self.adamw.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor

    @property
    def rate(self) -> float:
        """The highest learning rate of any group."""
        return max((float(group["lr"]) for group in self.adamw.param_groups if group["params"]), default=0.0)

    def state(self) -> dict[str, Tensor]:
        """Moments and step counts of the parameters that have had a step."""
        state: dict[str, Tensor] = {}
        for name, parameter in self.parameters.items():
            for key, value in self.adamw.state.get(parameter, {}).items():
                state[f"{key}.{name}"] = value
        return state

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned.

        Moments get the memory order of their parameter: the fused kernel requires the same order.
        """
        self.adamw.state.clear()
        for name, parameter in self.parameters.items():
            if f"step.{name}" in state:
                moments = {key: torch.zeros_like(parameter).copy_(state[f"{key}.{name}"]) for key in _MOMENTS}
                step = state[f"step.{name}"].to(parameter.device, torch.float32).clone()
                self.adamw.state[parameter] = {"step": step, **moments}


def schedule_factor(recipe: Recipe, step: int, *, epoch: int, total_steps: int) -> float:
    """The factor of the learning rates in a step.

    step          from 0, over the complete run
    epoch         it belongs to, from 0
    total_steps  of the run

    Rates rise linearly over the warm-up. What follows counts from the first step of the run.
    Source: D-FINE's configurations (linear warm-up, then constant); flat, then half a cosine: RTMDet (Lyu et al. 2022).
    """
    warmup = min(recipe.warmup_steps, total_steps // 10)
    if step < warmup:
        return (step + 1) / warmup
    if recipe.schedule == "constant":
        return 1.0
    if recipe.schedule == "step":
        return recipe.gamma ** sum(epoch >= milestone for milestone in recipe.milestone_epochs)
    flat = recipe.flat_fraction * total_steps if recipe.schedule == "flat-cosine" else warmup
    if step < flat:
        return 1.0
    done = min(1.0, (step - flat) / max(1.0, total_steps - 1 - flat))
    return recipe.final_factor + (1 - recipe.final_factor) * (1 + math.cos(math.pi * done)) / 2


class MovingAverage:
    """The exponential moving average of the weights and norm statistics, with a warm-up.

    Source: the D-FINE repository's ModelEMA: decay x (1 - exp(-updates / warmup)), over all floating point tensors of
    the state dict; others are as in the network.

    floats  the averages by name
    """

    def __init__(self, network: nn.Module, *, decay: float, warmup_steps: int) -> None:
        self.decay = decay
        self.updates = 0
        self._warmup = warmup_steps
        self._network = network
        live = {name: tensor for name, tensor in network.state_dict().items() if tensor.is_floating_point()}
        self._live = list(live.values())
        self.floats = {name: tensor.detach().clone() for name, tensor in live.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Update the average with the current weights."""
        self.updates += 1
        torch._foreach_lerp_(list(self.floats.values()), self._live, 1 - self.decay_at(self.updates))

    def decay_at(self, updates: int) -> float:
        """The part of the average that is kept in its n-th update, counted from 1."""
        return self.decay * (1 - math.exp(-updates / self._warmup)) if self._warmup else self.decay

    def state(self) -> dict[str, Tensor]:
        """The average as a state dict of the network; the tensors are the average's own."""
        own = self._network.state_dict()
        return {name: self.floats.get(name, tensor) for name, tensor in own.items()}

    @torch.no_grad()
    def load_state(self, state: Mapping[str, Tensor], updates: int) -> None:
        """Restore `floats` and `updates`."""
        self.updates = updates
        for name, tensor in self.floats.items():
            tensor.copy_(state[name])


def clip_gradients(parameters: Sequence[nn.Parameter], max_norm: float) -> Tensor:
    """Scale gradients down to a total norm of `max_norm` (0: no limit); returns the norm before, a scalar tensor."""
    if max_norm:
        return nn.utils.clip_grad_norm_(parameters, max_norm)
    norms = [torch.linalg.vector_norm(p.grad) for p in parameters if p.grad is not None]
    norm: Tensor = torch.linalg.vector_norm(torch.stack(norms))
    return norm
