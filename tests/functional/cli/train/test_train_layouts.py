"""`detcli train` and `detcli eval` read datasets as tools write them, and say what was taken."""

from collections.abc import Callable
from pathlib import Path

import pytest

from detcli.cli.main import COMMANDS
from tests.helpers.annotated_datasets import annotation, image, write_coco, write_image
from tests.helpers.cli_runs import Run

SMALL = ("-m", "shapes", "--set", "image_size=[64, 64]", "-b", "2")
ROWS = "0 0.5 0.5 0.25 0.5\n"


def label_studio_yolo(folder: Path) -> str:
    for name in "abc":
        write_image(folder / "images" / f"{name}.png")
        (folder / "labels").mkdir(exist_ok=True)
        (folder / "labels" / f"{name}.txt").write_text(ROWS)
    (folder / "classes.txt").write_text("circle\nsquare\n")
    (folder / "notes.json").write_text('{"categories": []}')
    return str(folder)


def supervision_yolo(folder: Path) -> str:
    label_studio_yolo(folder)
    for name in ("classes.txt", "notes.json"):
        (folder / name).unlink()
    (folder / "data.yaml").write_text("nc: 2\nnames: [circle, square]\n")
    return str(folder)


def label_studio_coco(folder: Path) -> str:
    return write_coco(
        folder,
        name="result.json",
        images=[image(n, f"/data/upload/{n}/{name}.png") for n, name in enumerate("abc")],
        annotations=[annotation(n, n, 1, [1, 2, 30, 20]) for n in range(3)],
        categories=[
            {"id": 0, "name": "all", "supercategory": "none"},
            {"id": 1, "name": "circle", "supercategory": "all"},
        ],
        image_files=[f"images/{name}.png" for name in "abc"],
    )


CASES = {
    label_studio_yolo: ("'classes.txt' names no images; taken by convention: ",),
    supervision_yolo: ("'data.yaml' names no images; taken by convention: ",),
    label_studio_coco: ("3 images were found in ", "1 category without boxes was dropped: ", "0 'all'"),
}


@pytest.mark.parametrize("write", CASES, ids=lambda write: write.__name__)
def test_a_dataset_of_a_tool_is_trained_on_and_evaluated(
    detcli: Callable[..., Run], tmp_path: Path, write: Callable[[Path], str]
) -> None:
    assert "train" in COMMANDS
    where = write(tmp_path / "data")
    trained = detcli("train", "--data", where, "-n", "--device", "cpu", *SMALL)
    assert trained.code == 0, trained.err
    evaluated = detcli("eval", "--data", where, "-m", "shapes", "--device", "cpu")
    assert evaluated.code == 0, evaluated.err
    for words in CASES[write]:
        assert words in trained.err
        assert words in evaluated.err
    assert "no validation set" in trained.err


def test_a_folder_with_a_training_part_only_is_named_by_eval(detcli: Callable[..., Run], tmp_path: Path) -> None:
    write_coco(tmp_path / "data/train", name="_annotations.coco.json")
    run = detcli("eval", "--data", tmp_path / "data", "-m", "shapes")
    assert run.code == 4
    assert "has no part 'val'; it has only " in run.err
