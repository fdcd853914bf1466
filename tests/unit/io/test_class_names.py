"""Names of classes come from lists, from indices or from COCO categories; anything else is told."""

import json
from pathlib import Path

import pytest

from detcli.errors import UsageError
from detcli.io.documents.class_names import read_class_names


def write(path: Path, content: object) -> Path:
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("names.txt", "cat\ntraffic light \r\ngröße\n\n"),
        ("coco.names", "\ufeffcat\ntraffic light\ngröße"),
        ("names.json", ["cat", "traffic light", "größe"]),
        ("names.JSON", {"2": "größe", "0": "cat", "1": "traffic light"}),
        ("config.json", {"id2label": {"0": "cat", "1": "traffic light", "2": "größe"}, "model_type": "d_fine"}),
    ],
)
def test_names_are_read_by_their_index(name: str, content: object, tmp_path: Path) -> None:
    assert read_class_names(write(tmp_path / name, content)) == ("cat", "traffic light", "größe")


def test_category_ids_are_indices_and_unused_ids_have_no_name(tmp_path: Path) -> None:
    categories = [{"id": 3, "name": "dog", "supercategory": "animal"}, {"id": 1, "name": "cat"}]
    path = write(tmp_path / "annotations.json", {"images": [], "categories": categories})
    assert read_class_names(path) == ("N/A", "cat", "N/A", "dog")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("names.txt", "\n\n", "it has 0 names"),
        ("names.txt", "cat\n\ndog\n", "entry 1 is not a name"),
        ("names.json", "{", "Expecting property name"),
        ("names.json", "3", "neither a list of names nor an object"),
        ("names.json", ["cat", 3], "entry 1 is not a name"),
        ("names.json", {"cat": 0}, "must be class indices, from 0 to 99999"),
        ("names.json", {"0": "cat", "99999999": "dog"}, "must be class indices, from 0 to 99999"),
        ("names.json", {"categories": [{"id": True, "name": "cat"}]}, "must be class indices, from 0 to 99999"),
        ("names.json", {"categories": [3]}, "must be class indices, from 0 to 99999"),
        ("names.json", {"categories": [{"id": [1], "name": "cat"}]}, "must be class indices, from 0 to 99999"),
        ("names.json", "[" + "9" * 5000 + "]", "a number has thousands of digits"),
        ("names.json", "[" * 100_000, "nested too deeply"),
    ],
)
def test_other_content_is_reported_with_the_file(name: str, content: object, sentence: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(UsageError) as caught:
        read_class_names(path)
    assert f"class names in '{path}'" in str(caught.value)
    assert sentence in str(caught.value)


def test_a_missing_file_or_one_without_text_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_class_names(tmp_path / "none.txt")
    (tmp_path / "x.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not UTF-8"):
        read_class_names(tmp_path / "x.txt")
