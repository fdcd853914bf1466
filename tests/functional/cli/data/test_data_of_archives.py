"""The commands of `detcli data` on images in archives: as on the same images in files."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from detcli.datasets.dataset import open_dataset
from tests.helpers.annotated_datasets import photo
from tests.helpers.cli_runs import Run
from tests.helpers.sharded_datasets import random_data, record_members, write_tar

Detcli = Callable[..., Run]


@pytest.mark.parametrize("both", [False, True])
def test_images_in_archives_are_compared_with_those_in_files(detcli: Detcli, tmp_path: Path, both: bool) -> None:
    data = random_data(tmp_path)
    other = random_data(tmp_path / "other", seed=5)
    members = {**record_members(other), **record_members(data, ["0003.png"])}
    shard = write_tar(tmp_path / "val.tar", members)
    train = write_tar(tmp_path / "train.tar", record_members(data)) if both else data.coco
    run = detcli("data", "check", train, "--val", shard, "--decode", "none", "--json")
    assert run.code == 10, run.err
    [found] = [one for one in json.loads(run.out)["findings"] if one["check"] == "shared-images"]
    [names] = found["files"]
    assert [name.rpartition("/")[2] for name in names] == ["0003.png", "0003.png"]


def test_images_in_archives_are_split_without_a_change_of_their_bytes(detcli: Detcli, tmp_path: Path) -> None:
    members: dict[str, bytes | str] = {}
    for number in range(6):
        path = tmp_path / f"{number}.jpg"
        Image.fromarray(photo(seed=number)).save(path, quality=70)
        record = json.dumps([{"label": "cat", "bbox": [1, 2, 30, 20]}])
        members |= {path.name: path.read_bytes(), f"{number}.json": record}
    run = detcli("data", "split", write_tar(tmp_path / "a.tar", members), "--val", "2", "-o", tmp_path / "parts")
    assert run.code == 0, run.err
    written = {path.name: path.read_bytes() for path in (tmp_path / "parts" / "images").iterdir()}
    assert written == {name: data for name, data in members.items() if name.endswith(".jpg")}


@pytest.mark.parametrize("name", ["yolo", "voc", "coco", "label-studio"])
def test_images_without_a_suffix_get_that_of_their_content(detcli: Detcli, tmp_path: Path, name: str) -> None:
    """As many datasets of Hugging Face have them: Parquet with the bytes of images, and without their names."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = []
    for number, suffix in enumerate(("jpg", "png")):
        Image.fromarray(photo(seed=number)).save(tmp_path / f"a.{suffix}")
        objects = [{"bbox": [1.0, 2.0, 30.0, 20.0], "category": "cat"}]
        rows.append({"image": {"bytes": (tmp_path / f"a.{suffix}").read_bytes(), "path": None}, "objects": objects})
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    run = detcli("data", "convert", tmp_path / "a.parquet", "-f", name, "-o", tmp_path / "out")
    assert run.code == 0, run.err
    assert sorted(path.name for path in (tmp_path / "out").rglob("00000*.[jp]*g")) == ["000001.jpg", "000002.png"]
    found = open_dataset(str(tmp_path / "out"))
    assert (len(found), found.report.boxes) == (2, 2)
