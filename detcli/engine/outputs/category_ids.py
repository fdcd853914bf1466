"""Gives the labels of a run the category ids of a ground truth."""

from pathlib import Path

from detcli.io.coco.coco_ids import CocoIds
from detcli.structures.class_labels import ClassLabels

_MISSING_SHOWN = 5


def renumber(labels: ClassLabels, ids: CocoIds, ground_truth: Path | None) -> tuple[ClassLabels, str | None]:
    """The labels with the category ids of a ground truth, and a warning where it lacks some of them."""
    labels, missing = ids.renumber(labels)
    if not missing:
        return labels, None
    shown = ", ".join(f"'{name}'" for name in missing[:_MISSING_SHOWN])
    shown += ", …" if len(missing) > _MISSING_SHOWN else ""
    return labels, f"'{ground_truth}' has no category for {len(missing)} of the model's labels: {shown}"
