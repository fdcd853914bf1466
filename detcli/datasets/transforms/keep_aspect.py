"""Random augmentation of DETR: images keep their aspect ratio and have different sizes.

The published order: flip; then a resize of the shorter side to a random length, optionally after a random crop at another
size. Source: `make_coco_transforms` of the DETR repository. With a rotation, all of it is one resampling.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from detcli.datasets.instance_masks import change_masks
from detcli.datasets.transforms.crop_regions import CropRegion
from detcli.datasets.transforms.orientation import Orientation, draw_quarter_turns
from detcli.datasets.transforms.photometric import Distortion
from detcli.datasets.transforms.rotation import Rectangle, Rotation, draw_degrees, render_rotated
from detcli.structures.frame import Pixels
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.resize import shortest_edge_hw


@dataclass(frozen=True, slots=True)
class KeepAspectTransform:
    """Probability of each change, and image sizes; the defaults are those of DETR.

    shortest_edges  lengths of the shorter side to choose from
    longest_edge    maximum length of the longer side
    crop            probability of a crop before the final resize
    crop_edges      lengths of the shorter side before the crop to choose from
    crop_sides      minimum and maximum height and width of the crop, in pixels of that size
    flip            probability of a horizontal flip
    photometric     probability of changing each of brightness, contrast, saturation, hue and channel order
    vertical_flip   probability of a vertical flip
    quarter_turn    probability of a rotation by 90, 180 or 270 degrees
    rotation        probability of a rotation about the center
    max_rotation    its largest angle in degrees, in both directions
    """

    shortest_edges: tuple[int, ...] = tuple(range(480, 801, 32))
    longest_edge: int = 1333
    crop: float = 0.5
    crop_edges: tuple[int, ...] = (400, 500, 600)
    crop_sides: tuple[int, int] = (384, 600)
    flip: float = 0.5
    photometric: float = 0.0
    vertical_flip: float = 0.0
    quarter_turn: float = 0.0
    rotation: float = 0.0
    max_rotation: float = 10.0

    def without_strong_augmentation(self) -> "KeepAspectTransform":
        """Only flips and quarter turns, at the largest size, as in evaluation."""
        return replace(self, shortest_edges=(max(self.shortest_edges),), crop=0.0, photometric=0.0, rotation=0.0)


def augment_many_sizes(
    pixels: Pixels, ground_truth: GroundTruth, settings: KeepAspectTransform, *, rng: np.random.Generator
) -> tuple[Pixels, GroundTruth]:
    """Augment an image and its ground truth at random.

    pixels        uint8 [H, W, 3] RGB, upright; not changed
    ground_truth  in pixels of the image, with or without masks
    rng           all randomness: the same generator gives the same output
    returns       uint8 [h, w, 3] RGB of a random size; ground truth in its pixels, inside the image and with an area. A mask
                  may be empty although its box is not
    """
    if settings.photometric:
        distortion = Distortion.draw(settings.photometric, rng)
        pixels = distortion.apply(pixels, pixels)
    turns = draw_quarter_turns(settings.quarter_turn, rng)
    size_hw = (pixels.shape[0], pixels.shape[1])
    rotation = Rotation(draw_degrees(settings.rotation, settings.max_rotation, rng), size_hw)
    branch = _draw_branch(size_hw, settings, rng)
    if rotation.degrees:
        changed = render_rotated(pixels, ground_truth, rotation, branch.region, branch.after_hw, min_size=0.0)
    else:
        changed = branch.pixels(pixels), branch.ground_truth(ground_truth)
    horizontal = bool(rng.random() < settings.flip)
    vertical = bool(settings.vertical_flip and rng.random() < settings.vertical_flip)
    return Orientation(turns, horizontal, vertical).apply(*changed)


@dataclass(frozen=True, slots=True)
class _SizeBranch:
    """The chosen sizes for an image: first resize, crop, second resize.

    size_hw    of the image
    before_hw  of the image before the crop
    part       crop of that image
    after_hw   of the output
    """

    size_hw: tuple[int, int]
    before_hw: tuple[int, int]
    part: CropRegion
    after_hw: tuple[int, int]

    @property
    def region(self) -> Rectangle:
        """The crop in pixels of the image."""
        left, top, right, bottom = np.array(self.part.edges) * _ratio(self.before_hw, self.size_hw)
        return float(left), float(top), float(right), float(bottom)

    def pixels(self, pixels: Pixels) -> Pixels:
        """The output image, uint8 [h, w, 3], contiguous."""
        part = self.part
        crop = _resize(pixels, self.before_hw)[part.top : part.bottom, part.left : part.right]
        return np.ascontiguousarray(_resize(crop, self.after_hw))

    def ground_truth(self, ground_truth: GroundTruth) -> GroundTruth:
        """The ground truth of the output: boxes that overlap with the crop, clipped."""
        height, width = self.part.size_hw
        boxes = ground_truth.boxes_xyxy * _ratio(self.size_hw, self.before_hw) - [self.part.left, self.part.top] * 2
        boxes = np.clip(boxes, 0, [width, height] * 2)
        kept = np.asarray((boxes[:, 2:] > boxes[:, :2]).all(axis=1))
        visible = ground_truth[kept]
        rows, columns = self._sources()
        masks = change_masks(visible.masks, lambda mask: mask[rows][:, columns])
        return replace(visible, boxes_xyxy=boxes[kept] * _ratio(self.part.size_hw, self.after_hw), masks=masks)

    def _sources(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """For each row and column of the output, the nearest row and column of the image."""
        rows, columns = (
            (((np.arange(after) + 0.5) * (side / after) + start) * (size / before)).astype(np.int64).clip(0, size - 1)
            for size, before, start, side, after in zip(
                self.size_hw,
                self.before_hw,
                (self.part.top, self.part.left),
                self.part.size_hw,
                self.after_hw,
                strict=True,
            )
        )
        return rows, columns


def _draw_branch(size_hw: tuple[int, int], settings: KeepAspectTransform, rng: np.random.Generator) -> _SizeBranch:
    before_hw = size_hw
    part = CropRegion(0, 0, size_hw[1], size_hw[0])
    if rng.random() < settings.crop:
        before_hw = shortest_edge_hw(size_hw, _choose(settings.crop_edges, rng))
        part = _draw_part(before_hw, settings.crop_sides, rng)
    edge = _choose(settings.shortest_edges, rng)
    return _SizeBranch(size_hw, before_hw, part, shortest_edge_hw(part.size_hw, edge, settings.longest_edge))


def _draw_part(size_hw: tuple[int, int], sides: tuple[int, int], rng: np.random.Generator) -> CropRegion:
    """A random crop with sides within bounds; a side below the minimum is kept completely."""
    low, high = sides
    height, width = (int(rng.integers(min(low, side), min(high, side) + 1)) for side in size_hw)
    top = int(rng.integers(size_hw[0] - height + 1))
    left = int(rng.integers(size_hw[1] - width + 1))
    return CropRegion(left, top, left + width, top + height)


def _resize(pixels: Pixels, size_hw: tuple[int, int]) -> Pixels:
    if size_hw == pixels.shape[:2]:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((size_hw[1], size_hw[0]), Image.Resampling.BILINEAR))


def _ratio(old_hw: tuple[int, int], new_hw: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Scale factors for corners [..., 4]."""
    return np.array([new_hw[1] / old_hw[1], new_hw[0] / old_hw[0]] * 2)


def _choose(lengths: tuple[int, ...], rng: np.random.Generator) -> int:
    return lengths[int(rng.integers(len(lengths)))]
