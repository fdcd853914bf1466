"""Checks a job, and prepares its network for training: device, synced norms, parameter groups."""

from dataclasses import replace

import torch
from torch import nn

from detcli.errors import DataError, UsageError
from detcli.evaluation.evaluate_model import common_categories
from detcli.models.empty_weights import empty_weights
from detcli.models.family import ClassWeighted, Criterion, Family, ParameterGroup
from detcli.runtimes.torch_runtime import choose_precision
from detcli.training.data.class_weights import class_weights
from detcli.training.optimization.distributed import Processes
from detcli.training.optimization.freezing import frozen_parameters, keep_statistics
from detcli.training.optimization.optimizer import MovingAverage, Optimizer
from detcli.training.optimization.synced_norm import with_synced_norms
from detcli.training.optimization.teacher import Teacher
from detcli.training.optimization.train_step import TrainStep
from detcli.training.recipes.recipe import Recipe
from detcli.training.training_job import TrainingJob


def check_job(job: TrainingJob, device: torch.device) -> None:
    """Raise UsageError or DataError for problems that would only show after an epoch."""
    choose_precision(job.recipe.precision, device)
    job.recipe.check()
    names, own = job.config.labels, job.data.labels.names
    if names != own:
        raise UsageError(f"the network has {len(names)} classes ({names[0]}, …), the data has {len(own)}: {own[0]}, …")
    if not len(job.data):
        raise DataError(f"there are no images in '{job.data.report.name}'")
    if job.val is not None and not common_categories(job.data.labels, job.val.labels):
        raise DataError(f"'{job.data.report.name}' and '{job.val.report.name}' have no class in common")
    make_criterion(job, device)


def make_criterion(job: TrainingJob, device: torch.device) -> Criterion:
    """The losses of a job, with the weights of classes that its recipe asks for.

    Raises UsageError if scipy, which assigns queries to boxes, is not installed, for weights of classes that the data does
    not have, and for a family whose losses have no weights of classes.
    """
    criterion, weights = job.family.criterion(job.config), class_weights(job.recipe, job.data)
    if weights is None:
        return criterion
    if not isinstance(criterion, ClassWeighted):
        raise UsageError(
            f"class_weights: the losses of the family '{job.family.name}' have no weights of classes; leave the field out"
        )
    criterion.class_weights = torch.tensor(weights, device=device)
    return criterion


def make_train_step(job: TrainingJob, device: torch.device, processes: Processes) -> TrainStep:
    """The train step of a job before its first step; a resumed run loads its state into it.

    Raises UsageError if scipy, which assigns queries to boxes, is not installed, or no parameter is left to train.
    """
    family, recipe = job.family, job.recipe
    criterion = make_criterion(job, device)
    with torch.random.fork_rng(devices=()):
        network = family.build(job.config)
    if not job.resume:
        network.load_state_dict(job.state, strict=True)
    network = network.train().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    groups = trained_groups(family, network, recipe)
    trained = {name for group in groups for name in group.names}
    names = []
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in trained)
        names.append(name)
    keep_statistics(network, frozen_parameters(recipe.frozen, family, names))
    if processes.size > 1:
        network = with_synced_norms(network, device, processes)
    return TrainStep(
        network,
        criterion,
        Optimizer(network, groups, recipe),
        MovingAverage(network, decay=recipe.ema_decay, warmup_steps=recipe.ema_warmup_steps),
        recipe=recipe,
        device=device,
        processes=processes,
        teacher=_teacher(job, device),
    )


def _teacher(job: TrainingJob, device: torch.device) -> Teacher | None:
    model = job.teacher
    if model is None:
        return None
    with empty_weights():
        network = model.family.build(model.config)
    network.load_state_dict({name: tensor.clone() for name, tensor in model.state.items()}, strict=True, assign=True)
    network = model.family.optimize(network.eval().requires_grad_(False)).to(device)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Teacher(network, model.rows(job.data.labels.names), job.recipe.teacher_weight)


def trained_groups(family: Family, network: nn.Module, recipe: Recipe) -> tuple[ParameterGroup, ...]:
    """The groups of parameters that a recipe trains. Raises UsageError if nothing is left to train."""
    groups = family.parameter_groups(network)
    frozen = frozen_parameters(recipe.frozen, family, (name for name, _ in network.named_parameters()))
    left = tuple(replace(group, names=tuple(name for name in group.names if name not in frozen)) for group in groups)
    if not any(group.names for group in left):
        raise UsageError(f"`freeze` {', '.join(recipe.frozen)} leaves no parameter to train")
    return left
