"""COCO annotations of some of the images of a dataset, with all fields of their entries."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from detcli.errors import NoDataError
from detcli.io.coco.coco_entries import whole_number
from detcli.io.coco.coco_reader import read_coco_document
from detcli.structures.json_records import json_line

Document = dict[str, Any]


def read_document(path: Path) -> Document:
    """The document of a file that `CocoDataset` or `CocoPanopticDataset` has read. Raises NoDataError."""
    return read_coco_document(path, invalid=NoDataError)


def image_entries(document: Document) -> dict[int, dict[str, Any]]:
    """The entries of `images` by id."""
    entries = ((whole_number(entry.get("id")), entry) for entry in document["images"])
    return {image_id: entry for image_id, entry in entries if image_id is not None}


def subset(document: Document, names: Mapping[int, str]) -> Document:
    """The document with some of its images: their entries and annotations in the same order, everything else as it is.

    names  file name by image id
    """
    images = [
        {**entry, "file_name": names[image_id]}
        for entry in document["images"]
        if (image_id := whole_number(entry.get("id"))) in names and image_id is not None
    ]
    annotations = [entry for entry in document["annotations"] if whole_number(entry.get("image_id")) in names]
    return {**document, "images": images, "annotations": annotations}


def document_lines(document: Document) -> Iterator[bytes]:
    """The bytes of a document, with a line for each entry of its lists."""
    yield b"{"
    for number, (key, value) in enumerate(document.items()):
        yield (b",\n" if number else b"") + json_line(key).rstrip() + b":"
        if isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
            yield b"[\n" + json_line(value[0]).rstrip()
            for entry in value[1:]:
                yield b",\n" + json_line(entry).rstrip()
            yield b"\n]"
        else:
            yield json_line(value).rstrip()
    yield b"}\n"
