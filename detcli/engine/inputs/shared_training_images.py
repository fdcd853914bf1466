"""Warns of images that training and validation data share, before the first step."""

from collections.abc import Iterator

import numpy as np

from detcli.datasets.dataset import Dataset
from detcli.engine.requests.training_request import TrainingObserver, TrainingPlan
from detcli.errors import ImageError
from detcli.inspection.findings import DataPart
from detcli.inspection.image_files import same_contents
from detcli.inspection.shared_images import same_image_findings
from detcli.inspection.similar_images import similar_image_findings
from detcli.inspection.thumbnails import read_thumbnails
from detcli.training.optimization.process_place import place_in_environment

_MOST_FILES = 200_000  # of more, not even the sizes are compared
_MOST_DECODED = (
    2_000  # of more, only files with the same content are found; it takes seconds, or a minute for large photographs
)
_COMPARED_BOXES = 20  # images


def shared_image_warnings(plan: TrainingPlan, observer: TrainingObserver) -> Iterator[str]:
    """Sentences about images of both parts: of the same content, and of few images also those that look almost the same.

    Images are not compared for a run that is resumed, and only by the first of several processes.
    """
    data, val, workers = plan.data, plan.val, plan.request.workers
    if val is None:
        return
    if _are_equal(data, val):
        yield "the validation data is the training data: metrics and the best model say nothing about other images"
        return
    images = len(data) + len(val)
    if plan.request.resume or place_in_environment().rank:
        return
    if images > _MOST_FILES or not (data.report.annotations and val.report.annotations):
        return
    observer.on_image_comparison(images)
    parts = (DataPart("the training data", data), DataPart("the validation data", val))
    same = same_contents(parts, across_parts=True, workers=workers)
    found = list(same_image_findings(parts, same, within_parts=False))
    if images <= _MOST_DECODED:
        thumbnails = read_thumbnails(parts, workers=workers)
        found += similar_image_findings(parts, thumbnails, same, within_parts=False)
    for finding in found:
        yield f"{finding.sentence()}; 'detcli data check' names all"


def _are_equal(data: Dataset, val: Dataset) -> bool:
    """Whether two datasets have the same number of images, and the same boxes in the first ones."""
    if len(data) != len(val) or not data.report.boxes or data.report.boxes_of != val.report.boxes_of:
        return False
    try:
        return all(
            np.array_equal(data.ground_truth(index).boxes_xyxy, val.ground_truth(index).boxes_xyxy)
            for index in range(min(len(data), _COMPARED_BOXES))
        )
    except ImageError:  # masks that cannot be read are told by training
        return False
