"""Collects the objects of the tasks of Label Studio, and what is ignored or dropped."""

from collections.abc import Mapping, Sequence
from typing import Any

from detcli.datasets.formats.label_studio.regions import RegionError, read_region, region_labels
from detcli.datasets.formats.label_studio.tasks import Task
from detcli.datasets.formats.labeled_objects import ROTATED, LabeledObjects
from detcli.datasets.issues import IssueReport
from detcli.io.coco.coco_entries import finite_number, image_size

Size = tuple[int, int]


def collect_objects(tasks: Sequence[Task], issues: IssueReport, *, masks: bool) -> LabeledObjects:
    """The objects of annotated tasks.

    masks  keep the outlines of masks

    Raises DataError if most objects cannot be used, or if the results of an image are for several sizes.
    """
    objects, notes = LabeledObjects(masks=masks), _Notes()
    for task in tasks:
        sizes = {size for result in task.regions if (size := _size(result)) is not None}
        size = image_size(task.data) if not sizes else next(iter(sizes))
        objects.add_image(task.image, task.image, size)
        named = {result.get("id") for result in task.regions if _labels(result)}
        for number, result in enumerate(task.regions, 1):
            if not _labels(result) and result.get("id") in named:
                continue  # says more of a region with a label
            if len(sizes) > 1:
                objects.refuse(number, "its image has results for several sizes")
            else:
                _add(objects, number, result, size, notes, masks=masks)
    objects.check(issues)
    notes.report(issues)
    return objects


def is_turned(task: Task) -> bool:
    """Whether the image was rotated in Label Studio, so that its results are not those of the file."""
    return any(finite_number(result.get("image_rotation") or 0) % 360 != 0 for result in task.regions)


class _Notes:
    """Names of objects that are used, but not as they are."""

    def __init__(self) -> None:
        self.rotated: list[str] = []
        self.several: list[str] = []

    def report(self, issues: IssueReport) -> None:
        issues.add(len(self.rotated), ROTATED, self.rotated)
        issues.add(len(self.several), "object{s} {have} several labels: the first is used", self.several)


def _add(
    objects: LabeledObjects, number: int, result: Mapping[str, Any], size: Size | None, notes: _Notes, *, masks: bool
) -> None:
    value = result.get("value")
    try:
        region = None if not isinstance(value, dict) else read_region(value, size, masks=masks)
    except RegionError as error:
        objects.drop(number, str(error))
        return
    if region is None:
        objects.ignored[f"result{{s}} of the type '{_type(result)}'"] += 1
        return
    if not region.labels:
        objects.drop(number, "object{s} {have} no label")
        return
    name = f"object {number} of '{objects.file_names[-1]}'"
    if region.is_rotated:
        notes.rotated.append(name)
    if len(region.labels) > 1:
        notes.several.append(name)
    objects.add(number, region.labels[0], region.corners, outline=region.outline)


def _type(result: Mapping[str, Any]) -> str:
    return str(result.get("type"))[:40]


def _labels(result: Mapping[str, Any]) -> tuple[str, ...]:
    value = result.get("value")
    return region_labels(value) if isinstance(value, dict) else ()


def _size(result: Mapping[str, Any]) -> Size | None:
    return image_size({side: result.get(f"original_{side}") for side in ("height", "width")})
