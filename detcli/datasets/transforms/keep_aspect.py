"""DETR's augmentation: images keep their aspect, and each one gets a size of its own.

The published order: perhaps a flip; then either a resize of the shorter side to one of many lengths, or the same after
a part was cut out of the image at another size. Source: the DETR repository's `make_coco_transforms`.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from detcli.datasets.instance_masks import change_masks
from detcli.datasets.transforms.crop_regions import CropRegion, flip
from detcli.datasets.transforms.photometric import Distortion
from detcli.structures.frame import Pixels
from detcli.structures.ground_truth import GroundTruth
from detcli.structures.resize import shortest_edge_hw


@dataclass(frozen=True, slots=True)
class KeepAspectTransform:
    """How likely each change is, and how large images become; the defaults are DETR's.

    shortest_edges  lengths of the shorter side, of which one is drawn
    longest_edge    what the longer side never exceeds
    crop            chance of cutting out a part first
    crop_edges      lengths of the shorter side, of which one is drawn before
    crop_sides      least and greatest height and width of the part, in pixels of that size
    flip            left and right exchanged
    photometric     of each of brightness, contrast, saturation, hue and the order of the channels
    """

    shortest_edges: tuple[int, ...] = tuple(range(480, 801, 32))
    longest_edge: int = 1333
    crop: float = 0.5
    crop_edges: tuple[int, ...] = (400, 500, 600)
    crop_sides: tuple[int, int] = (384, 600)
    flip: float = 0.5
    photometric: float = 0.0

    def calm(self) -> "KeepAspectTransform":
        """Only the flip, at the greatest size: as images are when the network is evaluated."""
        return replace(self, shortest_edges=(max(self.shortest_edges),), crop=0.0, photometric=0.0)


def augment_many_sizes(
    pixels: Pixels, ground_truth: GroundTruth, settings: KeepAspectTransform, *, rng: np.random.Generator
) -> tuple[Pixels, GroundTruth]:
    """Change an image and its ground truth at random.

    pixels   uint8 [H, W, 3] RGB, upright; stays as it is
    ground_truth   in its pixels, masks too
    rng      decides everything: the same generator gives the same answer
    returns  uint8 [h, w, 3] RGB of a size of its own; ground truth in its pixels, all within it and with an area. A mask may
             have become empty where its box has not
    """
    if settings.photometric:
        distortion = Distortion.draw(settings.photometric, rng)
        pixels = distortion.apply(pixels, pixels)
    way = _draw_way((pixels.shape[0], pixels.shape[1]), settings, rng)
    answer, kept = way.pixels(pixels), way.ground_truth(ground_truth)
    return flip(answer, kept) if rng.random() < settings.flip else (answer, kept)


@dataclass(frozen=True, slots=True)
class _SizeBranch:
    """What becomes of an image of one size: resized, cut, and resized again.

    size_hw    of the image
    before_hw  of the image that is cut
    part       of that one
    after_hw   of the answer
    """

    size_hw: tuple[int, int]
    before_hw: tuple[int, int]
    part: CropRegion
    after_hw: tuple[int, int]

    def pixels(self, pixels: Pixels) -> Pixels:
        """The answer, uint8 [h, w, 3], contiguous."""
        part = self.part
        cut = _resize(pixels, self.before_hw)[part.top : part.bottom, part.left : part.right]
        return np.ascontiguousarray(_resize(cut, self.after_hw))

    def ground_truth(self, ground_truth: GroundTruth) -> GroundTruth:
        """The ground truth that the answer shows some area of the box of."""
        height, width = self.part.size_hw
        boxes = ground_truth.boxes_xyxy * _ratio(self.size_hw, self.before_hw) - [self.part.left, self.part.top] * 2
        boxes = np.clip(boxes, 0, [width, height] * 2)
        kept = np.asarray((boxes[:, 2:] > boxes[:, :2]).all(axis=1))
        left = ground_truth[kept]
        rows, columns = self._sources()
        masks = change_masks(left.masks, lambda mask: mask[rows][:, columns])
        return replace(left, boxes_xyxy=boxes[kept] * _ratio(self.part.size_hw, self.after_hw), masks=masks)

    def _sources(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The row and the column of the image that the middle of each one of the answer falls on."""
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


def _draw_way(size_hw: tuple[int, int], settings: KeepAspectTransform, rng: np.random.Generator) -> _SizeBranch:
    before_hw = size_hw
    part = CropRegion(0, 0, size_hw[1], size_hw[0])
    if rng.random() < settings.crop:
        before_hw = shortest_edge_hw(size_hw, _drawn(settings.crop_edges, rng))
        part = _draw_part(before_hw, settings.crop_sides, rng)
    edge = _drawn(settings.shortest_edges, rng)
    return _SizeBranch(size_hw, before_hw, part, shortest_edge_hw(part.size_hw, edge, settings.longest_edge))


def _draw_part(size_hw: tuple[int, int], sides: tuple[int, int], rng: np.random.Generator) -> CropRegion:
    """A part with any height and width within bounds, anywhere; all of a side that is shorter than the least."""
    least, most = sides
    height, width = (int(rng.integers(min(least, side), min(most, side) + 1)) for side in size_hw)
    top = int(rng.integers(size_hw[0] - height + 1))
    left = int(rng.integers(size_hw[1] - width + 1))
    return CropRegion(left, top, left + width, top + height)


def _resize(pixels: Pixels, size_hw: tuple[int, int]) -> Pixels:
    if size_hw == pixels.shape[:2]:
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((size_hw[1], size_hw[0]), Image.Resampling.BILINEAR))


def _ratio(old_hw: tuple[int, int], new_hw: tuple[int, int]) -> npt.NDArray[np.float64]:
    """What corners [..., 4] are multiplied by."""
    return np.array([new_hw[1] / old_hw[1], new_hw[0] / old_hw[0]] * 2)


def _drawn(lengths: tuple[int, ...], rng: np.random.Generator) -> int:
    return lengths[int(rng.integers(len(lengths)))]
