"""`detcli train` for networks of images of many sizes and with masks: from panoptic annotations to a model that segments."""

import json
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.helpers.annotated_datasets import write_image
from tests.helpers.cli_runs import Run
from tests.helpers.segment_samples import write_panoptic_model

Detcli = Callable[..., Run]
SHORT = ("--epochs", "1", "-b", "2", "-d", "cpu", "-j", "1")
CATEGORIES = [
    {"id": 3, "name": "dog", "isthing": 1}, {"id": 90, "name": "sky", "isthing": 0}, {"id": 5, "name": "zebra", "isthing": 1},
]  # fmt: skip


def panoptic(folder: Path, count: int, *, names: tuple[str, ...] = ("dog", "zebra"), seed: int = 0) -> Path:
    """Images of a sky with one colored rectangle, and their COCO panoptic annotations."""
    random = np.random.default_rng(seed)
    categories = [
        {**one, "name": {"dog": names[0], "zebra": names[1]}.get(str(one["name"]), one["name"])} for one in CATEGORIES
    ]
    images, annotations = [], []
    for number in range(1, count + 1):
        height, width = (int(side) for side in random.integers(50, 90, 2))
        pixels = random.integers(90, 130, (height, width, 3)).astype(np.uint8)
        ids = np.full((height, width), 7)
        x, y, w, h = (int(value) for value in random.integers(10, 35, 4))
        pixels[y : y + h, x : x + w] = (220, 40, 40) if number % 2 else (40, 60, 220)
        ids[y : y + h, x : x + w] = 300
        box = [x, y, min(w, width - x), min(h, height - y)]
        for path, image in (
            (folder / f"{number}.jpg", pixels),
            (folder / "panoptic" / f"{number}.png", _colors(ids)),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
        images.append({"id": number, "file_name": f"{number}.jpg", "width": width, "height": height})
        segments = [
            {"id": 7, "category_id": 90, "bbox": [0, 0, width, height], "area": int((ids == 7).sum()), "iscrowd": 0},
            {"id": 300, "category_id": 3 if number % 2 else 5, "bbox": box, "area": box[2] * box[3], "iscrowd": 0},
        ]
        annotations.append({"image_id": number, "file_name": f"{number}.png", "segments_info": segments})
    file = folder / "panoptic.json"
    file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return file


def _colors(ids: np.ndarray) -> np.ndarray:
    return np.stack((ids & 255, ids >> 8 & 255, ids >> 16), axis=2).astype(np.uint8)


def yolo(folder: Path, rows: str) -> None:
    """A YOLO dataset of two images with the same rows."""
    for name in ("a", "b"):
        write_image(folder / "images" / "train" / f"{name}.png")
        label = folder / "labels" / "train" / f"{name}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text(rows)
    (folder / "data.yaml").write_text("names: [dog]\ntrain: images/train\n")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test stands in an empty folder, with four images to learn from and two to evaluate by."""
    monkeypatch.chdir(tmp_path)
    panoptic(Path("val"), 2, seed=1)
    return panoptic(Path("data"), 4)


def without_masks(folder: Path, model: Path, names: tuple[str, ...]) -> Path:
    """The detector in a panoptic model, for other classes."""
    from detcli.checkpoints.checkpoint_files import read_checkpoint, write_checkpoint
    from detcli.checkpoints.model_files import ModelFiles
    from detcli.models.detr import FAMILY

    checkpoint = read_checkpoint(ModelFiles(str(model), model))
    config = FAMILY.read_config(checkpoint.config)
    made = FAMILY.replace_class_head(FAMILY.read_weights(checkpoint.tensors, config), config, names)
    config = replace(made.config, has_masks=False)
    state = {name: tensor for name, tensor in made.state.items() if not name.startswith("mask_head.")}
    write_checkpoint(folder, FAMILY.write_config(config), checkpoint.preprocessor, FAMILY.write_weights(state, config))
    return folder


def test_panoptic_annotations_make_a_model_that_segments(detcli: Detcli, data: Path) -> None:
    model = write_panoptic_model(Path("model"))
    run = detcli("train", "-m", model, "--data", data, "--val", "val/panoptic.json", "-o", "run", *SHORT)
    assert (run.code, run.out) == (0, ""), run.err
    assert "the model has 2 of the 3 classes already ('dog', 'sky')" in run.err
    assert "batch size 2, images with a shortest edge of 38 to 64 (longest edge at most 96)" in run.err
    losses = json.loads(Path("run/metrics.jsonl").read_text().splitlines()[-1])["losses"]
    assert {"loss_mask", "loss_dice", "loss_ce", "loss_bbox", "loss_giou", "loss_ce_aux_0"} <= losses.keys()
    config = json.loads(Path("run/best/config.json").read_text())
    assert (config["category_ids"], config["stuff"]) == ([3, 5, 90], [2])
    assert config["architectures"] == ["DetrForSegmentation"]
    size = json.loads(Path("run/best/preprocessor_config.json").read_text())["size"]
    assert size == {"shortest_edge": 64, "longest_edge": 96}
    assert run.err.splitlines()[-1] == "detcli: next: detcli segment images/ -m run/best"
    found = detcli(
        "segment", "val", "-m", "run/best", "-t", "0", "-d", "cpu", "--format", "coco-panoptic", "-o", "out.json"
    )
    assert found.code == 0, found.err
    categories = json.loads(Path("out.json").read_text())["categories"]
    assert {one["id"]: one["isthing"] for one in categories} == {3: 1, 5: 1, 90: 0}


def test_polygons_of_yolo_train_a_mask_head(detcli: Detcli, data: Path) -> None:
    yolo(Path("yolo"), "0 0.2 0.2 0.8 0.2 0.7 0.8\n")
    run = detcli("train", "-m", write_panoptic_model(Path("model")), "--data", "yolo", "-o", "run", *SHORT)
    assert run.code == 0, run.err
    assert "data: 'yolo', 2 images, 2 boxes; 1 class: dog 2" in run.err
    losses = json.loads(Path("run/metrics.jsonl").read_text().splitlines()[-1])["losses"]
    assert min(losses["loss_mask"], losses["loss_dice"]) > 0


def test_only_the_new_mask_head_of_a_detector_is_trained(detcli: Detcli, data: Path) -> None:
    from safetensors.torch import load_file

    model = without_masks(Path("detector"), write_panoptic_model(Path("model")), ("dog", "zebra", "sky"))
    run = detcli("train", "-m", model, "--masks", "--data", data, "-o", "run", *SHORT)
    assert run.code == 0, run.err
    assert "the model is a box detector: new mask head" in run.err
    before = load_file(model / "model.safetensors")
    after = load_file(Path("run/last/model.safetensors"))
    kept = {f"detr.{name}": tensor for name, tensor in before.items()}
    assert all(after[name].equal(tensor) for name, tensor in kept.items())
    assert any(name.startswith("mask_head.") for name in after.keys() - kept.keys())
    resumed = detcli("train", "-m", "shapes", "--masks", "--data", data, "-o", "run", *SHORT, "--resume")
    assert resumed.code == 0, resumed.err
    assert "the network is that of the run in 'run'; --model is ignored" in resumed.err
    assert "no steps left" in resumed.err


def test_a_new_mask_head_is_evaluated_by_its_masks(detcli: Detcli, data: Path) -> None:
    model = without_masks(Path("detector"), write_panoptic_model(Path("model")), ("dog", "zebra", "sky"))
    run = detcli("train", "-m", model, "--masks", "--data", data, "--val", "val/panoptic.json", "-o", "run", *SHORT)
    assert run.code == 0, run.err
    metrics = json.loads(Path("run/metrics.jsonl").read_text().splitlines()[-1])["metrics"]
    evaluated = detcli(
        "eval", "-m", "run/best", "--data", "val/panoptic.json", "--iou-type", "segm", "-f", "json", "-d", "cpu"
    )
    assert evaluated.code == 0, evaluated.err
    assert json.loads(evaluated.out)["metrics"] == pytest.approx(metrics)
    assert metrics["APl"] is None, "no thing is large"


def test_a_mask_head_is_no_use_to_a_detector_of_other_classes(detcli: Detcli, data: Path) -> None:
    model = without_masks(Path("detector"), write_panoptic_model(Path("model")), ("dog", "sky"))
    run = detcli("train", "-m", model, "--masks", "--data", data, "-n", *SHORT)
    assert run.code == 2
    assert "does not have the classes 'zebra'" in run.err
    assert "train it on this data without --masks first" in run.err
    assert detcli("train", "-m", model, "--masks", "--data", data, "-n", *SHORT, "--set", "frozen=[]").code == 0


def test_a_mask_head_that_is_there_is_not_given(detcli: Detcli, data: Path) -> None:
    run = detcli("train", "-m", write_panoptic_model(Path("model")), "--masks", "--data", data, "-n", *SHORT)
    assert run.code == 2
    assert "'model' has one already, which is trained with the rest: leave it out" in run.err


def test_boxes_of_panoptic_annotations_are_data_for_any_model(
    detcli: Detcli, data: Path, tiny_checkpoint: Path
) -> None:
    run = detcli("train", "-m", tiny_checkpoint, "--data", data, "-n", *SHORT)
    assert run.code == 0, run.err
    assert "8 boxes; 3 classes: sky 4, dog 2, zebra 2" in run.err


def test_a_size_is_that_of_the_shorter_and_of_the_longer_side(detcli: Detcli, data: Path) -> None:
    model = write_panoptic_model(Path("model"))
    run = detcli("train", "-m", model, "--data", data, "-n", "--imgsz", "32", "50", "--set", "fit_to_data=false")
    recipe = tomllib.loads(run.out)
    assert (recipe["shortest_edges"][-1], recipe["longest_edge"], recipe["crop_sides"]) == (32, 50, [16, 24])
    assert recipe["epochs"] == 50
    Path("recipe.toml").write_text(run.out)
    assert detcli("train", "-m", model, "--data", data, "-n", "--recipe", "recipe.toml").out == run.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--mosaic", "0.5"], "mosaic is 0.5, which is for images that are stretched to one size"),
        (["--imgsz", "64", "32"], "the shortest edge comes first, then the longest: 32 64"),
        (["--set", "longest_edge=40"], "64 is above longest_edge = 40"),
        (["--set", "schedule=step", "--set", "milestone_epochs=[]"], "needs milestone_epochs"),
    ],
)
def test_options_that_do_not_fit_the_model_are_errors(
    detcli: Detcli, data: Path, arguments: list[str], said: str
) -> None:
    run = detcli("train", "-m", write_panoptic_model(Path("model")), "--data", data, "-n", *arguments)
    assert run.code == 2
    assert said in run.err
    assert run.out == ""


def test_masks_are_for_networks_that_can_have_a_mask_head(detcli: Detcli, data: Path, tiny_checkpoint: Path) -> None:
    run = detcli("train", "-m", tiny_checkpoint, "--masks", "--data", data, "-n")
    assert run.code == 2
    assert "--masks: a network of the family 'dfine' has no mask head" in run.err
    run = detcli("train", "-m", tiny_checkpoint, "--data", data, "-n", "--set", "shortest_edges=[480]")
    assert run.code == 2
    assert "zoom_out" in run.err


def test_data_without_masks_is_an_error(detcli: Detcli, data: Path) -> None:
    model = write_panoptic_model(Path("model"))
    yolo(Path("yolo"), "0 0.5 0.5 0.25 0.5\n")
    run = detcli("train", "-m", model, "--data", "yolo", "-n")
    assert run.code == 4
    assert "2 rows have no mask" in run.err
    document: dict[str, Any] = json.loads(data.read_text())
    document["annotations"] = [
        {"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 1, 9, 9]},
    ]
    Path("data/boxes.json").write_text(json.dumps(document))
    run = detcli("train", "-m", model, "--data", "data/boxes.json", "-n")
    assert run.code == 4
    assert "1 annotation has no mask" in run.err
