"""Reads a folder of Pascal VOC files with scores, as `sinks/results/voc.py` writes them."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from detcli.errors import InputError
from detcli.io.documents import DocumentError
from detcli.io.documents.parse_xml import parse_xml
from detcli.io.record_values import Box, RecordPosition
from detcli.io.results.open_file import opened
from detcli.io.results.stored import StoredBox, StoredImage
from detcli.io.results.xml_text import from_xml

_MAX_BYTES = 64 << 20
_SIDES = ("xmin", "ymin", "xmax", "ymax")


def read_voc(folder: Path) -> Iterator[StoredImage]:
    """Read one image per XML file, sorted by name. Raises InputError with the file and the object of an invalid value."""
    files = sorted(_files(folder))
    if not files:
        raise InputError(f"there are no files of Pascal VOC (.xml) in '{folder}'")
    for path in files:
        yield _image(folder, path, _root(path))


def _files(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise InputError(f"cannot list the folder '{error.filename or folder}': {error.strerror}") from error

    if not os.path.isdir(folder):  # noqa: PTH112 - any name
        raise InputError(f"'{folder}' is not a folder of Pascal VOC files")
    for parent, _, names in os.walk(folder, onerror=refuse):
        yield from (Path(parent, name) for name in names if name.endswith(".xml"))


def _root(path: Path) -> ElementTree.Element:
    with opened(path) as file:
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise InputError(f"'{path}' is larger than {_MAX_BYTES >> 20} MB, and no annotation of an image")
    try:
        root = parse_xml(data)
    except DocumentError as error:
        raise InputError(f"'{path}' is not XML of an annotation, or is damaged: {error}") from error
    if root.tag != "annotation":
        raise InputError(f"'{path}' is XML of something else: its element is <{root.tag[:40]}>, not <annotation>")
    return root


def _image(folder: Path, path: Path, root: ElementTree.Element) -> StoredImage:
    position = RecordPosition(path, "the image")
    frame = _optional_integer(position, root, "frame")
    size = root.find("size")
    size_hw = None
    if size is not None:
        size_hw = _integer(position, size, "height"), _integer(position, size, "width")
    boxes = tuple(
        _box(RecordPosition(path, f"object {n}"), entry) for n, entry in enumerate(root.iterfind("object"), 1)
    )
    time_s = None if root.find("time_s") is None else position.parsed(root.findtext("time_s"), "time_s")
    name = _file(folder, position, root, frame)
    return StoredImage(f"'{path}'", name, None, size_hw, boxes, frame=frame, time_s=time_s)


def _file(folder: Path, position: RecordPosition, root: ElementTree.Element, frame: int | None) -> str:
    """The name of the image below the folder of all images; of a frame, that of its video, which has a folder of files."""
    parent = position.path.parent.relative_to(folder)
    if frame is None:
        return (parent / _text(position, root, "filename")).as_posix()
    return (parent.parent / PurePosixPath(_text(position, root, "path").replace("\\", "/")).name).as_posix()


def _box(position: RecordPosition, entry: ElementTree.Element) -> StoredBox:
    bounds = entry.find("bndbox")
    if bounds is None:
        position.refuse("bndbox is missing")
    if entry.find("score") is None:
        position.refuse("it has no score: these are annotations, not detections")
    left, top, right, bottom = _edges(position, bounds)
    deviations = entry.find("bbox_std")
    return StoredBox(
        _text(position, entry, "name"),
        None,
        position.score(position.parsed(entry.findtext("score"), "score")),
        position.sides(left, top, right - left, bottom - top),
        track_id=_optional_integer(position, entry, "track_id"),
        box_std=None if deviations is None else position.numbers(_edges(position, deviations), "bbox_std"),
        corners=(left, top, right, bottom),
    )


def _edges(position: RecordPosition, element: ElementTree.Element) -> Box:
    left, top, right, bottom = (position.parsed(element.findtext(side), side) for side in _SIDES)
    return left, top, right, bottom


def _text(position: RecordPosition, element: ElementTree.Element, tag: str) -> str:
    text = element.findtext(tag)
    return from_xml(position.text(text, tag))


def _integer(position: RecordPosition, element: ElementTree.Element, tag: str) -> int:
    return position.integer(position.parsed(element.findtext(tag), tag), tag)


def _optional_integer(position: RecordPosition, element: ElementTree.Element, tag: str) -> int | None:
    return None if element.find(tag) is None else _integer(position, element, tag)
