"""`detcli train --find-lr` and `--batch auto`: a plot and a recipe, and a batch size that fits."""

import tomllib
from pathlib import Path

import pytest

from tests.helpers.train_command_fixtures import SHORT, Train


def test_a_learning_rate_is_found_and_used(train: Train, data: Path) -> None:
    run = train("--data", data, "--val", "val/truth.json", *SHORT, "--find-lr", "lr.png")
    assert run.code == 0, run.err
    recipe = tomllib.loads(run.out)
    assert f"lr {recipe['lr']:g} for batch size 4 (the recipe's is 0.0004)" in run.err
    assert run.err.splitlines()[-1].endswith("-> lr.png")
    assert Path("lr.png").read_bytes().startswith(b"\x89PNG")
    assert recipe["base_batch"] == recipe["batch"] == 4
    assert recipe["backbone_lr"] == pytest.approx(recipe["lr"] / 2)
    assert sorted(path.name for path in Path().iterdir()) == ["data", "lr.png", "val"]
    Path("recipe.toml").write_text(run.out)
    plan = train("--data", data, "--recipe", "recipe.toml", "-n")
    assert f"lr {recipe['lr']:.3g}, " in plan.err


def test_a_plot_that_exists_is_kept(train: Train, data: Path) -> None:
    Path("lr.png").write_text("mine")
    run = train("--data", data, *SHORT, "--find-lr", "lr.png")
    assert run.code == 8
    assert Path("lr.png").read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured on Linux")
def test_a_batch_that_fits_is_in_the_plan(train: Train, data: Path) -> None:
    run = train("--data", data, "--batch", "auto", "--imgsz", "64", "96", "--lr", "1e-4", "-d", "cpu", "-n")
    assert run.code == 0, run.err
    recipe = tomllib.loads(run.out)
    assert (recipe["batch"], recipe["base_batch"], recipe["lr"]) == (8, 8, 1e-4)
    assert "batch size 8: a step needs about " in run.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--batch", "auto", "--accumulate", "2", "-n"], "--batch 'auto' and --accumulate exclude each other"),
        (["--batch", "large"], "'large' is neither auto nor an integer from 1"),
        (["--lr", "0", "--find-lr", "lr.png"], "a learning rate cannot be searched for a recipe with lr = 0"),
    ],
)
def test_what_cannot_be_searched_is_refused(train: Train, data: Path, options: list[str], message: str) -> None:
    run = train("--data", data, "-d", "cpu", "--imgsz", "64", *options)
    assert run.code == 2
    assert message in run.err
