"""LabelMe as data: shapes, groups, the image of each file, and what is told of files that cannot be used."""

import base64
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from detcli.datasets.dataset import Dataset, open_dataset
from detcli.errors import DataError, UsageError
from detcli.structures.frame import FailedFrame
from tests.helpers.annotated_datasets import photo, write_image
from tests.helpers.labeled_files import embedded, labelme, shape

CAT = shape("rectangle", "cat", [[3, 4], [10, 20]])


def one(folder: Path, *shapes: Mapping[str, Any], **more: Any) -> str:
    """A dataset of one image."""
    write_image(folder / "a.png")
    labelme(folder / "a.json", *shapes, **more)
    return str(folder)


def told(data: Dataset, words: str) -> bool:
    return any(words in issue for issue in data.report.issues)


def images_of(data: Dataset) -> list[str]:
    return [data.read(index).origin.relative for index in range(len(data))]


# ---- shapes


@pytest.mark.parametrize(
    ("entry", "box"),
    [
        (shape("rectangle", "cat", [[10.5, 20], [3, 4.25]]), [3, 4.25, 10.5, 20]),
        (shape("rectangle", "cat", [[3, 4], [10, 4], [10, 20], [3, 20]]), [3, 4, 10, 20]),
        (shape("polygon", "cat", [[1, 2], [20, 3.5], [9, 30]]), [1, 2, 20, 30]),
        (shape(None, "cat", [[1, 2], [20, 3.5], [9, 30]]), [1, 2, 20, 30]),
        (shape("circle", "cat", [[30, 20], [33, 24]]), [25, 15, 35, 25]),
        (shape("rotation", "cat", [[20, 10], [30, 20], [20, 30], [10, 20]], direction=0.78), [10, 10, 30, 30]),
        (shape("mask", "cat", [[5, 6], [8, 8]], mask=""), [5, 6, 9, 9]),
    ],
)
def test_each_shape_has_the_box_around_it(tmp_path: Path, entry: dict[str, Any], box: list[float]) -> None:
    data = open_dataset(one(tmp_path, entry))
    assert data.ground_truth(0).boxes_xyxy.round(9).tolist() == [box]
    assert told(data, "1 box is rotated") == (entry["shape_type"] == "rotation")


def test_other_shapes_are_ignored_and_counted(tmp_path: Path) -> None:
    others = [
        shape(kind, "cat", [[1, 1], [2, 2]]) for kind in ("line", "linestrip", "point", "points", "points", "spline", 7)
    ]
    data = open_dataset(one(tmp_path, CAT, *others, shape("rectangle", "__ignore__", [[1, 1], [2, 2]])))
    assert len(data.ground_truth(0)) == 1
    assert data.labels.names == ("cat",)
    for words in (
        "1 line was ignored",
        "1 line strip was",
        "1 point was",
        "2 sets of points were",
        "1 shape of the type 'spline' was",
        "1 shape of the type 7 was",
        "1 shape with the label '__ignore__' was",
    ):
        assert told(data, words), (words, data.report.issues)


@pytest.mark.parametrize("group", [3, "left", 0])
def test_polygons_of_a_group_and_label_are_one_object(tmp_path: Path, group: object) -> None:
    triangles = [[[1, 1], [9, 1], [9, 9]], [[20, 20], [30, 20], [30, 30]], [[40, 1], [50, 1], [50, 9]]]
    parts = [
        shape("polygon", label, points, group_id=group)
        for label, points in zip(("cat", "cat", "dog"), triangles, strict=True)
    ]
    alone = shape("polygon", "cat", [[1, 40], [5, 40], [5, 45]])
    data = open_dataset(one(tmp_path, *parts, alone, {**alone, "points": [[11, 40], [15, 40], [15, 45]]}), masks=True)
    assert data.ground_truth(0).boxes_xyxy.tolist() == [
        [1, 1, 30, 30],
        [40, 1, 50, 9],
        [1, 40, 5, 45],
        [11, 40, 15, 45],
    ]
    masks = data.ground_truth(0).masks
    assert masks is not None
    pixels = masks[0].decode()
    assert pixels[3, 7]
    assert pixels[22, 28], "both polygons are in the mask"
    assert told(data, "1 polygon is of the group of another one: they are one object")


def test_groups_are_of_one_image(tmp_path: Path) -> None:
    for name in "ab":
        write_image(tmp_path / f"{name}.png")
        labelme(tmp_path / f"{name}.json", shape("polygon", "cat", [[1, 1], [9, 1], [9, 9]], group_id=1))
    assert open_dataset(str(tmp_path)).report.boxes == 2


def test_difficult_shapes_are_kept_as_crowds(tmp_path: Path) -> None:
    data = open_dataset(one(tmp_path, CAT, shape("rectangle", "cat", [[1, 1], [5, 5]], difficult=True)))
    assert data.ground_truth(0).crowd.tolist() == [False, True]
    assert told(data, "1 object is difficult")


def png(pixels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@pytest.mark.parametrize("kind", [np.bool_, np.uint8])
def test_masks_are_pngs_at_the_corner_of_their_box(tmp_path: Path, kind: Any) -> None:
    inner = np.array([[0, 1, 1, 0], [1, 1, 1, 0], [0, 1, 0, 1]])
    entry = shape("mask", "cat", [[5, 6], [8, 8]], mask=png(inner.astype(kind)))
    [found] = open_dataset(one(tmp_path, entry), masks=True).ground_truth(0).masks or ()
    expected = np.zeros((48, 64), np.bool_)
    expected[6:9, 5:9] = inner
    assert np.array_equal(found.decode(), expected)


def test_circles_are_masks(tmp_path: Path) -> None:
    data = open_dataset(one(tmp_path, shape("circle", "cat", [[30, 20], [40, 20]])), masks=True)
    [found] = data.ground_truth(0).masks or ()
    assert abs(found.area - np.pi * 100) < 10
    assert found.decode()[20, 30]


# ---- images


@pytest.mark.parametrize(
    ("image_path", "at"),
    [
        ("b.png", "b.png"),
        ("..\\images\\b.png", "../images/b.png"),
        ("../images/b.png", "../images/b.png"),
        ("C:\\Users\\me\\project\\b.png", "b.png"),
        ("/home/me/project/b.png", "../images/b.png"),
        ("sub\\b.png", "sub/b.png"),
        ("gone.png", "a.png"),
        (None, "../images/a.jpg"),
    ],
)
def test_the_image_is_the_written_one(tmp_path: Path, image_path: str | None, at: str) -> None:
    folder = tmp_path / "project/labels"
    labelme(folder / "a.json", CAT, imagePath=image_path)
    write_image(folder / at)
    for where in (folder, folder.parent):
        assert Path(images_of(open_dataset(str(where)))[0]).name == Path(at).name


def test_a_path_out_of_the_data_is_not_followed(tmp_path: Path) -> None:
    write_image(tmp_path / "secret/a.png")
    labelme(tmp_path / "x/y/z/data/b.json", CAT, imagePath="../../../../secret/a.png")
    with pytest.raises(DataError, match="none of its 1 images exists"):
        open_dataset(str(tmp_path / "x/y/z/data"))


def test_images_of_one_base_name_keep_their_own_boxes(tmp_path: Path) -> None:
    for folder, left in (("x", 1), ("y", 5)):
        write_image(tmp_path / folder / "a.png")
        labelme(tmp_path / folder / "a.json", shape("rectangle", "cat", [[left, 4], [10, 20]]))
    data = open_dataset(str(tmp_path))
    assert images_of(data) == ["x/a.png", "y/a.png"]
    assert [data.ground_truth(index).boxes_xyxy[0, 0] for index in range(2)] == [1, 5]


def test_embedded_images_replace_missing_files(tmp_path: Path) -> None:
    labelme(tmp_path / "a.json", CAT, imageData=embedded(seed=5), imagePath="..\\a.jpg")
    labelme(tmp_path / "b.json", CAT, imageData=embedded(seed=6))
    write_image(tmp_path / "b.png", seed=1)
    data = open_dataset(str(tmp_path))
    assert images_of(data) == ["a.jpg", "b.png"]
    assert np.array_equal(data.read(0).pixels, photo(seed=5))  # type: ignore[union-attr]
    assert np.array_equal(data.read(1).pixels, photo(seed=1)), "a file is preferred"  # type: ignore[union-attr]
    assert told(data, "1 image is read from its annotations, where its file is missing")
    (tmp_path / "b.png").unlink()
    assert np.array_equal(open_dataset(str(tmp_path)).read(1).pixels, photo(seed=6))  # type: ignore[union-attr]


def test_embedded_images_are_turned_by_their_exif(tmp_path: Path) -> None:
    labelme(tmp_path / "a.json", CAT, imageData=embedded(orientation=6))
    data = open_dataset(str(tmp_path))
    assert data.read(0).size_hw == (64, 48)  # type: ignore[union-attr]
    assert data.ground_truth(0).boxes_xyxy.tolist() == [[28, 3, 44, 10]]


@pytest.mark.parametrize("data", ["!!!", "aGVsbG8=", embedded()[:200]])
def test_damaged_embedded_images_are_failures_of_the_image(tmp_path: Path, data: str) -> None:
    labelme(tmp_path / "a.json", CAT, imageData=data)
    dataset = open_dataset(str(tmp_path))
    assert isinstance(dataset.read(0), FailedFrame)


def test_an_image_without_size_has_that_of_its_file(tmp_path: Path) -> None:
    data = open_dataset(one(tmp_path, shape("rectangle", "cat", [[3, 4], [100, 20]]), size_hw=None))
    assert data.ground_truth(0).boxes_xyxy.tolist() == [[3, 4, 64, 20]]
    assert told(data, "1 image has no size in the annotations; its file header was used")


def test_an_embedded_image_without_size_is_read(tmp_path: Path) -> None:
    labelme(tmp_path / "a.json", shape("rectangle", "cat", [[3, 4], [100, 20]]), size_hw=None, imageData=embedded())
    assert len(open_dataset(str(tmp_path)).ground_truth(0)) == 1


# ---- bad files


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (shape("polygon", "cat", [[1, 1], [9, 9]]), "1 polygon has fewer than three valid points and was dropped: object 2 of 'a.json'"),
        (shape("polygon", "cat", []), "1 polygon has fewer than three valid points"),
        (shape("polygon", "cat", [[1, 1], [9, "x"], [9, 9]]), "1 polygon has fewer than three valid points"),
        (shape("polygon", "cat", [[1, 1], [9], [9, 9]]), "1 polygon has fewer than three valid points"),
        (shape("polygon", "cat", {"x": 1}), "1 polygon has fewer than three valid points"),  # type: ignore[arg-type]
        (shape("polygon", "cat", [[1, 1], [9, float("nan")], [9, 9]]), "1 polygon has fewer than three valid points"),
        (shape("rectangle", "cat", [[1, 1]]), "1 rectangle has fewer than two valid points"),
        (shape("circle", "cat", [[1, 1]]), "1 circle has fewer than two valid points"),
        (shape("circle", "cat", [[1, 1], [1, 1]]), "1 box has no area"),
        (shape("rectangle", "cat", [[1, 1], [1, 9]]), "1 box has no area"),
        (shape("rectangle", "cat", [[100, 100], [110, 110]]), "1 box is outside the image"),
        (shape("rectangle", "cat", [[50, 40], [90, 60]]), "1 box was cut off at the edge of the image"),
        (CAT, "1 box is a duplicate of another one"),
    ],
)  # fmt: skip
def test_single_shapes_that_cannot_be_used_are_told(tmp_path: Path, entry: dict[str, Any], words: str) -> None:
    data = open_dataset(one(tmp_path, CAT, entry))
    assert len(data.ground_truth(0)) == (2 if "cut off" in words else 1)
    assert told(data, words), data.report.issues


@pytest.mark.parametrize("mask", [None, "!!", "aGVsbG8=", png(np.ones((40, 40), np.uint8))])
def test_masks_that_cannot_be_used_are_told(tmp_path: Path, mask: str | None) -> None:
    good = shape("mask", "cat", [[5, 6], [8, 8]], mask=png(np.ones((3, 4), np.uint8)))
    data = open_dataset(one(tmp_path, good, shape("mask", "cat", [[30, 6], [33, 8]], mask=mask)), masks=True)
    assert len(data.ground_truth(0)) == 1
    assert told(
        data, "1 mask is no valid PNG" if mask is None or len(mask) < 10 else "1 mask does not fit into its image"
    )


def test_most_polygons_with_two_points_are_an_error(tmp_path: Path) -> None:
    where = one(tmp_path, CAT, *[shape("polygon", "dog", [[1, 1], [9, 9]])] * 11)
    with pytest.raises(
        DataError, match=r"11 of 12 objects cannot be used: object 2 of 'a.json'.* and 1 more; 11 polygons have"
    ):
        open_dataset(where)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (shape("rectangle", None, [[1, 1], [5, 5]]), "object 2 of 'a.json' (its label is missing, not a text)"),
        (shape("rectangle", 3, [[1, 1], [5, 5]]), "object 2 of 'a.json' (its label is 3, not a text)"),
        (shape("rectangle", "", [[1, 1], [5, 5]]), "object 2 of 'a.json' (it has no label)"),
        ("cat", "object 2 of 'a.json' (its label is missing, not a text)"),
    ],
)
def test_shapes_without_a_label_are_an_error(tmp_path: Path, entry: Any, words: str) -> None:
    with pytest.raises(DataError) as caught:
        open_dataset(one(tmp_path, CAT, entry))
    assert f"1 object is invalid: {words}" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"shapes": [', "'b.json' (it is not JSON: "),
        ("", "'b.json' (an empty file)"),
        ('{"shapes": ' + "[" * 100_000, "it is nested too deeply"),
        (b'{"shapes": "\xff"}', "is not UTF-8"),
    ],
)
def test_files_that_are_not_json_are_named(tmp_path: Path, content: str | bytes, words: str) -> None:
    one(tmp_path, CAT)
    write_image(tmp_path / "b.png")
    (tmp_path / "b.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match="1 annotation file is invalid") as caught:
        open_dataset(str(tmp_path))
    assert words in str(caught.value)


@pytest.mark.parametrize("content", [{"other": 1}, [1, 2], {"shapes": 3, "imagePath": "x"}, 7])
def test_other_json_files_are_skipped_and_told(tmp_path: Path, content: Any) -> None:
    one(tmp_path, CAT)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/notes.json").write_text(json.dumps(content))
    data = open_dataset(str(tmp_path))
    assert told(data, "1 JSON file is not of LabelMe and was skipped: 'sub/notes.json'")


def test_annotations_of_coco_beside_them_are_ambiguous(tmp_path: Path) -> None:
    one(tmp_path, CAT)
    (tmp_path / "coco.json").write_text('{"images": [], "annotations": [], "categories": []}')
    with pytest.raises(UsageError, match=r"coco.json' \(COCO\), '.*' \(LabelMe\); keep one format in the folder"):
        open_dataset(str(tmp_path))
