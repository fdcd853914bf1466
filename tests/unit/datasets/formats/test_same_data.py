"""The same data as COCO, Pascal VOC, CVAT and LabelMe is the same dataset, in every door that takes data."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from detcli.datasets.classes.class_changes import ClassChanges
from detcli.datasets.classes.merged_dataset import united
from detcli.datasets.dataset import Dataset, Part, has_part, open_dataset
from detcli.errors import DataError, InputError, NoDataError, UsageError
from tests.helpers.annotated_datasets import annotation, image, write_coco, write_image
from tests.helpers.labeled_files import cvat_box, cvat_image, cvat_shape, cvat_xml, labelme, shape, voc_object, voc_xml

Boxes = dict[str, list[tuple[str, tuple[float, float, float, float]]]]

# Image name -> class and corners of its boxes, by hand.
BOXES: Boxes = {
    "a": [("dog", (1, 2, 11, 22)), ("cat", (0, 0, 64, 48))],
    "b": [("cat", (5.5, 6.25, 13, 14))],
    "c": [],
}
CLASSES = ("cat", "dog")


def as_coco(folder: Path, boxes: Boxes) -> str:
    numbers = {name: index for index, name in enumerate(boxes, 1)}
    entries = [
        annotation(0, numbers[name], CLASSES.index(label) + 1, [left, top, right - left, bottom - top])
        for name, found in boxes.items()
        for label, (left, top, right, bottom) in found
    ]
    return write_coco(
        folder,
        images=[image(number, f"{name}.png") for name, number in numbers.items()],
        annotations=[{**entry, "id": number} for number, entry in enumerate(entries, 1)],
        categories=[{"id": index, "name": name} for index, name in enumerate(CLASSES, 1)],
        image_files=[f"{name}.png" for name in boxes],
    )


def as_voc(folder: Path, boxes: Boxes) -> str:
    for index, (name, found) in enumerate(boxes.items()):
        write_image(folder / "JPEGImages" / f"{name}.png", seed=index)
        (folder / "Annotations").mkdir(exist_ok=True)
        content = voc_xml(*(voc_object(label, box) for label, box in found), filename=f"{name}.png")
        (folder / "Annotations" / f"{name}.xml").write_text(content)
    return str(folder)


def as_cvat(folder: Path, boxes: Boxes) -> str:
    for index, name in enumerate(boxes):
        write_image(folder / "images" / f"{name}.png", seed=index)
    images = [
        cvat_image(f"{name}.png", *(cvat_box(label, box) for label, box in found)) for name, found in boxes.items()
    ]
    (folder / "annotations.xml").write_text(cvat_xml(*images, labels=CLASSES))
    return str(folder)


def as_labelme(folder: Path, boxes: Boxes) -> str:
    for index, (name, found) in enumerate(boxes.items()):
        write_image(folder / f"{name}.png", seed=index)
        shapes = [shape("rectangle", label, [list(box[2:]), list(box[:2])]) for label, box in found]
        labelme(folder / f"{name}.json", *shapes)
    return str(folder)


Writer = Callable[[Path, Boxes], str]
WRITERS: dict[str, Writer] = {"voc": as_voc, "cvat": as_cvat, "labelme": as_labelme}
formats = pytest.mark.parametrize("name", WRITERS)


def same(one: Dataset, other: Dataset) -> None:
    first, second = one.annotations(), other.annotations()
    assert [first[key] for key in ("images", "annotations", "categories")] == [
        second[key] for key in ("images", "annotations", "categories")
    ]
    assert (one.report.boxes_of, one.report.empty) == (other.report.boxes_of, other.report.empty)
    for index in range(len(one)):
        pixels = [data.read(index).pixels for data in (one, other)]  # type: ignore[union-attr]
        assert np.array_equal(*pixels)  # type: ignore[arg-type]


@formats
@pytest.mark.parametrize("part", ["train", "val"])
def test_boxes_are_those_of_the_same_data_as_coco(tmp_path: Path, name: str, part: Part) -> None:
    coco = open_dataset(as_coco(tmp_path / "coco", BOXES), part=part)
    other = open_dataset(WRITERS[name](tmp_path / "other", BOXES), part=part)
    same(coco, other)
    assert other.ground_truth(0).boxes_xyxy.tolist() == [[1, 2, 11, 22], [0, 0, 64, 48]]
    assert other.labels.names == CLASSES


@formats
def test_duplicates_and_boxes_outside_are_told_as_for_coco(tmp_path: Path, name: str) -> None:
    boxes = {
        **BOXES,
        "c": [
            ("cat", (1.0, 1.0, 9.0, 9.0)),
            ("cat", (1.0, 1.0, 9.0, 9.0)),
            ("dog", (50.0, 40.0, 90.0, 60.0)),
            ("dog", (100.0, 100.0, 120.0, 120.0)),
        ],
    }
    coco, other = (
        open_dataset(as_coco(tmp_path / "coco", boxes)),
        open_dataset(WRITERS[name](tmp_path / "other", boxes)),
    )
    same(coco, other)
    for what in (
        "1 box is outside the image and was dropped: object 4 of 'c",
        "1 box was cut off at the edge of the image: object 3 of 'c",
        "1 box is a duplicate of another one, of the same image and class, and was dropped: object 2 of 'c",
    ):
        assert any(issue.startswith(what) for issue in other.report.issues), (what, other.report.issues)


@formats
def test_classes_are_matched_united_and_left_out_as_for_coco(tmp_path: Path, name: str) -> None:
    where = [as_coco(tmp_path / "coco", BOXES), WRITERS[name](tmp_path / "other", BOXES)]
    val = [open_dataset(one, part="val", classes=("dog", "cat")) for one in where]
    assert val[1].labels.names == ("dog", "cat")
    assert [data.ground_truth(0).class_ids.tolist() for data in val] == [[0, 1], [0, 1]]
    changes = ClassChanges({"dog": "animal"}, ("animal",))
    merged = united([open_dataset(one) for one in where], changes)
    assert merged.labels.names == ("animal",)
    assert merged.report.boxes_of == {"animal": 2}
    with pytest.raises(DataError, match="not among the classes"):
        open_dataset(where[1], part="val", classes=("cat",))


@formats
def test_annotated_parts_are_found(tmp_path: Path, name: str) -> None:
    for part, chosen in (("train", "a"), ("valid", "b")):
        WRITERS[name](tmp_path / part, {chosen: BOXES[chosen]})
    assert has_part(str(tmp_path), "train")
    assert has_part(str(tmp_path), "val")
    data: dict[Part, Dataset] = {part: open_dataset(str(tmp_path), part=part) for part in ("train", "val")}
    assert [data[part].read(0).origin.relative for part in ("train", "val")] == ["a.png", "b.png"]
    assert data["train"].report.boxes == 2


@formats
def test_a_class_of_the_validation_part_alone_is_a_class(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / "train", {"b": BOXES["b"]})
    WRITERS[name](tmp_path / "valid", {"a": BOXES["a"]})
    train = open_dataset(str(tmp_path))
    assert train.labels.names == CLASSES
    assert any("1 class has no box: 'dog'" in issue for issue in train.report.issues)
    assert open_dataset(str(tmp_path), part="val", classes=train.labels.names).report.boxes == 2


@formats
def test_a_folder_without_parts_is_taken_for_any(tmp_path: Path, name: str) -> None:
    where = WRITERS[name](tmp_path, BOXES)
    assert not has_part(where, "val"), "training has no validation set"
    assert open_dataset(where, part="val").report.boxes == 3


@pytest.mark.parametrize(
    ("name", "one"), [(name, one) for name in WRITERS for one in (*WRITERS, "coco", "yolo") if name != one]
)
def test_a_folder_of_two_formats_is_an_error_with_both(tmp_path: Path, name: str, one: str) -> None:
    titles = {"voc": "Pascal VOC", "cvat": "CVAT", "labelme": "LabelMe", "coco": "COCO", "yolo": "YOLO"}
    WRITERS[name](tmp_path, BOXES)
    if one == "yolo":
        (tmp_path / "data.yaml").write_text("names: [cat, dog]")
    elif one == "coco":
        as_coco(tmp_path, BOXES)
    else:
        WRITERS[one](tmp_path, BOXES)
    with pytest.raises(UsageError, match="is ambiguous") as caught:
        open_dataset(str(tmp_path))
    assert titles[name] in str(caught.value)
    assert titles[one] in str(caught.value)


@formats
def test_images_are_searched_where_the_user_says(tmp_path: Path, name: str) -> None:
    where = Path(WRITERS[name](tmp_path / "data", BOXES))
    photos = tmp_path / "photos"
    photos.mkdir()
    for path in sorted(where.rglob("*.png")):
        path.rename(photos / path.name)
    with pytest.raises(DataError, match="none of its 3 images exists"):
        open_dataset(str(where))
    data = open_dataset(str(where), images=photos)
    assert data.report.boxes == 3
    assert data.report.image_folders == (str(photos),)


@formats
def test_most_images_missing_is_an_error_and_one_is_told(tmp_path: Path, name: str) -> None:
    where = Path(WRITERS[name](tmp_path, BOXES))
    paths = sorted(where.rglob("*.png"))
    paths[1].unlink()
    data = open_dataset(str(where))
    assert len(data) == 2
    assert any(issue.startswith("1 image is missing and was skipped") for issue in data.report.issues)
    paths[2].unlink()
    with pytest.raises(DataError, match=r"2 of 3 images are missing"):
        open_dataset(str(where))


@formats
@pytest.mark.parametrize("annotated", ["stored", "upright"])
def test_boxes_turn_with_images_that_exif_turns(tmp_path: Path, name: str, annotated: str) -> None:
    where = Path(WRITERS[name](tmp_path, {"a": [("dog", (1.0, 2.0, 11.0, 22.0)), ("cat", (0.0, 0.0, 5.0, 5.0))]}))
    path = next(iter(where.rglob("a.png")))
    size_hw = (48, 64) if annotated == "stored" else (64, 48)
    write_image(path, size_hw, orientation=6)
    data = open_dataset(str(where))
    boxes = data.ground_truth(0).boxes_xyxy.tolist()
    if annotated == "upright":  # the file is 64 x 48 high and wide as stored, and turned it is as annotated
        assert boxes == [[1, 2, 11, 22], [0, 0, 5, 5]]
    else:  # turned by 90 degrees clockwise: x becomes 48 - y
        assert boxes == [[26, 1, 46, 11], [43, 0, 48, 5]]
        assert any("rotated by EXIF" in issue for issue in data.report.issues)


@formats
def test_boxes_as_fractions_are_refused(tmp_path: Path, name: str) -> None:
    fractions = {"a": [("cat", (0.1, 0.2, 0.5, 0.6)), ("dog", (0.0, 0.0, 0.9, 0.9))]}
    with pytest.raises(DataError, match=r"as fractions of the image are; .* boxes are two corners"):
        open_dataset(WRITERS[name](tmp_path, fractions))


@formats
def test_most_boxes_invalid_is_an_error_with_ten_of_them(tmp_path: Path, name: str) -> None:
    boxes = {**BOXES, "c": [("cat", (float(n), 5.0, float(n), 9.0)) for n in range(1, 13)]}
    with pytest.raises(DataError, match=r"12 of 15 boxes cannot be used: object 1 of 'c.* and 2 more; .*have no area"):
        open_dataset(WRITERS[name](tmp_path, boxes))


def test_polygons_are_the_masks_of_the_same_data_as_coco(tmp_path: Path) -> None:
    polygon = [1.0, 1.0, 20.0, 1.0, 20.0, 10.0]
    coco = as_coco(tmp_path / "coco", {"a": [("cat", (1, 1, 20, 10))]})
    document = json.loads(Path(coco).read_text())
    document["annotations"][0]["segmentation"] = [polygon]
    Path(coco).write_text(json.dumps(document))
    pairs = [polygon[start : start + 2] for start in (0, 2, 4)]
    points = ";".join(f"{x},{y}" for x, y in pairs)
    for folder in ("voc", "cvat/images", "labelme"):
        write_image(tmp_path / folder / "a.png")
    corners = "".join(f"<x{n}>{x}</x{n}><y{n}>{y}</y{n}>" for n, (x, y) in enumerate(pairs, 1))
    (tmp_path / "voc/a.xml").write_text(voc_xml(voc_object("cat", (1, 1, 20, 10), polygon=corners)))
    (tmp_path / "cvat/annotations.xml").write_text(
        cvat_xml(cvat_image("a.png", cvat_shape("polygon", "cat", points=points)))
    )
    labelme(tmp_path / "labelme/a.json", shape("polygon", "cat", pairs))
    expected = open_dataset(coco, masks=True).ground_truth(0)
    for name in WRITERS:
        found = open_dataset(str(tmp_path / name), masks=True).ground_truth(0)
        assert found.masks == expected.masks, name
        assert found.boxes_xyxy.tolist() == [[1, 1, 20, 10]]


@formats
def test_boxes_alone_are_no_masks(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"no masks?"):
        open_dataset(WRITERS[name](tmp_path, BOXES), masks=True)


@pytest.mark.parametrize("file", ["Annotations/a.xml", "a.json"])
def test_the_file_of_one_image_is_no_dataset(tmp_path: Path, file: str) -> None:
    where = tmp_path / ("voc" if file.endswith("xml") else "labelme")
    WRITERS[where.name](where, BOXES)
    with pytest.raises(NoDataError, match=r"has the annotations of one image, in the format of .*: give its folder"):
        open_dataset(str(where / file))


@pytest.mark.parametrize("name", ["voc", "labelme"])
def test_annotation_files_in_subfolders_only_are_found(tmp_path: Path, name: str) -> None:
    for batch, chosen in (("one", "a"), ("two", "b")):
        WRITERS[name](tmp_path / "project" / batch, {chosen: BOXES[chosen]})
    data = open_dataset(str(tmp_path / "project"))
    assert data.report.boxes == 3
    assert len({data.read(index).origin.relative for index in range(2)}) == 2


@pytest.mark.parametrize("name", ["voc", "labelme"])
def test_two_annotation_files_never_share_an_image_by_its_end(tmp_path: Path, name: str) -> None:
    """Annotations of one base name in two folders, and one image: it gets the boxes of neither."""
    WRITERS[name](tmp_path, {"b": BOXES["b"]})
    below = tmp_path / ("Annotations" if name == "voc" else ".")
    for folder in ("x", "y"):
        (below / folder).mkdir()
        if name == "voc":
            (below / folder / "n.xml").write_text(
                voc_xml(voc_object("cat", (1, 2, 3, 4)), filename=f"/data/{folder}/q.png")
            )
        else:
            labelme(
                below / folder / "n.json",
                shape("rectangle", "cat", [[1, 2], [3, 4]]),
                imagePath=f"/data/{folder}/q.png",
            )
    write_image(tmp_path / ("JPEGImages/q.png" if name == "voc" else "q.png"))
    with pytest.raises(DataError, match="2 of 3 images are missing"):
        open_dataset(str(tmp_path))


@pytest.mark.parametrize(
    ("file", "head", "size"),
    [
        ("Annotations/a.xml", "<annotation>", (64 << 20) + 1),
        ("a.json", '{"shapes": [', (1 << 30) + 1),
        ("annotations.xml", "<annotations>", (4 << 30) + 1),
    ],
)
def test_files_beyond_the_limit_are_not_read(tmp_path: Path, file: str, head: str, size: int) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(head)
    write_image(tmp_path / "a.png")
    with path.open("rb+") as opened:
        opened.truncate(size)  # takes no space
    with pytest.raises(InputError, match="the limit of"):
        open_dataset(str(tmp_path))


@formats
def test_links_that_lead_nowhere_are_told(tmp_path: Path, name: str) -> None:
    where = Path(WRITERS[name](tmp_path, BOXES))
    path = next(path for path in sorted(where.rglob("*")) if path.suffix in (".xml", ".json"))
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(InputError, match=r"to itself|is not a dataset"):
        open_dataset(str(tmp_path))


def test_an_archive_is_to_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "task.zip").write_bytes(b"PK")
    with pytest.raises(NoDataError, match="is an archive: unpack it, and give its folder"):
        open_dataset(str(tmp_path / "task.zip"))


@pytest.mark.parametrize("name", ["voc", "labelme"])
def test_files_of_one_name_in_two_folders_never_share_an_image(tmp_path: Path, name: str) -> None:
    """The image has the boxes of neither: one of them is of another image."""
    WRITERS[name](tmp_path, {"b": BOXES["b"]})
    below = tmp_path / ("Annotations" if name == "voc" else ".")
    for folder in ("x", "y"):
        (below / folder).mkdir()
        if name == "voc":
            (below / folder / "q.xml").write_text(voc_xml(voc_object("cat", (1, 2, 3, 4)), filename="q.png"))
        else:
            labelme(below / folder / "q.json", shape("rectangle", "cat", [[1, 2], [3, 4]]), imagePath="q.png")
    write_image(tmp_path / ("JPEGImages/q.png" if name == "voc" else "q.png"))
    with pytest.raises(DataError, match="2 of 3 images are missing"):
        open_dataset(str(tmp_path))


def test_two_files_that_name_one_image_are_told(tmp_path: Path) -> None:
    for name in "ab":
        labelme(tmp_path / f"{name}.json", shape("rectangle", "cat", [[1, 2], [13, 14]]), imagePath="a.png")
    write_image(tmp_path / "a.png")
    data = open_dataset(str(tmp_path))
    assert any("1 image has the same file as another one" in issue for issue in data.report.issues)


@pytest.mark.parametrize(
    ("annotations", "images"),
    [
        ("train/annotations", "train/images"),
        ("annotations/train", "images/train"),
        ("train/Annotations", "train/JPEGImages"),
    ],
)
def test_parts_may_have_folders_for_annotations_and_images(tmp_path: Path, annotations: str, images: str) -> None:
    (tmp_path / annotations).mkdir(parents=True)
    (tmp_path / annotations / "a.xml").write_text(voc_xml(voc_object("cat", (1, 2, 13, 14))))
    write_image(tmp_path / images / "a.png")
    assert has_part(str(tmp_path), "train")
    assert open_dataset(str(tmp_path)).report.image_folders == (str(tmp_path / images),)
