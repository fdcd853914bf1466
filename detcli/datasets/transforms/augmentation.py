"""Images changed at random together with their ground truth, so that a network learns more than the images it has.

The published order: photometric distortion, zoom-out, IoU crop, flip, resize. Geometry is worked out on numbers first,
as one region of the image, and pixels are touched once: the region is resized straight into the answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from detcli.datasets.transforms.crop_regions import Bools, Boxes, CropRegion, flip, render
from detcli.datasets.transforms.mosaic import mosaic
from detcli.datasets.transforms.photometric import Distortion
from detcli.structures.frame import Pixels
from detcli.structures.ground_truth import GroundTruth

# Zoom-out: sides of the canvas; IoU crop: SSD's sampler (Liu et al. 2016) as torchvision has it.
_CANVAS_SIDES = (1.0, 4.0)
_LEAST_IOUS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)  # the last stands for the whole image
_TRIALS = 40
_CROP_SIDES = (0.3, 1.0)
_CROP_ASPECTS = (0.5, 2.0)

Others = Callable[[int], tuple[Pixels, GroundTruth]]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How likely each change is; the defaults are D-FINE's.

    photometric  of each of brightness, contrast, saturation, hue and the order of the channels
    zoom_out     the image on a black canvas of up to four times its sides
    iou_crop     a part of it that holds the center of a box at least
    flip         left and right exchanged
    mosaic       four images in one, in place of zoom-out and crop
    min_size     pixels; boxes with a shorter side, before or after the resize, are dropped
    """

    photometric: float = 0.5
    zoom_out: float = 0.5
    iou_crop: float = 0.8
    flip: float = 0.5
    mosaic: float = 0.0
    min_size: float = 1.0

    def __post_init__(self) -> None:
        for name in ("photometric", "zoom_out", "iou_crop", "flip", "mosaic"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)} is no probability from 0 to 1")
        if not self.min_size >= 0:
            raise ValueError(f"min_size {self.min_size} is no length in pixels")

    @classmethod
    def off(cls) -> "Augmentation":
        """Nothing but the resize that inference has."""
        return cls(photometric=0.0, zoom_out=0.0, iou_crop=0.0, flip=0.0)

    def calm(self) -> "Augmentation":
        """Only the flip, and the least size: what the last epochs of a published recipe keep."""
        return Augmentation(photometric=0.0, zoom_out=0.0, iou_crop=0.0, flip=self.flip, min_size=self.min_size)


def augment(
    pixels: Pixels,
    ground_truth: GroundTruth,
    settings: Augmentation,
    *,
    size_hw: tuple[int, int],
    rng: np.random.Generator,
    others: Others | None = None,
) -> tuple[Pixels, GroundTruth]:
    """Change an image and its ground truth at random, and resize.

    pixels   uint8 [H, W, 3] RGB, upright; stays as it is
    ground_truth   in its pixels; crowds follow, but no crop is chosen for their sake
    size_hw  of the answer
    rng      decides everything: the same generator gives the same answer
    others   brings another image of the dataset with its ground truth for a number from 0 to 2**31 - 1, whichever it likes
             as long as the same number brings the same; only a mosaic needs it
    returns  uint8 [h, w, 3] RGB, contiguous, perhaps read-only; ground truth in its pixels, all within it

    With everything off the answer is the resize of inference to the last bit. Raises ValueError for a mosaic without
    others.
    """
    distortion = Distortion.draw(settings.photometric, rng) if settings.photometric else Distortion()
    if settings.mosaic and rng.random() < settings.mosaic:
        if others is None:
            raise ValueError("a mosaic needs others")
        numbers = rng.integers(1 << 31, size=3)
        four = [(pixels, ground_truth), *(others(int(number)) for number in numbers)]
        answer, kept = mosaic(four, size_hw=size_hw, rng=rng, min_size=settings.min_size)
        answer = distortion.apply(answer, answer)
    else:
        region, centerd = _draw_region(pixels.shape[:2], ground_truth, settings, rng)
        color = None if distortion == Distortion() else partial(distortion.apply, whole=pixels)
        answer, kept = render(pixels, ground_truth[centerd], region, size_hw, min_size=settings.min_size, color=color)
    return flip(answer, kept) if rng.random() < settings.flip else (answer, kept)


def _draw_region(
    size_hw: tuple[int, ...], ground_truth: GroundTruth, settings: Augmentation, rng: np.random.Generator
) -> tuple[CropRegion, Bools]:
    """The region of zoom-out and crop, and which ground truth it keeps."""
    region = CropRegion(0, 0, size_hw[1], size_hw[0])
    if rng.random() < settings.zoom_out:
        region = _zoom_out(region, rng)
    boxes = ground_truth.boxes_xyxy[~ground_truth.crowd]
    if rng.random() < settings.iou_crop and len(boxes):
        crop = _iou_crop(region, boxes, rng)
        if crop is not None:
            corners = np.array([[crop.left, crop.top, crop.right, crop.bottom]])
            return crop, _holds_centers(corners, ground_truth.boxes_xyxy)[0]
    return region, np.ones(len(ground_truth), np.bool_)


def _zoom_out(image: CropRegion, rng: np.random.Generator) -> CropRegion:
    """A canvas around the image. Source: torchvision, RandomZoomOut."""
    height, width = image.size_hw
    side = rng.uniform(*_CANVAS_SIDES)
    canvas_h, canvas_w = int(height * side), int(width * side)
    left, top = int((canvas_w - width) * rng.random()), int((canvas_h - height) * rng.random())
    return CropRegion(-left, -top, canvas_w - left, canvas_h - top)


def _iou_crop(canvas: CropRegion, boxes: Boxes, rng: np.random.Generator) -> CropRegion | None:
    """A part of the canvas, or None for all of it.

    boxes  float64 [N, 4] xyxy, in the same pixels as the canvas, at least one

    Draws how much the crop and a box have to overlap, then tries crops; when none of them does, draws again.
    Source: torchvision, RandomIoUCrop.
    """
    while True:
        least_iou = _LEAST_IOUS[rng.integers(len(_LEAST_IOUS))]
        if least_iou >= 1:
            return None
        corners = _draw_crops(canvas, rng)  # [T, 4]
        held = _holds_centers(corners, boxes)  # [T, N]
        best = np.where(held, _ious(corners, boxes), -1.0).max(axis=1)
        (good,) = np.nonzero(best >= least_iou)
        if len(good):
            left, top, right, bottom = (int(edge) for edge in corners[good[0]])
            return CropRegion(left, top, right, bottom)


def _draw_crops(canvas: CropRegion, rng: np.random.Generator) -> Boxes:
    """As many crops as there are trials, less those with an unwanted aspect: float64 [T, 4], integers."""
    whole = np.array(canvas.size_hw)
    drawn = rng.random((_TRIALS, 2, 2))
    least, most = _CROP_SIDES
    sides = np.floor(whole * (least + (most - least) * drawn[:, 0]))  # [T, 2] height and width
    starts = np.floor((whole - sides) * drawn[:, 1])
    sides, starts = sides[(sides > 0).all(axis=1)], starts[(sides > 0).all(axis=1)]
    aspects = sides[:, 1] / sides[:, 0]
    fits = (aspects >= _CROP_ASPECTS[0]) & (aspects <= _CROP_ASPECTS[1])
    top_left = starts[fits] + [canvas.top, canvas.left]
    return np.concatenate((top_left, top_left + sides[fits]), axis=1)[:, [1, 0, 3, 2]]


def _holds_centers(corners: Boxes, boxes: Boxes) -> Bools:
    """Whether crops [T, 4] hold the centers of boxes [N, 4]: bool [T, N]."""
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.asarray(((centers > corners[:, None, :2]) & (centers < corners[:, None, 2:])).all(axis=2))


def _ious(corners: Boxes, boxes: Boxes) -> Boxes:
    """Overlap of crops [T, 4] and boxes [N, 4]: [T, N]."""
    both = np.minimum(corners[:, None, 2:], boxes[:, 2:]) - np.maximum(corners[:, None, :2], boxes[:, :2])
    shared = both.clip(0).prod(axis=2)
    areas, crops = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1), (corners[:, 2:] - corners[:, :2]).prod(axis=1)
    return np.asarray(shared / (areas + crops[:, None] - shared))
