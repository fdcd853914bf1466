"""One reader for COCO annotations and results: one kind of message, and the caller's class of error."""

import json
from pathlib import Path
from typing import Any

import pytest

from detcli.errors import DataError, DetcliError, InputError, UsageError
from detcli.io.coco.coco_reader import InvalidEntries, read_coco_document, read_coco_json, read_names


def written(folder: Path, document: Any) -> Path:
    path = folder / "coco.json"
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("error", [UsageError, InputError, DataError])
def test_an_invalid_document_raises_the_class_that_is_given(tmp_path: Path, error: type[DetcliError]) -> None:
    path = written(tmp_path, {"images": []})
    with pytest.raises(error, match=r"coco\.json' holds no COCO annotations: it has no list of 'annotations'"):
        read_coco_document(path, invalid=error)
    path.write_text("{")
    with pytest.raises(error, match=r"the annotations '.*coco\.json' are not JSON"):
        read_coco_json(path, invalid=error)


def test_a_missing_file_is_a_usage_error_for_every_caller(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read the results '.*gone\.json': no such file"):
        read_coco_json(tmp_path / "gone.json", kind="results", invalid=DataError)


def test_a_list_in_the_place_of_a_document_names_its_format(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it is a list; 'coco-results' is this format"):
        read_coco_document(written(tmp_path, []), kind="results")


def test_invalid_entries_are_named_together_and_counted(tmp_path: Path) -> None:
    images = [{"id": number, "file_name": "a.png"} for number in range(3)] + [{"id": "x", "file_name": "b"}] * 12
    path, invalid = written(tmp_path, {"images": images}), InvalidEntries()
    assert read_names(path, {"images": images}, "images", invalid) == [(n, "a.png") for n in range(3)]
    with pytest.raises(DataError) as caught:
        invalid.raise_if_any(path, DataError)
    message = str(caught.value)
    assert message.startswith(f"'{path}' cannot be used: 12 entries are invalid: image 3: id is the text 'x'")
    assert message.endswith("; and 2 more")


def test_an_id_that_another_entry_has_is_invalid_only_if_asked(tmp_path: Path) -> None:
    document = {"categories": [{"id": 1, "name": "cat"}, {"id": 1, "name": "dog"}]}
    for unique in (False, True):
        invalid = InvalidEntries()
        read_names(tmp_path, document, "categories", invalid, unique=unique)
        assert invalid.first == (["category 1: another entry has the id 1"] if unique else [])


def test_each_object_passes_through_the_hook(tmp_path: Path) -> None:
    path = written(tmp_path, {"images": [{"id": 1}], "annotations": [], "categories": []})
    assert read_coco_document(path, object_hook=lambda entry: {**entry, "seen": True})["images"] == [
        {"id": 1, "seen": True}
    ]
