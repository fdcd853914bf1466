"""YOLO datasets are read as written, and every invalid row is named by file and line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from detcli.datasets.yolo.yolo_dataset import YoloDataset, label_path
from detcli.errors import DataError, UsageError
from detcli.structures.frame import FailedFrame, Frame
from tests.helpers.annotated_datasets import write_image

GOOD = "0 0.5 0.5 0.25 0.5\n1 0.25 0.25 0.5 0.5\n"


def write_yolo(folder: Path, texts: dict[str, str | None], **content: Any) -> str:
    """`images/train/NAME.png` of 64 x 48 pixels with `labels/train/NAME.txt`; None: no text."""
    for place, (name, text) in enumerate(texts.items()):
        write_image(folder / "images" / "train" / f"{name}.png", seed=place)
        if text is not None:
            path = folder / "labels" / "train" / f"{name}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    data = {"path": ".", "train": "images/train", "names": ["cat", "dog"], **content}
    (folder / "data.yaml").write_text(yaml.safe_dump(data))
    return str(folder)


def issue(dataset: YoloDataset, words: str) -> str:
    [message] = [message for message in dataset.report.issues if words in message]
    return message


def test_images_are_in_order_with_ground_truth_in_pixels(tmp_path: Path) -> None:
    dataset = YoloDataset(write_yolo(tmp_path, {"b": GOOD, "a": "", "c": None}))
    assert [dataset.image_id(index) for index in range(len(dataset))] == [1, 2, 3]
    frames = [dataset.read(index) for index in range(3)]
    assert all(isinstance(frame, Frame) for frame in frames)
    assert [frame.origin.relative for frame in frames] == [f"images/train/{name}.png" for name in "abc"]
    assert [len(dataset.ground_truth(index)) for index in range(3)] == [0, 2, 0]
    assert dataset.ground_truth(1).boxes_xyxy.tolist() == [[24, 12, 40, 36], [0, 0, 32, 24]]
    assert dataset.ground_truth(1).class_ids.tolist() == [0, 1]
    assert (dataset.report.images, dataset.report.boxes, dataset.report.empty) == (3, 2, 2)
    assert dataset.report.issues == ()


def test_category_ids_start_at_one(tmp_path: Path) -> None:
    dataset = YoloDataset(write_yolo(tmp_path, {"a": GOOD}))
    assert dataset.labels.names == ("cat", "dog")
    assert dataset.labels.category_ids == (1, 2)
    written = dataset.annotations()
    assert [entry["category_id"] for entry in written["annotations"]] == [1, 2]
    assert written["annotations"][0]["bbox"] == [24, 12, 16, 24]
    assert written["annotations"][0]["area"] == 16 * 24
    assert written["images"] == [{"id": 1, "file_name": "images/train/a.png", "width": 64, "height": 48}]


@pytest.mark.parametrize("seed", range(5))
def test_random_boxes_are_read_as_written(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sides = rng.random((30, 2)) * 0.5 + 0.01
    centers = sides / 2 + rng.random((30, 2)) * (1 - sides)
    ids = rng.integers(0, 2, 30)
    rows = [f"{i} {c[0]!r} {c[1]!r} {s[0]!r} {s[1]!r}" for i, c, s in zip(ids, centers.tolist(), sides.tolist())]  # noqa: B905
    ground_truth = YoloDataset(write_yolo(tmp_path, {"a": "\n".join(rows)})).ground_truth(0)
    assert ground_truth.class_ids.tolist() == ids.tolist()
    corners = np.concatenate([centers - sides / 2, centers + sides / 2], axis=1) * [64, 48, 64, 48]
    assert np.allclose(ground_truth.boxes_xyxy, corners)


def test_classes_are_matched_by_name(tmp_path: Path) -> None:
    dataset = YoloDataset(write_yolo(tmp_path, {"a": GOOD}), classes=("Dog", "cow", "CAT"))
    assert dataset.ground_truth(0).class_ids.tolist() == [2, 0]
    with pytest.raises(DataError, match=r"'dog' \(did you mean 'dogs'\?\)"):
        YoloDataset(str(tmp_path), classes=("dogs", "cat"))


def test_a_polygon_becomes_the_box_around_it(tmp_path: Path) -> None:
    dataset = YoloDataset(write_yolo(tmp_path, {"a": "1 0.25 0.5 0.75 0.25 0.5 1.0\n"}))
    assert dataset.ground_truth(0).boxes_xyxy.tolist() == [[16, 12, 48, 48]]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("0 0.5 0.5 0.25", "4 numbers"),
        ("0 0.5 0.5 0.25 0.5 0.9 1", "a triangle, or a box with a score and a track id"),
        ("0 0.5 0.5 0.25 0.5 0.5 0.5 0.5", "8 numbers, neither a box nor a polygon"),
        ("0 0.5 0.5 0.25 0.5 0.5 0.5 2 0.4 0.6 1", "as a box with 2 key points; set 'kpt_shape: [2, 3]'"),
        ("cat 0.5 0.5 0.25 0.5", "not all numbers"),
        ("0 0.5 nan 0.25 0.5", "finite"),
        ("0 0.5 1e999 0.25 0.5", "finite"),
        ("0.5 0.5 0.5 0.25 0.5", "not an integer"),
        ("\x00\x01", "not all numbers"),
        ("0,0.5,0.5,0.25,0.5", "not all numbers"),
    ],
)
def test_a_malformed_row_is_dropped_and_named_by_file_and_line(tmp_path: Path, row: str, reason: str) -> None:
    dataset = YoloDataset(write_yolo(tmp_path, {"a": f"{GOOD}\n{row}\n"}))
    message = issue(dataset, "1 row is malformed and was dropped")
    assert f"{tmp_path / 'labels' / 'train' / 'a.txt'}:4" in message
    assert reason in message
    assert dataset.report.boxes == 2


def test_mostly_malformed_rows_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"3 rows are malformed.*a\.txt:1"):
        YoloDataset(write_yolo(tmp_path, {"a": "x\ny\nz\n" + GOOD}))


ROWS_OF_RESULTS = [
    "0 0.5 0.5 0.25 0.5 0.9",
    "1 0.5 0.5 0.25 0.5 0.9 2",
    "1 0.5 0.5 0.25 0.5 0.9 17",
    "0 0.1 0.1 0.2 0.1 0.2 0.2 0.9 3",  # a polygon with a score and a track id
]


@pytest.mark.parametrize("row", ROWS_OF_RESULTS)
@pytest.mark.parametrize("kpt_shape", [None, [17, 3], [1, 2], [0, 2]])
def test_a_row_with_a_score_is_refused_by_file_and_line(tmp_path: Path, row: str, kpt_shape: Any) -> None:
    with pytest.raises(
        DataError, match=r"1 row has a score, as detections have: '.*a\.txt:3' \(\d numbers, as in results"
    ):
        YoloDataset(write_yolo(tmp_path, {"a": f"{GOOD}{row}\n"}, kpt_shape=kpt_shape))


@pytest.mark.parametrize(("points", "dims"), [(1, 2), (1, 3), (2, 2), (3, 2), (17, 2), (17, 3), (4, 3)])
def test_a_row_with_key_points_has_the_box_of_its_first_numbers(tmp_path: Path, points: int, dims: int) -> None:
    rows = [f"1 0.5 0.5 0.25 0.5 {' '.join([('0.45 0.6', '0.45 0.6 2')[dims - 2]] * points)}", "0 0.25 0.25 0.5 0.5"]
    dataset = YoloDataset(write_yolo(tmp_path, {"a": "\n".join(rows)}, kpt_shape=[points, dims]))
    assert dataset.ground_truth(0).boxes_xyxy.tolist() == [[24, 12, 40, 36], [0, 0, 32, 24]]


def test_a_row_that_does_not_fit_kpt_shape_is_malformed(tmp_path: Path) -> None:
    polygon = "0 0.1 0.1 0.9 0.1 0.9 0.9 0.1 0.9"
    dataset = YoloDataset(write_yolo(tmp_path, {"a": f"{GOOD}{polygon}\n"}, kpt_shape=[3, 2]))
    assert "9 numbers; with the 'kpt_shape' of the YAML file a row has 11" in issue(dataset, "malformed")
    assert dataset.report.boxes == 2


@pytest.mark.parametrize("points", [1, 2, 3, 17])
def test_key_points_without_kpt_shape_are_refused(tmp_path: Path, points: int) -> None:
    row = f"0 0.5 0.5 0.25 0.5 {' '.join(['0.45 0.6'] * points)}\n"
    with pytest.raises(DataError, match=rf"key points, or polygons; set 'kpt_shape: \[{points}, 2\]'"):
        YoloDataset(write_yolo(tmp_path, {"a": GOOD + row, "b": row}))
    with pytest.raises(DataError, match=rf"malformed: .*a box with {points} key points; set"):
        YoloDataset(write_yolo(tmp_path, {"a": row.replace("0.6", "0.6 2"), "b": ""}))


def test_polygons_that_look_like_key_points_can_be_declared(tmp_path: Path) -> None:
    row = "0 0.5 0.5 0.25 0.5 0.45 0.6 0.55 0.4\n"
    dataset = YoloDataset(write_yolo(tmp_path, {"a": row}, kpt_shape=[0, 2]))
    assert np.allclose(dataset.ground_truth(0).boxes_xyxy, [[16, 19.2, 35.2, 28.8]])


@pytest.mark.parametrize("seed", range(10))
def test_random_polygons_are_taken_for_nothing_else(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    texts, expected = {}, []
    for name in "abcdefgh":
        center, radius = rng.uniform(0.2, 0.8, 2), rng.uniform(0.05, 0.2)
        angles = np.sort(rng.random(int(rng.integers(3, 30)))) * 2 * np.pi
        points = np.clip(center + radius * np.stack((np.cos(angles), np.sin(angles)), axis=1), 0, 1)
        texts[name] = f"0 {' '.join(f'{value:.5f}' for value in points.ravel())}\n"
        expected.append([*(points.min(axis=0) * [64, 48]), *(points.max(axis=0) * [64, 48])])
    dataset = YoloDataset(write_yolo(tmp_path, texts))
    assert np.allclose([dataset.ground_truth(index).boxes_xyxy[0] for index in range(8)], expected, atol=1e-2)


def test_triangles_at_the_edge_are_kept_among_other_triangles(tmp_path: Path) -> None:
    edge, other = "0 0.5 0.5 0.25 0.5 0.9 1\n", "0 0.2 0.2 0.3 0.2 0.3 0.4\n"
    assert YoloDataset(write_yolo(tmp_path, {"a": edge + other})).report.boxes == 2


def test_rows_that_a_file_has_twice_are_dropped_for_training(tmp_path: Path) -> None:
    where = write_yolo(tmp_path, {"a": GOOD * 3, "b": GOOD}, val="images/train")
    training, validation = YoloDataset(where), YoloDataset(where, part="val")
    assert [len(training.ground_truth(index)) for index in range(2)] == [2, 2]
    words = "4 boxes are duplicates of another one, of the same image and class, and were dropped"
    assert "a.txt:3'" in issue(training, words)
    assert [len(validation.ground_truth(index)) for index in range(2)] == [6, 2]
    assert "a.txt:3'" in issue(validation, "each is evaluated separately")


@pytest.mark.parametrize("class_id", ["2", "-1", "99999"])
def test_a_class_id_without_a_name_is_rejected_by_file_and_line(tmp_path: Path, class_id: str) -> None:
    with pytest.raises(DataError, match=rf"a\.txt:3' \(class {class_id}\)"):
        YoloDataset(write_yolo(tmp_path, {"a": f"{GOOD}{class_id} 0.5 0.5 0.1 0.1\n"}))


@pytest.mark.parametrize(
    ("row", "words", "kept"),
    [
        ("0 0.9 0.5 0.4 0.5", "1 box was cut off", [44.8, 12, 64, 36]),
        ("0 0.5 0.5 0 0.5", "1 box has no area", None),
        ("0 1.5 0.5 0.2 0.5", "1 box is outside the image", None),
    ],
)
def test_boxes_beyond_the_image_are_clipped_or_dropped(
    tmp_path: Path, row: str, words: str, kept: list[float] | None
) -> None:
    dataset = YoloDataset(write_yolo(tmp_path, {"a": f"{GOOD}{row}\n"}))
    assert "a.txt:3" in issue(dataset, words)
    boxes = dataset.ground_truth(0).boxes_xyxy[2:].tolist()
    assert np.allclose(boxes, [] if kept is None else [kept])


def test_boxes_in_pixels_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="YOLO boxes are fractions"):
        YoloDataset(write_yolo(tmp_path, {"a": "0 20 20 10 10\n1 30 30 10 10\n"}))


def test_rows_in_pixels_among_others_are_dropped_and_named(tmp_path: Path) -> None:
    dataset = YoloDataset(write_yolo(tmp_path, {"a": f"{GOOD}0 10 10 12 12\n1 30 30 10 10\n"}))
    assert "2 rows were dropped" in issue(dataset, "boxes in pixels")
    assert "a.txt:3" in issue(dataset, "boxes in pixels")
    assert len(dataset.ground_truth(0)) == GOOD.count("\n")
    assert not any("cut off" in found for found in dataset.report.issues)


def test_a_dataset_without_boxes_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of its 2 images has a box"):
        YoloDataset(write_yolo(tmp_path, {"a": "", "b": None}))


def test_boxes_refer_to_the_upright_image(tmp_path: Path) -> None:
    where = write_yolo(tmp_path, {"a": "0 0.25 0.5 0.5 1\n"})
    write_image(tmp_path / "images" / "train" / "a.png", (48, 64), orientation=6)
    dataset = YoloDataset(where)
    frame = dataset.read(0)
    assert isinstance(frame, Frame)
    assert frame.size_hw == (64, 48)
    assert dataset.ground_truth(0).boxes_xyxy.tolist() == [[0, 0, 24, 64]]


def test_an_unreadable_image_has_no_ground_truth(tmp_path: Path) -> None:
    where = write_yolo(tmp_path, {"a": GOOD, "b": GOOD})
    (tmp_path / "images" / "train" / "a.png").write_bytes(b"")
    dataset = YoloDataset(where)
    assert isinstance(dataset.read(0), FailedFrame)
    assert len(dataset.ground_truth(0)) == 0
    assert [entry["id"] for entry in dataset.annotations()["images"]] == [2]


def test_an_image_that_becomes_readable_has_its_ground_truth(tmp_path: Path) -> None:
    where = write_yolo(tmp_path, {"a": GOOD, "b": GOOD})
    image = tmp_path / "images" / "train" / "a.png"
    whole = image.read_bytes()
    image.write_bytes(b"")
    dataset = YoloDataset(where)
    image.write_bytes(whole)
    assert isinstance(dataset.read(0), Frame)
    assert len(dataset.ground_truth(0)) == 2
    assert [entry["id"] for entry in dataset.annotations()["images"]] == [1, 2]


def test_an_unreadable_label_file_is_reported(tmp_path: Path) -> None:
    where = write_yolo(tmp_path, {"a": GOOD, "b": None})
    (tmp_path / "labels" / "train" / "b.txt").mkdir()
    assert "a folder, not a file" in issue(YoloDataset(where), "1 label file cannot be read")


# ---- the YAML file


def test_class_names_may_be_numbered(tmp_path: Path) -> None:
    where = write_yolo(tmp_path, {"a": GOOD}, names={1: "dog", 0: "cat"}, nc=2)
    assert YoloDataset(where).labels.names == ("cat", "dog")
    where = write_yolo(tmp_path / "json", {"a": GOOD}, names={"1": "dog", "0": "cat"})
    assert YoloDataset(where).labels.names == ("cat", "dog"), "JSON has no other keys than texts"


def test_a_part_may_be_a_list_of_folders_and_image_lists(tmp_path: Path) -> None:
    where = write_yolo(tmp_path, {"a": GOOD, "b": GOOD, "c": GOOD}, train=["few.txt"], val=["images/train"])
    (tmp_path / "few.txt").write_text("./images/train/c.png\nimages/train/a.png\n\nimages/train/gone.png\n")
    listed = YoloDataset(where)
    assert [listed.annotations()["images"][index]["file_name"][-5:] for index in range(2)] == ["c.png", "a.png"]
    assert "gone.png" in issue(listed, "1 listed image is missing")
    assert len(YoloDataset(where, part="val")) == 3


@pytest.mark.parametrize(
    "content",
    [
        {"train": "images\\train"},
        {"path": "C:\\Users\\me\\set", "train": ".\\images\\train"},
        {"path": ".", "train": "listed.txt"},
    ],
)
def test_paths_that_were_written_on_windows_are_found(tmp_path: Path, content: dict[str, str]) -> None:
    where = write_yolo(tmp_path, {"a": GOOD, "b": GOOD}, **content)
    (tmp_path / "listed.txt").write_text("images\\train\\a.png\n.\\images\\train\\b.png\n")
    dataset = YoloDataset(where)
    assert (len(dataset), dataset.report.boxes) == (2, 4)


def test_roboflow_paths_are_found(tmp_path: Path) -> None:
    write_image(tmp_path / "set" / "train" / "images" / "a.png")
    text = tmp_path / "set" / "train" / "labels" / "a.txt"
    text.parent.mkdir()
    text.write_text(GOOD)
    (tmp_path / "set" / "data.yaml").write_text("train: ../train/images\nnames: [cat, dog]\nnc: 2\n")
    assert YoloDataset(str(tmp_path / "set")).report.boxes == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"names": "cat"}, "'names' is 'cat', not a list"),
        ({"names": []}, "'names' is a list, not a list of names"),
        ({"names": ["cat", True]}, "put it in quotes"),
        ({"names": ["cat", "cat"]}, "two classes have the name 'cat'"),
        ({"names": {0: "cat", 2: "dog"}}, "not numbered from 0 to 1"),
        ({"names": {"1": "cat", "01": "dog"}}, "not numbered from 0 to 1"),
        ({"nc": 3}, "has 2 class names, but 'nc: 3'"),
        ({"train": "nowhere"}, "no such folder or list"),
        ({"train": None}, "has no part 'train'"),
        ({"train": "x" * 5000}, "no such folder or list"),
        ({"train": 5}, "5 is not the path"),
        ({"path": ["x"]}, "not the path"),
        ({"kpt_shape": 17}, "'kpt_shape' is 17, not"),
        ({"kpt_shape": [17, 4]}, "'kpt_shape' is a list, not"),
        ({"kpt_shape": [-1, 2]}, "'kpt_shape' is a list, not"),
    ],
)
def test_an_invalid_yaml_file_is_a_usage_error(tmp_path: Path, content: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        YoloDataset(write_yolo(tmp_path, {"a": GOOD}, **content))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a",
        "names",
        "{",
        "a: !!python/object/apply:os.getcwd []",
        "\x00",
        "[" * 10_000,
        "names: &a [*a]",
        "? {}\n: 1",
    ],
)
def test_any_text_instead_of_yaml_is_a_usage_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"data\.yaml"):
        YoloDataset(str(tmp_path))


def test_exponential_yaml_aliases_are_rejected_quickly(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    (tmp_path / "data.yaml").write_text("\n".join([*lines, "names: *a29"]))
    with pytest.raises(UsageError, match="a list in 'names' is not text"):
        YoloDataset(str(tmp_path))


def test_an_image_folder_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has the paths of its images"):
        YoloDataset(write_yolo(tmp_path, {"a": GOOD}), images=tmp_path)


@pytest.mark.parametrize(
    ("image", "text"),
    [
        ("images/a.jpg", "labels/a.txt"),
        ("/d/images/train/a.b.jpg", "/d/labels/train/a.b.txt"),
        ("/images/x/images/a.jpg", "/images/x/labels/a.txt"),
        ("d/my images/a.jpg", "d/my images/a.txt"),
        ("a.jpg", "a.txt"),
    ],
)
def test_label_files_are_in_labels_next_to_the_nearest_images_folder(image: str, text: str) -> None:
    assert label_path(image) == text
