"""The ground truth is in upright pixels for every orientation of images and annotations."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from detcli.datasets.coco.coco_dataset import CocoDataset
from detcli.datasets.transforms.rotate import rotate_boxes
from detcli.errors import DataError
from detcli.structures.frame import FailedFrame, Frame, Pixels
from tests.helpers.annotated_datasets import annotation, image, write_coco, write_image

STORED = (40, 60)
BOX = (6, 10, 20, 16)  # left, top, right, bottom on the stored image


def write_boxed(path: Path, orientation: int, size_hw: tuple[int, int] = STORED) -> Pixels:
    """A black image with a white box, stored turned; gives the upright pixels."""
    pixels = np.zeros((*size_hw, 3), np.uint8)
    pixels[BOX[1] : BOX[3], BOX[0] : BOX[2]] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif)
    with Image.open(path) as opened:
        return np.asarray(ImageOps.exif_transpose(opened))


def white_box(pixels: Pixels) -> list[int]:
    rows, columns = np.nonzero(pixels[..., 0] > 127)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def xywh(box: list[int] | tuple[int, ...]) -> list[int]:
    return [int(box[0]), int(box[1]), int(box[2] - box[0]), int(box[3] - box[1])]


def upright_hw(orientation: int) -> tuple[int, int]:
    return STORED[::-1] if orientation >= 5 else STORED


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_rotate_as_pillow_rotates_the_image(tmp_path: Path, orientation: int) -> None:
    upright = write_boxed(tmp_path / "a.png", orientation)
    turned = rotate_boxes(np.array([BOX], np.float64), orientation, STORED)
    assert turned.tolist() == [white_box(upright)]


@pytest.mark.parametrize("orientation", range(5, 9))
@pytest.mark.parametrize("drawn", ["before turning", "after turning"])
def test_the_size_shows_if_boxes_were_made_before_or_after_rotation(
    tmp_path: Path, orientation: int, drawn: str
) -> None:
    upright = write_boxed(tmp_path / "a.png", orientation)
    before = drawn == "before turning"
    box = BOX if before else white_box(upright)
    size = STORED if before else upright_hw(orientation)
    where = write_coco(
        tmp_path, images=[image(1, "a.png", size)], annotations=[annotation(1, 1, 2, xywh(box))], image_files=None
    )
    dataset = CocoDataset(where)
    frame = dataset.read(0)
    assert isinstance(frame, Frame)
    assert np.array_equal(frame.pixels, upright)
    assert dataset.ground_truth(0).boxes_xyxy.tolist() == [white_box(upright)]
    entry = dataset.annotations()["images"][0]
    assert (entry["height"], entry["width"]) == frame.size_hw
    assert dataset.annotations()["annotations"][0]["bbox"] == xywh(white_box(upright))
    assert any("the boxes are rotated with them" in message for message in dataset.report.issues) == before


@pytest.mark.parametrize("others", ["before turning", "after turning", "none"])
def test_with_equal_sizes_boxes_are_treated_as_in_other_images(tmp_path: Path, others: str) -> None:
    upright = write_boxed(tmp_path / "a.png", 3)
    images, rows = [image(1, "a.png", STORED)], [annotation(1, 1, 2, xywh(BOX))]
    if others != "none":
        write_boxed(tmp_path / "b.png", 6)
        images.append(image(2, "b.png", STORED if others == "before turning" else upright_hw(6)))
    dataset = CocoDataset(write_coco(tmp_path, images=images, annotations=rows, image_files=None))
    expected = white_box(upright) if others == "before turning" else list(BOX)
    assert dataset.ground_truth(0).boxes_xyxy.tolist() == [expected]
    [message] = [message for message in dataset.report.issues if "the same size before and after" in message]
    assert ("rotated, as in other images" in message) == (others == "before turning")
    assert "'a.png'" in message


def test_an_image_of_another_size_fails_and_has_no_ground_truth(tmp_path: Path) -> None:
    images = [image(1, "a.png"), image(2, "b.png"), image(3, "c.png", (480, 640))]
    rows = [annotation(number, number, 2, [1, 2, 10, 20]) for number in (1, 2, 3)]
    dataset = CocoDataset(write_coco(tmp_path, images=images, annotations=rows))
    frame = dataset.read(2)
    assert isinstance(frame, FailedFrame)
    assert "it has 64 x 48 pixels, and its annotations are for 640 x 480" in frame.message
    assert len(dataset.ground_truth(2)) == 0
    assert [entry["id"] for entry in dataset.annotations()["images"]] == [1, 2]
    assert any("1 image has another size" in message and "'c.png'" in message for message in dataset.report.issues)


def test_annotations_for_mostly_other_sizes_are_rejected(tmp_path: Path) -> None:
    images = [image(1, "a.png", (480, 640)), image(2, "b.png", (480, 640)), image(3, "c.png")]
    with pytest.raises(DataError, match=r"2 images have another size.*'a\.png': it has 64 x 48 pixels"):
        CocoDataset(write_coco(tmp_path, images=images, annotations=[annotation(1, 1, 2, [1, 2, 10, 20])]))


def test_images_outside_the_checked_sample_are_rotated_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detcli.datasets.images.exif_orientation._MAX_CHECKED", 2)
    for name in ("a.png", "c.png"):
        write_image(tmp_path / name, STORED)
    upright = write_boxed(tmp_path / "b.png", 6)
    images = [image(number, name, STORED) for number, name in enumerate(("a.png", "b.png", "c.png"))]
    rows = [annotation(1, 1, 2, xywh(BOX))]
    dataset = CocoDataset(write_coco(tmp_path, images=images, annotations=rows, image_files=None))
    assert dataset.report.issues == ("1 class has no box: 'dog'",)
    assert dataset.ground_truth(1).boxes_xyxy.tolist() == [white_box(upright)]
