"""The settings of a detector that can change after it is loaded, checked: fields of `Selection` by name."""

from collections.abc import Sequence

from detcli.argument_checks import (
    Nms,
    Thresholds,
    check_classes,
    check_flag,
    check_nms,
    check_positive,
    check_thresholds,
)
from detcli.structures.class_labels import ClassLabels


def setting_changes(
    labels: ClassLabels,
    *,
    threshold: Thresholds | None,
    max_detections: int | None,
    classes: Sequence[str | int] | None,
    nms: Nms | None,
    nms_agnostic: bool | None,
) -> dict[str, object]:
    """Return the fields to change, which `SegmentationSettings` has too; None changes nothing.

    A threshold replaces those of single classes.

    Raises UsageError or TypeError for an invalid value.
    """
    changes: dict[str, object] = {}
    if threshold is not None:
        usual, of_classes = check_thresholds("threshold", threshold)
        changes["class_thresholds"] = labels.find_values("threshold", of_classes)
        if usual is not None:
            changes["threshold"] = usual
    if max_detections is not None:
        changes["max_detections"] = check_positive("max_detections", max_detections)
    if classes is not None:
        changes["class_ids"] = labels.find(check_classes(classes)) or None
    if nms is not None:
        iou = check_nms("nms", nms)
        changes["nms"] = None if iou == "off" else iou
    if nms_agnostic is not None:
        check_flag("nms_agnostic", nms_agnostic)
        changes["nms_agnostic"] = nms_agnostic
    return changes
