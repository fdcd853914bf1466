"""A dataset of a Label Studio export: JSON or JSON-MIN with annotations of people.

Of several annotations of a task one counts: the one that is marked as ground truth, else the one that was changed last. Cancelled
annotations never count. Tasks without annotations are skipped; a task whose annotation is empty is an image without
objects. Objects are rectangles, ellipses, polygons and brush masks; the box of a rotated one is the box around it. Polygons
and brush masks have masks. Other results, such as choices and key points, are ignored and counted.

Issues and errors of images and boxes are those of `coco_dataset.py`. These raise DataError, too: predictions of a model without
annotations of people, more than half of the objects without a label or damaged.
"""

from detcli.datasets.boxes.box_formats import COCO
from detcli.datasets.coco.coco_boxes import WrittenBoxes
from detcli.datasets.dataset_request import DatasetContents, DatasetRequest
from detcli.datasets.formats.label_studio.collect_objects import collect_objects, is_turned
from detcli.datasets.formats.label_studio.tasks import Task, read_tasks
from detcli.datasets.formats.labeled_contents import labeled_contents
from detcli.datasets.images.annotated_images import AnnotatedImages
from detcli.datasets.images.find_images import find_images
from detcli.datasets.issues import IssueReport

_RULE = "the ground truth counts, else the annotation that was changed last"
_SKIPPED = {
    "cancelled": "task{s} {were} skipped: {its} annotations are cancelled",
    "predicted": "task{s} {were} skipped: of {its} image there are only predictions of a model",
    "unlabeled": "task{s} {were} skipped: no annotation of {its} image",
}


class LabelStudioDataset(AnnotatedImages):
    """An export of Label Studio, or a folder that has one.

    part     any: an export has no parts
    classes  None: the labels in alphabetical order
    """

    def _read(self, request: DatasetRequest, issues: IssueReport) -> DatasetContents:
        objects = collect_objects(_labeled(read_tasks(request.path), issues), issues, masks=bool(request.masks))
        columns = objects.columns(sorted(set(objects.labels)))
        image_paths = find_images(columns.file_names, request.image_folders, issues, by_name=True, each_by_name=True)
        return labeled_contents(request, columns, image_paths, issues, boxes=WrittenBoxes("Label Studio", COCO))


def _labeled(tasks: list[Task], issues: IssueReport) -> list[Task]:
    """The tasks that count. Raises DataError if there are none."""
    labeled = [task for task in tasks if task.state == "labeled"]
    for state, what in _SKIPPED.items():
        skipped = [f"'{task.image}'" for task in tasks if task.state == state]
        if state == "predicted" and not labeled:
            issues.raise_if_any(
                len(skipped),
                "task{s} {have} only predictions of a model, and there are no annotations of people",
                skipped,
            )
        issues.add(len(skipped), what, skipped)
    several = [f"'{task.image}'" for task in labeled if task.others]
    issues.add(len(several), f"task{{s}} {{have}} several annotations: {_RULE}", several)
    turned = [task for task in labeled if is_turned(task)]
    names = [f"'{task.image}'" for task in turned]
    issues.add(
        len(turned),
        "image{s} {were} skipped: {its} annotations are of the image as it was rotated in Label Studio",
        names,
    )
    labeled = [task for task in labeled if not is_turned(task)]
    if not labeled:
        issues.reject("it has no annotated images")
    return labeled
