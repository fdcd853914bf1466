"""Weights too large to answer with: found while training, or only when a model is evaluated."""

from pathlib import Path

import pytest

from detcli.errors import DivergedError
from detcli.training.training_loop import train
from tests.helpers.training_jobs import job, quick_recipe


def test_outputs_that_are_not_finite_in_validation_are_divergence(tmp_path: Path) -> None:
    run = tmp_path / "run"
    asked = job(run, quick_recipe(clip=0, lr=1e3, backbone_lr=1e3, warmup_steps=0, ema_decay=0.0, epochs=9), count=4)
    with pytest.raises(DivergedError, match=r"in epoch 1: evaluated on 4 images, the first '0\.png'") as caught:
        train(asked)
    assert f"'{run / 'last'}' is unusable, and there is no best model" in str(caught.value)
