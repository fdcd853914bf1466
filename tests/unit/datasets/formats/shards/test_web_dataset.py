"""Tar archives of WebDataset give the data that the same images give as COCO, and what is damaged is one sentence."""

import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detcli.datasets.dataset import Dataset, has_part, open_dataset
from detcli.errors import DataError, NoDataError, UsageError
from detcli.structures.frame import FailedFrame
from tests.helpers.annotated_datasets import assert_same_data, write_image
from tests.helpers.archive_files import special_tar, tar_bytes
from tests.helpers.sharded_datasets import (
    CLASSES,
    RandomData,
    categories,
    random_data,
    record_members,
    row_members,
    write_tar,
)

OBJECT = {"bbox": [8, 6, 16, 12], "label": "cat"}


def one(folder: Path, record: Any, **more: bytes | str) -> str:
    """A tar of one image with this record, or text, next to it."""
    write_image(folder / "a.png")
    text = record if isinstance(record, str) else json.dumps(record)
    return write_tar(folder / "a.tar", {"a.png": (folder / "a.png").read_bytes(), "a.json": text, **more})


def issue(dataset: Dataset, words: str) -> str:
    [message] = [message for message in dataset.report.issues if words in message]
    return message


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> RandomData:
    return random_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def mask_data(tmp_path_factory: pytest.TempPathFactory) -> RandomData:
    return random_data(tmp_path_factory.mktemp("masks"), masks=True, seed=3)


def test_records_of_coco_are_the_same_data_as_coco(tmp_path: Path, data: RandomData) -> None:
    dataset = open_dataset(write_tar(tmp_path / "a.tar", record_members(data)))
    assert_same_data(dataset, open_dataset(data.coco))
    assert [dataset.origin(index).relative for index in range(4)] == list(data.images)
    assert dataset.origin(0).file == f"{tmp_path}/a.tar!/0001.png"


@pytest.mark.parametrize("where", ["inside", "next to it", "yaml"])
def test_rows_of_yolo_are_the_same_data_as_coco(tmp_path: Path, data: RandomData, where: str) -> None:
    members = row_members(data)
    if where == "inside":
        members["classes.txt"] = "\n".join(CLASSES)
    elif where == "next to it":
        (tmp_path / "classes.txt").write_text("\n".join(CLASSES) + "\n\n")
    else:
        members["data.yaml"] = f"names: [{', '.join(CLASSES)}]"
    assert_same_data(open_dataset(write_tar(tmp_path / "a.tar", members)), open_dataset(data.coco))


@pytest.mark.parametrize("rows", [False, True])
def test_masks_are_the_same_as_of_coco(tmp_path: Path, mask_data: RandomData, rows: bool) -> None:
    members = {**row_members(mask_data), "classes.txt": "\n".join(CLASSES)} if rows else record_members(mask_data)
    shard = write_tar(tmp_path / "a.tar", members)
    assert_same_data(open_dataset(shard, masks=True), open_dataset(mask_data.coco, masks=True))


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_several_shards_are_one_dataset_in_their_order(tmp_path: Path, data: RandomData, form: int) -> None:
    names = list(data.images)
    for number, part in enumerate((names[:1], names[1:3], names[3:])):
        members = {
            name: text if isinstance(text, bytes) else text.encode()
            for name, text in record_members(data, part).items()
        }
        (tmp_path / f"shard-{number:03d}.tar").write_bytes(tar_bytes(members, form=form))
    dataset = open_dataset(str(tmp_path))
    assert_same_data(dataset, open_dataset(data.coco))
    assert dataset.origin(3).relative == "shard-002/0004.png"


@pytest.mark.parametrize(
    "names", [("train-0.tar", "validation-0.tar"), ("train/0.tar", "val/0.tar"), ("data/train_0.tar", "data/val_0.tar")]
)
def test_the_names_of_shards_tell_their_part(tmp_path: Path, data: RandomData, names: tuple[str, str]) -> None:
    files = list(data.images)
    write_tar(tmp_path / names[0], record_members(data, files[:3]))
    assert not has_part(str(tmp_path), "val")
    assert len(open_dataset(str(tmp_path))) == 3
    with pytest.raises(NoDataError, match="has no part 'val'; it has only"):
        open_dataset(str(tmp_path), part="val")
    write_tar(tmp_path / names[1], record_members(data, files[3:]))
    assert len(open_dataset(str(tmp_path), part="train")) == 3
    assert len(open_dataset(str(tmp_path), part="val")) == 1
    assert has_part(str(tmp_path), "val")


@pytest.mark.parametrize(
    "record",
    [
        {"detections": [OBJECT], "width": 64, "height": 48, "file": "elsewhere/a.png"},
        {"annotations": [{"bbox": [8, 6, 16, 12], "category_id": 7}], "categories": [{"id": 7, "name": "cat"}]},
        {"annotations": [{"bbox": [8, 6, 16, 12], "category": "cat"}], "image": {"width": 64, "height": 48}},
        {"objects": {"bbox": [[8, 6, 16, 12]], "category": ["cat"]}},
        [OBJECT],
        [{"segmentation": [[8, 6, 24, 6, 24, 18]], "category_name": "cat"}],
        [{"bbox": [8, 6, 16, 12], "category_id": 0}],
    ],
)
def test_records_have_several_forms(tmp_path: Path, record: Any) -> None:
    dataset = open_dataset(one(tmp_path, record, **{"classes.txt": "cat"}))
    assert dataset.ground_truth(0).boxes_xyxy.tolist() == [[8, 6, 24, 18]]
    assert dataset.labels.names == ("cat",)
    assert [message for message in dataset.report.issues if "no size" not in message] == []


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ("{", "a.json' (not complete JSON: "),
        ("[1, {}]", "(it is 1, not a JSON object)"),
        ("{}", "(it has no list of objects: `annotations`, `detections` or `objects`)"),
        ("", "not complete JSON"),
        ([{"bbox": [1, 2, 3, 4]}], "(it has no class: a `label`, or a `category_id`)"),
        ([{"bbox": [1, 2, 3, 4], "category_id": 9}], "the name of its class 9 is unknown"),
        ([{**OBJECT, "score": 0.5}], "1 of its 1 annotations has a score, as detections have"),
        ([{**OBJECT, "bbox": None}], "1 box is not four numbers"),
        ([{**OBJECT, "bbox": [1, 2, 3]}], "1 box is not four numbers"),
        ([{**OBJECT, "bbox": [70, 2, 9, 9]}], "1 box is outside the image"),
        ([{**OBJECT, "bbox": [1, 2, 0, 9]}], "1 box has no area"),
        ([{**OBJECT, "bbox": [0.1, 0.1, 0.2, 0.2]}], "smaller than a pixel, as fractions of the image are"),
        ([], "none of its 1 images has an object"),
        ({"annotations": 7}, "(it is 7, not a JSON object)"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_an_invalid_record_is_one_sentence(tmp_path: Path, record: Any, words: str) -> None:
    with pytest.raises(DataError) as caught:
        open_dataset(one(tmp_path, record))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "\n", "cat\ncat\n"])
@pytest.mark.parametrize("inside", [False, True])
def test_a_file_of_classes_that_cannot_be_used_is_one_sentence(
    tmp_path: Path, data: RandomData, text: str, inside: bool
) -> None:
    (tmp_path / "classes.txt").write_text(text)
    members = row_members(data) | ({"classes.txt": text} if inside else {})
    with pytest.raises(NoDataError, match=r"classes\.txt'"):
        open_dataset(write_tar(tmp_path / "a.tar", members))


def test_categories_that_disagree_are_an_error(tmp_path: Path, data: RandomData) -> None:
    members = record_members(data)
    other = {"annotations": [], "categories": [{"id": 1, "name": "cow"}]}
    with pytest.raises(DataError, match="the category 1 is 'cow' here, and 'cat' before"):
        open_dataset(write_tar(tmp_path / "a.tar", {**members, "0004.json": json.dumps(other)}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda members: {name: data for name, data in members.items() if "json" not in name}, "none of its 4 images has a .json or .txt file"),
        (lambda members: {name: data for name, data in members.items() if "png" not in name}, "there are no images in it"),
        (lambda members: {**members, "0004.txt": "0 0.5 0.5 0.1 0.1", "0005.png": members["0001.png"], "0005.txt": ""}, "both .json and .txt"),
        (lambda members: {"a.png": members["0001.png"], "a.txt": "0 0.5 0.5 0.1 0.1"}, "the names of its classes are unknown: put classes.txt"),
        (lambda members: {"a.png": members["0001.png"], "a.txt": "2 0.5 0.5 0.1 0.1", "classes.txt": "a\nb"}, "a.txt:1' (class 2)"),
        (lambda members: {"a.png": members["0001.png"], "a.txt": "0 0.5 0.5 0.1 0.1 0.9", "classes.txt": "a"}, "1 row has a score"),
    ],
)  # fmt: skip
def test_an_archive_without_usable_samples_is_an_error(
    tmp_path: Path, data: RandomData, change: Any, words: str
) -> None:
    with pytest.raises(DataError) as caught:
        open_dataset(write_tar(tmp_path / "a.tar", change(record_members(data))))
    assert words in str(caught.value)


def test_an_image_without_annotations_has_no_objects_and_is_told(tmp_path: Path, data: RandomData) -> None:
    members = {**record_members(data), "0009.png": data.images["0001.png"]}
    dataset = open_dataset(write_tar(tmp_path / "a.tar", members))
    assert len(dataset.ground_truth(4)) == 0
    assert "a.tar!/0009.png" in issue(dataset, "1 image has no annotations")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_an_archive_that_was_cut_short_is_an_error(tmp_path: Path, data: RandomData, share: float) -> None:
    path = Path(write_tar(tmp_path / "a.tar", record_members(data)))
    content = path.read_bytes().rstrip(b"\0")
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError, match=r"the archive '.*a\.tar' cannot be used: .*(cut short|ends)"):
        open_dataset(str(path))


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "an empty file"), (b"a" * 2000, "neither a tar nor a zip"), (bytes(10240), "no images")],
)
def test_what_is_no_archive_is_an_error(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(DataError, match=words):
        open_dataset(str(tmp_path / "a.tar"))


@pytest.mark.parametrize("suffix", [".tar.gz", ".tgz", ".tar"])
def test_a_compressed_archive_is_an_error_that_says_what_to_do(tmp_path: Path, data: RandomData, suffix: str) -> None:
    members = {name: text if isinstance(text, bytes) else text.encode() for name, text in record_members(data).items()}
    (tmp_path / f"a{suffix}").write_bytes(tar_bytes(members, mode="w:gz"))
    with pytest.raises(DataError, match=r"it is compressed, .*: decompress it to \.tar"):
        open_dataset(str(tmp_path / f"a{suffix}"))


def test_links_in_archives_are_never_followed(tmp_path: Path, data: RandomData) -> None:
    write_image(tmp_path / "secret.png")
    members = tar_bytes(
        {name: text if isinstance(text, bytes) else text.encode() for name, text in record_members(data).items()}
    )
    link = special_tar(
        ("0000.png", tarfile.SYMTYPE, str(tmp_path / "secret.png")), ("0000.json", tarfile.SYMTYPE, "/etc/passwd")
    )
    (tmp_path / "a.tar").write_bytes(link + members)
    dataset = open_dataset(str(tmp_path / "a.tar"))
    failed = dataset.read(0)
    assert isinstance(failed, FailedFrame)
    assert "links in archives are not followed" in failed.message
    assert len(dataset.ground_truth(0)) == 0


def test_an_image_that_is_damaged_is_unreadable_and_told(tmp_path: Path, data: RandomData) -> None:
    members = record_members(data)
    name = next(name for name in data.images if data.objects[name])
    dataset = open_dataset(write_tar(tmp_path / "a.tar", {**members, name: b"\x89PNG\r\n\x1a\n damaged"}))
    assert isinstance(dataset.read(list(data.images).index(name)), FailedFrame)
    assert issue(dataset, "1 image cannot be read")


def test_names_with_several_dots_are_those_of_files_without_samples(tmp_path: Path, data: RandomData) -> None:
    image = data.images["0001.png"]
    record = json.dumps([OBJECT])
    dataset = open_dataset(write_tar(tmp_path / "a.tar", {"photo.v2.png": image, "photo.v2.json": record}))
    assert dataset.report.boxes == 1
    members = {"1.png": image, "1.seg.png": image, "1.json": record}
    assert len(open_dataset(write_tar(tmp_path / "b.tar", members))) == 1, "1.seg.png is no image of its own"


def test_annotations_made_before_the_exif_orientation_are_rotated(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", (48, 64), orientation=6)
    image = (tmp_path / "a.png").read_bytes()
    record = {"annotations": [OBJECT], "width": 64, "height": 48}
    dataset = open_dataset(write_tar(tmp_path / "a.tar", {"a.png": image, "a.json": json.dumps(record)}))
    assert dataset.ground_truth(0).boxes_xyxy.tolist() == [[48 - 18, 8, 48 - 6, 24]]
    assert issue(dataset, "rotated by EXIF, and the boxes are rotated with them")


def test_the_images_are_in_the_archives(tmp_path: Path, data: RandomData) -> None:
    with pytest.raises(UsageError, match="has the images in its archives; omit `images`"):
        open_dataset(write_tar(tmp_path / "a.tar", record_members(data)), images=tmp_path)


def test_classes_are_matched_and_duplicates_dropped(tmp_path: Path) -> None:
    shard = one(tmp_path, [OBJECT, OBJECT, {**OBJECT, "label": "Dog"}])
    dataset = open_dataset(shard, classes=("dog", "cat"))
    assert dataset.ground_truth(0).class_ids.tolist() == [1, 0]
    assert "object 2 of" in issue(dataset, "duplicate")


def test_annotations_in_a_folder_come_before_archives(tmp_path: Path, data: RandomData) -> None:
    write_tar(Path(data.coco).parent / "images.tar", record_members(data))
    dataset = open_dataset(str(Path(data.coco).parent))
    assert dataset.report.annotations == data.coco


def test_archives_and_parquet_in_one_folder_are_ambiguous(tmp_path: Path, data: RandomData) -> None:
    write_tar(tmp_path / "a.tar", record_members(data))
    (tmp_path / "b.parquet").write_bytes(b"")
    with pytest.raises(UsageError, match=r"is ambiguous: it has '.*a\.tar' and '.*b\.parquet'"):
        open_dataset(str(tmp_path))


def test_images_are_read_in_any_order(tmp_path: Path, data: RandomData) -> None:
    dataset, theirs = open_dataset(write_tar(tmp_path / "a.tar", record_members(data))), open_dataset(data.coco)
    for index in (3, 0, 2, 1, 3):
        mine, same = dataset.read(index), theirs.read(index)
        assert not isinstance(mine, FailedFrame)
        assert not isinstance(same, FailedFrame)
        assert np.array_equal(mine.pixels, same.pixels)


def test_categories_without_boxes_stay_classes(tmp_path: Path) -> None:
    record = {"annotations": [{**OBJECT, "category_id": 1}], "categories": [*categories(), {"id": 9, "name": "cow"}]}
    dataset = open_dataset(one(tmp_path, record))
    assert dataset.labels.names == ("cat", "dog", "cow")
