"""Pascal VOC as data: where images, boxes, parts and masks come from, and what is told of files that leave it open."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from detcli.datasets.dataset import Dataset, has_part, open_dataset
from detcli.errors import DataError, ImageError, NoDataError, UsageError
from tests.helpers.annotated_datasets import write_image
from tests.helpers.labeled_files import voc_object, voc_xml

CAT = voc_object("cat", (3, 4, 10, 20))


def write(folder: Path, name: str, content: str | bytes = voc_xml(CAT), *, suffix: str = ".jpg") -> None:
    """An annotation file and its image in the layout of VOCdevkit."""
    path = folder / "Annotations" / f"{name}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    write_image(folder / "JPEGImages" / f"{name}{suffix}")


def lists(folder: Path, kind: str = "Main", **names: Sequence[str]) -> None:
    """The lists of `ImageSets`."""
    for name, listed in names.items():
        path = folder / "ImageSets" / kind / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in listed))


def images_of(data: Dataset) -> list[str]:
    return [data.read(index).origin.relative for index in range(len(data))]


def told(data: Dataset, words: str) -> bool:
    return any(words in issue for issue in data.report.issues)


# ---- coordinates


@pytest.mark.parametrize(
    ("database", "boxes", "expected", "words"),
    [
        ("The VOC2007 Database", [(1, 1, 64, 48), (3, 4, 10, 20)], [[0, 0, 64, 48], [2, 3, 10, 20]], "2 boxes are of a challenge"),
        ("The VOC2012 Database", [(3, 4, 3, 20)], [[2, 3, 3, 20]], "1 box is of a challenge"),
        ("The VOC2007 Database", [(0, 4, 64, 48), (3, 4, 10, 20)], [[0, 4, 64, 48], [3, 4, 10, 20]], "1 box has a side at 0"),
        ("Unknown", [(3, 4, 10, 20)], [[3, 4, 10, 20]], "none of 1 boxes has a side at 0"),
        ("Unknown", [(3.5, 0, 10.25, 20)], [[3.5, 0, 10.25, 20]], "1 box has a side at 0"),
        ("my VOC data", [(3, 4, 10, 20)], [[3, 4, 10, 20]], "<source> names no challenge"),
    ],
)  # fmt: skip
def test_pixels_are_counted_as_the_files_show(
    tmp_path: Path,
    database: str,
    boxes: list[tuple[float, ...]],
    expected: list[list[float]],
    words: str,
) -> None:
    write(tmp_path, "a", voc_xml(*(voc_object("cat", box) for box in boxes), database=database))
    data = open_dataset(str(tmp_path))
    assert data.ground_truth(0).boxes_xyxy.tolist() == expected
    assert told(data, words), data.report.issues


def test_files_of_challenges_and_others_are_kept_apart(tmp_path: Path) -> None:
    write(tmp_path, "a", voc_xml(CAT, database="The VOC2007 Database"))
    write(tmp_path, "b", voc_xml(voc_object("cat", (0, 4, 10, 20))))
    data = open_dataset(str(tmp_path))
    assert [data.ground_truth(index).boxes_xyxy.tolist() for index in (0, 1)] == [[[2, 3, 10, 20]], [[0, 4, 10, 20]]]
    assert told(data, "1 box is of a challenge")
    assert told(data, "1 box has a side at 0")


def test_both_parts_are_counted_from_the_same_number(tmp_path: Path) -> None:
    """A box at 0 in one part shows it for the other, too."""
    write(tmp_path, "a", voc_xml(CAT, database="The VOC2007 Database"))
    write(tmp_path, "b", voc_xml(voc_object("cat", (0, 4, 10, 20)), database="The VOC2007 Database"))
    lists(tmp_path, train=["a"], val=["b"])
    assert open_dataset(str(tmp_path)).ground_truth(0).boxes_xyxy.tolist() == [[3, 4, 10, 20]]


def test_own_results_without_scores_are_read_as_they_were_written(tmp_path: Path) -> None:
    """Coordinates as of `-f voc --no-scores`: from 0, with fractions."""
    box = (12.5, 3.25, 20.125, 40.5)
    write(tmp_path, "a", voc_xml(voc_object("cat", box)))
    assert open_dataset(str(tmp_path)).ground_truth(0).boxes_xyxy.tolist() == [list(box)]


@pytest.mark.parametrize(
    ("first_pixel", "database", "expected"),
    [
        (0, "The VOC2007 Database", [[1, 1, 64, 48], [3, 4, 10, 20]]),
        (1, "Unknown", [[0, 0, 64, 48], [2, 3, 10, 20]]),
        (1, "The VOC2007 Database", [[0, 0, 64, 48], [2, 3, 10, 20]]),
    ],
)
def test_the_user_may_know_the_first_pixel(
    tmp_path: Path, first_pixel: Literal[0, 1], database: str, expected: list[list[float]]
) -> None:
    boxes = [(1, 1, 64, 48), (3, 4, 10, 20)]
    write(tmp_path, "a", voc_xml(*(voc_object("cat", box) for box in boxes), database=database))
    data = open_dataset(str(tmp_path), first_pixel=first_pixel)
    assert data.ground_truth(0).boxes_xyxy.tolist() == expected
    assert data.report.issues == ()


def test_a_side_at_0_where_pixels_count_from_1_is_the_edge_and_told(tmp_path: Path) -> None:
    write(tmp_path, "a", voc_xml(voc_object("cat", (0, 0.5, 10, 20)), voc_object("cat", (3, 4, 12, 20))))
    data = open_dataset(str(tmp_path), first_pixel=1)
    assert data.ground_truth(0).boxes_xyxy.tolist() == [[0, 0, 10, 20], [2, 3, 12, 20]]
    assert told(data, "1 box has a side at 0, although pixels are counted from 1")


def test_polygons_are_edges_whatever_the_first_pixel(tmp_path: Path) -> None:
    polygon = "<x1>3</x1><y1>4</y1><x2>10</x2><y2>4</y2><x3>10</x3><y3>20</y3>"
    write(tmp_path, "a", voc_xml(voc_object("cat", None, polygon=polygon)))
    assert open_dataset(str(tmp_path), first_pixel=1).ground_truth(0).boxes_xyxy.tolist() == [[3, 4, 10, 20]]


# ---- layouts and parts


@pytest.mark.parametrize("folder", [".", "VOC2007", "VOCdevkit"])
def test_parts_are_the_lists_of_image_sets(tmp_path: Path, folder: str) -> None:
    home = tmp_path / ("VOC2012" if folder == "VOCdevkit" else folder)
    for name in "abcd":
        write(home, name)
    lists(home, train=["b", "a"], val=["c"], trainval=["a", "b", "c"], test=["d"], cat_train=["a 1", "b -1"])
    assert images_of(open_dataset(str(tmp_path))) == ["b.jpg", "a.jpg"]
    assert images_of(open_dataset(str(tmp_path), part="val")) == ["c.jpg"]
    assert has_part(str(tmp_path), "val")
    one = home / "ImageSets/Main"
    assert images_of(open_dataset(str(one / "trainval.txt"))) == ["a.jpg", "b.jpg", "c.jpg"]
    assert images_of(open_dataset(str(one / "test.txt"), part="val")) == ["d.jpg"]
    assert images_of(open_dataset(str(one / "cat_train.txt"))) == ["a.jpg", "b.jpg"], "marks are no names"


def test_test_images_are_for_evaluation_and_never_for_training(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path, name)
    lists(tmp_path, trainval=["a"], test=["b"])
    assert images_of(open_dataset(str(tmp_path))) == ["a.jpg"]
    assert not has_part(str(tmp_path), "val"), "training would choose its best epoch by them"
    assert images_of(open_dataset(str(tmp_path), part="val")) == ["b.jpg"], "eval takes them"
    lists(tmp_path, val=["a"])
    (tmp_path / "ImageSets/Main/trainval.txt").unlink()
    with pytest.raises(NoDataError, match="has no part 'train'"):
        open_dataset(str(tmp_path))


def test_several_years_are_an_error_that_names_them(tmp_path: Path) -> None:
    for year in ("VOC2007", "VOC2012"):
        write(tmp_path / year, "a")
        lists(tmp_path / year, train=["a"])
    with pytest.raises(UsageError, match=r"ambiguous: it has '.*VOC2007.*', '.*VOC2012.*'; give one of them"):
        open_dataset(str(tmp_path))


@pytest.mark.parametrize("annotations", ["Annotations", "annotations", ".", "train"])
@pytest.mark.parametrize("images", ["JPEGImages", "images", "img", "."])
def test_images_are_found_next_to_the_annotations(tmp_path: Path, annotations: str, images: str) -> None:
    (tmp_path / annotations).mkdir(exist_ok=True)
    (tmp_path / annotations / "a.xml").write_text(voc_xml(CAT))
    write_image(tmp_path / images / "a.png")
    assert images_of(open_dataset(str(tmp_path))) == ["a.png"]
    assert images_of(open_dataset(str(tmp_path / annotations))) == ["a.png"], "the folder of annotations alone"


def test_subfolders_of_annotations_are_those_of_images(tmp_path: Path) -> None:
    for name in ("x/a", "y/a"):
        write(tmp_path, name)
    data = open_dataset(str(tmp_path / "Annotations"))
    assert images_of(data) == ["x/a.jpg", "y/a.jpg"]


@pytest.mark.parametrize(
    "written",
    ["other.jpg", "a", "C:\\Users\\me\\a.jpg", "..\\..\\a.jpg", "/etc/passwd", "a.png", "", "../../secret.jpg"],
)
def test_the_image_has_the_name_of_the_annotation_file(tmp_path: Path, written: str) -> None:
    write_image(tmp_path / "secret.jpg")
    write(tmp_path / "data/voc", "a", voc_xml(CAT, filename=written))
    assert images_of(open_dataset(str(tmp_path / "data/voc"))) == ["a.jpg"]


def test_another_existing_name_in_the_file_is_told(tmp_path: Path) -> None:
    write(tmp_path, "a", voc_xml(CAT, filename="b.jpg"))
    write(tmp_path, "b")
    data = open_dataset(str(tmp_path))
    assert images_of(data) == ["a.jpg", "b.jpg"]
    assert told(data, "1 file name in annotations is of another image")
    assert told(data, "'a.xml' names 'b.jpg'")


@pytest.mark.parametrize("written", ["photo 1.png", "C:\\Users\\me\\photo 1.png", "/home/me/photo 1.png"])
def test_the_written_name_counts_if_no_image_has_the_own_name(tmp_path: Path, written: str) -> None:
    (tmp_path / "0001.xml").write_text(voc_xml(CAT, filename=written))
    write_image(tmp_path / "photo 1.png")
    data = open_dataset(str(tmp_path))
    assert images_of(data) == ["photo 1.png"]
    assert told(data, "by the end of its name") == (written != "photo 1.png")


@pytest.mark.parametrize(("written", "chosen"), [("a.png", "a.png"), ("a.jpg", "a.jpg"), (None, None)])
def test_of_two_images_of_a_name_the_written_one_counts(
    tmp_path: Path, written: str | None, chosen: str | None
) -> None:
    write(tmp_path, "a", voc_xml(CAT, filename=written))
    write_image(tmp_path / "JPEGImages/a.png")
    write(tmp_path, "b")
    write(tmp_path, "c")
    data = open_dataset(str(tmp_path))
    assert images_of(data) == [name for name in (chosen, "b.jpg", "c.jpg") if name]
    assert told(data, "two files have the name of its annotations") == (chosen is None)


# ---- objects


def test_difficult_objects_are_kept_as_crowds(tmp_path: Path) -> None:
    write(
        tmp_path,
        "a",
        voc_xml(
            CAT,
            voc_object("cat", (5, 6, 9, 9), difficult=1, truncated=1),
            voc_object("dog", (1, 1, 5, 5), difficult=0, truncated=1),
        ),
    )
    data = open_dataset(str(tmp_path))
    assert data.ground_truth(0).crowd.tolist() == [False, True, False]
    assert data.report.boxes_of == {"cat": 1, "dog": 1}
    assert data.report.crowd == 1
    assert told(data, "1 object is difficult: neither trained on nor counted in evaluation")


@pytest.mark.parametrize(
    "size", ["", "<size><width>0</width><height>0</height></size>", "<size><width>wide</width></size>", "<size/>"]
)
def test_a_missing_size_is_that_of_the_image(tmp_path: Path, size: str) -> None:
    content = voc_xml(voc_object("cat", (3, 4, 100, 20)), size_hw=None).replace("</annotation>", f"{size}</annotation>")
    write(tmp_path, "a", content)
    data = open_dataset(str(tmp_path))
    assert data.ground_truth(0).boxes_xyxy.tolist() == [[3, 4, 64, 20]], "cut off at the edge"
    assert told(data, "1 image has no size in the annotations; its file header was used")


def test_parts_of_objects_are_no_objects(tmp_path: Path) -> None:
    part = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>"
    write(tmp_path, "a", voc_xml(CAT.replace("</object>", f"{part}</object>")))
    data = open_dataset(str(tmp_path))
    assert data.labels.names == ("cat",)
    assert len(data.ground_truth(0)) == 1


def test_rotated_boxes_are_the_upright_box_around_them(tmp_path: Path) -> None:
    turned = "<robndbox><cx>30</cx><cy>20</cy><w>20</w><h>10</h><angle>1.5707963267948966</angle></robndbox>"
    write(tmp_path, "a", voc_xml(f"<object><name>cat</name>{turned}</object>"))
    assert open_dataset(str(tmp_path)).ground_truth(0).boxes_xyxy.round(6).tolist() == [[25, 10, 35, 30]]


def test_names_keep_characters_that_xml_escapes(tmp_path: Path) -> None:
    write(tmp_path, "a", voc_xml(voc_object(" cat & <dog> 犬 ", (3, 4, 10, 20))))
    assert open_dataset(str(tmp_path)).labels.names == ("cat & <dog> 犬",)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "iso-8859-1"])
def test_files_of_any_encoding_are_read(tmp_path: Path, encoding: str) -> None:
    head = f"<?xml version='1.0' encoding='{encoding.removesuffix('-sig')}'?>\n"
    write(tmp_path, "a", (head + voc_xml(voc_object("Füchse", (3, 4, 10, 20)))).encode(encoding))
    assert open_dataset(str(tmp_path)).labels.names == ("Füchse",)


# ---- masks


def segments(folder: Path, name: str, numbers: np.ndarray, mode: str = "P") -> None:
    image = Image.fromarray(numbers.astype(np.uint8), "L")
    if mode != "L":
        palette = np.zeros((256, 3), np.uint8)
        for index in range(256):
            for bit in range(8):
                for channel in range(3):
                    palette[index, channel] |= ((index >> (3 * bit + channel)) & 1) << (7 - bit)
        indexed = Image.fromarray(numbers.astype(np.uint8), "P")
        indexed.putpalette(palette.ravel().tolist())
        image = indexed if mode == "P" else indexed.convert("RGB")
    path = folder / "SegmentationObject" / f"{name}.png"
    path.parent.mkdir(exist_ok=True)
    image.save(path)


NUMBERS = np.zeros((48, 64), np.uint8)
NUMBERS[4:20, 3:10], NUMBERS[30:40, 20:30], NUMBERS[20:22, 3:10] = 1, 2, 255


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_masks_are_the_numbers_of_the_objects(tmp_path: Path, mode: str) -> None:
    write(tmp_path, "a", voc_xml(CAT, voc_object("dog", (20, 30, 30, 40))))
    segments(tmp_path, "a", NUMBERS, mode)
    data = open_dataset(str(tmp_path), masks=True)
    masks = data.ground_truth(0).masks
    assert masks is not None
    assert [np.array_equal(mask.decode(), number == NUMBERS) for number, mask in enumerate(masks, 1)] == [True, True]
    assert "PNGs of segments in" in data.report.files


def test_masks_are_not_read_where_none_are_requested(tmp_path: Path) -> None:
    write(tmp_path, "a")
    (tmp_path / "SegmentationObject").mkdir()
    (tmp_path / "SegmentationObject/a.png").write_bytes(b"no image")
    assert open_dataset(str(tmp_path)).ground_truth(0).masks is None
    with pytest.raises(ImageError, match=r"its PNG '.*a.png' cannot be read"):
        open_dataset(str(tmp_path), masks=True).ground_truth(0)


def test_images_with_masks_have_a_list_of_their_own(tmp_path: Path) -> None:
    for name in "abc":
        write(tmp_path, name)
    segments(tmp_path, "b", NUMBERS)
    lists(tmp_path, train=["a", "b", "c"])
    lists(tmp_path, "Segmentation", train=["b"])
    data = open_dataset(str(tmp_path), masks=True)
    assert images_of(data) == ["b.jpg"]
    assert told(data, "masks are requested: the images are those of '")
    assert len(open_dataset(str(tmp_path))) == 3


def test_images_without_masks_are_skipped_or_an_error(tmp_path: Path) -> None:
    for name in "abc":
        write(tmp_path, name)
    for name in "ab":
        segments(tmp_path, name, NUMBERS)
    data = open_dataset(str(tmp_path), masks=True)
    assert images_of(data) == ["a.jpg", "b.jpg"]
    assert told(data, "1 image has no PNG in 'SegmentationObject' and was skipped")
    (tmp_path / "SegmentationObject/a.png").unlink()
    with pytest.raises(DataError, match="2 of 3 images have no masks: neither 'SegmentationObject' nor polygons"):
        open_dataset(str(tmp_path), masks=True)


def test_masks_turn_with_images_that_exif_turns(tmp_path: Path) -> None:
    write(tmp_path, "a")
    write_image(tmp_path / "JPEGImages/a.jpg", orientation=6)
    segments(tmp_path, "a", NUMBERS)
    ground_truth = open_dataset(str(tmp_path), masks=True).ground_truth(0)
    assert ground_truth.masks is not None
    assert np.array_equal(ground_truth.masks[0].decode(), np.rot90(NUMBERS == 1, -1))
    assert ground_truth.masks[0].box_xyxy == tuple(ground_truth.boxes_xyxy[0])


def test_masks_of_another_size_are_an_error_of_the_image(tmp_path: Path) -> None:
    write(tmp_path, "a")
    segments(tmp_path, "a", NUMBERS[:, :32])
    with pytest.raises(ImageError, match="has 32 x 48 pixels, not 64 x 48"):
        open_dataset(str(tmp_path), masks=True).ground_truth(0)


# ---- bad files


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "1 annotation file is invalid: 'b.xml' (an empty file)"),
        (voc_xml(CAT)[:-20], "'b.xml' (it cannot be read as XML: unclosed token"),
        ("hello", "'b.xml' (it cannot be read as XML: syntax error"),
        ("<html><body/></html>", "'b.xml' (its element is <html>, not <annotation>)"),
        ('<!DOCTYPE a [<!ENTITY x "y">]>' + voc_xml(CAT), "'b.xml' (it cannot be read as XML: it has a document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd">' + voc_xml(CAT), "it has a document type (DOCTYPE)"),
        ("<annotation>" * 100_000, "nested too deeply"),
        (voc_xml(voc_object(None, (1, 2, 3, 4))), "1 object is invalid: object 1 of 'b.xml' (it has no name)"),
        (voc_xml(voc_object(" ", (1, 2, 3, 4))), "1 object is invalid: object 1 of 'b.xml' (it has no name)"),
        (voc_xml(voc_object("cat", (1, 2, 3, 4), score=0.5)), "1 of its 2 objects have scores, as detections have"),
    ],
)  # fmt: skip
def test_files_that_are_no_annotations_are_named(tmp_path: Path, content: str | bytes, words: str) -> None:
    write(tmp_path, "a")
    write(tmp_path, "b", content)
    with pytest.raises(DataError) as caught:
        open_dataset(str(tmp_path))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_first_ten_invalid_files_are_named(tmp_path: Path) -> None:
    write(tmp_path, "a")
    for number in range(12):
        write(tmp_path, f"b{number:02}", "<annotation>")
    with pytest.raises(DataError, match=r"12 annotation files are invalid: 'b00.xml'.*'b09.xml'.* and 2 more$"):
        open_dataset(str(tmp_path))


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (voc_object("cat", None), "1 object has no box and was dropped: object 2 of 'a.xml'"),
        (voc_object("cat", ("x", 2, 3, 4)), "1 box is not four numbers and was dropped: object 2 of 'a.xml'"),
        (voc_object("cat", ("", 2, 3, 4)), "1 box is not four numbers"),
        (voc_object("cat", ("nan", 2, 3, 4)), "1 box is not four numbers"),
        (voc_object("cat", ("1e99", 2, "1e100", 4)), "1 box is not four numbers"),
        (voc_object("cat", (9, 2, 3, 4)), "1 box has no area and was dropped"),
        (voc_object("cat", (100, 100, 110, 110)), "1 box is outside the image"),
        (voc_object("cat", (3, 4, 10, 20)), "1 box is a duplicate"),
        (voc_object("cat", None, polygon="<x1>1</x1><y1>1</y1><x2>9</x2><y2>9</y2>"), "1 polygon has fewer than three valid points"),
    ],
)  # fmt: skip
def test_single_objects_that_cannot_be_used_are_told(tmp_path: Path, entry: str, words: str) -> None:
    write(tmp_path, "a", voc_xml(CAT, entry))
    data = open_dataset(str(tmp_path))
    assert len(data.ground_truth(0)) == 1
    assert told(data, words), data.report.issues


def test_most_objects_without_a_box_are_an_error(tmp_path: Path) -> None:
    write(tmp_path, "a", voc_xml(CAT, *[voc_object("cat", None)] * 12))
    with pytest.raises(
        DataError, match=r"12 of 13 objects cannot be used: object 2 of 'a.xml'.* and 2 more; 12 objects have no box"
    ):
        open_dataset(str(tmp_path))


def test_images_without_any_object_are_an_error(tmp_path: Path) -> None:
    write(tmp_path, "a", voc_xml())
    with pytest.raises(DataError, match="none of its 1 images has an object"):
        open_dataset(str(tmp_path))


def test_files_that_a_list_names_and_are_missing_are_told(tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path, name)
    lists(tmp_path, train=["a", "b", "", "c"])
    data = open_dataset(str(tmp_path))
    assert images_of(data) == ["a.jpg", "b.jpg"]
    assert told(data, "1 listed annotation file is missing, and its image was skipped: '")
    lists(tmp_path, train=["a", "c", "d"])
    with pytest.raises(DataError, match="2 of 3 listed annotation files are missing"):
        open_dataset(str(tmp_path))
    lists(tmp_path, train=[])
    with pytest.raises(DataError, match="is empty"):
        open_dataset(str(tmp_path))


def test_a_list_without_annotations_is_told(tmp_path: Path) -> None:
    lists(tmp_path, train=["a"])
    with pytest.raises(NoDataError, match=r"is a list of images, but there is no folder '.*Annotations'"):
        open_dataset(str(tmp_path / "ImageSets/Main/train.txt"))
