"""Where augmentation stops, training goes back to the best it came to; and again where it gets worse after that."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from detcli.structures.stop_signal import StopSignal
from detcli.training.optimization.distributed import join_processes
from detcli.training.state.restarts import restart_if_due
from detcli.training.state.run_folder import RunFolder
from detcli.training.training_loop import _ignore_event, _Run
from detcli.training.validation import ValidationResult
from tests.helpers.training_jobs import job, quick_recipe

RESTART_DECAY = 0.75


@pytest.fixture
def run(tmp_path: Path) -> Iterator[_Run]:
    """A run of four epochs that stops augmenting after two; its best was kept in the first, and it learned since."""
    recipe = quick_recipe(epochs=4, stop_augmentation_epoch=2, ema_restart_decay=RESTART_DECAY)
    asked = job(tmp_path / "run", recipe)
    folder, device = RunFolder(asked.run), torch.device("cpu")
    with join_processes(device) as processes:
        folder.begin(recipe, overwrite=False)
        made = _Run(asked, folder, device, processes, _ignore_event, StopSignal())
        made.checkpointer.keep_best(ValidationResult({"AP": 0.5}, ()))
        yield made
        made.checkpointer.close()
        folder.close()


def state(run: _Run) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in run.train_step.state().items()}


def end_epoch(run: _Run, epoch: int, *, ap: float) -> None:
    run.checkpointer.progress.epoch = epoch
    restart_if_due(run.train_step.average, run.checkpointer, ap)


def learn_something(run: _Run) -> None:
    with torch.no_grad():
        for parameter in run.train_step.network.parameters():
            parameter.add_(1)
    run.train_step.average.update()


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_training_restarts_from_the_best_when_augmentation_stops(run: _Run) -> None:
    best, updates = state(run), run.train_step.average.updates
    learn_something(run)
    end_epoch(run, 0, ap=0.4)
    assert not same(state(run), best), "images are augmented still"
    end_epoch(run, 1, ap=0.4)
    assert same(state(run), best)
    assert (run.train_step.average.decay, run.train_step.average.updates) == (RESTART_DECAY, updates)


def test_a_worse_epoch_restarts_with_a_smaller_decay(run: _Run) -> None:
    best = state(run)
    end_epoch(run, 1, ap=0.4)
    learn_something(run)
    end_epoch(run, 2, ap=0.3)
    assert same(state(run), best)
    assert run.train_step.average.decay == pytest.approx(RESTART_DECAY - 1e-4)


def test_a_better_epoch_without_augmentation_continues(run: _Run) -> None:
    end_epoch(run, 1, ap=0.4)
    learn_something(run)
    learned = state(run)
    end_epoch(run, 2, ap=0.6)
    assert same(state(run), learned)
    assert run.train_step.average.decay == RESTART_DECAY


def test_after_the_last_epoch_nothing_is_taken_back(run: _Run) -> None:
    learn_something(run)
    learned = state(run)
    end_epoch(run, 3, ap=0.1)
    assert same(state(run), learned)
