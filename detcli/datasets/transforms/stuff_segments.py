"""Segments of stuff (sky, grass) in an image that was made of several: an image has one segment of each class of stuff."""

from dataclasses import replace

import numpy as np

from detcli.structures.ground_truth import GroundTruth
from detcli.structures.masks import union


def unite_stuff(ground_truth: GroundTruth, stuff: frozenset[int]) -> GroundTruth:
    """Unite the segments of each class of stuff, with their masks and boxes; unchanged without masks.

    stuff  class indices of uncountable classes
    """
    if ground_truth.masks is None:
        return ground_truth
    boxes, masks = ground_truth.boxes_xyxy.copy(), list(ground_truth.masks)
    kept = np.ones(len(ground_truth), np.bool_)
    for class_id in stuff & set(ground_truth.class_ids.tolist()):
        rows = np.flatnonzero((ground_truth.class_ids == class_id) & ~ground_truth.crowd)
        if len(rows) > 1:
            kept[rows[1:]] = False
            masks[rows[0]] = union([masks[row] for row in rows.tolist()])
            boxes[rows[0]] = [*boxes[rows, :2].min(axis=0), *boxes[rows, 2:].max(axis=0)]
    return replace(ground_truth, boxes_xyxy=boxes, masks=tuple(masks))[kept]
