"""Shapes of labeling tools, and polygons of one group as one object."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from detcli.datasets.formats.geometry import Corners
from detcli.datasets.instance_masks import Outline
from detcli.structures.masks import Rle


@dataclass(frozen=True, slots=True)
class LabeledShape:
    """A shape that is an object, or a part of one.

    number   among the shapes of its image, from 1
    label    of its class
    corners  of the box around it, in pixels
    outline  None for a box
    crowd    it is neither trained on nor counted in evaluation
    group    polygons of one label and group are one object; None: it is an object of its own
    """

    number: int
    label: str
    corners: Corners
    outline: Outline | None = None
    crowd: bool = False
    group: str | None = None


def joined_groups(shapes: Iterable[LabeledShape]) -> Iterator[LabeledShape]:
    """The objects of one image, in the order of their first shape; boxes and masks of pixels stay apart."""
    objects: dict[object, LabeledShape] = {}
    for shape in shapes:
        is_polygon = isinstance(shape.outline, tuple)
        key: object = (shape.label, shape.group) if is_polygon and shape.group is not None else shape.number
        first = objects.get(key)
        objects[key] = shape if first is None else _union(first, shape)
    yield from objects.values()


def _union(first: LabeledShape, other: LabeledShape) -> LabeledShape:
    if (
        first.outline is None
        or other.outline is None
        or isinstance(first.outline, Rle)
        or isinstance(other.outline, Rle)
    ):
        raise AssertionError("only polygons are joined")
    (left, top, right, bottom), (left_2, top_2, right_2, bottom_2) = first.corners, other.corners
    corners = min(left, left_2), min(top, top_2), max(right, right_2), max(bottom, bottom_2)
    return replace(first, corners=corners, outline=(*first.outline, *other.outline), crowd=first.crowd and other.crowd)
