"""Two processes learn as one does."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from detcli.errors import UsageError
from detcli.training.data.sampler import Sampler
from detcli.training.optimization.distributed import join_processes
from detcli.training.recipes.recipe import Recipe
from tests.helpers.processes import PROJECT, environment

SCRIPT = PROJECT / "tests" / "helpers" / "training_jobs.py"
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
        network = with_synced_norms(network, torch.device("cpu"))
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


def run(arguments: list[str], *, processes: int) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments, alone or started by torchrun."""
    start = [sys.executable] if processes == 1 else [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)
    ]  # fmt: skip
    return subprocess.run(
        [*start, *arguments], capture_output=True, text=True, check=False, timeout=400, env=environment()
    )


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


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_bytes().splitlines()]


@pytest.mark.slow
def test_two_processes_have_the_loss_curve_of_one(tmp_path: Path) -> None:
    # Rounding grows from step to step, as it does between one thread and two: the rates are small, and the backbone's
    # norms, which a few tiny images make touchy, stay still.
    recipe = {
        "epochs": 2, "batch": 4, "log_every_steps": 1, "lr": 1e-5, "backbone_lr": 1e-5,
        "network": {"freeze_backbone_batch_norms": True},
    }  # fmt: skip
    asked = json.dumps({"recipe": recipe, "fresh": True, "val": 4})
    for processes in (1, 2):
        ended = run([str(SCRIPT), str(tmp_path / str(processes)), asked], processes=processes)
        assert ended.returncode == 0, ended.stderr
    one, two = lines(tmp_path / "1"), lines(tmp_path / "2")
    assert len(one) == 6
    for mine, theirs in zip(one, two, strict=True):
        assert {name: mine[name] for name in ("kind", "epoch", "step", "lr")} == {
            name: theirs[name] for name in ("kind", "epoch", "step", "lr")
        }
        assert theirs["loss"] == pytest.approx(mine["loss"], rel=2e-3)
        for name, value in mine["losses"].items():
            assert theirs["losses"][name] == pytest.approx(value, rel=2e-2, abs=1e-3), name


@pytest.mark.slow
def test_a_failure_in_one_process_ends_all(tmp_path: Path) -> None:
    asked = json.dumps({"recipe": {"lr": 1e3, "backbone_lr": 1e3, "clip": 0, "epochs": 60}, "val": None})
    ended = run([str(SCRIPT), str(tmp_path / "run"), asked], processes=2)
    assert ended.returncode != 0
    assert "training diverged in epoch" in ended.stderr


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
