"""`detcli train --find-lr`, `--batch auto`, `--show-batch`: a plot and a recipe, a batch that fits, images as the network gets them."""

import tomllib
from pathlib import Path

import pytest
from PIL import Image

from tests.helpers.train_command_fixtures import SHORT, Train


def test_a_learning_rate_is_found_and_used(train: Train, data: Path) -> None:
    run = train("--data", data, "--val", "val/truth.json", *SHORT, "--find-lr", "lr.png")
    assert run.code == 0, run.err
    recipe = tomllib.loads(run.out)
    assert f"lr {recipe['lr']:g} for batch size 4 (the recipe's is 0.0014)" in run.err
    assert run.err.splitlines()[-1].endswith("-> lr.png")
    assert Path("lr.png").read_bytes().startswith(b"\x89PNG")
    assert recipe["base_batch"] == recipe["batch"] == 4
    assert recipe["backbone_lr"] == pytest.approx(recipe["lr"])
    assert sorted(path.name for path in Path().iterdir()) == ["data", "lr.png", "val"]
    Path("recipe.toml").write_text(run.out)
    plan = train("--data", data, "--recipe", "recipe.toml", "-n")
    assert f"lr {recipe['lr']:.3g}, " in plan.err


def test_a_plot_that_exists_is_kept(train: Train, data: Path) -> None:
    Path("lr.png").write_text("mine")
    run = train("--data", data, *SHORT, "--find-lr", "lr.png")
    assert run.code == 8
    skipped = train("--data", data, *SHORT, "--find-lr", "lr.png", "--if-exists", "skip")
    assert (skipped.code, skipped.out) == (0, "")
    assert "'lr.png' exists; skipped" in skipped.err
    assert Path("lr.png").read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured on Linux")
def test_a_batch_that_fits_is_in_the_plan(train: Train, data: Path) -> None:
    run = train("--data", data, "--batch", "auto", "--imgsz", "64", "96", "--lr", "1e-4", "-d", "cpu", "-n")
    assert run.code == 0, run.err
    recipe = tomllib.loads(run.out)
    assert (recipe["batch"], recipe["base_batch"], recipe["lr"]) == (8, 8, 1e-4)
    assert "batch size 8: a step needs about " in run.err


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured on Linux")
def test_a_batch_that_was_found_gives_the_plan_of_the_same_number(train: Train, data: Path) -> None:
    """With the fitted fields and the learning rate that is printed, which depend on the batch size."""
    options = ("--data", data, "--imgsz", "64", "96", "-d", "cpu", "-n")
    found, given = train(*options, "--batch", "auto"), train(*options, "--batch", "8")
    assert found.out == given.out
    notes = [[line for line in run.err.splitlines() if "was fitted to 8 images" in line] for run in (found, given)]
    assert notes[0] == notes[1] != []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--batch", "auto", "--accumulate", "2", "-n"], "--batch 'auto' and --accumulate exclude each other"),
        (["--batch", "large"], "'large' is neither auto nor an integer from 1"),
        (["--find-lr", "lr.jpg"], "--find-lr is 'lr.jpg', and its plot is a PNG: name a .png file"),
        (
            ["--find-lr", "lr.png", "-o", "run", "--resume"],
            "a learning rate is searched for a new run: leave out --resume",
        ),
        (["--lr", "0", "--find-lr", "lr.png"], "a learning rate cannot be searched for a recipe with lr = 0"),
    ],
)
def test_what_cannot_be_searched_is_refused(train: Train, data: Path, options: list[str], message: str) -> None:
    run = train("--data", data, "-d", "cpu", "--imgsz", "64", *options)
    assert run.code == 2
    assert message in run.err


def test_the_first_images_are_saved_and_nothing_is_trained(train: Train, data: Path) -> None:
    shown = train("--data", data, "--val", "val/truth.json", *SHORT, "--show-batch", "batch.png", "--show-images", "4")
    assert shown.code == 0, shown.err
    last = shown.err.splitlines()[-1]
    assert last.startswith("the first 4 images of epoch 1 as the network gets them: ")
    assert last.endswith("boxes -> batch.png")
    assert sorted(path.name for path in Path().iterdir()) == ["batch.png", "data", "val"]
    with Image.open("batch.png") as image:
        assert image.size[0] > 2 * 96
    first = Path("batch.png").read_bytes()
    assert train("--data", data, *SHORT, "--show-batch", "again.png", "--show-images", "4").code == 0
    assert Path("again.png").read_bytes() == first, "the same in each run"
    later = ("--show-batch", "later.jpg", "--show-images", "4", "--show-epoch", "2", "--log-format", "json")
    run = train("--data", data, *SHORT, *later)
    assert '"epoch": 2' in run.err + run.out
    with Image.open("later.jpg") as other, Image.open("batch.png") as image:
        assert other.format == "JPEG"
        assert other.tobytes() != image.tobytes()


def test_a_batch_of_a_run_can_be_shown(train: Train, data: Path) -> None:
    """Its recipe is that of the run folder."""
    assert train("--data", data, *SHORT, "--seed", "5", "-o", "run", "--log-to", "none").code == 0
    assert train("--data", data, "-o", "run", "--resume", "--show-batch", "one.png", "-d", "cpu").code == 0
    assert train("--data", data, *SHORT, "--seed", "5", "--show-batch", "other.png").code == 0
    assert Path("one.png").read_bytes() == Path("other.png").read_bytes()


def test_an_image_file_that_exists_is_kept(train: Train, data: Path) -> None:
    Path("batch.png").write_text("mine")
    assert train("--data", data, *SHORT, "--show-batch", "batch.png").code == 8
    assert train("--data", data, *SHORT, "--show-batch", "batch.png", "--if-exists", "skip").code == 0
    assert Path("batch.png").read_text() == "mine"
    assert train("--data", data, *SHORT, "--show-batch", "batch.png", "--yes").code == 0
    assert Path("batch.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--show-batch", "batch.txt"],
            "--show-batch is 'batch.txt'; it must be an image file, such as .jpg, .png, .webp",
        ),
        (["--show-epoch", "2", "-o", "run"], "--show-epoch is for --show-batch, the image file to write"),
        (["--show-images", "9", "-o", "run"], "--show-images is for --show-batch, the image file to write"),
        (["--show-batch", "a.png", "--find-lr", "b.png"], "--find-lr and --show-batch exclude each other"),
        (["--show-batch", "a.png", "--show-epoch", "3"], "--show-epoch is 3, and the recipe has 2 epochs"),
        (["--show-batch", "a.png", "--show-images", "0"], "--show-images"),
        (["--show-batch", "a.png", "--show-images", "1000"], "--show-images"),
    ],
)
def test_what_cannot_be_shown_is_refused(train: Train, data: Path, options: list[str], message: str) -> None:
    run = train("--data", data, *SHORT, *options)
    assert run.code == 2
    assert message in run.err
    assert sorted(path.name for path in Path().iterdir()) == ["data", "val"]
