"""Masks and classes of one image -> segments: the rules of facebookresearch/detr and of transformers."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from detcli.inference.segmentation.mask_upsampling import MaskUpsampler, Owners
from detcli.inference.segmentation.rle_encoding import NearestUpsampler, encode
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.structures.class_labels import values_of
from detcli.structures.masks import Rle

# Segments of at most so many pixels are dropped (facebookresearch/detr, PostProcessPanoptic).
_MAX_DROPPED_AREA = 4


@dataclass(frozen=True, slots=True)
class ImagePrediction:
    """The outputs of a network for one image.

    probabilities  float64 [Q, K + 1] on the CPU: the last column is "no object"
    boxes_xyxy     float64 [Q, 4], in the image's pixels and clipped to it
    masks          float [Q, h, w] before sigmoid, on the network's device, without padding
    resized_hw     size of the resized image
    size_hw        size of the original image
    """

    probabilities: npt.NDArray[np.float64]
    boxes_xyxy: npt.NDArray[np.float64]
    masks: Tensor
    resized_hw: tuple[int, int]
    size_hw: tuple[int, int]

    @property
    def class_count(self) -> int:
        """The number of classes, without "no object"."""
        return len(self.probabilities[0]) - 1

    def objects(self, segmentation: SegmentationSettings) -> list["Segment"]:
        """Return the queries whose best class is an object above its threshold, in the order of the queries."""
        best = self.probabilities.argmax(axis=1)
        scores = self.probabilities.max(axis=1).astype(np.float32)
        kept = np.flatnonzero((best < self.class_count) & (scores > thresholds_of(best, segmentation)))
        return [Segment(int(best[query]), float(scores[query]), int(query)) for query in kept]

    def logits_of(self, segments: list["Segment"]) -> npt.NDArray[np.float32]:
        """Return mask logits of the segments' queries, float32 [N, h, w] on the CPU."""
        queries = torch.tensor([segment.query for segment in segments], device=self.masks.device)
        logits: npt.NDArray[np.float32] = self.masks[queries].float().cpu().contiguous().numpy()
        return logits

    def mask_probabilities_of(self, segments: list["Segment"]) -> npt.NDArray[np.float32]:
        """Return `logits_of` after sigmoid."""
        return torch.from_numpy(self.logits_of(segments)).sigmoid_().numpy()


@dataclass(frozen=True, slots=True)
class Segment:
    """A class, a score, and the pixels of the segment.

    query    index of the query that predicted it
    members  its numbers in the map of owners; empty if it has a separate mask
    """

    class_id: int
    score: float
    query: int
    members: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SegmentMap:
    """Segments that do not overlap: a map with the number of each pixel's owner, perhaps smaller than the image."""

    segments: list[Segment] = field(default_factory=list)
    owners: Owners = field(default_factory=lambda: np.zeros((1, 1), np.int16))
    nearest: NearestUpsampler = field(default_factory=lambda: NearestUpsampler.same((1, 1)))

    def masks_of(self, segments: list[Segment]) -> list[Rle]:
        """Return the masks of some of its segments."""
        return encode(self.owners, [segment.members for segment in segments], self.nearest) if segments else []


def original_panoptic(prediction: ImagePrediction, segmentation: SegmentationSettings) -> SegmentMap:
    """Assign each pixel to the kept query with the highest mask logit; drop tiny segments and assign their pixels again.

    Queries of one stuff class are merged: the first one takes the pixels of the others; these are tiny then and are
    dropped, and all pixels are assigned again, as in the original.

    Source: facebookresearch/detr, models/segmentation.py, PostProcessPanoptic. There pixels are assigned at the
    input size, by a softmax over queries (which keeps the order of logits), and the result is resized to the image with
    Pillow's nearest neighbor.
    """
    kept = prediction.objects(segmentation)
    nearest = NearestUpsampler.by_centers(prediction.resized_hw, prediction.size_hw)
    while kept:
        owners, _ = MaskUpsampler.of(prediction.logits_of(kept), prediction.resized_hw).winners()
        owners = _first_of_its_stuff(kept, segmentation.stuff)[owners]
        areas = nearest.areas(owners, len(kept))
        if (areas > _MAX_DROPPED_AREA).all():
            return SegmentMap(_numbered(kept), owners, nearest)
        kept = [segment for segment, area in zip(kept, areas, strict=True) if area > _MAX_DROPPED_AREA]
    return SegmentMap()


def _first_of_its_stuff(segments: list[Segment], stuff: frozenset[int]) -> npt.NDArray[np.int16]:
    """Return for each segment the number of the first one of its class if that is stuff, else its own number."""
    first: dict[int, int] = {}
    return np.array(
        [
            first.setdefault(segment.class_id, number) if segment.class_id in stuff else number
            for number, segment in enumerate(segments)
        ],
        np.int16,
    )


def _numbered(segments: list[Segment]) -> list[Segment]:
    return [
        Segment(segment.class_id, segment.score, segment.query, (number,)) for number, segment in enumerate(segments)
    ]


def thresholds_of(class_ids: npt.NDArray[np.int64], segmentation: SegmentationSettings) -> npt.NDArray[np.float32]:
    """Return the threshold of each class index, [N]."""
    return values_of(class_ids, segmentation.score_threshold, segmentation.class_thresholds)


def original_instances(prediction: ImagePrediction, segmentation: SegmentationSettings) -> list[Segment]:
    """Return each query with its best object class, as in detection; each query has a separate mask.

    Source: facebookresearch/detr, models/detr.py, PostProcess.
    """
    scores = prediction.probabilities[:, :-1].max(axis=1).astype(np.float32)
    class_ids = prediction.probabilities[:, :-1].argmax(axis=1)
    left, top, right, bottom = prediction.boxes_xyxy.T
    is_above = scores > thresholds_of(class_ids, segmentation)
    kept = np.flatnonzero(is_above & (right > left) & (bottom > top))
    objects = [Segment(int(class_ids[query]), float(scores[query]), int(query)) for query in kept]
    return [segment for segment in objects if segment.class_id not in segmentation.stuff]


def original_masks(prediction: ImagePrediction, segments: list[Segment], mask_threshold: float) -> Iterator[Rle]:
    """Yield the mask of each query: the pixels with a probability above the threshold.

    Source: facebookresearch/detr, models/segmentation.py, PostProcessSegm: at the input size, then resized to
    the image with torch's nearest neighbor.
    """
    if not segments:
        return
    nearest = NearestUpsampler.by_corners(prediction.resized_hw, prediction.size_hw)
    logit = float(torch.tensor(mask_threshold, dtype=torch.float64).logit())
    for mask in MaskUpsampler.of(prediction.logits_of(segments), prediction.resized_hw).above(logit):
        yield encode(mask, [(1,)], nearest)[0]


def transformers_segments(prediction: ImagePrediction, segmentation: SegmentationSettings) -> SegmentMap:
    """Assign each pixel to the kept query with the highest product of score and mask probability, at the image's size.

    A segment that keeps too little of its mask is dropped, and its pixels belong to no segment. In the panoptic task,
    segments of one stuff class are merged and get the highest of their scores. Stuff has no instances.

    Source: transformers 5.23, post_process_panoptic_segmentation and post_process_instance_segmentation. Unlike
    there, no two segments have the same number (its issue 23461), and masks do not extend into padding.
    """
    kept = prediction.objects(segmentation)
    if not kept:
        return SegmentMap()
    scores = np.array([segment.score for segment in kept], np.float32)
    maps = MaskUpsampler.of(prediction.mask_probabilities_of(kept), prediction.size_hw, scores)
    owners, _ = maps.winners()
    areas = np.bincount(owners.ravel(), minlength=len(kept))
    valid = _enough(areas, maps.areas(segmentation.mask_threshold), segmentation.overlap_threshold)
    remaining = [segment for segment, good in zip(_numbered(kept), valid, strict=True) if good]
    if segmentation.task == "instance":
        segments = [segment for segment in remaining if segment.class_id not in segmentation.stuff]
    else:
        segments = _merge_stuff(remaining, segmentation.stuff)
    return SegmentMap(segments, owners, NearestUpsampler.same(prediction.size_hw))


def _enough(kept: npt.NDArray[np.int64], total: npt.NDArray[np.int64], share: float) -> npt.NDArray[np.bool_]:
    """Whether a segment keeps more than this share of its mask; divided in float32, as torch divides integers."""
    ratios = kept.astype(np.float32) / np.maximum(total, 1).astype(np.float32)
    return (kept > 0) & (total > 0) & (ratios.astype(np.float64) > share)


def _merge_stuff(segments: list[Segment], stuff: frozenset[int]) -> list[Segment]:
    """Merge all segments of a stuff class into the first one of them."""
    merged: list[Segment] = []
    positions: dict[int, int] = {}
    for segment in segments:
        position = positions.get(segment.class_id)
        if position is None:
            if segment.class_id in stuff:
                positions[segment.class_id] = len(merged)
            merged.append(segment)
        else:
            first = merged[position]
            merged[position] = Segment(
                first.class_id, max(first.score, segment.score), first.query, first.members + segment.members
            )
    return merged


def semantic(prediction: ImagePrediction) -> SegmentMap:
    """Assign each pixel to the class with the highest sum, over queries, of class probability times mask probability.

    The score of a segment is the mean of that sum over its pixels, 1 at most.

    Source: transformers 5.23, post_process_semantic_segmentation: the sums are resized to the image.
    """
    masks = prediction.masks.float().sigmoid()  # [Q, h, w]
    weights = torch.from_numpy(prediction.probabilities[:, :-1]).float().to(masks.device)
    sums = torch.einsum("qk,qhw->khw", weights, masks).cpu().contiguous().numpy()
    owners, totals = MaskUpsampler.of(sums, prediction.size_hw).winners()
    areas = np.bincount(owners.ravel(), minlength=len(sums))
    present = np.flatnonzero(areas).tolist()
    segments = [
        Segment(class_id, float(np.float32(min(1.0, totals[class_id] / areas[class_id]))), class_id, (class_id,))
        for class_id in present
    ]
    return SegmentMap(segments, owners, NearestUpsampler.same(prediction.size_hw))
