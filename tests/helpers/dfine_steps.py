"""Images with ground-truth boxes, a training step on them, and the same step in one of several processes."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from detcli.models.dfine import FAMILY
from detcli.models.dfine.network import DFine
from detcli.structures.network_io import Outputs, Targets
from tests.helpers.dfine_samples import images, random_network, tiny

CLASSES = 5


def make_targets(*counts: int, seed: int = 0) -> list[Targets]:
    """Targets of images with these numbers of boxes, each with its own seed."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for place, count in enumerate(counts):
        centers = torch.rand(count, 2, generator=generator) * 0.5 + 0.25
        sizes = torch.rand(count, 2, generator=generator) * 0.3 + 0.1
        labels = torch.randint(0, CLASSES, (count,), generator=generator)
        made.append(Targets(labels, torch.cat((centers, sizes), dim=1), seed=100 * seed + place))
    return made


def training_network(**changes: object) -> DFine:
    """A tiny random network in training, in float64."""
    return random_network(tiny(**changes)).double().train()


def step(
    network: nn.Module, pixels: Tensor, targets: Sequence[Targets], **changes: object
) -> tuple[Outputs, dict[str, Tensor]]:
    """The outputs and losses of a step."""
    outputs: Outputs = network(pixels, targets=targets)
    return outputs, FAMILY.criterion(tiny(**changes))(outputs, targets)


def whole_batch(counts: Sequence[int]) -> tuple[DFine, Tensor, list[Targets]]:
    """A network whose predictions for an image do not depend on the batch, and a batch for it."""
    network = training_network()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    return network, images(len(counts), 64, 64), make_targets(*counts)


def work(rank: int, batches: Sequence[Sequence[int]], folder: Path) -> None:
    """Take a step on this process's half of each batch; save its losses and gradients."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    try:
        for number, counts in enumerate(batches):
            network, pixels, targets = whole_batch(counts)
            half = slice(rank * len(counts) // 2, (rank + 1) * len(counts) // 2)
            parallel = DistributedDataParallel(network)
            _, losses = step(parallel, pixels[half], targets[half])
            torch.stack(list(losses.values())).sum().backward()
            gradients = {name: value.grad for name, value in network.named_parameters() if value.grad is not None}
            torch.save(({name: loss.detach() for name, loss in losses.items()}, gradients), folder / f"{number}-{rank}")
    finally:
        distributed.destroy_process_group()
