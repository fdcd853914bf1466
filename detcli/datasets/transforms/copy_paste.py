"""Copy-paste: random objects of another image are pasted onto an image, where they are.

By their masks if there are masks, after Ghiasi et al. 2021, "Simple Copy-Paste is a Strong Data Augmentation Method for
Instance Segmentation"; else by their boxes, whose edges fade. Where boxes alone are trained, each object by what it has.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from detcli.datasets.transforms.mixup import OPAQUE, Weights, blended
from detcli.datasets.transforms.visible_parts import visible_parts
from detcli.structures.frame import Pixels
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.masks import Rle

_MIN_VISIBLE = 0.2  # fraction of an object that must stay visible, otherwise it is dropped
_MIN_SIDE = 1.0  # pixels
_MAX_GAP = 1.5  # pixels between a box and its mask; more of it is a part that was hidden
_MAX_FADE = 8  # pixels, at most a quarter of the shorter side

Ints = npt.NDArray[np.int64]


def paste_objects(
    image: tuple[Pixels, GroundTruth],
    other: tuple[Pixels, GroundTruth],
    *,
    stuff: frozenset[int],
    rng: np.random.Generator,
    boxes_alone: bool = False,
) -> tuple[Pixels, GroundTruth]:
    """Paste a random number of random objects of another image.

    image, other  uint8 [H, W, 3] RGB of the same size, with their ground truth
    stuff         class indices of what is not pasted, besides crowds
    boxes_alone   masks are not trained: they may be empty, and only show where objects are

    With masks, exactly the pixels of the masks are replaced; masks of the image lose these pixels, and their boxes become
    those of what is left. The box of a pasted object that was partly hidden becomes that of its mask. Without masks, the rectangles around the boxes are pasted, with edges that fade over a random
    width from 0 to 8 pixels inside the box; boxes of the image become those of what no rectangle covers, and all
    objects of the other image that the rectangles show are added, whole or cut. Objects of which less than a fifth is
    visible are dropped. Crowds of the image are treated as objects.

    With `boxes_alone`, objects with a mask are pasted by it and others by their rectangles; boxes of the image become those
    of what remains of masks, or of rectangles, and the output has no masks if there were any to paste or to cover.
    """
    ground_truth = other[1]
    can_be_pasted = ~ground_truth.crowd & ~np.isin(ground_truth.class_ids, list(stuff))
    can_be_pasted &= _large_enough(ground_truth)
    if ground_truth.masks is not None and not boxes_alone:
        can_be_pasted &= np.array([mask.area > 0 for mask in ground_truth.masks], np.bool_)
    (objects,) = np.nonzero(can_be_pasted)
    if not len(objects):
        return image
    chosen = np.sort(rng.choice(objects, rng.integers(1, len(objects), endpoint=True), replace=False))
    other = other[0], _without_hidden_parts(ground_truth, chosen)
    ground_truth = other[1]
    if boxes_alone and (_has_masks(image[1]) or _has_masks(ground_truth[chosen])):
        return _paste_either(image, other, chosen, rng)
    if ground_truth.masks is None or boxes_alone:
        return _paste_boxes(image, other, chosen, rng)
    return _paste_masks(image, other, ground_truth[chosen])


def _without_hidden_parts(ground_truth: GroundTruth, rows: Ints) -> GroundTruth:
    """The ground truth, in which boxes of these objects that are larger than their masks become those of the masks."""
    boxes = ground_truth.boxes_xyxy.copy()
    for row in rows.tolist():
        mask = _mask(ground_truth, row)
        if mask is not None and np.abs(boxes[row] - mask.box_xyxy).max() > _MAX_GAP:
            boxes[row] = mask.box_xyxy
    return replace(ground_truth, boxes_xyxy=boxes)


def _has_masks(ground_truth: GroundTruth) -> bool:
    return any(mask.area for mask in ground_truth.masks or ())


def _paste_masks(
    image: tuple[Pixels, GroundTruth], other: tuple[Pixels, GroundTruth], pasted: GroundTruth
) -> tuple[Pixels, GroundTruth]:
    covered = np.logical_or.reduce([mask.decode() for mask in pasted.masks or ()])
    output = np.where(covered[..., None], other[0], image[0])
    return output, GroundTruth.joined([_uncovered(image[1], covered), pasted])


def _uncovered(ground_truth: GroundTruth, covered: npt.NDArray[np.bool_]) -> GroundTruth:
    """The ground truth without the covered pixels, bool [H, W]."""
    around = np.array(Rle.of(covered).box_xyxy)
    boxes, masks = ground_truth.boxes_xyxy.copy(), list(ground_truth.masks or ())
    kept = np.ones(len(ground_truth), np.bool_)
    for row, mask in enumerate(masks):
        box = np.array(mask.box_xyxy)
        if (np.minimum(box[2:], around[2:]) <= np.maximum(box[:2], around[:2])).any():
            continue
        visible = mask.decode() & ~covered
        area, left = mask.area, int(visible.sum())
        if left < area:
            kept[row] = left >= _MIN_VISIBLE * area
            masks[row] = Rle.of(visible)
            boxes[row] = masks[row].box_xyxy
    return replace(ground_truth, boxes_xyxy=boxes, masks=tuple(masks))[kept]


def _paste_either(
    image: tuple[Pixels, GroundTruth], other: tuple[Pixels, GroundTruth], chosen: Ints, rng: np.random.Generator
) -> tuple[Pixels, GroundTruth]:
    """Paste objects by their masks, or by their rectangles; the output has boxes alone."""
    size_hw = (image[0].shape[0], image[0].shape[1])
    weights = np.zeros(size_hw, np.uint16)
    rectangles = _rectangles(other[1], size_hw)
    for row in chosen.tolist():
        mask = _mask(other[1], row)
        if mask is not None:
            weights[mask.decode()] = OPAQUE
            continue
        left, top, right, bottom = rectangles[row].tolist()
        part = weights[top:bottom, left:right]
        np.maximum(part, _weights((bottom - top, right - left), rng), out=part)
    pasted = weights > 0
    output = blended(image[0], other[0], weights[..., None])
    return output, GroundTruth.joined([_seen(image[1], ~pasted), _seen(other[1], pasted)])


def _mask(ground_truth: GroundTruth, row: int) -> Rle | None:
    """The mask of an object; None if it has none, or an empty one."""
    mask = None if ground_truth.masks is None else ground_truth.masks[row]
    return mask if mask is not None and mask.area else None


def _seen(ground_truth: GroundTruth, shown: npt.NDArray[np.bool_]) -> GroundTruth:
    """The boxes of objects of which enough is in the pixels shown, bool [H, W]."""
    boxes, shares = ground_truth.boxes_xyxy.copy(), np.zeros(len(ground_truth))
    rectangles = _rectangles(ground_truth, (shown.shape[0], shown.shape[1]))
    for row, (left, top, right, bottom) in enumerate(rectangles.tolist()):
        mask = _mask(ground_truth, row)
        if mask is not None:
            left, top, right, bottom = map(int, mask.box_xyxy)
        part = shown[top:bottom, left:right]
        if part.all() or not part.any():
            shares[row] = float(part.all())
            continue
        whole = np.ones(part.shape, np.bool_) if mask is None else mask.decode()[top:bottom, left:right]
        seen = part & whole
        shares[row] = seen.sum() / whole.sum()
        if 0 < shares[row] < 1:
            (rows,), (columns,) = np.nonzero(seen.any(axis=1)), np.nonzero(seen.any(axis=0))
            around = [left + columns[0], top + rows[0], left + columns[-1] + 1, top + rows[-1] + 1]
            boxes[row] = around if mask is not None else np.clip(around, [*boxes[row, :2]] * 2, [*boxes[row, 2:]] * 2)
    found = replace(ground_truth, boxes_xyxy=boxes, masks=None)
    return found[(shares >= _MIN_VISIBLE) & _large_enough(found)]


def _paste_boxes(
    image: tuple[Pixels, GroundTruth], other: tuple[Pixels, GroundTruth], chosen: Ints, rng: np.random.Generator
) -> tuple[Pixels, GroundTruth]:
    rectangles = _rectangles(other[1][chosen], (image[0].shape[0], image[0].shape[1]))
    (left, top), (right, bottom) = rectangles[:, :2].min(axis=0), rectangles[:, 2:].max(axis=0)
    weights = np.zeros((bottom - top, right - left), np.uint16)
    for x1, y1, x2, y2 in (rectangles - [left, top] * 2).tolist():
        np.maximum(weights[y1:y2, x1:x2], _weights((y2 - y1, x2 - x1), rng), out=weights[y1:y2, x1:x2])
    output, around = image[0].copy(), np.s_[top:bottom, left:right]
    output[around] = blended(output[around], other[0][around], weights[..., None])
    return output, GroundTruth.joined(
        [_visible(image[1], rectangles, inside=False), _visible(other[1], rectangles, inside=True)]
    )


def _rectangles(ground_truth: GroundTruth, size_hw: tuple[int, int]) -> Ints:
    """The pixels that boxes touch: int64 [N, 4] xyxy, inside the image."""
    corners = np.concatenate(
        (np.floor(ground_truth.boxes_xyxy[:, :2]), np.ceil(ground_truth.boxes_xyxy[:, 2:])), axis=1
    )
    return corners.astype(np.int64).clip(0, [size_hw[1], size_hw[0]] * 2)


def _weights(size_hw: tuple[int, int], rng: np.random.Generator) -> Weights:
    """The weight of a pasted rectangle at each pixel, uint16 [h, w] of 256: less near its edges, over a random width."""
    fade = min(int(rng.integers(_MAX_FADE, endpoint=True)), min(size_hw) // 4)
    rows, columns = (
        np.minimum(OPAQUE, (np.minimum(np.arange(side), np.arange(side)[::-1]) + 1) * OPAQUE // (fade + 1))
        for side in size_hw
    )
    return np.asarray(np.minimum(rows[:, None], columns), np.uint16)


def _visible(ground_truth: GroundTruth, rectangles: Ints, *, inside: bool) -> GroundTruth:
    parts, shares = visible_parts(ground_truth.boxes_xyxy, rectangles, inside=inside)
    visible = replace(ground_truth, boxes_xyxy=parts)
    return visible[(shares >= _MIN_VISIBLE) & _large_enough(visible)]


def _large_enough(ground_truth: GroundTruth) -> npt.NDArray[np.bool_]:
    sides = ground_truth.boxes_xyxy[:, 2:] - ground_truth.boxes_xyxy[:, :2]
    return np.asarray((sides >= _MIN_SIDE).all(axis=1))
