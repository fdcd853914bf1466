"""`detcli train` and `eval` on exports and shards: as on the same data in COCO."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cli_runs import Run
from tests.helpers.label_studio_exports import annotation, polygon, rectangle, task, write_export
from tests.helpers.sharded_datasets import write_tar
from tests.helpers.train_command_fixtures import SHORT, Train

SIZE = (64, 96)


def as_export(coco: Path) -> str:
    """The same data as an export of Label Studio next to the images."""
    tasks = [
        task(
            f"/data/upload/1/12345678-{image['file_name']}",
            annotation(*(rectangle(name, box, SIZE) for name, box in objects)),
        )
        for image, objects in objects_of(coco)
    ]
    return write_export(coco.parent / "export", tasks)


def as_tar(coco: Path) -> str:
    """The same data as a shard of WebDataset."""
    members: dict[str, bytes | str] = {}
    for image, objects in objects_of(coco):
        record = [{"label": name, "bbox": box} for name, box in objects]
        name = image["file_name"]
        members |= {name: (coco.parent / name).read_bytes(), f"{Path(name).stem}.json": json.dumps(record)}
    return write_tar(coco.parent / "shards" / "a.tar", members)


def as_parquet(coco: Path) -> str:
    """The same data as Parquet with the bytes of the images."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [
        {
            "image": {"bytes": (coco.parent / image["file_name"]).read_bytes(), "path": image["file_name"]},
            "objects": {"bbox": [box for _, box in objects], "category": [name for name, _ in objects]},
        }
        for image, objects in objects_of(coco)
    ]
    path = coco.parent / "data.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    return str(path)


def objects_of(coco: Path) -> list[tuple[dict[str, Any], list[tuple[str, list[float]]]]]:
    """Each image with the names and boxes of its objects."""
    document = json.loads(coco.read_text())
    names = {one["id"]: one["name"] for one in document["categories"]}
    return [
        (
            image,
            [
                (names[one["category_id"]], one["bbox"])
                for one in document["annotations"]
                if one["image_id"] == image["id"]
            ],
        )
        for image in document["images"]
    ]


def test_training_is_that_on_the_same_data_in_coco(train: Train, data: Path) -> None:
    short = [*SHORT, "--epochs", "1"]
    images = {"export": ["--images", "data"]}
    forms = {"coco": str(data), "export": as_export(data), "tar": as_tar(data), "parquet": as_parquet(data)}
    runs = {form: train("--data", where, "-o", form, *images.get(form, []), *short) for form, where in forms.items()}
    assert {form: run.code for form, run in runs.items()} == dict.fromkeys(forms, 0), [run.err for run in runs.values()]
    weights = {Path(form, "last/model.safetensors").read_bytes() for form in forms}
    assert len(weights) == 1


def test_data_of_several_forms_is_trained_on_and_validated_together(train: Train, data: Path) -> None:
    validation = ["--val", as_parquet(Path("val/truth.json")), "--val", as_tar(Path("val/truth.json"))]
    options = ["--map", "zebra=cow", "--train-classes", "cow,dog", "-n", *SHORT]
    run = train("--data", as_tar(data), "--data", data, *validation, *options)
    assert run.code == 0, run.err
    assert "16 images, 16 boxes; 2 classes: " in run.err
    assert "val: 'val/data.parquet + val/shards/a.tar', 8 images, 8 boxes" in run.err


@pytest.mark.parametrize("form", [as_tar, as_parquet, as_export])
def test_a_model_is_evaluated_as_on_the_same_data_in_coco(
    detcli: Callable[..., Run], data: Path, tiny_checkpoint: Path, form: Callable[[Path], str]
) -> None:
    classes = {"dog": "cat", "zebra": "cow"}  # those that the model knows
    document = json.loads(data.read_text())
    for category in document["categories"]:
        category["name"] = classes[category["name"]]
    data.write_text(json.dumps(document))
    options = ["-m", tiny_checkpoint, "-f", "json", "-d", "cpu"]
    where = form(data)
    images = ["--images", "data"] if form is as_export else []
    same = detcli("eval", *options, "--data", data)
    run = detcli("eval", *options, "--data", where, *images)
    assert run.code == same.code == 0, run.err
    assert json.loads(run.out)["metrics"] == json.loads(same.out)["metrics"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.tar", b"x" * 1000, "the archive 'bad/a.tar' cannot be used: neither a tar"),
        ("a.tar.gz", b"\x1f\x8b" + b"x" * 1000, "decompress it to .tar"),
        ("a.parquet", b"PAR1" + b"x" * 1000, "'bad/a.parquet' is not Parquet, or is damaged"),
        ("a.json", b'[{"annotations": [', "'bad/a.json' is not complete JSON"),
        ("a.json", json.dumps([task("a.png", predictions=[{"result": []}])]).encode(), "1 task has only predictions"),
        (
            "a.json",
            json.dumps([task("a.png", annotation(polygon("cat", [[1, 2], [3, 4]])))]).encode(),
            "1 polygon has fewer than three different points",
        ),
    ],
)
def test_damaged_data_is_one_sentence_before_the_first_step(
    train: Train, data: Path, name: str, content: bytes, words: str
) -> None:
    Path("bad").mkdir()
    Path("bad", name).write_bytes(content)
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    for where in (f"bad/{name}", "bad"):
        run = train("--data", where, "-o", "run", *SHORT)
        assert run.code in (2, 4)
        assert words in run.err.replace("\n", " ")
        assert not Path("run").exists()
