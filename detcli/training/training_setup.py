"""A job's network, made ready to learn: on its device, its norms synced, its parameters in groups."""

import torch

from detcli.errors import UsageError
from detcli.training.optimization.distributed import Processes
from detcli.training.optimization.optimizer import MovingAverage, Optimizer, learning_groups
from detcli.training.optimization.synced_norm import with_synced_norms
from detcli.training.optimization.train_step import TrainStep
from detcli.training.training_job import TrainingJob


def make_learner(job: TrainingJob, device: torch.device, processes: Processes) -> TrainStep:
    """The learner of a job at its very beginning; a resumed run loads its state over it.

    Raises UsageError where scipy, which assigns queries to boxes, is not installed, or nothing is left to learn.
    """
    family, recipe = job.family, job.recipe
    criterion = family.criterion(job.config)
    with torch.random.fork_rng(devices=()):
        network = family.build(job.config)
    if not job.resume:
        network.load_state_dict(job.state, strict=True)
    network = network.train().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    groups = learning_groups(family.parameter_groups(network), recipe.frozen)
    learning = {name for group in groups for name in group.names}
    if not learning:
        raise UsageError(f"frozen = {list(recipe.frozen)} leaves no parameter to learn")
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in learning)
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
