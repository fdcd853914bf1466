"""`detcli data convert`: what is read back is what was there, in every pair of formats."""

import json
import shutil
from collections.abc import Callable
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import detcli as package
from detcli.datasets.dataset import Dataset, open_dataset
from detcli.structures.frame import Frame
from detcli.structures.masks import Rle
from tests.helpers.annotated_datasets import annotation, image, write_coco, write_image
from tests.helpers.cli_runs import Run
from tests.helpers.data_folders import read_json, write_panoptic, write_scenes
from tests.helpers.labeled_files import voc_object, voc_xml

Detcli = Callable[..., Run]
FORMATS = ("coco", "yolo", "voc", "label-studio")
CATEGORIES = [{"id": 3, "name": "zebra"}, {"id": 5, "name": "cat"}, {"id": 9, "name": "traffic light"}]
NAMES = ("cam 1/a b.png", "cam 2/a b.png", "cam 2/a b.jpg", "ünder & co/#1.png", "plain.png", "deep/er/x.y.png")
SIZE_HW = (48, 64)


def blob(seed: int) -> np.ndarray:
    """A mask of two parts, one with a hole."""
    mask = np.zeros(SIZE_HW, np.bool_)
    mask[5 : 20 + seed, 8:30] = True
    mask[9:13, 12 : 18 + seed] = False
    mask[30:36, 40:44] = True
    return mask


def write_parts(folder: Path, *, masks: bool = False, crowd: bool = False) -> Path:
    """COCO annotations of two parts whose images have names that differ in folders and suffixes; the last one has no box."""
    for part, shift in (("train", 0), ("val", 1)):
        images, annotations = [], []
        for number, name in enumerate(NAMES):
            write_image(folder / part / name, SIZE_HW, seed=number + 10 * shift)
            images.append(image(7 * number + 1, name, SIZE_HW))
            for box in range((number + shift) % 4 if number < len(NAMES) - 1 else 0):
                row = [4.5 + number, 3.25 + box, 20.125, 30.0 - shift]
                more: dict[str, Any] = {"iscrowd": 0}
                if masks:
                    outline = Rle.of(blob(box))
                    left, top, right, bottom = outline.box_xyxy
                    row = [left, top, right - left, bottom - top]
                    more["segmentation"] = outline.as_json()
                annotations.append(annotation(len(annotations) + 1, 7 * number + 1, CATEGORIES[box]["id"], row, **more))
        if crowd:
            annotations.append(annotation(999, 1, 5, [1, 1, 9, 9], iscrowd=1))
        write_coco(
            folder / part, images=images, annotations=annotations, categories=CATEGORIES, image_files=None,
            name="_annotations.coco.json",
        )  # fmt: skip
    return folder


def contents(dataset: Dataset) -> list[Any]:
    """Pixels, class names, boxes, crowds and masks of each image, in an order of their own."""
    found = []
    for index in range(len(dataset)):
        frame, truth = dataset.read(index), dataset.ground_truth(index)
        assert isinstance(frame, Frame)
        assert frame.pixels is not None
        names = [dataset.labels.names[class_id] for class_id in truth.class_ids.tolist()]
        boxes = np.round(truth.boxes_xyxy, 3).tolist()
        masks = [None] * len(truth) if truth.masks is None else [mask.counts for mask in truth.masks]
        rows = sorted(zip(names, boxes, truth.crowd.tolist(), masks, strict=True), key=str)
        found.append((frame.pixels.tobytes(), rows))
    return sorted(found, key=lambda entry: entry[0])


def assert_same(mine: Dataset, other: Dataset) -> None:
    for (pixels, rows), (other_pixels, other_rows) in zip(contents(mine), contents(other), strict=True):
        assert pixels == other_pixels
        assert [(name, crowd, mask) for name, _, crowd, mask in rows] == [(n, c, m) for n, _, c, m in other_rows]
        for (_, box, _, _), (_, other_box, _, _) in zip(rows, other_rows, strict=True):
            assert box == pytest.approx(other_box, abs=0.002)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Boxes of two parts, which no test changes."""
    return write_parts(tmp_path_factory.mktemp("source") / "data")


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with masks."""
    return write_parts(tmp_path_factory.mktemp("masks") / "data", masks=True)


@pytest.mark.parametrize(("first", "second"), list(product(FORMATS, FORMATS)))
def test_boxes_of_both_parts_stay_in_every_pair_of_formats(
    source: Path, tmp_path: Path, first: str, second: str
) -> None:
    package.convert_dataset(source, tmp_path / "one", format=first)  # type: ignore[arg-type]
    report = package.convert_dataset(tmp_path / "one", tmp_path / "two", format=second)  # type: ignore[arg-type]
    assert [(part.name, part.images) for part in report.parts] == [("train", 6), ("val", 6)]
    for part in ("train", "val"):
        whole, back = (open_dataset(str(where), part=part) for where in (source, tmp_path / "two"))  # type: ignore[arg-type]
        assert set(back.labels.names) == set(whole.labels.names)
        assert_same(back, whole)


@pytest.mark.parametrize(("first", "second"), [*pairwise((*FORMATS, "coco")), ("voc", "yolo")])
def test_masks_stay_to_the_pixel_also_as_polygons(masks: Path, tmp_path: Path, first: str, second: str) -> None:
    package.convert_dataset(masks, tmp_path / "one", format=first)  # type: ignore[arg-type]
    package.convert_dataset(tmp_path / "one", tmp_path / "two", format=second)  # type: ignore[arg-type]
    for part in ("train", "val"):
        whole, back = (open_dataset(str(where), part=part, masks=True) for where in (masks, tmp_path / "two"))  # type: ignore[arg-type]
        assert_same(back, whole)


def test_coco_annotations_keep_ids_and_fields(source: Path, tmp_path: Path, detcli: Detcli) -> None:
    assert detcli("data", "convert", source, "-f", "coco", "-o", tmp_path / "out").code == 0
    made = read_json(tmp_path / "out/annotations/instances_val.json")
    given = read_json(source / "val/_annotations.coco.json")
    assert made == given
    assert open_dataset(str(tmp_path / "out")).labels.category_ids == (3, 5, 9)


def test_yolo_has_names_parts_and_files_that_other_tools_read(source: Path, tmp_path: Path, detcli: Detcli) -> None:
    assert detcli("data", "convert", source, "-f", "yolo", "-o", tmp_path / "out").code == 0
    document = yaml.safe_load((tmp_path / "out/data.yaml").read_text())
    names = {index: entry["name"] for index, entry in enumerate(CATEGORIES)}
    assert document == {"train": "images/train", "val": "images/val", "names": names}
    for part in ("train", "val"):
        photos = {path.with_suffix("") for path in (tmp_path / f"out/images/{part}").rglob("*.*")}
        labels = {path.with_suffix("") for path in (tmp_path / f"out/labels/{part}").rglob("*.txt")}
        assert len(photos) == len(labels) == len(NAMES)
        assert {path.relative_to(tmp_path / "out/images") for path in photos} == {
            path.relative_to(tmp_path / "out/labels") for path in labels
        }
    assert (tmp_path / "out/labels/train/deep/er/x.y.txt").read_bytes() == b""


def test_voc_has_lists_and_label_studio_annotations(source: Path, tmp_path: Path, detcli: Detcli) -> None:
    for name in ("voc", "label-studio"):
        assert detcli("data", "convert", source, "-f", name, "-o", tmp_path / name).code == 0
    lists = [(tmp_path / f"voc/ImageSets/Main/{part}.txt").read_text().splitlines() for part in ("train", "val")]
    assert [len(names) for names in lists] == [6, 6]
    assert not set(lists[0]) & set(lists[1])
    assert all((tmp_path / f"voc/Annotations/{stem}.xml").is_file() for names in lists for stem in names)
    tasks = read_json(tmp_path / "label-studio/train.json")
    assert tasks[0]["data"]["image"] == "/data/local-files/?d=images/train/cam%201/a%20b.png"
    assert all("predictions" not in task and "score" not in json.dumps(task) for task in tasks)


@pytest.mark.parametrize("name", FORMATS)
def test_crowds_stay_where_the_format_has_them_and_are_named_else(tmp_path: Path, detcli: Detcli, name: str) -> None:
    source = write_parts(tmp_path / "data", crowd=True)
    run = detcli("data", "convert", source, "-f", name, "-o", tmp_path / "out")
    assert run.code == 0
    crowds = open_dataset(str(tmp_path / "out")).report.crowd
    if name in ("coco", "voc"):
        assert crowds == 1
        assert "crowd boxes are left out" not in run.err
    else:
        assert crowds == 0
        assert "2 crowd boxes are left out" in run.err


def test_a_dataset_without_parts_stays_one(source: Path, tmp_path: Path, detcli: Detcli) -> None:
    data = source / "train/_annotations.coco.json"
    for name in FORMATS:
        run = detcli("data", "convert", data, "-f", name, "-o", tmp_path / name)
        assert run.code == 0, run.err
        assert_same(open_dataset(str(tmp_path / name)), open_dataset(str(data)))


def test_a_test_part_is_converted_too(tmp_path: Path, detcli: Detcli) -> None:
    data = write_scenes(tmp_path / "data", 12, scenes=3)
    assert detcli("data", "split", data, "--val", "4", "--test", "3", "-o", tmp_path / "parts").code == 0
    run = detcli("data", "convert", tmp_path / "parts", "-f", "voc", "-o", tmp_path / "out")
    assert "12 images (train 5, val 4, test 3)" in run.err
    assert len((tmp_path / "out/ImageSets/Main/test.txt").read_text().splitlines()) == 3


def test_boxes_that_differ_from_their_masks_are_named(tmp_path: Path, detcli: Detcli) -> None:
    for name, said in (("yolo", True), ("voc", False)):
        run = detcli("data", "convert", "shapes:1:4", "--part", "val", "-f", name, "-o", tmp_path / name)
        assert run.code == 0
        assert ("by more than a pixel from" in run.err) is said, run.err


def test_images_are_linked_copied_or_left(source: Path, tmp_path: Path, detcli: Detcli) -> None:
    for name, option in (("link", ()), ("copy", ("--copy-images",)), ("none", ("--no-images",))):
        run = detcli("data", "convert", source, "--part", "val", "-f", "coco", *option, "-o", tmp_path / name)
        assert run.code == 0
    original = source / "val/plain.png"
    assert (tmp_path / "link/images/val/plain.png").samefile(original)
    assert not (tmp_path / "copy/images/val/plain.png").samefile(original)
    assert (tmp_path / "copy/images/val/plain.png").read_bytes() == original.read_bytes()
    assert not (tmp_path / "none/images").exists()


def test_synthetic_and_panoptic_data_are_converted(tmp_path: Path) -> None:
    package.convert_dataset("shapes:1:4", tmp_path / "shapes", format="yolo", part="val")
    made, drawn = (open_dataset(str(where), part="val", masks=True) for where in (tmp_path / "shapes", "shapes:1:4"))
    for index in range(4):
        mine, own = made.ground_truth(index), drawn.ground_truth(index)
        assert mine.masks == own.masks
        assert own.masks is not None
        assert np.allclose(mine.boxes_xyxy, [mask.box_xyxy for mask in own.masks], rtol=0, atol=1e-3)
    data = write_panoptic(tmp_path / "panoptic")
    package.convert_dataset(data, tmp_path / "out", format="coco")
    assert_same(open_dataset(str(tmp_path / "out"), masks=True), open_dataset(str(data), masks=True))


def test_without_masks_there_are_only_boxes(masks: Path, tmp_path: Path, detcli: Detcli) -> None:
    for name in ("coco", "yolo"):
        assert detcli("data", "convert", masks, "-f", name, "--no-masks", "-o", tmp_path / name).code == 0
        assert_same(open_dataset(str(tmp_path / name)), open_dataset(str(masks)))
    assert "segmentation" not in (tmp_path / "coco/annotations/instances_train.json").read_text()
    rows = (tmp_path / "yolo/labels/train/cam 2/a b.txt").read_text().splitlines()
    assert {len(row.split()) for row in rows} == {5}


def test_unreadable_images_are_named_and_left_out(tmp_path: Path, detcli: Detcli) -> None:
    source = write_parts(tmp_path / "data")
    (source / "train/plain.png").write_bytes(b"no image")
    run = detcli("data", "convert", source, "-f", "yolo", "-o", tmp_path / "out")
    assert run.code == 0
    write_image(source / "val/plain.png", (30, 30))
    run = detcli("data", "convert", source, "-f", "yolo", "-o", tmp_path / "other")
    assert "val: 1 image cannot be read or has another size than its annotations say, and is left out" in run.err
    assert len(open_dataset(str(tmp_path / "other"), part="val")) == 5


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["data", "-f", "pascal", "-o", "out"], 2, "'pascal' is not one of"),
        (["data", "-o", "out"], 2, "--format"),
        (["data", "-f", "yolo", "-o", "data"], 2, "'data' is input and output at once"),
        (["data", "-f", "yolo", "-o", "there"], 8, "the folder 'there' is not empty"),
        (["none", "-f", "yolo", "-o", "out"], 4, "'none' does not exist"),
        (["data", "-f", "yolo", "-o", "s3://bucket/out"], 2, "the output is a folder of this machine"),
    ],
)
def test_wrong_requests_are_a_sentence_and_nothing_is_written(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, detcli: Detcli, arguments: list[str], code: int,
    message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("data").symlink_to(source)
    Path("there").mkdir()
    Path("there/mine.txt").write_text("mine")
    run = detcli("data", "convert", *arguments)
    assert (run.code, message in run.err) == (code, True), run.err
    assert not Path("out").exists()
    assert sorted(path.name for path in Path("there").iterdir()) == ["mine.txt"]


# ---- masks of some objects


def write_some_masks(folder: Path, masked: int) -> Path:
    """Ten objects, of which the first ones have masks; another one has a polygon of two points."""
    annotations = []
    for number in range(10):
        outline = Rle.of(np.roll(blob(number), number, axis=1))
        left, top, right, bottom = outline.box_xyxy
        more = {"segmentation": outline.as_json()} if number < masked else {}
        annotations.append(
            annotation(number + 1, 1, CATEGORIES[number % 3]["id"], [left, top, right - left, bottom - top], **more)
        )
    if masked:
        annotations.append(annotation(11, 1, 3, [30, 1, 9, 9], segmentation=[[30, 1, 39, 10]]))
    write_coco(
        folder,
        images=[image(1, "a.png", SIZE_HW)],
        annotations=annotations,
        categories=CATEGORIES,
        image_files=["a.png"],
    )
    return folder


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("masked", [0, 1, 4, 9])
def test_masks_of_some_objects_stay_and_the_others_are_counted(
    tmp_path: Path, detcli: Detcli, name: str, masked: int
) -> None:
    source = write_some_masks(tmp_path / "data", masked)
    run = detcli("data", "convert", source, "-f", name, "-o", tmp_path / "out")
    assert run.code == 0, run.err
    total = 11 if masked else 10
    said = f"{total - masked} of 11 objects ha" in run.err
    assert said is (masked > 0 and name != "coco"), run.err
    back, whole = (open_dataset(str(where), masks="optional") for where in (tmp_path / "out", source))
    assert_same(back, whole)
    found = back.ground_truth(0).masks
    assert (found is None) is (masked == 0)
    assert sum(mask.area > 0 for mask in found or ()) == masked
    package.convert_dataset(tmp_path / "out", tmp_path / "again", format="coco")
    entries = [entry for path in (tmp_path / "again/annotations").iterdir() for entry in read_json(path)["annotations"]]
    assert len(entries) == total
    assert sum("segmentation" in entry and len(entry["segmentation"]) > 1 for entry in entries) == masked


def test_panoptic_data_without_its_pngs_becomes_boxes_and_says_so(tmp_path: Path, detcli: Detcli) -> None:
    data = write_panoptic(tmp_path / "data")
    only_boxes = detcli("data", "convert", data, "-f", "coco", "--no-masks", "-o", tmp_path / "boxes")
    assert only_boxes.code == 0, only_boxes.err
    (tmp_path / "data/annotations/panoptic_train2017/0.png").unlink()
    run = detcli("data", "convert", data, "-f", "coco", "-o", tmp_path / "out")
    assert run.code == 0, run.err
    assert "the masks are left out: 1 image would be left out with them" in run.err
    for folder in ("boxes", "out"):
        assert_same(open_dataset(str(tmp_path / folder)), open_dataset(str(data)))


# ---- the first pixel of Pascal VOC


def test_the_first_pixel_of_voc_is_what_the_user_says(tmp_path: Path, detcli: Detcli) -> None:
    write_image(tmp_path / "voc/JPEGImages/a.png")
    (tmp_path / "voc/Annotations").mkdir()
    (tmp_path / "voc/Annotations/a.xml").write_text(voc_xml(voc_object("cat", (3, 4, 10, 20))))
    for option, box in (
        ((), [3, 4, 7, 16]),
        (("--first-pixel", "0"), [3, 4, 7, 16]),
        (("--first-pixel", "1"), [2, 3, 8, 17]),
    ):
        out = tmp_path / "out" / "".join(option[1:])
        run = detcli("data", "convert", tmp_path / "voc", "-f", "coco", *option, "-o", out)
        assert run.code == 0, run.err
        assert read_json(out / "annotations/instances.json")["annotations"][0]["bbox"] == box
        shutil.rmtree(out)
    run = detcli("data", "convert", "shapes:1:2", "-f", "coco", "--first-pixel", "1", "-o", tmp_path / "no")
    assert (run.code, "--first-pixel is for data of Pascal VOC" in run.err) == (2, True)


def test_masks_that_are_not_written_whole_are_counted(tmp_path: Path, detcli: Detcli) -> None:
    pixels = np.zeros((100, 100), np.bool_)
    pixels[::4, ::4] = True
    write_image(tmp_path / "a.png", (100, 100))
    entry = annotation(1, 1, 3, [0, 0, 97, 97], segmentation=Rle.of(pixels).as_json())
    data = write_coco(
        tmp_path,
        images=[image(1, "a.png", (100, 100))],
        annotations=[entry],
        categories=CATEGORIES,
        image_files=None,
    )
    for name, said in (("yolo", True), ("coco", False)):
        run = detcli("data", "convert", data, "-f", name, "-o", tmp_path / name)
        assert ("1 mask has more than 200 parts and holes" in run.err) is said, run.err
