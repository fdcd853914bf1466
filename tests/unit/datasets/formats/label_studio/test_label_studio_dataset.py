"""Exports of Label Studio give the data that the same annotations give as COCO."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detcli.datasets.dataset import Dataset, open_dataset
from detcli.errors import DataError, DetcliError, NoDataError
from tests.helpers.annotated_datasets import assert_same_data, write_image
from tests.helpers.label_studio_exports import (
    SIZE,
    annotation,
    as_minimum,
    brush,
    polygon,
    rectangle,
    result,
    task,
    write_export,
)

BOX = [8, 6, 16, 12]
CAT = rectangle("cat", BOX)


def images(folder: Path, *names: str) -> None:
    for place, name in enumerate(names or ("a.png",)):
        write_image(folder / name, seed=place)


def opened(folder: Path, *results: dict[str, Any], masks: bool = False) -> Dataset:
    """A dataset of one image with these results."""
    images(folder)
    return open_dataset(write_export(folder, [task("a.png", annotation(*results))]), masks=masks)


def boxes(dataset: Dataset, index: int = 0) -> list[list[float]]:
    return dataset.ground_truth(index).boxes_xyxy.round(6).tolist()


def issue(dataset: Dataset, words: str) -> str:
    [message] = [message for message in dataset.report.issues if words in message]
    return message


def random_data(folder: Path, seed: int) -> tuple[list[dict[str, Any]], str]:
    """Tasks of boxes and polygons, and the path of the same annotations as COCO."""
    rng = np.random.default_rng(seed)
    tasks, entries, annotations = [], [], []
    for number in range(1, 5):
        name = f"{number}.png"
        write_image(folder / name, seed=number)
        entries.append({"id": number, "file_name": name, "width": 64, "height": 48})
        results = []
        for _ in range(int(rng.integers(0, 4)) if number > 1 else 2):
            class_id = int(rng.integers(0, 2))
            x, y, w, h = (int(value) for value in rng.integers(1, 24, 4))
            points = [[x, y], [x + w, y], [x, y + h]]
            is_box = bool(rng.integers(0, 2))
            label = ("cat", "dog")[class_id]
            results.append(rectangle(label, [x, y, w, h]) if is_box else polygon(label, points))
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": class_id + 1, "bbox": [x, y, w, h]}
            )
        tasks.append(task(f"/data/upload/3/8c1d2e3f-{name}", annotation(*results)))
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    (folder / "coco").mkdir()
    path = folder / "coco" / "coco.json"
    path.write_text(json.dumps({"images": entries, "annotations": annotations, "categories": categories}))
    return tasks, str(path)


@pytest.mark.parametrize("minimum", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_an_export_is_the_same_data_as_coco(tmp_path: Path, seed: int, minimum: bool) -> None:
    tasks, coco = random_data(tmp_path, seed)
    export = write_export(tmp_path, as_minimum(tasks) if minimum else tasks)
    theirs = open_dataset(coco, images=tmp_path)
    classes = theirs.labels.names
    assert_same_data(open_dataset(export, classes=classes), theirs)


def test_polygons_and_brushes_are_masks_as_in_coco(tmp_path: Path) -> None:
    images(tmp_path)
    mask = np.zeros(SIZE, np.bool_)
    mask[10:20, 30:50] = mask[25:30, 5:7] = True
    points = [[8, 6], [40, 12], [16, 36]]
    export = write_export(tmp_path / "export", [task("a.png", annotation(polygon("cat", points), brush("dog", mask)))])
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[8, 6, 40, 12, 16, 36]]},
            {"id": 2, "image_id": 1, "category_id": 2, "segmentation": {"size": [48, 64], "counts": _runs(mask)}},
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }
    (tmp_path / "coco.json").write_text(json.dumps(document))
    theirs = open_dataset(str(tmp_path / "coco.json"), masks=True)
    assert_same_data(open_dataset(export, masks=True, images=tmp_path), theirs)
    assert_same_data(open_dataset(export, images=tmp_path), open_dataset(str(tmp_path / "coco.json")))


def _runs(mask: np.ndarray[Any, Any]) -> list[int]:
    values = mask.T.reshape(-1)
    edges = np.flatnonzero(np.diff(values)) + 1
    return np.diff(np.concatenate(([0], edges, [len(values)]))).tolist()


@pytest.mark.parametrize(
    ("image", "file"),
    [
        ("a.png", "a.png"),
        ("images/a.png", "images/a.png"),
        ("/data/upload/12/8c1d2e3f-a.png", "a.png"),
        ("/data/upload/12/8c1d2e3f-a.png", "8c1d2e3f-a.png"),
        ("/data/local-files/?d=sub/my%20cat.png", "sub/my cat.png"),
        ("/data/local-files/?d=/mnt/nas/a.png", "images/a.png"),
        ("https://example.com/photos/a.png?X-Amz-Date=2024", "a.png"),
        ("s3://bucket/photos/a.png", "images/a.png"),
    ],
)
def test_the_image_is_found_by_the_name_that_label_studio_serves(tmp_path: Path, image: str, file: str) -> None:
    write_image(tmp_path / file)
    dataset = open_dataset(write_export(tmp_path, [task(image, annotation(CAT))]))
    assert dataset.origin(0).file.endswith(file.rpartition("/")[2])
    assert boxes(dataset) == [[8, 6, 24, 18]]


def test_images_of_several_kinds_of_names_are_found_together(tmp_path: Path) -> None:
    images(tmp_path, "a.png", "b.png", "c.png", "x/d.png")
    names = [
        "/data/upload/1/12345678-a.png",
        "b.png",
        "/data/local-files/?d=c.png",
        "/data/local-files/?d=/mnt/x/d.png",
    ]
    other = "/data/upload/1/12345678-b.png"  # the file of another task
    tasks = [task(name, annotation(CAT)) for name in (*names, other)]
    dataset = open_dataset(write_export(tmp_path, tasks))
    assert [dataset.origin(index).relative for index in range(len(dataset))] == ["a.png", "b.png", "c.png", "x/d.png"]
    assert "1 image is missing" in issue(dataset, "missing")


def test_an_image_outside_the_folder_is_never_read(tmp_path: Path) -> None:
    write_image(tmp_path / "secret.png")
    export = write_export(tmp_path / "a" / "b" / "c", [task("../../../secret.png", annotation(CAT))])
    with pytest.raises(DetcliError):
        open_dataset(export)


def test_the_image_may_have_another_name_in_the_data(tmp_path: Path) -> None:
    images(tmp_path)
    one = task("", annotation(CAT)) | {"data": {"photo": "/data/upload/1/a.png", "text": "a cat"}}
    assert boxes(open_dataset(write_export(tmp_path, [one]))) == [[8, 6, 24, 18]]
    two = task("", annotation(CAT)) | {"data": {"left": "a.png", "right": "b.png"}}
    with pytest.raises(DataError, match="task 1: its data has 2 values that name an image"):
        open_dataset(write_export(tmp_path, [two]))


OTHER = rectangle("dog", BOX)


@pytest.mark.parametrize(
    ("annotations", "label"),
    [
        ([annotation(CAT), annotation(OTHER, updated_at="2024-01-02T00:00:00Z")], "dog"),
        ([annotation(CAT, updated_at="2024-01-02T00:00:00Z"), annotation(OTHER)], "cat"),
        ([annotation(CAT, ground_truth=True), annotation(OTHER, updated_at="2024-01-02T00:00:00Z")], "cat"),
        ([annotation(CAT), annotation(OTHER)], "dog"),
        ([annotation(CAT), annotation(OTHER, was_cancelled=True)], "cat"),
        ([annotation(CAT, was_cancelled=True), annotation(OTHER, ground_truth=False)], "dog"),
    ],
)
def test_of_several_annotations_one_counts(tmp_path: Path, annotations: list[dict[str, Any]], label: str) -> None:
    images(tmp_path)
    dataset = open_dataset(write_export(tmp_path, [task("a.png", *annotations)]))
    assert dataset.labels.names == (label,)
    assert dataset.report.boxes == 1
    several = [message for message in dataset.report.issues if "several annotations" in message]
    assert len(several) == (sum(not one["was_cancelled"] for one in annotations) > 1)


def test_tasks_without_an_annotation_are_skipped_and_told(tmp_path: Path) -> None:
    images(tmp_path, "a.png", "b.png", "c.png", "d.png", "e.png")
    tasks = [
        task("a.png", annotation(CAT)),
        task("b.png"),
        task("c.png", annotation(CAT, was_cancelled=True)),
        task("d.png", predictions=[{"result": [CAT]}]),
        task("e.png", annotation()),
    ]
    dataset = open_dataset(write_export(tmp_path, tasks))
    assert (dataset.report.images, dataset.report.empty) == (2, 1), "an empty annotation is an image without objects"
    assert issue(dataset, "no annotation of").endswith(": 'b.png'")
    assert issue(dataset, "cancelled").endswith(": 'c.png'")
    assert issue(dataset, "predictions of a model").endswith(": 'd.png'")


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ([task("a.png", predictions=[{"result": [CAT]}])], "1 task has only predictions of a model"),
        ([task("a.png")], "no annotated images; 1 task was skipped: no annotation of its image"),
        ([task("a.png", annotation())], "none of its 1 images has an object"),
        ([task("a.png", annotation({**CAT, "original_width": 65}, OTHER))], "its image has results for several sizes"),
        ([task("a.png", annotation({**CAT, "original_width": None}))], "no original_width and original_height"),
        (
            [task("a.png", annotation({**CAT, "value": {**CAT["value"], "rectanglelabels": []}}))],
            "1 object has no label",
        ),
        ([task("a.png", annotation(polygon("cat", [[1, 2], [30, 40]])))], "fewer than three different points"),
        (
            [task("a.png", annotation(result("polygonlabels", "cat", {"points": [[1, 2, 3]] * 4})))],
            "points that are not two numbers",
        ),
        ([task("a.png", annotation(rectangle("cat", [1, 2, 0, 9])))], "1 box has no area"),
        ([task("a.png", annotation(rectangle("cat", [90, 2, 9, 9])))], "1 box is outside the image"),
        ([task("a.png", annotation({**CAT, "value": {**CAT["value"], "x": "1"}}))], "1 box is not four numbers"),
        ([task("a.png", annotation(result("brushlabels", "cat", {"rle": [1, 2, 3]})))], "1 brush mask is damaged"),
        ([task("a.png", "cat")], "task 1: 'cat' is not a JSON object"),
        ([task("a.png") | {"annotations": {}}], "task 1: annotations is not a list"),
        ([task("a.png") | {"data": None}], "task 1: its data is missing, not a JSON object"),
        ([task("a.png", annotation(CAT)) | {"data": {}}], "its data has 0 values that name an image"),
        ([task("b.png", annotation(CAT))], "b.png"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(tmp_path: Path, tasks: list[dict[str, Any]], words: str) -> None:
    images(tmp_path)
    with pytest.raises(DataError) as caught:
        open_dataset(write_export(tmp_path, tasks))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_first_ten_invalid_tasks_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        open_dataset(write_export(tmp_path, [task("a.png") | {"data": 1}] * 12))
    assert [f"task {number}:" in str(caught.value) for number in (1, 10, 11)] == [True, True, False]
    assert "and 2 more" in str(caught.value)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.99])
def test_an_export_that_was_cut_short_is_one_sentence(tmp_path: Path, share: float) -> None:
    path = Path(write_export(tmp_path, [task(f"{number}.png", annotation(CAT)) for number in range(20)]))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(NoDataError, match="is not complete JSON"):
        open_dataset(str(path))


def test_a_rotated_rectangle_has_the_box_around_it(tmp_path: Path) -> None:
    turned = rectangle("cat", [30, 10, 16, 8], rotation=90)  # clockwise around the first corner
    dataset = opened(tmp_path, turned, rectangle("cat", [30, 20, 10, 10], rotation=45))
    assert boxes(dataset)[0] == [22, 10, 30, 26]
    half = 10 / 2**0.5
    assert boxes(dataset)[1] == pytest.approx([30 - half, 20, 30 + half, 20 + 2 * half], abs=1e-5)
    assert issue(dataset, "2 boxes are rotated: the upright box around their corners is used")


def test_an_ellipse_has_the_box_around_it(tmp_path: Path) -> None:
    value = {"x": 50.0, "y": 50.0, "radiusX": 25.0, "radiusY": 12.5, "rotation": 0}
    turned = {**value, "rotation": 90}
    dataset = opened(tmp_path, result("ellipselabels", "cat", value), result("ellipselabels", "dog", turned))
    assert boxes(dataset) == [[16, 18, 48, 30], [26, 8, 38, 40]]


def test_images_that_were_rotated_in_label_studio_are_skipped(tmp_path: Path) -> None:
    images(tmp_path, "a.png", "b.png")
    tasks = [task("a.png", annotation(CAT)), task("b.png", annotation({**CAT, "image_rotation": 90}))]
    dataset = open_dataset(write_export(tmp_path, tasks))
    assert dataset.report.images == 1
    assert issue(dataset, "rotated in Label Studio").endswith(": 'b.png'")


def test_other_results_are_ignored_and_counted(tmp_path: Path) -> None:
    choice = {"id": "1", "type": "choices", "value": {"choices": ["good"]}}
    point = result("keypointlabels", "cat", {"x": 1, "y": 2, "width": 0.3})
    relation = {"type": "relation", "from_id": "a", "to_id": "b"}
    dataset = opened(tmp_path, CAT, choice, point, relation)
    assert dataset.report.boxes == 1
    assert issue(dataset, "1 result of the type 'choices' was ignored")
    assert issue(dataset, "type 'keypointlabels'")
    assert issue(dataset, "type 'relation'")


def test_a_region_and_its_label_may_be_two_results(tmp_path: Path) -> None:
    value = CAT["value"]
    plain = {key: number for key, number in value.items() if key != "rectanglelabels"}
    region = {**CAT, "id": "7", "type": "rectangle", "value": plain}
    label = {**CAT, "id": "7", "type": "labels", "value": {**plain, "labels": ["cat"]}}
    dataset = opened(tmp_path, region, label)
    assert (boxes(dataset), dataset.labels.names) == ([[8, 6, 24, 18]], ("cat",))
    assert dataset.report.issues == ()


def test_of_several_labels_the_first_is_used_and_told(tmp_path: Path) -> None:
    both = {**CAT, "value": {**CAT["value"], "rectanglelabels": ["dog", "cat"]}}
    dataset = opened(tmp_path, both)
    assert dataset.labels.names == ("dog",)
    assert issue(dataset, "1 object has several labels").endswith("object 1 of 'a.png'")


def test_annotations_made_before_the_exif_orientation_are_rotated(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", SIZE, orientation=6)  # upright: 48 wide, 64 high
    dataset = open_dataset(write_export(tmp_path, [task("a.png", annotation(CAT))]))
    assert boxes(dataset) == [[48 - 18, 8, 48 - 6, 24]]
    assert issue(dataset, "rotated by EXIF, and the boxes are rotated with them")
    upright = rectangle("cat", BOX, (64, 48))
    dataset = open_dataset(write_export(tmp_path, [task("a.png", annotation(upright))]))
    assert boxes(dataset) == [[8, 6, 24, 18]]


def test_boxes_alone_are_no_masks(tmp_path: Path) -> None:
    dataset = opened(tmp_path, polygon("cat", [[1, 2], [30, 2], [20, 40]]), CAT, masks=True)
    masks = dataset.ground_truth(0).masks
    assert masks is not None
    assert len(masks) == 1
    assert "object 2 of 'a.png'" in issue(dataset, "no mask")


def test_a_folder_with_an_export_and_its_images_is_a_dataset(tmp_path: Path) -> None:
    images(tmp_path / "images", "a.png")
    write_export(tmp_path, [task("/data/upload/1/12345678-a.png", annotation(CAT))])
    assert open_dataset(str(tmp_path)).report.boxes == 1
    write_export(tmp_path, [task("a.png", annotation(CAT))], "other.json")
    with pytest.raises(DetcliError, match=r"is ambiguous: it has '.*export.json', '.*other.json'; give one of them"):
        open_dataset(str(tmp_path))
