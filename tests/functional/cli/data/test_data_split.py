"""`detcli data split`: sizes, classes and groups of the parts, and what they keep of the dataset."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

import detcli as package
from detcli.datasets.dataset import open_dataset
from tests.helpers.annotated_datasets import annotation, assert_same_data, image, write_coco, write_image
from tests.helpers.cli_runs import Run
from tests.helpers.data_folders import objects_by_name, read_json, write_panoptic, write_scenes

Detcli = Callable[..., Run]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a dataset of 24 images in 6 scenes, which no test changes."""
    return write_scenes(tmp_path_factory.mktemp("scenes") / "data").parent


@pytest.fixture
def scenes(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test stands in a folder with that dataset."""
    monkeypatch.chdir(tmp_path)
    Path("data").symlink_to(shared)
    return Path("data/annotations.json")


def part_of(folder: Path | str, name: str) -> dict[str, Any]:
    """The annotations of a part."""
    document: dict[str, Any] = read_json(Path(folder) / f"annotations/instances_{name}.json")
    return document


def files_of(folder: Path | str) -> dict[str, bytes]:
    """The visible files of a folder."""
    found = (path for path in Path(folder).rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_the_parts_together_are_the_dataset_with_all_fields(scenes: Path, detcli: Detcli) -> None:
    run = detcli("data", "split", scenes, "--val", "0.25", "--test", "3", "-o", "out")
    assert run.code == 0, run.err
    assert [line.split()[:3] for line in run.out.splitlines()] == [
        ["part", "images", "asked"], ["train", "15", "15"], ["val", "6", "6"], ["test", "3", "3"],
    ]  # fmt: skip
    whole, parts = read_json(scenes), [part_of("out", name) for name in ("train", "val", "test")]
    assert [len(part["images"]) for part in parts] == [15, 6, 3]
    for section in ("images", "annotations"):
        together = [entry for part in parts for entry in part[section]]
        assert sorted(together, key=lambda entry: entry["id"]) == whole[section]
    for part in parts:
        assert part["categories"] == whole["categories"]
        assert {entry["image_id"] for entry in part["annotations"]} <= {entry["id"] for entry in part["images"]}
    assert "1 class is missing in 'val': 'traffic light' (in 1 image of all)" in run.err


def test_train_opens_the_parts_with_linked_images(scenes: Path, detcli: Detcli) -> None:
    assert detcli("data", "split", "data", "-o", "out").code == 0
    whole = open_dataset("data")
    train, val = open_dataset("out", part="train"), open_dataset("out", part="val")
    assert (len(train), len(val)) == (19, 5)
    assert objects_by_name(train) | objects_by_name(val) == objects_by_name(whole)
    for part in (train, val):
        for index in range(len(part)):
            origin = part.origin(index)
            assert origin.file.startswith("out/images/")
            assert Path(origin.file).samefile(Path("data") / origin.relative)
    assert "in both train and val" not in detcli("data", "check", "out").out


def test_classes_have_their_shares_in_every_part(tmp_path: Path, detcli: Detcli) -> None:
    random = np.random.default_rng(5)
    images = [image(number, f"{number}.png") for number in range(200)]
    present = random.random((200, 6)) < [0.6, 0.4, 0.3, 0.2, 0.1, 0.05]
    annotations = [
        annotation(6 * number + label, number, label + 1, [1, 1, 5 + label, 7])
        for number, label in np.argwhere(present).tolist()
    ]
    write_image(tmp_path / "0.png")
    for number in range(1, 200):
        (tmp_path / f"{number}.png").hardlink_to(tmp_path / "0.png")
    categories = [{"id": label + 1, "name": f"class {label}"} for label in range(6)]
    data = write_coco(tmp_path, images=images, annotations=annotations, categories=categories, image_files=None)
    run = detcli("data", "split", data, "--parts", "train=0.7,val=0.2,test=0.1", "-o", tmp_path / "out", "--json")
    parts = json.loads(run.out)["parts"]
    assert [part["images"] for part in parts] == [140, 40, 20]
    for label in range(6):
        counts = np.array([part["images_of"][f"class {label}"] for part in parts])
        total = present[:, label].sum()
        assert np.abs(counts - total * np.array([0.7, 0.2, 0.1])).max() <= max(1, 0.04 * total)


@pytest.mark.parametrize(
    ("rule", "key"),
    [
        ("video_id", lambda entry: entry["video_id"]),
        (r"(scene\d+)_", lambda entry: entry["video_id"]),
        (r"scene\d", lambda entry: entry["video_id"]),
        ("folder", lambda entry: entry["file_name"].split("/")[0]),
    ],
)
def test_no_group_is_in_two_parts(
    scenes: Path, detcli: Detcli, rule: str, key: Callable[[dict[str, Any]], object]
) -> None:
    share = "0.5" if rule == "folder" else "0.3"
    for seed in ("0", "1", "2"):
        run = detcli("data", "split", scenes, "--val", share, "--group-by", rule, "--seed", seed, "-o", f"out{seed}")
        assert run.code == 0, run.err
        train, val = (part_of(f"out{seed}", name)["images"] for name in ("train", "val"))
        assert len(train) + len(val) == 24
        assert not set(map(key, train)) & set(map(key, val))
        assert 4 <= len(val) <= 12


def test_images_of_one_file_stay_together(tmp_path: Path, detcli: Detcli) -> None:
    names = [f"{number // 2}.png" for number in range(20)]
    for number in range(10):
        write_image(tmp_path / f"{number}.png", seed=number)
    images = [image(number, name) for number, name in enumerate(names)]
    boxes = [annotation(number, number, 1, [number, 1, 5, 7]) for number in range(20)]
    data = write_coco(
        tmp_path, images=images, annotations=boxes, categories=[{"id": 1, "name": "dog"}], image_files=None
    )
    run = detcli("data", "split", data, "--val", "0.5", "-o", tmp_path / "out", "-j", "8")
    assert run.code == 0, run.err
    train, val = (
        {entry["file_name"] for entry in part_of(tmp_path / "out", part)["images"]} for part in ("train", "val")
    )
    assert not train & val
    assert train | val == set(names)


def test_images_that_look_the_same_stay_together_on_request(tmp_path: Path, detcli: Detcli) -> None:
    for number in range(24):
        coarse = np.random.default_rng(number // 2).integers(0, 256, (12, 16, 3), dtype=np.uint8)
        scene = np.asarray(Image.fromarray(coarse).resize((128, 96), Image.Resampling.BICUBIC))
        Image.fromarray((scene * (0.9 if number % 2 else 1)).astype(np.uint8)).save(tmp_path / f"{number:02}.png")
    images = [image(number, f"{number:02}.png", (96, 128)) for number in range(24)]
    boxes = [annotation(number, number, 1, [number, 1, 5, 7]) for number in range(24)]
    data = write_coco(
        tmp_path, images=images, annotations=boxes, categories=[{"id": 1, "name": "dog"}], image_files=None
    )
    run = detcli("data", "split", data, "--val", "0.5", "--near-duplicates", "-o", tmp_path / "out", "--json")
    assert [(part["images"], part["groups"]) for part in json.loads(run.out)["parts"]] == [(12, 6), (12, 6)]
    train, val = (
        {entry["id"] // 2 for entry in part_of(tmp_path / "out", part)["images"]} for part in ("train", "val")
    )
    assert not train & val


def test_the_same_seed_gives_the_same_bytes(scenes: Path, detcli: Detcli) -> None:
    for name, seed in (("a", "7"), ("b", "7"), ("c", "8")):
        assert detcli("data", "split", scenes, "--test", "0.2", "--seed", seed, "-o", name).code == 0
    assert files_of("a") == files_of("b")
    assert files_of("a").keys() == files_of("c").keys()
    assert files_of("a") != files_of("c")
    package.split_dataset("data", "d", parts={"val": 0.2, "test": 0.2}, seed=7)
    assert files_of("a") == files_of("d")


def test_images_are_copied_or_left_where_they_are(scenes: Path, detcli: Detcli) -> None:
    assert detcli("data", "split", scenes, "--copy-images", "-o", "copies").code == 0
    assert detcli("data", "split", scenes, "--no-images", "-o", "bare").code == 0
    copied = open_dataset("copies", part="val")
    assert not Path(copied.origin(0).file).samefile(Path("data") / copied.origin(0).relative)
    assert not Path("bare/images").exists()
    assert part_of("bare", "val") == part_of("copies", "val")
    assert_same_data(open_dataset("bare", part="val", images=Path("data")), copied)
    run = detcli("data", "split", scenes, "--no-images", "--copy-images", "-o", "neither")
    assert run.code == 2
    assert "--copy-images and --no-images contradict each other" in run.err


def test_an_existing_folder_is_refused_skipped_or_replaced(scenes: Path, detcli: Detcli) -> None:
    assert detcli("data", "split", scenes, "--test", "0.2", "-o", "out").code == 0
    before = files_of("out")
    refused = detcli("data", "split", scenes, "-o", "out")
    assert refused.code == 8
    assert "the folder 'out' is not empty: --if-exists overwrite (or -y) replaces it" in refused.err
    assert detcli("data", "split", scenes, "--if-exists", "skip", "-o", "out").code == 0
    assert files_of("out") == before
    assert detcli("data", "split", scenes, "-y", "-o", "out").code == 0
    assert "annotations/instances_test.json" not in files_of("out")
    assert files_of("data").keys() == {f"{each['file_name']}" for each in read_json(scenes)["images"]} | {
        "annotations.json"
    }


def test_a_divided_dataset_is_asked_for_its_part(scenes: Path, detcli: Detcli) -> None:
    assert detcli("data", "split", scenes, "-o", "out").code == 0
    run = detcli("data", "split", "out", "-o", "again")
    assert run.code == 2
    assert "'out' is divided already, into train and val: name the one to divide in --part" in run.err
    assert detcli("data", "split", "out", "--part", "train", "-o", "again").code == 0
    names = [{entry["id"] for entry in part_of("again", name)["images"]} for name in ("train", "val")]
    assert names[0] | names[1] == {entry["id"] for entry in part_of("out", "train")["images"]}


def write_yolo(folder: Path) -> None:
    """A YOLO dataset of 10 images, one of them without a label file."""
    for number in range(10):
        write_image(folder / f"images/train/{number}.png", seed=number)
        label = folder / f"labels/train/{number}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        if number:
            label.write_text(f"{number % 2} 0.5 0.5 0.25 {number / 20}\n")
    text = yaml.safe_dump({"train": "images/train", "names": ["dog", "cat"]})
    (folder / "data.yaml").write_text(text)


def test_yolo_and_synthetic_data_become_coco_parts(tmp_path: Path, detcli: Detcli) -> None:
    write_yolo(tmp_path / "yolo")
    for data, name in ((str(tmp_path / "yolo"), "y"), ("shapes:3:10", "s")):
        out = tmp_path / name
        assert detcli("data", "split", data, "--val", "3", "--part", "train", "-o", out).code == 0
        whole, parts = open_dataset(data), [open_dataset(str(out), part=part) for part in ("train", "val")]
        assert [len(part) for part in parts] == [7, 3]
        assert objects_by_name(parts[0]) | objects_by_name(parts[1]) == objects_by_name(whole)
        assert parts[0].labels.names == whole.labels.names


def test_panoptic_data_keeps_its_segments(tmp_path: Path, detcli: Detcli) -> None:
    data = write_panoptic(tmp_path / "data")
    assert detcli("data", "split", data, "--val", "1", "-o", tmp_path / "out").code == 0
    val = open_dataset(str(tmp_path / "out"), part="val", masks=True)
    train = open_dataset(str(tmp_path / "out"), part="train", masks=True)
    whole = open_dataset(str(data), masks=True)
    masks = {whole.origin(index).relative: whole.ground_truth(index).masks for index in range(len(whole))}
    for part in (train, val):
        for index in range(len(part)):
            assert part.ground_truth(index).masks == masks[part.origin(index).relative]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--val", "0"], "'0' is not a fraction between 0 and 1, or a number of images"),
        (["--val", "20%"], "'20%' is not a fraction between 0 and 1, or a number of images; 20 percent is 0.2"),
        (["--val", "24"], "the part 'train' would have no image: the rest after val=24 of 24 images"),
        (["--val", "0.01"], "the part 'val' would have no image: 0.01 of 24 images"),
        (["--parts", "train=0.5,val=0.2"], "train=0.5, val=0.2 do not add up to 1 or to the 24 images"),
        (["--parts", "train=0.5,val"], "'val' is not NAME=SHARE"),
        (["--parts", "a=0.5,a=0.5"], "the part 'a' has two shares"),
        (["--parts", "../x=0.5"], "a part named '../x'"),
        (["--parts", "val=0.5", "--test", "0.1"], "--parts names all parts: leave --test out"),
        (["--group-by", "folder", "--test", "0.2"], "are 2 groups of images that stay together"),
        (
            ["--group-by", "scene_id"],
            "no image of 'data/annotations.json' has the field 'scene_id'; they have file_name,",
        ),
        (["--group-by", "(x"], "--group-by is no valid regular expression: '(x'"),
        (["--group-by", "^nothing_(.*)"], "matches no file name; the first one is 'cam 0/scene0_00.png'"),
    ],
)
def test_impossible_requests_are_a_sentence(scenes: Path, detcli: Detcli, arguments: list[str], message: str) -> None:
    run = detcli("data", "split", scenes, *arguments, "-o", "out")
    assert run.code == 2, run.err
    assert message in run.err
    assert not Path("out").exists()


def test_a_field_of_coco_is_refused_for_other_formats(tmp_path: Path, detcli: Detcli) -> None:
    write_yolo(tmp_path)
    run = detcli("data", "split", tmp_path, "--group-by", "video_id", "-o", tmp_path / "out")
    assert run.code == 2
    assert "which only COCO annotations can have" in run.err


def test_a_missing_dataset_is_named(tmp_path: Path, detcli: Detcli) -> None:
    run = detcli("data", "split", tmp_path / "none", "-o", tmp_path / "out")
    assert run.code == 4
    assert "does not exist" in run.err
