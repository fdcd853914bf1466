"""`detcli train` and `eval` on Pascal VOC, CVAT and LabelMe: as on the same data as COCO, and bad files before the first step."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.annotated_datasets import annotation, image, write_coco, write_image
from tests.helpers.cli_runs import Run
from tests.helpers.labeled_files import cvat_box, cvat_image, cvat_xml, labelme, shape, voc_object, voc_xml

Detcli = Callable[..., Run]
SMALL = ("-m", "shapes", "--set", "image_size=[64, 64]", "-b", "2", "--device", "cpu")
BOX = (1, 2, 31, 22)
NAMES = "abc"


def as_coco(folder: Path) -> str:
    return write_coco(
        folder,
        images=[image(n, f"{name}.png") for n, name in enumerate(NAMES, 1)],
        annotations=[annotation(n, n, 1, [1, 2, 30, 20]) for n in range(1, 4)],
        categories=[{"id": 1, "name": "circle"}],
        image_files=[f"{name}.png" for name in NAMES],
    )


def as_voc(folder: Path) -> str:
    for index, name in enumerate(NAMES):
        write_image(folder / "JPEGImages" / f"{name}.png", seed=index)
        (folder / "Annotations").mkdir(exist_ok=True)
        (folder / "Annotations" / f"{name}.xml").write_text(voc_xml(voc_object("circle", BOX)))
    return str(folder)


def as_cvat(folder: Path) -> str:
    for index, name in enumerate(NAMES):
        write_image(folder / "images" / f"{name}.png", seed=index)
    shapes = [cvat_image(f"{name}.png", cvat_box("circle", BOX)) for name in NAMES]
    (folder / "annotations.xml").write_text(cvat_xml(*shapes, labels=["circle"]))
    return str(folder / "annotations.xml")


def as_labelme(folder: Path) -> str:
    for index, name in enumerate(NAMES):
        write_image(folder / f"{name}.png", seed=index)
        labelme(folder / f"{name}.json", shape("rectangle", "circle", [BOX[:2], BOX[2:]]))
    return str(folder)


WRITERS = {"coco": as_coco, "voc": as_voc, "cvat": as_cvat, "labelme": as_labelme}


def test_training_is_that_on_coco_data_to_the_bit(detcli: Detcli, tmp_path: Path) -> None:
    weights = []
    for write in (as_coco, as_voc):
        where = write(tmp_path / write.__name__)
        run = tmp_path / f"run-{write.__name__}"
        trained = detcli(
            "train", "--data", where, "--val", where, *SMALL, "--epochs", "1", "-o", run, "--log-to", "none"
        )
        assert trained.code == 0, trained.err
        assert f"data: '{where}', 3 images, 3 boxes; 1 class: circle 3" in trained.err
        weights.append((run / "best/model.safetensors").read_bytes())
    assert weights[0] == weights[1]


@pytest.mark.parametrize("name", ["voc", "cvat", "labelme"])
def test_models_are_evaluated_as_on_coco_data(detcli: Detcli, tmp_path: Path, name: str) -> None:
    metrics = []
    for where in (as_coco(tmp_path / "coco"), WRITERS[name](tmp_path / name)):
        run = detcli("eval", "--data", where, "-m", "shapes", "--device", "cpu", "--json", "--bootstrap", "0")
        assert run.code == 0, run.err
        metrics.append(json.loads(run.out)["metrics"])
    assert metrics[0] == metrics[1]


def test_formats_are_trained_on_together_with_changed_classes(detcli: Detcli, tmp_path: Path) -> None:
    data = [option for name, write in WRITERS.items() for option in ("--data", write(tmp_path / name))]
    run = detcli("train", *data, "--map", "circle=ring", "--train-classes", "ring", "-n", *SMALL)
    assert run.code == 0, run.err
    assert "12 images, 12 boxes; 1 class: ring 12" in run.err


def test_results_are_evaluated_against_each_format(detcli: Detcli, tmp_path: Path) -> None:
    images = Path(as_coco(tmp_path / "coco")).parent
    results = tmp_path / "out.jsonl"
    assert detcli("detect", images, "-m", "shapes", "--device", "cpu", "-t", "0.01", "-o", results).code == 0
    found = {}
    for name, write in WRITERS.items():
        run = detcli("eval", results, "--gt", write(tmp_path / name), "--json", "--bootstrap", "0")
        assert run.code == 0, run.err
        found[name] = json.loads(run.out)["metrics"]
    assert all(metrics == found["coco"] for metrics in found.values())
    report = detcli("report", results, "--gt", tmp_path / "voc", "-o", tmp_path / "report")
    assert report.code == 0, report.err


def two_points(folder: Path) -> str:
    write_image(folder / "a.png")
    labelme(folder / "a.json", *[shape("polygon", "cat", [[1, 1], [9, 9]])] * 3)
    return str(folder)


def without_size(folder: Path) -> str:
    (folder / "Annotations").mkdir(parents=True)
    (folder / "JPEGImages").mkdir()
    (folder / "JPEGImages/a.png").write_bytes(b"no image")
    (folder / "Annotations/a.xml").write_text(voc_xml(voc_object("cat", BOX), size_hw=None))
    return str(folder)


def bomb(folder: Path) -> str:
    where = as_voc(folder)
    (folder / "Annotations/b.xml").write_text('<!DOCTYPE a [<!ENTITY b "bb">]><annotation>&b;</annotation>')
    return where


def other_computer(folder: Path) -> str:
    where = as_cvat(folder)
    for path in (folder / "images").iterdir():
        path.unlink()
    return where


def two_formats(folder: Path) -> str:
    as_labelme(folder)
    return as_voc(folder)


@pytest.mark.parametrize(
    ("write", "code", "words"),
    [
        (two_points, 4, "3 of 3 objects cannot be used: object 1 of 'a.json', object 2 of 'a.json', object 3 of 'a.json'; 3 polygons have fewer"),
        (bomb, 4, "1 annotation file is invalid: 'b.xml' (it cannot be read as XML: it has a document type (DOCTYPE)"),
        (other_computer, 4, "none of its 3 images exists: 'a.png' is not in "),
        (two_formats, 2, "is ambiguous: it has "),
    ],
)  # fmt: skip
def test_bad_data_is_one_sentence_before_the_first_step(
    detcli: Detcli, tmp_path: Path, write: Callable[[Path], str], code: int, words: str
) -> None:
    where = write(tmp_path / "data")
    for command in ("train", "eval"):
        output = ("-o", tmp_path / "run") if command == "train" else ()
        run = detcli(command, "--data", where, "-m", "shapes", "--device", "cpu", *output)
        assert run.code == code, run.err
        [line] = [line for line in run.err.splitlines() if words in line]
        assert line.startswith("detcli: ")
        assert "Traceback" not in run.err
    assert not (tmp_path / "run").exists()


def test_a_size_that_neither_file_nor_image_has_is_told(detcli: Detcli, tmp_path: Path) -> None:
    run = detcli("train", "--data", without_size(tmp_path / "data"), *SMALL, "-n")
    assert run.code != 0
    assert "1 image has no size in the annotations; its file header was used" in run.err
    assert "Traceback" not in run.err
