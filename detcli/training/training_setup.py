"""Prepares the network of a job for training: device, synced norms, parameter groups."""

import torch

from detcli.errors import UsageError
from detcli.training.optimization.distributed import Processes
from detcli.training.optimization.optimizer import MovingAverage, Optimizer, learning_groups
from detcli.training.optimization.synced_norm import with_synced_norms
from detcli.training.optimization.train_step import TrainStep
from detcli.training.training_job import TrainingJob


def make_train_step(job: TrainingJob, device: torch.device, processes: Processes) -> TrainStep:
    """The train step of a job before its first step; a resumed run loads its state into it.

    Raises UsageError if scipy, which assigns queries to boxes, is not installed, or no parameter is left to train.
    """
    family, recipe = job.family, job.recipe
    criterion = family.criterion(job.config)
    with torch.random.fork_rng(devices=()):
        network = family.build(job.config)
    if not job.resume:
        network.load_state_dict(job.state, strict=True)
    network = network.train().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    groups = learning_groups(family.parameter_groups(network), recipe.frozen)
    trained = {name for group in groups for name in group.names}
    if not trained:
        raise UsageError(f"frozen = {list(recipe.frozen)} leaves no parameter to train")
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in trained)
    if processes.size > 1:
        network = with_synced_norms(network, device)
    return TrainStep(
        network,
        criterion,
        Optimizer(network, groups, recipe),
        MovingAverage(network, decay=recipe.ema_decay, warmup_steps=recipe.ema_warmup_steps),
        recipe=recipe,
        device=device,
        processes=processes,
    )
