"""Parquet of Hugging Face and of detcli gives the data that the same images give as COCO."""

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from detcli.datasets.dataset import Dataset, has_part, open_dataset
from detcli.errors import DataError, LibraryError, OutputError, UsageError
from detcli.io.results.parquet_schema import box_schema, image_schema
from detcli.structures.frame import FailedFrame
from tests.helpers.annotated_datasets import assert_same_data, write_image
from tests.helpers.sharded_datasets import CLASSES, SIZE, RandomData, random_data

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

LABELS = {"names": list(CLASSES), "_type": "ClassLabel"}
FEATURES = {
    "old": {"feature": {"bbox": {"feature": {"dtype": "float32"}, "_type": "Sequence"}, "category": LABELS}, "_type": "Sequence"},
    "list": [{"bbox": {"dtype": "float32"}, "category": LABELS}],
    "columns": {"bbox": {"_type": "List"}, "category": {"feature": LABELS, "_type": "List"}},
}  # fmt: skip


def issue(dataset: Dataset, words: str) -> str:
    [message] = [message for message in dataset.report.issues if words in message]
    return message


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> RandomData:
    return random_data(tmp_path_factory.mktemp("data"), seed=1, count=7)


def hugging_face_rows(data: RandomData, *, as_columns: bool = False) -> list[dict[str, Any]]:
    rows = []
    for name, image in data.images.items():
        objects = [
            {"bbox": list(map(float, one["bbox"])), "category": one["category_id"] - 1} for one in data.objects[name]
        ]
        columns = {key: [one[key] for one in objects] for key in ("bbox", "category")}
        rows.append({"image": {"bytes": image, "path": name}, "objects": columns if as_columns else objects})
    return rows


def hugging_face_schema(*, as_columns: bool = False, features: Any = FEATURES["old"]) -> Any:
    kinds = {"bbox": pa.list_(pa.float32()), "category": pa.int64()}
    columns = pa.struct([(name, pa.list_(kind)) for name, kind in kinds.items()])
    objects = columns if as_columns else pa.list_(pa.struct(list(kinds.items())))
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    metadata = {"huggingface": json.dumps({"info": {"features": {"image": {"_type": "Image"}, "objects": features}}})}
    return pa.schema([("image", image), ("objects", objects)], metadata=metadata if features else None)


def write(path: Path, rows: Sequence[Mapping[str, Any]], schema: Any = None, *, group: int = 2) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows), schema), path, row_group_size=group)
    return str(path)


def detcli_rows(data: RandomData, *, score: float | None = None) -> list[dict[str, Any]]:
    return [
        {
            "index": index, "file": f"coco/{name}", "width": SIZE[1], "height": SIZE[0],
            "detections": [
                {"label": CLASSES[one["category_id"] - 1], "category_id": one["category_id"], "score": score, "bbox": one["bbox"]}
                for one in objects
            ],
        }
        for index, (name, objects) in enumerate(data.objects.items())
    ]  # fmt: skip


def box_rows(data: RandomData) -> list[dict[str, Any]]:
    rows = []
    for image in detcli_rows(data):
        for one in image["detections"]:
            x, y, w, h = one["bbox"]
            corners = {"x_min": x, "y_min": y, "x_max": x + w, "y_max": y + h}
            rows.append({**{key: image[key] for key in ("file", "width", "height")}, "label": one["label"], **corners})
    return rows


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("as_columns", [False, True])
def test_images_with_objects_are_the_same_data_as_coco(
    tmp_path: Path, data: RandomData, features: str, as_columns: bool
) -> None:
    schema = hugging_face_schema(as_columns=as_columns, features=FEATURES[features])
    dataset = open_dataset(write(tmp_path / "a.parquet", hugging_face_rows(data, as_columns=as_columns), schema))
    assert_same_data(dataset, open_dataset(data.coco))
    assert [dataset.origin(index).relative for index in range(7)] == list(data.images)


@pytest.mark.parametrize("group", [1, 3, 100])
def test_images_are_read_in_any_order(tmp_path: Path, data: RandomData, group: int) -> None:
    where = write(tmp_path / "a.parquet", hugging_face_rows(data), hugging_face_schema(), group=group)
    dataset, theirs = open_dataset(where), open_dataset(data.coco)
    for index in (6, 0, 3, 1, 6, 2):
        mine, same = dataset.read(index), theirs.read(index)
        assert not isinstance(mine, FailedFrame)
        assert not isinstance(same, FailedFrame)
        assert (mine.pixels == same.pixels).all()


@pytest.mark.parametrize("folder", ["", "data/"])
def test_several_files_are_one_dataset_and_tell_their_part(tmp_path: Path, data: RandomData, folder: str) -> None:
    rows = hugging_face_rows(data)
    write(tmp_path / f"{folder}train-00000-of-00002.parquet", rows[:3], hugging_face_schema())
    write(tmp_path / f"{folder}train-00001-of-00002.parquet", rows[3:], hugging_face_schema())
    assert not has_part(str(tmp_path), "val")
    assert_same_data(open_dataset(str(tmp_path)), open_dataset(data.coco))
    write(tmp_path / f"{folder}validation-00000-of-00001.parquet", rows[:3], hugging_face_schema())
    write(tmp_path / f"{folder}test-00000-of-00001.parquet", rows[:3], hugging_face_schema())
    assert len(open_dataset(str(tmp_path), part="val")) == 3


def test_rows_of_images_name_their_files(tmp_path: Path, data: RandomData) -> None:
    where = write(tmp_path / "out.parquet", detcli_rows(data), image_schema(pa))
    dataset = open_dataset(where, images=Path(data.coco).parents[1])
    assert_same_data(dataset, open_dataset(data.coco))


def test_rows_of_boxes_have_only_images_with_boxes(tmp_path: Path, data: RandomData) -> None:
    rows = box_rows(data)
    where = write(tmp_path / "out.parquet", rows, box_schema(pa))
    dataset = open_dataset(where, images=Path(data.coco).parents[1])
    theirs = open_dataset(data.coco)
    by_name = {dataset.origin(index).relative.rpartition("/")[2]: index for index in range(len(dataset))}
    assert len(by_name) == sum(bool(objects) for objects in data.objects.values()) == len(dataset)
    for index in range(len(theirs)):
        mine = by_name.get(theirs.origin(index).relative)
        boxes = [] if mine is None else dataset.ground_truth(mine).boxes_xyxy.tolist()
        assert boxes == theirs.ground_truth(index).boxes_xyxy.tolist()


def test_rows_of_boxes_may_be_in_any_order(tmp_path: Path, data: RandomData) -> None:
    rows = box_rows(data)
    images = Path(data.coco).parents[1]
    shuffled = open_dataset(write(tmp_path / "a.parquet", rows[::2] + rows[1::2], box_schema(pa)), images=images)
    assert len(shuffled) == len(open_dataset(write(tmp_path / "b.parquet", rows, box_schema(pa)), images=images))
    assert shuffled.report.boxes == len(rows)


def test_detections_with_scores_are_refused(tmp_path: Path, data: RandomData) -> None:
    where = write(tmp_path / "out.parquet", detcli_rows(data, score=0.5), image_schema(pa))
    with pytest.raises(DataError, match="have scores, as detections have"):
        open_dataset(where, images=Path(data.coco).parents[1])


def test_images_without_bytes_are_files(tmp_path: Path, data: RandomData) -> None:
    rows = [{**row, "image": {"bytes": None, "path": row["image"]["path"]}} for row in hugging_face_rows(data)]
    where = write(Path(data.coco).parent / "train.parquet", rows, hugging_face_schema())
    assert_same_data(open_dataset(where), open_dataset(data.coco))
    Path(where).unlink()


def test_names_of_classes_may_be_text(tmp_path: Path, data: RandomData) -> None:
    rows = [
        {
            "image": row["image"]["bytes"],
            "objects": [{**one, "category": CLASSES[one["category"]]} for one in row["objects"]],
        }
        for row in hugging_face_rows(data)
    ]
    assert_same_data(open_dataset(write(tmp_path / "a.parquet", rows)), open_dataset(data.coco))


@pytest.mark.parametrize(("box", "kind"), [("bboxes", "labels"), ("bbox", "categories"), ("bboxes", "classes")])
def test_columns_of_objects_may_have_names_in_the_plural(tmp_path: Path, data: RandomData, box: str, kind: str) -> None:
    rows = [
        {**row, "objects": {box: row["objects"]["bbox"], kind: [CLASSES[one] for one in row["objects"]["category"]]}}
        for row in hugging_face_rows(data, as_columns=True)
    ]
    assert_same_data(open_dataset(write(tmp_path / "a.parquet", rows)), open_dataset(data.coco))


def test_images_with_the_same_name_are_named_by_their_row(tmp_path: Path, data: RandomData) -> None:
    rows = [{**row, "image": {**row["image"], "path": "image.png"}} for row in hugging_face_rows(data)]
    dataset = open_dataset(write(tmp_path / "a.parquet", rows, hugging_face_schema()))
    assert [dataset.origin(index).relative for index in (0, 6)] == ["a/000001", "a/000007"]


@pytest.mark.parametrize(
    ("rows", "features", "words"),
    [
        ([{"image": b"x", "objects": [{"bbox": [1.0, 2, 3, 4], "category": 0}]}], None, "the name of its class 0 is unknown: it is not in the features"),
        ([{"image": b"x", "objects": [{"bbox": [1.0, 2, 3, 4]}]}], None, "it has no class"),
        ([{"image": b"x", "objects": [{"bbox": [1.0, 2, 3], "category": "a"}]}], None, "1 box is not four numbers"),
        ([{"image": b"x", "objects": []}], None, "none of its 1 images has an object"),
        ([{"pixels": [1, 2], "objects": []}], None, "is Parquet of something else: data has images"),
        ([{"image": b"x", "text": "a"}], None, "this file has image, text"),
        ([{"file": "a.png", "frame": 3, "detections": [{"label": "a", "bbox": [1.0, 2, 3, 4]}]}], None, "row 1' is a frame of a video"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_sentence(
    tmp_path: Path, rows: list[dict[str, Any]], features: Any, words: str
) -> None:
    with pytest.raises(DataError) as caught:
        open_dataset(write(tmp_path / "a.parquet", rows))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "names",
    ["[]", '{"info": 3}', '{"info": {"features": {"objects": {"category": {"_type": "Value"}}}}}', "{", "[" * 9999],
)
def test_features_without_class_names_are_an_error(tmp_path: Path, data: RandomData, names: str) -> None:
    schema = hugging_face_schema().with_metadata({"huggingface": names})
    with pytest.raises(DataError, match="the name of its class"):
        open_dataset(write(tmp_path / "a.parquet", hugging_face_rows(data), schema))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.99])
def test_a_file_that_was_cut_short_is_an_error(tmp_path: Path, data: RandomData, share: float) -> None:
    path = Path(write(tmp_path / "a.parquet", hugging_face_rows(data), hugging_face_schema()))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(DataError, match=r"a\.parquet' is not Parquet, or is damaged"):
        open_dataset(str(path))


def test_files_with_other_columns_are_an_error(tmp_path: Path, data: RandomData) -> None:
    write(tmp_path / "a.parquet", hugging_face_rows(data), hugging_face_schema())
    write(tmp_path / "b.parquet", detcli_rows(data), image_schema(pa))
    with pytest.raises(DataError, match=r"b\.parquet' has other columns than '.*a\.parquet'"):
        open_dataset(str(tmp_path))


def test_an_image_without_content_is_unreadable(tmp_path: Path, data: RandomData) -> None:
    rows = hugging_face_rows(data)
    rows[0] = {**rows[0], "image": {"bytes": None, "path": "a.png"}}
    dataset = open_dataset(write(tmp_path / "a.parquet", rows, hugging_face_schema()))
    failed = dataset.read(0)
    assert isinstance(failed, FailedFrame)
    assert failed.message == "its row has no image"
    assert issue(dataset, "1 image cannot be read")


def test_annotations_made_before_the_exif_orientation_are_rotated(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", (48, 64), orientation=6)
    row = {
        "image": (tmp_path / "a.png").read_bytes(),
        "width": 64,
        "height": 48,
        "objects": [{"label": "cat", "bbox": [8.0, 6, 16, 12]}],
    }
    dataset = open_dataset(write(tmp_path / "a.parquet", [row]))
    assert dataset.ground_truth(0).boxes_xyxy.tolist() == [[48 - 18, 8, 48 - 6, 24]]
    assert issue(dataset, "rotated by EXIF, and the boxes are rotated with them")


def test_images_in_rows_have_no_folder(tmp_path: Path, data: RandomData) -> None:
    where = write(tmp_path / "a.parquet", hugging_face_rows(data), hugging_face_schema())
    with pytest.raises(UsageError, match="has the images in its rows; omit `images`"):
        open_dataset(where, images=tmp_path)


def test_a_temporary_folder_that_is_missing_is_a_sentence(
    tmp_path: Path, data: RandomData, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = write(tmp_path / "a.parquet", hugging_face_rows(data), hugging_face_schema())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(OutputError, match="cannot write 'a temporary file for the images of Parquet'"):
        open_dataset(where)


def test_without_pyarrow_the_package_to_install_is_named(
    tmp_path: Path, data: RandomData, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = write(tmp_path / "a.parquet", hugging_face_rows(data), hugging_face_schema())
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        LibraryError, match="reading Parquet needs pyarrow, which is not installed: pip install pyarrow"
    ):
        open_dataset(where)


def test_boxes_as_two_corners_are_refused(tmp_path: Path, data: RandomData) -> None:
    rows = [
        {
            "image": image,
            "objects": [
                {"label": "cat", "bbox": [30.0, 20.0, 60.0, 44.0]},
                {"label": "dog", "bbox": [40.0, 25.0, 63.0, 47.0]},
            ],
        }
        for image in data.images.values()
    ]
    with pytest.raises(DataError, match=r"as two corners .* all fit"):
        open_dataset(write(tmp_path / "a.parquet", rows))
