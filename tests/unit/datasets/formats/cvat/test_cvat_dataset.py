"""CVAT's XML as data: shapes of images and of tracks, labels, subsets, and what is told of files that cannot be used."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from detcli.datasets.dataset import Dataset, has_part, open_dataset
from detcli.errors import DataError, NoDataError, UsageError
from tests.helpers.annotated_datasets import write_image
from tests.helpers.labeled_files import cvat_box, cvat_image, cvat_shape, cvat_xml

CAT = cvat_box("cat", (3, 4, 10, 20))


def write(folder: Path, content: str, *images: str, name: str = "annotations.xml") -> str:
    """Annotations with images in `images/`."""
    for index, image in enumerate(images):
        write_image(folder / "images" / image, seed=index)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content)
    return str(folder)


def one(folder: Path, *shapes: str) -> str:
    """A dataset of one image."""
    return write(folder, cvat_xml(cvat_image("a.png", *shapes)), "a.png")


def told(data: Dataset, words: str) -> bool:
    return any(words in issue for issue in data.report.issues)


def images_of(data: Dataset) -> list[str]:
    return [data.read(index).origin.relative for index in range(len(data))]


# ---- shapes


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        (cvat_box("cat", (3.5, 4, 10.25, 20), occluded=1, z_order=0), [3.5, 4, 10.25, 20]),
        (cvat_box("cat", (20, 15, 40, 25), rotation=90), [25, 10, 35, 30]),
        (cvat_box("cat", (20, 15, 40, 25), rotation="0.0"), [20, 15, 40, 25]),
        (cvat_box("cat", (20, 10, 30, 20), rotation=45), [25 - 50**0.5, 15 - 50**0.5, 25 + 50**0.5, 15 + 50**0.5]),
        (cvat_shape("polygon", "cat", points="1,2;20,3.5;9,30"), [1, 2, 20, 30]),
        (cvat_shape("ellipse", "cat", cx=30, cy=20, rx=10, ry=5), [20, 15, 40, 25]),
        (cvat_shape("ellipse", "cat", cx=30, cy=20, rx=10, ry=5, rotation=90), [25, 10, 35, 30]),
        (cvat_shape("mask", "cat", rle="0, 12", left=5, top=6, width=4, height=3), [5, 6, 9, 9]),
    ],
)
def test_each_shape_has_the_box_around_it(tmp_path: Path, shape: str, box: list[float]) -> None:
    data = open_dataset(one(tmp_path, shape))
    assert data.ground_truth(0).boxes_xyxy.round(9).tolist() == [np.round(box, 9).tolist()]
    assert told(data, "1 box is rotated") == ("rotation" in shape and shape.startswith("<box") and '"0.0"' not in shape)


def test_other_shapes_are_ignored_and_counted(tmp_path: Path) -> None:
    others = [
        cvat_shape(kind, "cat", points="1,1;2,2")
        for kind in ("polyline", "points", "points", "cuboid", "skeleton", "tag")
    ]
    data = open_dataset(one(tmp_path, *others, CAT))
    assert len(data.ground_truth(0)) == 1
    for words in (
        "1 polyline was ignored",
        "2 sets of points were ignored",
        "1 cuboid was",
        "1 skeleton was",
        "1 tag was",
    ):
        assert told(data, words), words


def test_polygons_of_a_group_and_label_are_one_object(tmp_path: Path) -> None:
    triangles = ["1,1;9,1;9,9", "20,20;30,20;30,30", "40,1;50,1;50,9"]
    parts = [
        cvat_shape("polygon", label, points=points, group_id=group)
        for label, points, group in zip(("cat", "cat", "dog"), triangles, (7, 7, 7), strict=True)
    ]
    lone = [cvat_shape("polygon", "cat", points="1,40;5,40;5,45", group_id=0)] * 2
    data = open_dataset(one(tmp_path, *parts, cvat_box("cat", (2, 2, 5, 5), group_id=7), lone[0]), masks=True)
    assert data.ground_truth(0).boxes_xyxy.tolist() == [[1, 1, 30, 30], [40, 1, 50, 9], [1, 40, 5, 45]]
    masks = data.ground_truth(0).masks
    assert masks is not None
    areas = (
        open_dataset(one(tmp_path / "apart", *(part.replace('"7"', '"0"') for part in parts)), masks=True)
        .ground_truth(0)
        .masks
    )
    assert areas is not None
    assert masks[0].area == areas[0].area + areas[1].area
    assert told(data, "1 polygon is of the group of another one: they are one object")


def test_masks_are_runs_of_rows_within_their_box(tmp_path: Path) -> None:
    mask = cvat_shape("mask", "cat", rle="1, 2, 3, 1, 1", left=5, top=6, width=4, height=2)
    [found] = open_dataset(one(tmp_path, mask), masks=True).ground_truth(0).masks or ()
    expected = np.zeros((48, 64), np.bool_)

    rows = np.array([[0, 1, 1, 0], [0, 0, 1, 0]], np.bool_)
    expected = np.zeros((48, 64), np.bool_)
    expected[6:8, 5:9] = rows
    assert np.array_equal(found.decode(), expected)


# ---- labels and parts


def test_classes_are_the_labels_in_the_order_of_the_file(tmp_path: Path) -> None:
    listed = (
        "<label><name>zebra</name><color>#33ddff</color><type>any</type></label>"
        "<label><name>spine</name><type>polyline</type></label>"
        "<label><name>ant</name><type>rectangle</type></label>"
        "<label><name>knee</name><type>points</type><parent>person</parent></label>"
    )
    content = cvat_xml(
        cvat_image("a.png", cvat_box("ant", (1, 2, 3, 4)), cvat_shape("polyline", "spine", points="1,1;2,2"))
    )
    start, end = content.index("<labels>"), content.index("</labels>")
    write(tmp_path, content[: start + 8] + listed + content[end:], "a.png")
    data = open_dataset(str(tmp_path))
    assert data.labels.names == ("zebra", "ant")
    assert told(data, "1 class has no box: 'zebra'")


@pytest.mark.parametrize(("part", "name"), [("train", "a.png"), ("val", "b.png")])
@pytest.mark.parametrize("folder", ["images", "images/{subset}"])
def test_subsets_of_projects_are_parts(tmp_path: Path, part: str, name: str, folder: str) -> None:
    subsets = {"a.png": "Train", "b.png": "Validation", "c.png": "Other"}
    content = cvat_xml(*(cvat_image(image, CAT, subset=subset, task_id=3) for image, subset in subsets.items()))
    (tmp_path / "annotations.xml").write_text(content)
    for image, subset in subsets.items():
        write_image(tmp_path / folder.format(subset=subset) / image)
    for where in (tmp_path, tmp_path / "annotations.xml"):
        data = open_dataset(str(where), part=part)  # type: ignore[arg-type]
        assert [Path(found).name for found in images_of(data)] == [name]
        assert has_part(str(where), "val")


def test_a_part_without_a_subset_does_not_exist(tmp_path: Path) -> None:
    write(tmp_path, cvat_xml(cvat_image("a.png", CAT, subset="train")), "a.png")
    assert not has_part(str(tmp_path), "val")
    with pytest.raises(NoDataError, match="has no part 'val'"):
        open_dataset(str(tmp_path), part="val")
    write(tmp_path, cvat_xml(cvat_image("a.png", CAT, subset="default")), "a.png")
    assert len(open_dataset(str(tmp_path), part="val")) == 1, "subsets of other names are no parts"


def test_files_named_as_parts_are_parts(tmp_path: Path) -> None:
    write(tmp_path, cvat_xml(cvat_image("a.png", CAT)), "a.png", name="train.xml")
    write(tmp_path, cvat_xml(cvat_image("b.png", CAT)), "b.png", name="valid.xml")
    assert images_of(open_dataset(str(tmp_path))) == ["a.png"]
    assert images_of(open_dataset(str(tmp_path), part="val")) == ["b.png"]


def test_several_files_are_ambiguous(tmp_path: Path) -> None:
    for name in ("one.xml", "two.xml"):
        write(tmp_path, cvat_xml(cvat_image("a.png", CAT)), "a.png", name=name)
    with pytest.raises(UsageError, match=r"ambiguous: it has '.*one.xml', '.*two.xml'; give one of them"):
        open_dataset(str(tmp_path))
    assert len(open_dataset(str(tmp_path / "two.xml"))) == 1


@pytest.mark.parametrize("name", ["sub/a.png", "sub\\a.png", "C:\\data\\sub\\a.png", "/home/me/a.png", "frame_000007"])
def test_names_of_other_computers_are_found(tmp_path: Path, name: str) -> None:
    below = "frame_000007.PNG" if name.startswith("frame") else "a.png" if "me" in name else "sub/a.png"
    write(tmp_path, cvat_xml(cvat_image(name, CAT)), below)
    assert images_of(open_dataset(str(tmp_path))) == [below]


def test_names_that_lead_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    write_image(tmp_path / "secret.png")
    names = ["../../../secret.png", "a.png"]
    write(tmp_path / "x/y/data", cvat_xml(*(cvat_image(name, CAT) for name in names)), "a.png")
    with pytest.raises(DataError, match=r"lead(s)? out of the folder '.*images': '../../../secret.png'"):
        open_dataset(str(tmp_path / "x/y/data"))


def test_an_image_without_size_has_that_of_its_file(tmp_path: Path) -> None:
    write(tmp_path, cvat_xml(cvat_image("a.png", cvat_box("cat", (3, 4, 100, 20)), size_hw=None)), "a.png")
    data = open_dataset(str(tmp_path))
    assert data.ground_truth(0).boxes_xyxy.tolist() == [[3, 4, 64, 20]]
    assert told(data, "1 image has no size in the annotations; its file header was used")


# ---- videos


LIMITS = "<start_frame>0</start_frame><stop_frame>5</stop_frame><original_size><width>64</width><height>48</height></original_size>"


def track(label: str, *shapes: str) -> str:
    return f"<track id='0' label='{label}' source='manual'>{''.join(shapes)}</track>"


def key(frame: int, box: tuple[float, float, float, float], *, outside: int = 0) -> str:
    return (
        cvat_box("cat", box, frame=frame, outside=outside, keyframe=1)
        .replace('label="cat" ', "")
        .replace("label='cat' ", "")
    )


def video(folder: Path, *tracks: str, first: int = 0, count: int = 6) -> str:
    names = [f"frame_{number:06}.PNG" for number in range(first, first + count)]
    return write(folder, cvat_xml(*tracks, mode="interpolation", more=LIMITS), *names)


def test_boxes_between_key_frames_are_interpolated(tmp_path: Path) -> None:
    moving = track("cat", key(1, (0, 0, 10, 10)), key(3, (10, 4, 24, 14)), key(4, (10, 4, 24, 14), outside=1))
    leaving = track("dog", key(0, (30, 30, 40, 40)), key(3, (30, 30, 40, 40), outside=1))
    data = open_dataset(video(tmp_path, moving, leaving))
    assert len(data) == 6, "frames without objects are images too"
    boxes = [data.ground_truth(index).boxes_xyxy.tolist() for index in range(6)]
    dog = [30, 30, 40, 40]
    assert boxes == [[dog], [[0, 0, 10, 10], dog], [[5, 2, 17, 12], dog], [[10, 4, 24, 14]], [], []]
    assert data.ground_truth(2).class_ids.tolist() == [0, 1]


def test_frames_that_are_listed_are_as_they_are(tmp_path: Path) -> None:
    """As CVAT exports them: each frame is listed, also those between key frames."""
    shapes = [key(frame, (frame, 1, frame + 5, 9)) for frame in range(3)] + [key(3, (2, 1, 7, 9), outside=1)]
    data = open_dataset(video(tmp_path, track("cat", *shapes)))
    assert [len(data.ground_truth(index)) for index in range(6)] == [1, 1, 1, 0, 0, 0]
    assert data.ground_truth(2).boxes_xyxy.tolist() == [[2, 1, 7, 9]]


@pytest.mark.parametrize(("step", "filled"), [("step=5", []), ("step = 2", [2, 4, 6, 8]), ("", range(1, 10))])
def test_only_frames_of_the_task_are_interpolated(tmp_path: Path, step: str, filled: Sequence[int]) -> None:
    """As CVAT exports a video of which it takes every fifth frame: a shape of one frame ends at the next one."""
    more = f"<start_frame>0</start_frame><stop_frame>10</stop_frame><frame_filter>{step}</frame_filter>"
    moving = track("cat", key(0, (0, 0, 10, 10)), key(5, (20, 0, 30, 10)), key(10, (20, 0, 30, 10), outside=1))
    if "2" in step:
        moving = track("cat", key(0, (0, 0, 10, 10)), key(10, (20, 0, 30, 10), outside=1))
    numbers = [0, *filled, 10] if "2" in step else sorted({0, 5, 10, *filled})
    names = [f"frame_{number:06}.PNG" for number in numbers]
    data = open_dataset(write(tmp_path, cvat_xml(moving, mode="interpolation", more=more), *names))
    assert images_of(data) == names
    assert not any("missing" in issue for issue in data.report.issues)
    assert [len(data.ground_truth(index)) for index in range(len(data))] == [1] * (len(names) - 1) + [0]


def test_tracks_of_several_tasks_are_an_error(tmp_path: Path) -> None:
    """As CVAT exports a project of several videos: the frames of each are counted from 0."""
    tracks = [
        track("cat", key(0, (1, 1, 9, 9))).replace("<track ", f"<track task_id='{task}' subset='{subset}' ")
        for task, subset in ((3, "Train"), (4, "Validation"))
    ]
    with pytest.raises(DataError, match="has tracks of 2 tasks, whose frames have the same numbers: export each task"):
        open_dataset(video(tmp_path, *tracks))
    assert len(open_dataset(video(tmp_path / "one", tracks[0]))) == 6


def test_polygons_of_tracks_are_not_interpolated_and_told(tmp_path: Path) -> None:
    def at(frame: int) -> str:
        return f"<polygon frame='{frame}' outside='0' points='1,1;9,1;9,9'/>"

    data = open_dataset(video(tmp_path, track("cat", at(0), at(4))))
    assert [len(data.ground_truth(index)) for index in range(6)] == [1, 0, 0, 0, 1, 0]
    assert told(data, "3 polygons or masks between key frames are missing")


def test_frames_counted_from_one_are_told(tmp_path: Path) -> None:
    """As ffmpeg numbers them."""
    data = open_dataset(video(tmp_path, track("cat", key(0, (1, 1, 9, 9)), key(1, (1, 1, 9, 9), outside=1)), first=1))
    assert images_of(data)[0] == "frame_000001.PNG"
    assert [len(data.ground_truth(index)) for index in range(6)] == [1, 0, 0, 0, 0, 0]
    assert told(data, "counted from 1: 'frame_000001.PNG' is frame 0")


def test_tracks_without_images_of_the_frames_are_an_error(tmp_path: Path) -> None:
    write_image(tmp_path / "photo_0.png")
    where = write(tmp_path / "task", cvat_xml(track("cat", key(0, (1, 1, 9, 9))), mode="interpolation"))
    with pytest.raises(
        DataError, match=r"has tracks of a video, and there are no images of its frames in '.*': export them"
    ):
        open_dataset(where)


def test_frames_whose_image_is_missing_are_told(tmp_path: Path) -> None:
    shapes = [key(frame, (1, 1, 9, 9)) for frame in range(5)]
    data = open_dataset(video(tmp_path, track("cat", *shapes), count=4))
    assert len(data) == 4
    assert told(data, "1 image is missing and was skipped")


# ---- bad files


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (cvat_shape("polygon", "dog", points="1,1;9,9"), "1 polygon has fewer than three valid points and was dropped: object 2 of 'a.png'"),
        (cvat_shape("polygon", "dog", points="1,1;9,x;9,9"), "1 polygon has fewer than three valid points"),
        (cvat_shape("polygon", "dog", points=""), "1 polygon has fewer than three valid points"),
        (cvat_shape("polygon", "dog", points="1,1;9,nan;9,9"), "1 polygon has fewer than three valid points"),
        (cvat_box("dog", (1, "x", 3, 4)), "1 box is not four numbers"),
        (cvat_box("dog", (1, 2, "inf", 4)), "1 box is not four numbers"),
        (cvat_box("dog", (1, 2, 3, 4), rotation="x"), "1 box is not four numbers"),
        (cvat_shape("ellipse", "dog", cx=3, cy=4, rx="wide", ry=3), "1 box is not four numbers"),
        (cvat_box("dog", (9, 2, 3, 4)), "1 box has no area"),
        (cvat_box("dog", (100, 100, 110, 110)), "1 box is outside the image"),
        (CAT, "1 box is a duplicate of another one"),
    ],
)  # fmt: skip
def test_single_shapes_that_cannot_be_used_are_told(tmp_path: Path, shape: str, words: str) -> None:
    data = open_dataset(one(tmp_path, CAT, shape))
    assert len(data.ground_truth(0)) == 1
    assert told(data, words), data.report.issues


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"rle": "1, x"}, "1 mask has runs that are not numbers"),
        ({"rle": "1, 99"}, "1 mask does not fit into its box or image"),
        ({"rle": "-1, 13"}, "1 mask does not fit"),
        ({"left": 62}, "1 mask does not fit"),
        ({"width": 0}, "1 mask does not fit"),
        ({"height": 10**9, "width": 10**9}, "1 mask does not fit"),
    ],
)
def test_masks_that_do_not_fit_are_told(tmp_path: Path, values: dict[str, object], words: str) -> None:
    mask = {"rle": "0, 12", "left": 5, "top": 6, "width": 4, "height": 3}
    shapes = [cvat_shape("mask", "cat", **{**mask, **more}) for more in ({}, values)]
    data = open_dataset(one(tmp_path, *shapes), masks=True)
    assert len(data.ground_truth(0)) == 1
    assert told(data, words), data.report.issues


def test_most_polygons_with_two_points_are_an_error(tmp_path: Path) -> None:
    where = one(tmp_path, CAT, *[cvat_shape("polygon", "dog", points="1,1;9,9")] * 11)
    with pytest.raises(
        DataError, match=r"11 of 12 objects cannot be used: object 2 of 'a.png'.* and 1 more; 11 polygons have"
    ):
        open_dataset(where)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (cvat_box("bird", (1, 2, 3, 4)), "1 object is invalid: object 2 of 'a.png' (its label 'bird' is not listed in <labels>)"),
        ("<box xtl='1' ytl='2' xbr='3' ybr='4'/>", "1 object is invalid: object 2 of 'a.png' (it has no label)"),
    ],
)  # fmt: skip
def test_shapes_of_unknown_labels_are_an_error(tmp_path: Path, shape: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        open_dataset(one(tmp_path, CAT, shape))
    assert words in str(caught.value)


GOOD = cvat_xml(cvat_image("a.png", CAT))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (GOOD[:-20], "it cannot be read as XML"),
        ('<!DOCTYPE a [<!ENTITY x "y">]>' + GOOD, "it has a document type (DOCTYPE)"),
        ('<!DOCTYPE annotations SYSTEM "http://localhost:1/x.dtd">' + GOOD, "it has a document type (DOCTYPE)"),
        ("<annotations>" * 1000, "it is nested too deeply"),
        ("<annotations><version>1.1</version></annotations>", "it has no images"),
        (cvat_xml(cvat_image("", CAT)), "none of its 1 images exists"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_read_are_told(tmp_path: Path, content: str, words: str) -> None:
    for where in (write(tmp_path, content, "a.png"), str(tmp_path / "annotations.xml")):
        with pytest.raises(DataError) as caught:
            open_dataset(where)
        assert words in str(caught.value)


def test_other_xml_is_no_dataset(tmp_path: Path) -> None:
    (tmp_path / "pom.xml").write_text("<project><name>x</name></project>")
    for where in (tmp_path, tmp_path / "pom.xml"):
        with pytest.raises(NoDataError, match="is not a dataset"):
            open_dataset(str(where))
