"""Synthetic images satisfy the dataset interface and depend only on seed, part and index."""

import hashlib
import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detcli.datasets.shapes import CLASSES, ShapesDataset, draw
from detcli.errors import DataError, UsageError
from detcli.structures.frame import Frame


def frame_of(shapes: ShapesDataset, index: int) -> Frame:
    frame = shapes.read(index)
    assert isinstance(frame, Frame)
    return frame


def digest(index: int) -> str:
    """Of an image's pixels and boxes."""
    pixels, ground_truth = draw(5, index)
    return hashlib.sha256(
        pixels.tobytes() + ground_truth.boxes_xyxy.tobytes() + ground_truth.class_ids.tobytes()
    ).hexdigest()


def test_an_image_does_not_depend_on_earlier_images() -> None:
    forwards = [digest(index) for index in range(8)]
    backwards = [digest(index) for index in reversed(range(8))]
    assert forwards == backwards[::-1]
    assert len(set(forwards)) == 8


def test_an_image_is_the_same_in_any_thread() -> None:
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(digest, [*range(24)] * 2)) == [digest(index) for index in range(24)] * 2


def test_an_image_is_the_same_in_another_process() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(digest, range(4)) == [digest(index) for index in range(4)]


def test_the_boxes_are_those_of_the_published_dataset() -> None:
    """Boxes of this version, to a tenth of a pixel: who changes the layout must raise VERSION, and this with it."""
    shapes = ShapesDataset(part="val")
    rows = [
        f"{index} {CLASSES[class_id]} {' '.join(f'{value:.1f}' for value in box)}"
        for index in range(20)
        for class_id, box in zip(
            shapes.ground_truth(index).class_ids, shapes.ground_truth(index).boxes_xyxy, strict=True
        )
    ]
    assert hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16] == "d9d7a8fe57ee08d7"


MEAN_COLORS = (  # of every 100th image of shapes:1:1000, on which the bundled model was evaluated
    (158.5, 129.9, 132.5),
    (103.5, 132.5, 126.5),
    (158.1, 159.3, 141.8),
    (136.0, 170.9, 193.4),
    (97.4, 77.5, 95.6),
    (116.3, 101.4, 107.9),
    (182.1, 191.5, 176.5),
    (40.5, 36.1, 42.0),
    (172.7, 144.5, 163.3),
    (70.9, 69.1, 101.2),
)


def test_the_pixels_are_those_of_the_published_dataset() -> None:
    """Mean colors to half a level: versions of OpenCV differ by less. Other colors need another VERSION and model."""
    shapes = ShapesDataset("shapes:1:1000", part="val")
    for number, expected in enumerate(MEAN_COLORS):
        pixels = frame_of(shapes, 100 * number).pixels
        assert pixels is not None
        assert pixels.mean(axis=(0, 1)).tolist() == pytest.approx(expected, abs=0.5)


def test_parts_share_no_image_even_with_one_seed() -> None:
    train, val = ShapesDataset("shapes:7:50", part="train"), ShapesDataset("shapes:7:50", part="val")
    boxes_of_train = {train.ground_truth(index).boxes_xyxy.tobytes() for index in range(50)} - {b""}
    boxes_of_val = {val.ground_truth(index).boxes_xyxy.tobytes() for index in range(50)} - {b""}
    assert boxes_of_train.isdisjoint(boxes_of_val)
    assert not np.array_equal(frame_of(train, 0).pixels, frame_of(val, 0).pixels)


def test_defaults_are_10000_images_of_seed_0_and_1000_of_seed_1() -> None:
    for part, name in (("train", "shapes:0:10000"), ("val", "shapes:1:1000")):
        default, named = ShapesDataset(part=part), ShapesDataset(name, part=part)
        assert len(default) == len(named) == int(name.rsplit(":", 1)[1])
        assert frame_of(default, 3).origin == frame_of(named, 3).origin
        assert np.array_equal(default.ground_truth(3).boxes_xyxy, named.ground_truth(3).boxes_xyxy)


def test_a_frame_has_its_origin() -> None:
    data = ShapesDataset("shapes:4:20")
    frame = frame_of(data, 17)
    assert data.origin(17) == frame.origin
    assert (frame.origin.index, frame.origin.file) == (17, "shapes:4:20#17")
    assert (frame.origin.relative, frame.origin.stem) == ("000017.png", "000017")
    assert frame.pixels is not None
    assert frame.pixels.shape == (*frame.size_hw, 3)
    assert frame.pixels.dtype == np.uint8
    assert frame.pixels.flags.c_contiguous


def test_a_resized_frame_has_only_the_resized_image() -> None:
    shapes = ShapesDataset("shapes:4:20")
    resized = shapes.read(2, lambda image: np.asarray(image.resize((64, 48), Image.Resampling.BILINEAR)))
    whole = frame_of(shapes, 2)
    assert isinstance(resized, Frame)
    assert resized.pixels is None
    assert resized.size_hw == whole.size_hw
    assert whole.pixels is not None
    expected = np.asarray(Image.fromarray(whole.pixels).resize((64, 48), Image.Resampling.BILINEAR))
    assert np.array_equal(resized.prepared, expected)


def test_annotations_equal_the_ground_truth() -> None:
    shapes = ShapesDataset("shapes:4:40", part="val")
    coco = shapes.annotations()
    assert [image["id"] for image in coco["images"]] == [shapes.image_id(index) for index in range(40)]
    assert [box["id"] for box in coco["annotations"]] == [*range(1, shapes.report.boxes + 1)]
    for index in (0, 13, 39):
        mine = [box for box in coco["annotations"] if box["image_id"] == shapes.image_id(index)]
        ground_truth = shapes.ground_truth(index)
        corners = [[x, y, x + w, y + h] for x, y, w, h in (box["bbox"] for box in mine)]
        assert np.allclose(np.array(corners).reshape(-1, 4), ground_truth.boxes_xyxy)
        assert [box["category_id"] for box in mine] == [shapes.labels.category_ids[k] for k in ground_truth.class_ids]
        height, width = frame_of(shapes, index).size_hw
        assert (coco["images"][index]["width"], coco["images"][index]["height"]) == (width, height)
    assert [(item["id"], item["name"]) for item in coco["categories"]] == [*enumerate(CLASSES, start=1)]


def test_the_report_counts_the_ground_truth() -> None:
    shapes = ShapesDataset("shapes:9:60")
    ground_truth = [shapes.ground_truth(index) for index in range(60)]
    assert shapes.report.name == "shapes:9:60"
    assert shapes.report.images == 60
    assert shapes.report.boxes == sum(map(len, ground_truth)) == sum(shapes.report.boxes_of.values())
    assert shapes.report.empty == sum(len(one) == 0 for one in ground_truth)
    stars = sum(int((one.class_ids == CLASSES.index("star")).sum()) for one in ground_truth)
    assert shapes.report.boxes_of["star"] == stars > 0


def test_classes_are_mapped_by_name() -> None:
    own, mapped = ShapesDataset("shapes:4:10"), ShapesDataset("shapes:4:10", classes=("person", *reversed(CLASSES)))
    for index in range(10):
        names = [own.labels.names[k] for k in own.ground_truth(index).class_ids]
        assert [mapped.labels.names[k] for k in mapped.ground_truth(index).class_ids] == names
    assert mapped.labels.names[0] == "person"


def test_a_missing_class_is_named() -> None:
    with pytest.raises(DataError, match="have star, which is not among the classes circle, square"):
        ShapesDataset(classes=tuple(name for name in CLASSES if name != "star"))


@pytest.mark.parametrize(
    "where", ["shapes:x", "shapes:-1", "shapes:1:0", "shapes:1:2:3", "shapes:", "forms", "shapes:1.5"]
)
def test_an_invalid_name_is_rejected_with_the_valid_form(where: str) -> None:
    with pytest.raises(UsageError, match=r"'shapes:SEED:COUNT'.*such as 'shapes:1:1000'"):
        ShapesDataset(where)


def test_an_image_folder_for_synthetic_images_is_rejected() -> None:
    with pytest.raises(UsageError, match="has no image folder"):
        ShapesDataset(images=Path("somewhere"))


@pytest.mark.parametrize("index", [-1, 5])
def test_a_number_beyond_the_count_is_an_index_error(index: int) -> None:
    with pytest.raises(IndexError):
        ShapesDataset("shapes:1:5").ground_truth(index)


def test_for_many_images_the_report_is_marked_as_an_estimate() -> None:
    report = ShapesDataset("shapes:3:6000").report
    assert report.images == 6000
    assert sum(report.boxes_of.values()) == report.boxes
    assert report.boxes == pytest.approx(3 * ShapesDataset("shapes:3:2000").report.boxes, abs=len(CLASSES))
    assert "first 2,000 images" in report.issues[0]
    assert not ShapesDataset("shapes:3:40").report.issues
