"""`detcli data stats`: counts and sizes as they can be computed by hand, as a table, as JSON and as plots."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import detcli as package
from tests.helpers.cli_runs import Run
from tests.helpers.data_parts import CocoPart, clean_part, scene_png

Detcli = Callable[..., Run]


@pytest.fixture(autouse=True)
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test stands in a folder with three images of 128 x 96, and four boxes."""
    monkeypatch.chdir(tmp_path)
    part = CocoPart(images={number: scene_png(number) for number in (1, 2, 3)})
    part.boxes = [(1, 1, [0, 0, 10, 20]), (1, 1, [20, 20, 40, 40]), (1, 2, [8, 8, 100, 80]), (3, 1, [5, 5, 20, 20])]
    part.write(Path("train"))


def test_counts_and_sizes_are_those_of_the_annotations(detcli: Detcli) -> None:
    run = detcli("data", "stats", "train", "--imgsz", "192x256", "--json")
    assert run.code == 0
    (part,) = json.loads(run.out)["parts"]
    assert (part["images"], part["empty"], part["boxes"], part["crowd"]) == (3, 1, 4, 0)
    assert part["classes"] == [
        {"name": "bolt", "boxes": 3, "images": 2},
        {"name": "nut", "boxes": 1, "images": 1},
        {"name": "washer", "boxes": 0, "images": 0},
    ]
    sizes = ("small", "medium", "large")
    assert [part["box_sizes"][name] for name in sizes] == [2, 2, 0]
    assert [part["box_sizes_at_input"][name] for name in sizes] == [1, 2, 1]  # twice as large
    assert part["box_sizes_at_input"]["image_size"] == [192, 256]
    assert (part["boxes_per_image"]["median"], part["boxes_per_image"]["max"]) == (1, 3)
    assert (part["aspect_ratios"]["min"], part["aspect_ratios"]["max"]) == (0.5, 1.25)
    assert part["image_sizes"] == [{"width": 128, "height": 96, "images": 3}]


def test_sizes_at_the_input_are_those_of_a_model(detcli: Detcli) -> None:
    run = detcli("data", "stats", "train", "-m", "shapes", "--json")
    (part,) = json.loads(run.out)["parts"]
    assert part["box_sizes_at_input"]["image_size"] == [256, 256]
    assert part == json.loads(detcli("data", "stats", "train", "--imgsz", "256", "--json").out)["parts"][0]
    assert "boxes in images as 'shapes' gets them (256 x 256)" in detcli("data", "stats", "train", "-m", "shapes").out
    run = detcli("data", "stats", "train", "-m", "no-such-model", "-o", "out")
    assert (run.code, "there is no model 'no-such-model'" in run.err) == (5, True), run.err
    assert not Path("out").exists()


def test_the_table_has_a_column_for_each_part(detcli: Detcli) -> None:
    clean_part(2).write(Path("val"))
    run = detcli("data", "stats", "train", "--val", "val")
    lines = {line.split("  ")[0]: line.split() for line in run.out.splitlines() if line[:1].isalpha()}
    assert lines["images"] == ["images", "3", "24"]
    assert lines["boxes"] == ["boxes", "4", "60"]
    assert "  bolt" in run.out
    assert "75.0%" in run.out


def test_plots_and_numbers_are_written(detcli: Detcli) -> None:
    run = detcli("data", "stats", "train", "-o", "out")
    assert run.code == 0
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "boxes.png",
        "classes.png",
        "images.png",
        "statistics.json",
    ]
    for path in Path("out").glob("*.png"):
        with Image.open(path) as image:
            assert min(image.size) > 200
    assert json.loads(Path("out/statistics.json").read_text()) == json.loads(
        detcli("data", "stats", "train", "--json").out
    )


def test_a_folder_with_files_is_kept(detcli: Detcli) -> None:
    Path("out").mkdir()
    Path("out/classes.png").write_text("mine")
    run = detcli("data", "stats", "train", "-o", "out")
    assert run.code == 8
    assert "--if-exists overwrite" in run.err
    assert detcli("data", "stats", "train", "-o", "out", "--if-exists", "skip").code == 0
    assert Path("out/classes.png").read_text() == "mine"
    assert Path("out/boxes.png").exists()
    assert detcli("data", "stats", "train", "-o", "out", "-y").code == 0
    assert Path("out/classes.png").read_bytes()[:4] == b"\x89PNG"


def test_python_gives_the_same_statistics_and_findings(detcli: Detcli) -> None:
    statistics = package.dataset_statistics("train", image_size=(192, 256))
    assert statistics.to_dict() == json.loads(detcli("data", "stats", "train", "--imgsz", "192x256", "--json").out)
    report = package.check_dataset("train", val="train", decode="none")
    assert report.to_dict() == json.loads(
        detcli("data", "check", "train", "--val", "train", "--decode", "none", "--json").out
    )
    assert report.warnings == 3  # shared images, and a class without boxes in each part
    with pytest.raises(package.UsageError, match="`decode`"):
        package.check_dataset("train", decode="large")  # type: ignore[arg-type]


def test_data_without_boxes_cannot_be_used(detcli: Detcli) -> None:
    part = clean_part(1)
    part.boxes = []
    run = detcli("data", "stats", part.write(Path("empty")))
    assert (run.code, run.out) == (4, "")
    assert "has a box" in run.err
