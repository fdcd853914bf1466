"""Reads one annotation file of Pascal VOC."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from detcli.datasets.formats.geometry import NO_BOX, Corners, box_around, rotated_box
from detcli.errors import ImageError
from detcli.io.coco.coco_entries import image_size
from detcli.io.documents import DocumentError
from detcli.io.documents.parse_xml import parse_xml
from detcli.io.read import read_bytes
from detcli.io.results.xml_text import from_xml

MAX_VOC_BYTES = 64 << 20
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_ROTATED = ("cx", "cy", "w", "h", "angle")  # of roLabelImg, in radians
_CHALLENGE = re.compile(r"\bVOC\s?20\d\d\b", re.IGNORECASE)
_YES = ("1", "true", "yes")
_SCORES = ("score", "confidence")


class NoAnnotationError(ValueError):
    """A file that cannot be read, or is no annotation; the message is a clause."""


@dataclass(frozen=True, slots=True)
class VocObject:
    """One object.

    label      None if it is missing
    corners    as they are written; NaN for what is not a number
    has_box    whether it has a box of any kind; else the corners are those around the polygon
    polygon    x, y, x, y, …; None if it has none
    difficult  not counted by the challenges
    """

    label: str | None
    corners: Corners
    has_box: bool
    polygon: list[float] | None
    difficult: bool


@dataclass(frozen=True, slots=True)
class VocAnnotation:
    """The annotation of one image.

    names         file names of the image, as they are written
    size_hw       None if it is missing
    is_challenge  whether its source is a challenge of Pascal VOC
    objects       in the order of the file
    scored        number of objects with a score
    """

    names: tuple[str, ...]
    size_hw: tuple[int, int] | None
    is_challenge: bool
    objects: tuple[VocObject, ...]
    scored: int


def read_voc_annotation(path: Path) -> VocAnnotation:
    """Read a file. Raises NoAnnotationError."""
    try:
        root = parse_xml(read_bytes(path, max_bytes=MAX_VOC_BYTES))
    except ImageError as error:
        raise NoAnnotationError(str(error)) from error
    except DocumentError as error:
        raise NoAnnotationError(f"it cannot be read as XML: {error}") from error
    if root.tag != "annotation":
        raise NoAnnotationError(f"its element is <{root.tag[:40]}>, not <annotation>")
    objects = root.findall("object")
    source = " ".join(root.findtext(f"source/{tag}") or "" for tag in ("database", "annotation"))
    return VocAnnotation(
        names=tuple(
            from_xml(text.strip()) for tag in ("filename", "path") if (text := root.findtext(tag)) and text.strip()
        ),
        size_hw=image_size({side: _number(root.findtext(f"size/{side}")) for side in ("height", "width")}),
        is_challenge=_CHALLENGE.search(source) is not None,
        objects=tuple(_object(entry) for entry in objects),
        scored=sum(any(entry.find(tag) is not None for tag in _SCORES) for entry in objects),
    )


def _object(entry: Element) -> VocObject:
    label = from_xml((entry.findtext("name") or "").strip())
    polygon = _polygon(entry)
    corners, has_box = NO_BOX, True
    if (bounds := entry.find("bndbox")) is not None:
        left, top, right, bottom = (_number(bounds.findtext(side)) for side in _SIDES)
        corners = left, top, right, bottom
    elif (bounds := entry.find("robndbox")) is not None:
        x, y, width, height, angle = (_number(bounds.findtext(tag)) for tag in _ROTATED)
        upright = x - width / 2, y - height / 2, x + width / 2, y + height / 2
        corners = rotated_box(upright, math.degrees(angle))
    else:
        has_box = False
        corners = box_around(polygon or [])
    difficult = (entry.findtext("difficult") or "").strip().lower() in _YES
    return VocObject(label or None, corners, has_box, polygon, difficult)


def _polygon(entry: Element) -> list[float] | None:
    """The points of `<polygon><x1>…</x1><y1>…</y1>…</polygon>`, or of `<pt><x>…</x><y>…</y></pt>`."""
    element = entry.find("polygon")
    if element is None:
        return None
    points = [_number(point.findtext(axis)) for point in element.iterfind("pt") for axis in ("x", "y")]
    return points or list(_numbered_points(element))


def _numbered_points(element: Element) -> Iterator[float]:
    texts = {child.tag: child.text for child in element}
    for number in range(1, len(texts) + 1):
        if f"x{number}" not in texts:
            break
        yield from (_number(texts[f"x{number}"]), _number(texts.get(f"y{number}")))


def _number(text: str | None) -> float:
    """A number; NaN for anything else."""
    try:
        return float(text or "")
    except ValueError:
        return math.nan
