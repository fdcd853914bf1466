"""Random augmentation of an image and its ground truth to a fixed size, as D-FINE trains.

The published order: photometric distortion, zoom-out, IoU crop, flip, resize. The geometry, with a rotation before
zoom-out, is first computed as one region of the image; then the pixels of this region are resampled once.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from detcli.datasets.instance_masks import change_masks
from detcli.datasets.transforms.crop_regions import Bools, Boxes, CropRegion, on_canvas
from detcli.datasets.transforms.mosaic import mosaic
from detcli.datasets.transforms.orientation import Orientation, draw_quarter_turns
from detcli.datasets.transforms.photometric import Distortion
from detcli.datasets.transforms.rotation import Rotation, draw_degrees, render_region
from detcli.structures.frame import Pixels
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.resize import InputBorder

# Zoom-out: sides of the canvas. IoU crop: the sampler of SSD (Liu et al. 2016) as in torchvision.
_CANVAS_SIDES = (1.0, 4.0)
_MIN_IOUS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)  # the last means no crop
_TRIALS = 40
_CROP_SIDES = (0.3, 1.0)
_CROP_ASPECTS = (0.5, 2.0)

_PROBABILITIES = (
    *("photometric", "zoom_out", "iou_crop", "flip", "mosaic", "vertical_flip", "quarter_turn", "rotation"),
)

Others = Callable[[int], tuple[Pixels, GroundTruth]]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Probability of each change; the defaults are those of D-FINE.

    photometric    of changing each of brightness, contrast, saturation, hue and channel order
    zoom_out       of placing the image on a black canvas of up to four times its sides
    iou_crop       of a crop that contains the center of at least one box
    flip           of a horizontal flip
    mosaic         of a mosaic of four images, instead of zoom-out and crop
    min_size       in pixels; boxes with a shorter side, before or after the resize, are dropped
    vertical_flip  of a vertical flip
    quarter_turn   of a rotation by 90, 180 or 270 degrees
    rotation       of a rotation about the center; in a mosaic, of each of its images
    max_rotation   its largest angle in degrees, in both directions
    """

    photometric: float = 0.5
    zoom_out: float = 0.5
    iou_crop: float = 0.8
    flip: float = 0.5
    mosaic: float = 0.0
    min_size: float = 1.0
    vertical_flip: float = 0.0
    quarter_turn: float = 0.0
    rotation: float = 0.0
    max_rotation: float = 10.0

    def __post_init__(self) -> None:
        for name in _PROBABILITIES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"`{name}` must be a probability from 0 to 1, not {getattr(self, name)}")
        if not self.min_size >= 0:
            raise ValueError(f"`min_size` must be a length in pixels, not {self.min_size}")

    @classmethod
    def off(cls) -> "Augmentation":
        """Only the resize of inference."""
        return cls(photometric=0.0, zoom_out=0.0, iou_crop=0.0, flip=0.0)

    def without_strong_augmentation(self) -> "Augmentation":
        """Only flips, quarter turns and the minimum size, as in the last epochs of published recipes."""
        return replace(self, photometric=0.0, zoom_out=0.0, iou_crop=0.0, mosaic=0.0, rotation=0.0)


def augment(
    pixels: Pixels,
    ground_truth: GroundTruth,
    settings: Augmentation,
    *,
    size_hw: tuple[int, int],
    rng: np.random.Generator,
    others: Others | None = None,
    border: InputBorder | None = None,
) -> tuple[Pixels, GroundTruth]:
    """Augment an image and its ground truth at random, and resize.

    pixels        uint8 [H, W, 3] RGB, upright; not changed
    ground_truth  in pixels of the image; crowds are kept, but crops ignore them
    size_hw       of the output
    rng           all randomness: the same generator gives the same output
    others        returns another image of the dataset and its ground truth for a number from 0 to 2**31 - 1, always the
                  same for the same number; only needed for a mosaic
    border        images keep their aspect ratio, with this border; None: they are stretched. A mosaic fills the output
    returns       uint8 [h, w, 3] RGB, contiguous, possibly read-only; ground truth in its pixels, inside the image

    Without augmentation the output equals the resize of inference bit by bit. Raises ValueError for a mosaic without
    `others`.
    """
    turns = draw_quarter_turns(settings.quarter_turn, rng)
    before_hw = Orientation(turns).before(size_hw)
    distortion = Distortion.draw(settings.photometric, rng) if settings.photometric else Distortion()
    if settings.mosaic and rng.random() < settings.mosaic:
        if others is None:
            raise ValueError("a mosaic needs `others`")
        numbers = rng.integers(1 << 31, size=3)
        four = [(pixels, ground_truth), *(others(int(number)) for number in numbers)]
        angles = (settings.rotation, settings.max_rotation)
        output, kept = mosaic(four, size_hw=before_hw, rng=rng, min_size=settings.min_size, rotation=angles)
        output = distortion.apply(output, output)
        border = None
    else:
        rotation = Rotation(
            draw_degrees(settings.rotation, settings.max_rotation, rng), (pixels.shape[0], pixels.shape[1])
        )
        region, kept_rows = _draw_region(rotation, ground_truth, settings, rng)
        color = None if distortion == Distortion() else partial(distortion.apply, whole=pixels)
        content_hw = before_hw if border is None else border.content_hw(region.size_hw, before_hw)
        output, kept = render_region(
            pixels, ground_truth[kept_rows], rotation, region, content_hw, min_size=settings.min_size, color=color
        )
    horizontal = bool(rng.random() < settings.flip)
    vertical = bool(settings.vertical_flip and rng.random() < settings.vertical_flip)
    output, kept = Orientation(turns, horizontal, vertical).apply(output, kept)
    return (output, kept) if border is None else _with_border(output, kept, border, size_hw)


def _with_border(
    pixels: Pixels, ground_truth: GroundTruth, border: InputBorder, size_hw: tuple[int, int]
) -> tuple[Pixels, GroundTruth]:
    """Image and ground truth in an input of this size."""
    height, width = pixels.shape[:2]
    top, left = border.corner((height, width), size_hw)
    target = CropRegion(left, top, left + width, top + height)
    masks = change_masks(ground_truth.masks, lambda mask: on_canvas(mask, target, size_hw))
    moved = replace(ground_truth, boxes_xyxy=ground_truth.boxes_xyxy + [left, top] * 2, masks=masks)
    return on_canvas(pixels, target, size_hw, border.value), moved


def _draw_region(
    rotation: Rotation, ground_truth: GroundTruth, settings: Augmentation, rng: np.random.Generator
) -> tuple[CropRegion, Bools]:
    """The region of zoom-out and crop in the rotated image, and bool [N]: which boxes are kept."""
    height, width = rotation.size_hw
    region = CropRegion(0, 0, width, height)
    all_boxes = rotation.boxes(ground_truth.boxes_xyxy)
    if rng.random() < settings.zoom_out:
        region = _zoom_out(region, rng)
    boxes = all_boxes[~ground_truth.crowd]
    crop = _iou_crop(region, boxes, rng) if rng.random() < settings.iou_crop and len(boxes) else None
    if crop is None and not rotation.degrees:
        return region, np.ones(len(ground_truth), np.bool_)
    region = crop or region
    return region, _contains_centers(np.array([region.edges]), all_boxes)[0]


def _zoom_out(image: CropRegion, rng: np.random.Generator) -> CropRegion:
    """A canvas around the image. Source: torchvision, RandomZoomOut."""
    height, width = image.size_hw
    side = rng.uniform(*_CANVAS_SIDES)
    canvas_h, canvas_w = int(height * side), int(width * side)
    left, top = int((canvas_w - width) * rng.random()), int((canvas_h - height) * rng.random())
    return CropRegion(-left, -top, canvas_w - left, canvas_h - top)


def _iou_crop(canvas: CropRegion, boxes: Boxes, rng: np.random.Generator) -> CropRegion | None:
    """A random crop of the canvas, or None for the complete canvas.

    boxes  float64 [N, 4] xyxy in pixels of the canvas; at least one

    Draws a minimum IoU of the crop and a box, then tries crops. If no crop reaches it, draws again.
    Source: torchvision, RandomIoUCrop.
    """
    while True:
        min_iou = _MIN_IOUS[rng.integers(len(_MIN_IOUS))]
        if min_iou >= 1:
            return None
        corners = _draw_crops(canvas, rng)  # [T, 4]
        contains = _contains_centers(corners, boxes)  # [T, N]
        best = np.where(contains, _ious(corners, boxes), -1.0).max(axis=1)
        (good,) = np.nonzero(best >= min_iou)
        if len(good):
            left, top, right, bottom = (int(edge) for edge in corners[good[0]])
            return CropRegion(left, top, right, bottom)


def _draw_crops(canvas: CropRegion, rng: np.random.Generator) -> Boxes:
    """Random crops with an allowed aspect, at most `_TRIALS`: float64 [T, 4] with integer values."""
    canvas_hw = np.array(canvas.size_hw)
    randoms = rng.random((_TRIALS, 2, 2))
    low, high = _CROP_SIDES
    sides = np.floor(canvas_hw * (low + (high - low) * randoms[:, 0]))  # [T, 2] height and width
    starts = np.floor((canvas_hw - sides) * randoms[:, 1])
    sides, starts = sides[(sides > 0).all(axis=1)], starts[(sides > 0).all(axis=1)]
    aspects = sides[:, 1] / sides[:, 0]
    fits = (aspects >= _CROP_ASPECTS[0]) & (aspects <= _CROP_ASPECTS[1])
    top_left = starts[fits] + [canvas.top, canvas.left]
    return np.concatenate((top_left, top_left + sides[fits]), axis=1)[:, [1, 0, 3, 2]]


def _contains_centers(corners: Boxes, boxes: Boxes) -> Bools:
    """Whether crops [T, 4] contain the centers of boxes [N, 4]: bool [T, N]."""
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.asarray(((centers > corners[:, None, :2]) & (centers < corners[:, None, 2:])).all(axis=2))


def _ious(corners: Boxes, boxes: Boxes) -> Boxes:
    """IoU of crops [T, 4] and boxes [N, 4]: [T, N]."""
    overlaps = np.minimum(corners[:, None, 2:], boxes[:, 2:]) - np.maximum(corners[:, None, :2], boxes[:, :2])
    intersections = overlaps.clip(0).prod(axis=2)
    areas, crops = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1), (corners[:, 2:] - corners[:, :2]).prod(axis=1)
    return np.asarray(intersections / (areas + crops[:, None] - intersections))
