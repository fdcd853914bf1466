"""`detcli train` from the command line to a folder with models: what is said, what is refused, how it ends."""

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.helpers.cli_runs import Run
from tests.helpers.train_command_fixtures import SHORT, Train, dataset


def test_a_run_ends_in_models_that_detect(train: Train, detcli: Callable[..., Run], data: Path) -> None:
    run = train("--data", data, "--val", "val/truth.json", "-o", "runs/first", *SHORT)
    assert (run.code, run.out) == (0, ""), run.err
    lines = run.err.splitlines()
    assert "detcli: data: 'data/truth.json', 8 images, 8 boxes; 2 classes: " in lines[0]
    assert lines[1].startswith("detcli: data: annotations 'data/truth.json', images in 'data")
    assert "detcli: val: 'val/truth.json', 4 images, 4 boxes; 2 classes: " in lines[2]
    assert lines[3].startswith("detcli: val: annotations 'val/truth.json', images in 'val")
    assert any("the model has 1 of the 2 classes already ('dog')" in line for line in lines)
    assert any("2 epochs of 2 steps, batch size 4, images of 64 x 96" in line for line in lines)
    assert [line for line in lines if line.startswith("detcli: epoch 2 of 2: loss ")]
    assert lines[-2].startswith("2 epochs in ")
    assert lines[-2].endswith(" -> runs/first/best")
    assert lines[-1] == "detcli: next: detcli detect images/ -m runs/first/best"
    found = detcli("detect", "val", "-m", "runs/first/best", "-t", "0", "--max-det", "1")
    assert found.code == 0, found.err
    ids = {record["detections"][0]["category_id"] for record in map(json.loads, found.out.splitlines())}
    assert ids <= {3, 6}, "category ids are the data's own"


def test_a_model_has_the_threshold_of_its_validation(
    detcli: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["-m", "shapes", "-d", "cpu", "--epochs", "1", "--batch", "4", "--lr", "1e-6"]
    run = detcli("train", "--data", "shapes:0:4", "--val", "shapes:1:4", "-o", "run", *options)
    assert run.code == 0, run.err
    done = detcli("eval", "-m", "run/best", "--data", "shapes:1:4", "-d", "cpu", "--json", "--bootstrap", "0")
    best = json.loads(done.out)["thresholds"]["best"]
    for name in ("best", "last"):
        stored = json.loads(Path("run", name, "config.json").read_text())["score_threshold"]
        assert stored == {"value": best["threshold"], "source": f"the highest F1, {best['F1']:.3f}, on 'shapes:1:4'"}
    assert json.loads(done.out)["confusion"]["score"] == best["threshold"]


def test_a_dry_run_checks_and_plans_and_prints_the_recipe(train: Train, data: Path) -> None:
    run = train("--data", data, "--dry-run", *SHORT, "--set", "clip=0.5")
    assert run.code == 0
    recipe = tomllib.loads(run.out)
    assert (recipe["epochs"], recipe["batch"], recipe["clip"]) == (2, 4, 0.5)
    assert "2 epochs of 2 steps" in run.err
    assert "no validation set, so no best model; add one with --val" in run.err
    assert not Path("runs").exists()
    Path("recipe.toml").write_text(run.out)
    assert train("--data", data, "--dry-run", "--recipe", "recipe.toml").out == run.out


def test_a_model_of_ones_own_keeps_its_image_size(train: Train, data: Path) -> None:
    assert tomllib.loads(train("--data", data, "-n").out)["image_size"] == [64, 96]


def test_from_scratch_a_configuration_is_enough(detcli: Callable[..., Run], tiny_checkpoint: Path, data: Path) -> None:
    config = tiny_checkpoint / "config.json"
    refused = detcli("train", "-m", config, "--data", data, "-n")
    assert refused.code == 2
    assert "use --scratch to start from random ones" in refused.err
    run = detcli("train", "-m", config, "--scratch", "--data", data, "-n")
    assert run.code == 0, run.err
    assert "random weights" in run.err


def test_the_run_needs_an_output_folder(train: Train, data: Path) -> None:
    run = train("--data", data)
    assert run.code == 2
    assert "missing --output: the folder of the run" in run.err


def test_standard_output_cannot_be_the_run_folder(train: Train, data: Path) -> None:
    run = train("--data", data, "-o", "-", *SHORT)
    assert run.code == 2
    assert "a run is a folder" in run.err


def test_a_folder_that_is_not_empty_is_kept_by_default(train: Train, data: Path) -> None:
    Path("run").mkdir()
    Path("run/notes.txt").write_text("mine")
    run = train("--data", data, "-o", "run")
    assert run.code == 8
    assert "--if-exists overwrite (or -y)" in run.err
    assert train("--data", data, "-o", "run", "--if-exists", "skip").code == 0
    assert [path.name for path in Path("run").iterdir()] == ["notes.txt"]


def test_a_folder_of_a_run_without_a_state_is_free(train: Train, data: Path) -> None:
    for name in ("last", "tensorboard"):
        Path("run", name).mkdir(parents=True)
    Path("run/recipe.toml").write_text("epochs = 1")
    model = Path("run/last/model.safetensors")
    model.write_bytes(b"random weights")
    refused = train("--data", data, "-o", "run", "-n")
    assert refused.code == 8, "a model of an older run"
    Path("run/metrics.jsonl").write_bytes(b"")
    assert train("--data", data, "-o", "run", "-n").code == 0
    Path("run/state.safetensors").write_bytes(b"a state")
    assert train("--data", data, "-o", "run", "-n").code == 8
    assert model.read_bytes() == b"random weights"


@pytest.mark.parametrize("option", ["--data", "--val", "--images"])
def test_the_run_folder_never_contains_an_input(train: Train, data: Path, option: str) -> None:
    given = {"--data": data, "--val": "val/truth.json", "--images": "data"} | {
        option: "data" if "im" in option else data
    }
    run = train(*(word for pair in given.items() for word in pair), "-o", "data", "-y")
    assert run.code == 2
    assert "'data' contains an input of the run" in run.err
    assert data.exists()


def test_missing_libraries_are_named_before_anything_is_read(
    train: Train, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from detcli.engine.training import train as engine_train

    for missing, words in (
        ({"scipy"}, "scipy, which is"),
        ({"scipy", "matplotlib"}, "matplotlib and scipy, which are"),
    ):
        monkeypatch.setattr(engine_train, "find_spec", lambda name, missing=missing: None if name in missing else name)
        run = train("--data", "no/such.json", "-o", "run")
        assert run.code == 2
        assert f"training needs {words} not installed: pip install matplotlib scipy" in run.err


def test_classes_that_the_training_data_does_not_have_are_refused(train: Train, data: Path) -> None:
    other = dataset(Path("other"), 4, names=("dog", "zebr"))
    run = train("--data", data, "--val", other, "-o", "run", *SHORT)
    assert run.code == 4
    assert "'zebr' (did you mean 'zebra'?)" in run.err
    assert not Path("run").exists()


@pytest.mark.parametrize("option", ["--data", "--val"])
@pytest.mark.parametrize("name", ["none", "none.json", "none.yaml", "data/0.png", "empty"])
def test_a_dataset_that_is_missing_or_none_is_exit_4(train: Train, data: Path, option: str, name: str) -> None:
    Path("empty").mkdir()
    arguments = {"--data": data, "--val": data} | {option: name}
    run = train(*(word for pair in arguments.items() for word in pair), "-o", "run", *SHORT)
    assert (run.code, name in run.err) == (4, True), run.err
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "clp=1"], "unknown field 'clp'; did you mean 'clip'"),
        (["-b", "7", "--accumulate", "2"], "cannot be divided into"),
        (["--imgsz", "50", "50"], "50"),
        (["--recipe", "none.toml"], "none.toml"),
        (["--precision", "int8"], "int8"),
        (["-m", "dfin-s"], "dfine-s"),
        (["--precision", "fp16"], "fp16"),
        (["-d", "cuda:99"], "cuda"),
    ],
)
def test_a_mistake_is_one_line_and_trains_nothing(train: Train, data: Path, arguments: list[str], said: str) -> None:
    run = train("--data", data, "-d", "cpu", "--dry-run", *arguments)
    assert run.code in (2, 5), run.err
    assert said in "".join(run.err.splitlines()[-2:])
    assert run.out == ""


def test_detections_in_a_folder_are_not_trained_on(train: Train, data: Path) -> None:
    document = json.loads(data.read_text())
    for entry in document["annotations"]:
        entry["score"] = 0.9
    folder = data.parent / "found"
    folder.mkdir()
    (folder / "detections.json").write_text(json.dumps(document))
    run = train("--data", folder, "-d", "cpu", "--dry-run")
    assert (run.code, run.out) == (4, ""), run.err
    assert "detections.json' cannot be used as ground truth" in run.err


def test_the_files_that_were_taken_are_named(train: Train, data: Path) -> None:
    run = train("--data", data, "-d", "cpu", "--dry-run")
    assert "data: annotations 'data/truth.json', images in 'data" in run.err


def test_resuming_without_a_run_is_an_error(train: Train, data: Path) -> None:
    run = train("--data", data, "-o", "run", "--resume", *SHORT)
    assert run.code == 2
    assert "cannot --resume: there is no run in 'run'" in run.err


def test_a_field_of_the_network_that_there_is_none_of_is_refused(train: Train, data: Path) -> None:
    run = train("--data", data, "-n", "--set", "network.num_querys=10")
    assert run.code == 2
    assert "[network] sets 'num_querys', which the model does not have" in run.err
    assert train("--data", data, "-n", "--set", "network.num_queries=10").code == 0


def test_settings_and_environment_reach_it(train: Train, data: Path) -> None:
    Path("detcli.toml").write_text('[train]\nepochs = 7\nlr = 1e-3\nset = ["clip=0.5"]\nimgsz = [64, 64]\n')
    recipe = tomllib.loads(train("--data", data, "-n", env={"DETCLI_TRAIN_EPOCHS": "9"}).out)
    assert (recipe["epochs"], recipe["lr"], recipe["clip"], recipe["image_size"]) == (9, 1e-3, 0.5, [64, 64])


def test_one_of_several_processes_speaks(train: Train, data: Path) -> None:
    run = train("--data", data, "-n", env={"RANK": "1", "WORLD_SIZE": "2"})
    assert run.code == 0
    assert (run.out, run.err) == ("", "")


def test_a_dry_run_measures_a_step_and_keeps_nothing(train: Train, data: Path) -> None:
    before = sorted(Path().rglob("*"))
    run = train("--data", data, "--dry-run", *SHORT, "-o", "run")
    assert run.code == 0, run.err
    found = re.search(
        r"\ndetcli: time: about (.+) for 2 epochs, at ([\d.]+) s per step on cpu, measured on [1-4] images without "
        r"evaluation\n$",
        run.err,
    )
    assert found is not None, run.err
    assert sorted(Path().rglob("*")) == before
    (facts,) = (
        facts
        for line in train("--data", data, "-n", *SHORT, "--log-format", "json").err.splitlines()
        if "seconds_per_step" in (facts := json.loads(line))
    )
    steps = 2 * 2  # epochs of eight images in batches of four
    assert facts["seconds"] == pytest.approx(steps * facts["seconds_per_step"], abs=0.1)


def test_a_measured_step_leaves_the_random_numbers_alone(train: Train, data: Path) -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    assert train("--data", data, "--dry-run", *SHORT).code == 0
    assert torch.equal(torch.get_rng_state(), state)


def test_steps_of_several_processes_are_not_measured(train: Train, data: Path) -> None:
    run = train("--data", data, "-n", *SHORT, env={"RANK": "0", "WORLD_SIZE": "2"})
    assert run.code == 0, run.err
    assert run.err.endswith("detcli: time: the steps of several processes are not measured\n")
