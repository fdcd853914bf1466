"""Two processes learn as one does."""

import sys
from pathlib import Path

import pytest
import torch

from detcli.errors import UsageError
from detcli.training.data.sampler import Sampler
from detcli.training.optimization.distributed import join_processes
from detcli.training.recipes.recipe import Recipe
from tests.helpers.processes import run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="torchrun's rendezvous needs POSIX here")

ONE_STEP = """
import sys
import torch
from tests.helpers.dfine_samples import random_network, images, tiny
from detcli.models.dfine import FAMILY
from detcli.training.optimization.distributed import join_processes
from detcli.training.optimization.synced_norm import with_synced_norms
from detcli.structures.network_io import Targets

COUNTS = (2, 0, 1, 3)  # ground truth of each image

torch.set_num_threads(1)
with join_processes(torch.device("cpu")) as processes:
    config = tiny(freeze_backbone_batch_norms=False, num_denoising=6)
    network = random_network(config).double().train()
    if processes.size > 1:
        network = with_synced_norms(network, torch.device("cpu"), processes)
    generator = torch.Generator().manual_seed(3)
    targets = [
        Targets(
            torch.randint(0, 5, (count,), generator=generator),
            0.3 + 0.3 * torch.rand((count, 4), generator=generator, dtype=torch.float64),
            seed,
        )
        for seed, count in enumerate(COUNTS)
    ]
    own = slice(processes.rank * 4 // processes.size, (processes.rank + 1) * 4 // processes.size)
    outputs = network(images(4, 64, 64)[own], targets=targets[own])
    losses = FAMILY.criterion(config)(outputs, targets[own])
    torch.stack(list(losses.values())).sum().backward()
    processes.average_gradients([p for p in network.parameters() if p.requires_grad])
    everyone = processes.gather({name: loss.item() for name, loss in losses.items()})
    if processes.is_first:
        found = {f"loss {name}": torch.tensor(sum(one[name] for one in everyone) / len(everyone)) for name in losses}
        found |= {f"gradient {n}": p.grad for n, p in network.named_parameters() if p.grad is not None}
        found |= {f"buffer {name}": buffer for name, buffer in network.named_buffers()}
        torch.save(found, sys.argv[1])
"""


def test_two_processes_have_the_losses_gradients_and_statistics_of_one(tmp_path: Path) -> None:
    script = tmp_path / "step.py"
    script.write_text(ONE_STEP)
    found: list[dict[str, torch.Tensor]] = []
    for processes in (1, 2):
        ended = run([str(script), str(tmp_path / f"{processes}.pt")], processes=processes)
        assert ended.returncode == 0, ended.stderr
        found.append(torch.load(tmp_path / f"{processes}.pt", weights_only=True))
    one, two = found
    assert one.keys() == two.keys()
    scale = max(float(tensor.abs().max()) for name, tensor in one.items() if name.startswith("gradient"))
    for name, tensor in one.items():
        # In float64; but the positives and negatives that balance two losses are counted in float32.
        allowed = 1e-7 * (scale if name.startswith("gradient") else float(tensor.double().abs().max()) + 1e-9)
        assert float((tensor.double() - two[name].double()).abs().max()) <= allowed, name


def test_processes_share_the_positions_of_one(tmp_path: Path) -> None:
    recipe = Recipe(batch=12, accumulate=2, seed=5)
    one = Sampler.of(recipe, 50)
    many = [Sampler.of(recipe, 50, rank=rank, size=3) for rank in range(3)]
    assert all(sampler.order(3) == one.order(3) for sampler in many)
    for step in range(one.steps):
        for part in range(2):
            shared = [position for sampler in many for position in sampler.positions(step, part)]
            assert shared == list(one.positions(step, part))


def test_a_batch_that_does_not_divide_is_refused() -> None:
    with pytest.raises(UsageError, match="`batch_size` 12 cannot be divided among 5 processes"):
        Sampler.of(Recipe(batch=12), 50, size=5)
    with pytest.raises(UsageError, match="among 3 processes in 8 micro-batches"):
        Sampler.of(Recipe(batch=16, accumulate=8), 50, size=3)


def test_an_environment_that_makes_no_sense_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for size, rank, words in (("two", "0", "WORLD_SIZE='two'"), ("2", "2", "RANK=2 and WORLD_SIZE=2")):
        monkeypatch.setenv("WORLD_SIZE", size)
        monkeypatch.setenv("RANK", rank)
        with pytest.raises(UsageError, match=words), join_processes(torch.device("cpu")):
            pass
