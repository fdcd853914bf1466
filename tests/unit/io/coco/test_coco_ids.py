import json
from pathlib import Path

import pytest

from detcli.errors import UsageError
from detcli.io.coco.coco_ids import ImageIdLookup, read_coco_ids
from detcli.structures.class_labels import ClassLabels


def written(folder: Path, images: list[object], categories: list[object]) -> Path:
    path = folder / "gt.json"
    path.write_text(json.dumps({"images": images, "annotations": [], "categories": categories}))
    return path


def test_ids_are_found_by_relative_path_before_file_name() -> None:
    ids = ImageIdLookup({"a/1.jpg": 10, "b/1.jpg": 20, "2.jpg": 30, "deep/3.jpg": 40})
    assert ids["a/1.jpg"] == 10
    assert ids["b/1.jpg"] == 20
    assert ids["elsewhere/2.jpg"] == 30
    assert ids["3.jpg"] == 40
    assert "1.jpg" not in ids  # two have this last part
    assert ids.get("4.jpg") is None


def test_annotations_are_read_with_any_path_separators(tmp_path: Path) -> None:
    path = written(tmp_path, [{"id": 7, "file_name": ".\\sub\\a.jpg"}], [{"id": 3, "name": "Dog"}])
    truth = read_coco_ids(path)
    assert truth.image_ids["sub/a.jpg"] == 7
    assert truth.category_ids == {"Dog": 3}


def test_labels_take_the_category_ids_of_the_annotations_by_name(tmp_path: Path) -> None:
    path = written(tmp_path, [{"id": 1, "file_name": "a"}], [{"id": 9, "name": "DOG"}, {"id": 2, "name": "cow"}])
    labels, missing = read_coco_ids(path).renumber(ClassLabels.from_names(["cat", "dog", "bird"]))
    assert labels.names == ("cat", "dog", "bird")
    assert labels.category_ids[1] == 9
    assert missing == ("cat", "bird")
    assert not {labels.category_ids[0], labels.category_ids[2]} & {9, 2}
    assert len(set(labels.category_ids)) == 3


def test_holes_in_the_numbering_are_not_missing_and_stuff_is_kept(tmp_path: Path) -> None:
    path = written(tmp_path, [{"id": 1, "file_name": "a"}], [{"id": 9, "name": "sky"}])
    labels, missing = read_coco_ids(path).renumber(ClassLabels(("N/A", "cat", "sky"), (0, 1, 2), frozenset({2})))
    assert missing == ("cat",)
    assert labels.stuff == {2}


def test_annotations_without_a_common_name_keep_the_ids(tmp_path: Path) -> None:
    path = written(tmp_path, [{"id": 1, "file_name": "a"}], [{"id": 1, "name": "chat"}])
    labels = ClassLabels.from_names(["cat", "dog"])
    assert read_coco_ids(path).renumber(labels) == (labels, ("cat", "dog"))


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ("[]", "it is a list; COCO results are lists"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"images": [], "categories": []}', "its list of 'images' is empty"),
        ('{"images": [{"id": 1, "file_name": "a"}]}', "no list of 'categories'"),
        ('{"images": [{"id": "1", "file_name": "a"}], "categories": []}', "image 0: id is the text '1'"),
        ('{"images": [{"id": 1, "file_name": null}], "categories": []}', "image 0: file_name is missing"),
    ],
)
def test_an_invalid_annotation_file_is_a_usage_error(tmp_path: Path, text: str, clause: str) -> None:
    (tmp_path / "gt.json").write_text(text)
    with pytest.raises(UsageError, match=clause):
        read_coco_ids(tmp_path / "gt.json")


def test_a_missing_annotation_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gt\.json"):
        read_coco_ids(tmp_path / "gt.json")
