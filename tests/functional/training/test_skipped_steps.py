"""Steps with NaN or infinity: skipped without a trace in the weights, as often as the recipe allows."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from detcli.errors import DivergedError
from detcli.models.dfine import DFineFamily
from detcli.structures.stop_signal import StopSignal
from detcli.training.training_events import Event, TrainingNote, TrainingStep
from detcli.training.training_loop import train
from tests.helpers.processes import run
from tests.helpers.training_jobs import job, quick_recipe

FILES = ("best/model.safetensors", "last/model.safetensors", "metrics.jsonl", "state.safetensors")


class Failing(DFineFamily):
    """D-FINE whose losses are NaN in some calls of the criterion, counted from 0 over all runs; or not computable."""

    def __init__(self, *calls: int, error: bool = False) -> None:
        self._bad, self._error, self.called = set(calls), error, 0

    def criterion(self, config: Any) -> Any:
        plain = super().criterion(config)

        def losses(outputs: Any, targets: Any) -> dict[str, Any]:
            bad = self.called in self._bad and torch.is_grad_enabled()
            self.called += torch.is_grad_enabled()  # not in validation
            if bad and self._error:
                raise DivergedError("costs are not finite")
            return {name: loss * float("nan") if bad else loss for name, loss in plain(outputs, targets).items()}

        return losses


def notes(events: list[Event]) -> list[str]:
    return [event.sentence for event in events if isinstance(event, TrainingNote)]


@pytest.mark.parametrize("error", [False, True])
def test_a_skipped_step_changes_no_weight_and_no_statistic(tmp_path: Path, error: bool) -> None:
    recipe = quick_recipe(max_skipped_steps=5, accumulate=2, epochs=2)
    states: list[dict[str, torch.Tensor]] = []

    class Watching(Failing):
        def build(self, config: Any) -> Any:
            network = super().build(config)
            network.register_forward_pre_hook(
                lambda module, _: (
                    states.append({name: x.clone() for name, x in module.state_dict().items()})
                    if module.training
                    else None
                )
            )
            return network

    events: list[Event] = []
    family = Watching(2, error=error)  # the first micro-batch of the second step
    result = train(job(tmp_path / "run", recipe, family=family, val=None), observer=events.append)
    assert (result.skipped, result.steps) == (1, 4)
    steps = sum(isinstance(event, TrainingStep) for event in events)
    assert steps == 3
    [note] = [sentence for sentence in notes(events) if "skipped" in sentence]
    assert note.startswith("epoch 1, step 2 is skipped: ")
    assert ".png'" in note
    before, after = states[2], states[4 if not error else 3]
    statistics = [name for name in before if "running" in name]
    assert statistics
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_rates_fall_once_and_then_training_gives_up(tmp_path: Path) -> None:
    recipe = quick_recipe(max_skipped_steps=2, epochs=9, warmup_steps=0)
    events: list[Event] = []
    with pytest.raises(DivergedError, match="epoch 4, step 1"):
        train(job(tmp_path / "run", recipe, family=Failing(1, 2, 4, 5, 6), val=None), observer=events.append)
    rates = [event.lr for event in events if isinstance(event, TrainingStep)]
    assert rates == pytest.approx([1e-3, 1e-4])
    skips = [sentence for sentence in notes(events) if "is skipped" in sentence]
    assert ["0.1 times" in sentence for sentence in skips] == [False, True, False, False]
    assert "it is the 2nd" in skips[1]


def test_without_the_setting_the_first_one_ends_training(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match="epoch 1, step 2"):
        train(job(tmp_path / "run", quick_recipe(), family=Failing(1)))


def test_a_resumed_run_remembers_what_was_skipped(tmp_path: Path) -> None:
    recipe = quick_recipe(max_skipped_steps=2)
    straight = train(job(tmp_path / "straight", recipe, family=Failing(1, 2)))
    family, stop = Failing(1, 2), StopSignal()

    def stop_after_two(event: Event) -> None:
        if isinstance(event, TrainingNote) and "step 1 is skipped" in event.sentence:
            stop.set()

    first = train(job(tmp_path / "halted", recipe, family=family), observer=stop_after_two, stop=stop)
    assert first.interrupted is not None
    second = train(job(tmp_path / "halted", recipe, family=family, resume=True))
    assert (second.skipped, straight.skipped) == (2, 2)
    for name in FILES:
        assert (tmp_path / "halted" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes(), name
    lines = [json.loads(line) for line in (tmp_path / "halted" / "metrics.jsonl").read_bytes().splitlines()]
    assert [line["skipped"] for line in lines if line["kind"] == "epoch"] == [1, 2, 2]


def test_an_epoch_of_skipped_steps_only_is_an_epoch(tmp_path: Path) -> None:
    recipe = quick_recipe(max_skipped_steps=2, epochs=2, warmup_steps=0)
    result = train(job(tmp_path / "run", recipe, family=Failing(0, 1)))
    assert (result.epochs, result.skipped) == (2, 2)


TOGETHER = """
import os, sys
from pathlib import Path
import torch
from tests.functional.training.test_skipped_steps import Failing
from tests.helpers.training_jobs import job, quick_recipe
from detcli.training.training_events import TrainingNote
from detcli.training.training_loop import train

torch.set_num_threads(1)
calls = (2,) if os.environ["RANK"] == "1" else ()  # the first micro-batch of the second step, in one process
recipe = quick_recipe(max_skipped_steps=2, accumulate=2, epochs=1, stop_augmentation_epoch=0)
asked = job(Path(sys.argv[1]), recipe, family=Failing(*calls, error=True), val=None)
result = train(asked, observer=lambda e: print(e.sentence) if isinstance(e, TrainingNote) else None)
print("steps", result.steps, "skipped", result.skipped)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="torchrun's rendezvous needs POSIX here")
def test_a_process_whose_losses_fail_lets_all_skip_the_step(tmp_path: Path) -> None:
    script = tmp_path / "together.py"
    script.write_text(TOGETHER)
    ended = run([str(script), str(tmp_path / "run")], processes=2)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("steps 2 skipped 1") == 2
    assert "epoch 1, step 2 is skipped: costs are not finite; the batch has " in ended.stdout
