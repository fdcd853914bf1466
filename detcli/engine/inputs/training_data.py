"""The training and validation data of a request: one or several datasets, and their classes."""

from detcli.datasets.classes.class_changes import ClassChanges
from detcli.datasets.classes.merged_dataset import united
from detcli.datasets.dataset import Dataset, has_part, open_dataset
from detcli.datasets.instance_masks import MaskUse
from detcli.engine.requests.training_request import TrainingRequest


def open_training_data(request: TrainingRequest, *, masks: MaskUse) -> Dataset:
    """Open and check the training data, with masks as for `open_dataset`. Raises what this and `united` raise."""
    datasets = [open_dataset(where, part="train", images=request.images, masks=masks) for where in request.data]
    changes = _changes(request)
    return datasets[0] if len(datasets) == 1 and not changes else united(datasets, changes)


def open_validation_data(request: TrainingRequest, data: Dataset, *, masks: bool) -> Dataset | None:
    """Open and check the validation data, with the classes of the training data; None if there is none."""
    names = request.val or tuple(where for where in request.data if has_part(where, "val"))
    if not names:
        return None
    images = request.val_images or (None if request.val else request.images)
    changes, classes = _changes(request), data.labels.names
    if len(names) == 1 and not changes:
        return open_dataset(names[0], part="val", images=images, classes=classes, masks=masks)
    datasets = [open_dataset(where, part="val", images=images, masks=masks) for where in names]
    return united(datasets, changes, classes=classes)


def _changes(request: TrainingRequest) -> ClassChanges:
    return ClassChanges(request.renamed, request.kept)
