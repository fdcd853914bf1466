"""`detcli demo`: images, boxes and a table without a network, into a folder that is never overwritten unasked."""

import csv
import json
import shutil
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from detcli.checkpoints import catalog_entry
from detcli.datasets.shapes import CLASSES
from tests.helpers.cli_runs import Run

Detcli = Callable[..., Run]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny model named `shapes`, its weights random: it finds something everywhere."""
    from dataclasses import replace

    import torch

    from detcli.checkpoints.checkpoint_files import write_checkpoint
    from detcli.models.dfine import FAMILY
    from detcli.models.dfine.published import published_config

    folder = tmp_path_factory.mktemp("bundled_entry")
    config = replace(published_config("n", CLASSES), num_queries=20, initializer_bias_prior_prob=0.6)
    preprocessor = {"do_resize": True, "size": {"height": 64, "width": 96}, "resample": 2, "do_rescale": True}
    torch.manual_seed(0)
    tensors = FAMILY.write_weights(FAMILY.build(config).state_dict(), config)
    write_checkpoint(folder / "shapes", FAMILY.write_config(config), preprocessor, tensors)
    return folder


@pytest.fixture
def demo(weights: Path, detcli: Detcli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Detcli:
    """Run `detcli demo` in an empty folder, offline and with an empty cache."""
    monkeypatch.setattr(catalog_entry, "BUNDLED_MODELS", weights)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return lambda *arguments, **others: detcli("demo", *arguments, **others)


def test_images_boxes_and_table_come_out(demo: Detcli, tmp_path: Path) -> None:
    run = demo()
    assert run.code == 0, run.err
    assert sorted(path.name for path in Path().iterdir()) == ["detcli-demo"]
    names = [f"{number}.jpg" for number in range(1, 7)]
    here = Path("detcli-demo")
    assert sorted(path.name for path in (here / "annotated").glob("*.jpg")) == names
    for name in names:
        with Image.open(here / "images" / name) as plain, Image.open(here / "annotated" / name) as annotated:
            assert plain.size == annotated.size == (640, 480)
            assert plain.tobytes() != annotated.tobytes()
    coco = json.loads((here / "detections.json").read_text())
    rows = list(csv.DictReader(StringIO((here / "detections.csv").read_text())))
    assert len(coco["images"]) == 6
    assert len(coco["annotations"]) == len(rows) > 6
    assert run.out.splitlines()[0].split() == ["file", "label", "score", "left", "top", "width", "height"]
    assert len(run.out.splitlines()) == 1 + len(rows)
    assert not (tmp_path / "cache").exists()


def test_the_bundled_model_makes_no_mistake_in_the_first_four_images(detcli: Detcli, tmp_path: Path) -> None:
    assert detcli("demo", "-o", tmp_path / "demo").code == 0
    ground_truth = json.loads((tmp_path / "demo/images/ground_truth.json").read_text())["annotations"]
    detected = json.loads((tmp_path / "demo/detections.json").read_text())["annotations"]
    for image_id in range(1, 5):
        expected = [each for each in ground_truth if each["image_id"] == image_id]
        found = [each for each in detected if each["image_id"] == image_id]
        assert len(found) == len(expected) >= 5
        for each in expected:
            same = [box for box in found if box["category_id"] == each["category_id"] and _iou(box, each) > 0.8]
            assert len(same) == 1, f"image {image_id}: {each}"


def _iou(first: dict[str, Any], second: dict[str, Any]) -> float:
    """The IoU of the boxes of two annotations."""
    (a_x, a_y, a_w, a_h), (b_x, b_y, b_w, b_h) = first["bbox"], second["bbox"]
    width = min(a_x + a_w, b_x + b_w) - max(a_x, b_x)
    height = min(a_y + a_h, b_y + b_h) - max(a_y, b_y)
    shared = max(0.0, width) * max(0.0, height)
    return float(shared / (a_w * a_h + b_w * b_h - shared))


def test_three_commands_to_go_on_with_are_said(demo: Detcli) -> None:
    lines = demo("-o", "a folder").err.splitlines()
    assert lines[-4].startswith("6 images, ")
    assert " -> a folder/detections.json, a folder/detections.csv, a folder/annotated/" in lines[-4]
    assert lines[-3].endswith("detcli eval 'a folder/detections.json' --gt 'a folder/images/ground_truth.json'")
    assert "detcli detect photos/" in lines[-2]
    assert "detcli train --data" in lines[-1]


def test_ground_truth_belongs_to_the_images_by_id(demo: Detcli) -> None:
    demo()
    ground_truth = json.loads(Path("detcli-demo/images/ground_truth.json").read_text())
    found = json.loads(Path("detcli-demo/detections.json").read_text())
    names = {image["id"]: image["file_name"] for image in ground_truth["images"]}
    assert names == {image["id"]: image["file_name"] for image in found["images"]}
    assert ground_truth["categories"] == [{"id": i + 1, "name": name} for i, name in enumerate(CLASSES)]
    assert {annotation["category_id"] for annotation in ground_truth["annotations"]} == set(range(1, len(CLASSES) + 1))
    for annotation in ground_truth["annotations"]:
        left, top, width, height = annotation["bbox"]
        assert 0 <= left < left + width <= 640
        assert 0 <= top < top + height <= 480


def test_what_is_there_is_kept_unless_told(demo: Detcli) -> None:
    assert demo().code == 0
    (Path("detcli-demo") / "mine.txt").write_text("mine")
    shutil.copy("detcli-demo/images/1.jpg", "detcli-demo/images/0.jpg")
    again = demo()
    assert (again.code, again.out) == (8, "")
    assert again.err == "detcli: 'detcli-demo' already exists: use -y to overwrite it, or -o DIR for another folder\n"
    assert demo("--if-exists", "skip").out == ""
    over = demo("-y")
    assert over.code == 0
    assert "6 images" in over.err, "an image that is not its own is none of its business"
    assert Path("detcli-demo/mine.txt").exists()


def test_even_an_empty_folder_is_kept_unless_told(demo: Detcli) -> None:
    Path("detcli-demo").mkdir()
    assert demo().code == 8
    assert not list(Path("detcli-demo").iterdir())
    assert demo("-y").code == 0


def test_a_file_in_its_place_is_an_error(demo: Detcli) -> None:
    Path("detcli-demo").write_text("mine")
    run = demo("-y")
    assert run.code in (2, 8)
    assert "detcli-demo" in run.err
    assert Path("detcli-demo").read_text() == "mine"


def test_an_installation_without_the_model_leaves_nothing_behind(
    demo: Detcli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_entry, "BUNDLED_MODELS", tmp_path)
    run = demo()
    assert run.code == 5
    assert "install detcli again" in run.err
    assert not Path("detcli-demo").exists()


def test_the_same_images_come_out_each_time(demo: Detcli) -> None:
    demo("-o", "one")
    demo("-o", "two")
    for path in sorted(Path("one/images").iterdir()):
        assert path.read_bytes() == (Path("two/images") / path.name).read_bytes()
