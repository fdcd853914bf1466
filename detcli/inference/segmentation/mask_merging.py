"""How one image's answer becomes segments: the rules of facebookresearch/detr and of transformers."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from detcli.inference.segmentation.mask_upsampling import MaskUpsampler, Owners
from detcli.inference.segmentation.rle_encoding import NearestUpsampler, encode
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.structures.masks import Rle

# Segments of so many pixels or fewer are none (facebookresearch/detr, PostProcessPanoptic).
_TINY = 4


@dataclass(frozen=True, slots=True)
class ImagePrediction:
    """What a network says about one image.

    probabilities  float64 [Q, K + 1] on the CPU: the last column for "nothing here"
    boxes_xyxy     float64 [Q, 4], in the image's pixels and clipped to it
    masks          float [Q, h, w] before sigmoid, on the network's device, without what lies over padding
    resized_hw     the image as the network took it
    size_hw        the image
    """

    probabilities: npt.NDArray[np.float64]
    boxes_xyxy: npt.NDArray[np.float64]
    masks: Tensor
    resized_hw: tuple[int, int]
    size_hw: tuple[int, int]

    @property
    def classes(self) -> int:
        """How many there are, without "nothing here"."""
        return len(self.probabilities[0]) - 1

    def objects(self, threshold: float) -> list["Segment"]:
        """Queries that see something, by their best class, in their own order."""
        best = self.probabilities.argmax(axis=1)
        scores = self.probabilities.max(axis=1).astype(np.float32)
        kept = np.flatnonzero((best < self.classes) & (scores > np.float32(threshold)))
        return [Segment(int(best[query]), float(scores[query]), int(query)) for query in kept]

    def logits_of(self, segments: list["Segment"]) -> npt.NDArray[np.float32]:
        """The masks of some queries, float32 [N, h, w] on the CPU."""
        queries = torch.tensor([segment.query for segment in segments], device=self.masks.device)
        found: npt.NDArray[np.float32] = self.masks[queries].float().cpu().contiguous().numpy()
        return found

    def mask_probabilities_of(self, segments: list["Segment"]) -> npt.NDArray[np.float32]:
        """`logits_of` after sigmoid."""
        return torch.from_numpy(self.logits_of(segments)).sigmoid_().numpy()


@dataclass(frozen=True, slots=True)
class Segment:
    """A class, how sure the network is of it, and whose pixels are its own.

    query    whose answer it is
    members  numbers in the map of owners that it lies in; none where it has a mask of its own
    """

    class_id: int
    score: float
    query: int
    members: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SegmentMap:
    """An image's pixels shared out: a map of owners, perhaps smaller than the image, and the segments in it."""

    segments: list[Segment] = field(default_factory=list)
    owners: Owners = field(default_factory=lambda: np.zeros((1, 1), np.int16))
    nearest: NearestUpsampler = field(default_factory=lambda: NearestUpsampler.same((1, 1)))

    def masks_of(self, segments: list[Segment]) -> list[Rle]:
        """The masks of some of its segments."""
        return encode(self.owners, [segment.members for segment in segments], self.nearest) if segments else []


def original_panoptic(answer: ImagePrediction, segmenting: SegmentationSettings) -> SegmentMap:
    """Each pixel goes to the surest of the kept queries; what is tiny goes, and its pixels are given away again.

    Queries of one stuff class are one: the first takes the others' pixels; they, now tiny, go; and what they had is
    given away again, as the original does, to whoever is next surest there - mostly that first one.

    Source: facebookresearch/detr, models/segmentation.py, PostProcessPanoptic. There pixels compete at the size the
    network takes, by a softmax over queries (which keeps the order of logits), and the winners are taken to the
    image's size by Pillow's nearest neighbour.
    """
    kept = answer.objects(segmenting.score_threshold)
    nearest = NearestUpsampler.by_centers(answer.resized_hw, answer.size_hw)
    while kept:
        owners, _ = MaskUpsampler.of(answer.logits_of(kept), answer.resized_hw).winners()
        owners = _first_of_its_stuff(kept, segmenting.stuff)[owners]
        areas = nearest.areas(owners, len(kept))
        if (areas > _TINY).all():
            return SegmentMap(_numbered(kept), owners, nearest)
        kept = [segment for segment, area in zip(kept, areas, strict=True) if area > _TINY]
    return SegmentMap()


def _first_of_its_stuff(segments: list[Segment], stuff: frozenset[int]) -> npt.NDArray[np.int16]:
    """For each segment, the number of the first one of its class, where that is stuff; else its own."""
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


def original_instances(answer: ImagePrediction, threshold: float, stuff: frozenset[int]) -> list[Segment]:
    """Each query's best class that is something, as in detection; each query has a mask of its own.

    Source: facebookresearch/detr, models/detr.py, PostProcess.
    """
    scores = answer.probabilities[:, :-1].max(axis=1).astype(np.float32)
    class_ids = answer.probabilities[:, :-1].argmax(axis=1)
    left, top, right, bottom = answer.boxes_xyxy.T
    kept = np.flatnonzero((scores > np.float32(threshold)) & (right > left) & (bottom > top))
    found = [Segment(int(class_ids[query]), float(scores[query]), int(query)) for query in kept]
    return [segment for segment in found if segment.class_id not in stuff]


def original_masks(answer: ImagePrediction, segments: list[Segment], mask_threshold: float) -> Iterator[Rle]:
    """The mask of each query: where its probability is above the threshold.

    Source: facebookresearch/detr, models/segmentation.py, PostProcessSegm: at the size the network takes, then
    torch's nearest neighbour to the image's.
    """
    if not segments:
        return
    nearest = NearestUpsampler.by_corners(answer.resized_hw, answer.size_hw)
    logit = float(torch.tensor(mask_threshold, dtype=torch.float64).logit())
    for mask in MaskUpsampler.of(answer.logits_of(segments), answer.resized_hw).above(logit):
        yield encode(mask, [(1,)], nearest)[0]


def transformers_division(answer: ImagePrediction, segmenting: SegmentationSettings) -> SegmentMap:
    """Each pixel goes to the kept query with the greatest score times mask probability, at the image's size.

    A segment that others cover too much of is none, and its pixels are nobody's; in the panoptic task those of one
    stuff class are one, as sure as the surest of them. Of stuff there are no instances.

    Source: transformers 5.23, post_process_panoptic_segmentation and post_process_instance_segmentation. Unlike
    there, a number is never given to two segments (its issue 23461), and padding has no part in a mask.
    """
    kept = answer.objects(segmenting.score_threshold)
    if not kept:
        return SegmentMap()
    scores = np.array([segment.score for segment in kept], np.float32)
    maps = MaskUpsampler.of(answer.mask_probabilities_of(kept), answer.size_hw, scores)
    owners, _ = maps.winners()
    own = np.bincount(owners.ravel(), minlength=len(kept))
    valid = _enough(own, maps.areas(segmenting.mask_threshold), segmenting.overlap_threshold)
    remaining = [segment for segment, good in zip(_numbered(kept), valid, strict=True) if good]
    if segmenting.task == "instance":
        found = [segment for segment in remaining if segment.class_id not in segmenting.stuff]
    else:
        found = _fused(remaining, segmenting.stuff)
    return SegmentMap(found, owners, NearestUpsampler.same(answer.size_hw))


def _enough(own: npt.NDArray[np.int64], whole: npt.NDArray[np.int64], share: float) -> npt.NDArray[np.bool_]:
    """Whether more than this share of a mask is its own; a ratio as torch divides integers, in float32."""
    ratios = own.astype(np.float32) / np.maximum(whole, 1).astype(np.float32)
    return (own > 0) & (whole > 0) & (ratios.astype(np.float64) > share)


def _fused(segments: list[Segment], stuff: frozenset[int]) -> list[Segment]:
    """One segment for all those of one stuff class, in the first one's place."""
    found: list[Segment] = []
    places: dict[int, int] = {}
    for segment in segments:
        place = places.get(segment.class_id)
        if place is None:
            if segment.class_id in stuff:
                places[segment.class_id] = len(found)
            found.append(segment)
        else:
            first = found[place]
            found[place] = Segment(
                first.class_id, max(first.score, segment.score), first.query, first.members + segment.members
            )
    return found


def semantic(answer: ImagePrediction) -> SegmentMap:
    """Each pixel goes to the class with the greatest sum, over queries, of class times mask probability.

    A class's segment scores the mean of that sum over its pixels, 1 at most.

    Source: transformers 5.23, post_process_semantic_segmentation: the sums are enlarged to the image's size.
    """
    masks = answer.masks.float().sigmoid()  # [Q, h, w]
    weights = torch.from_numpy(answer.probabilities[:, :-1]).float().to(masks.device)
    sums = torch.einsum("qk,qhw->khw", weights, masks).cpu().contiguous().numpy()
    owners, totals = MaskUpsampler.of(sums, answer.size_hw).winners()
    areas = np.bincount(owners.ravel(), minlength=len(sums))
    present = np.flatnonzero(areas).tolist()
    found = [
        Segment(class_id, float(np.float32(min(1.0, totals[class_id] / areas[class_id]))), class_id, (class_id,))
        for class_id in present
    ]
    return SegmentMap(found, owners, NearestUpsampler.same(answer.size_hw))
