"""The detections of all tiles of an image -> those of the image.

Of boxes that are the same object (`tile_matches`), one is kept, with the highest score of them: the best one that no
seam cuts, or, where all are cut, the box around all pieces.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from detcli.inference.images.tiling.tile_grid import Region
from detcli.inference.images.tiling.tile_matches import Floats, Ints, TileBoxes
from detcli.inference.postprocessing.non_maximum_suppression import best_first
from detcli.inference.postprocessing.selection import Selection, limited
from detcli.structures.class_labels import values_of
from detcli.structures.detections import Detections

# Of the best score of an object: a box that no seam cuts and that has less is not trusted more than the cut one.
_TRUSTED = 0.5
_TOWARDS = np.array((-1, -1, 1, 1))  # outside, for left, top, right, bottom


def merge_tiles(
    regions: Sequence[Region],
    found: Sequence[Detections],
    size_hw: tuple[int, int],
    *,
    selection: Selection,
    seam_std: float,
) -> Detections:
    """Return the detections of an image, sorted by confidence; the order of the tiles does not matter.

    regions    of the tiles; the whole image may be one of them
    found      detections of each, in its pixels
    selection  thresholds and NMS, which is applied across tiles, too; its maximum number is for each tile
    seam_std   least standard deviation, in pixels, of an edge that is cut by a seam in every tile
    """
    boxes = TileBoxes.of(regions, found, size_hw)
    scores = np.concatenate([detections.scores for detections in found])
    stds = [detections.box_std for detections in found]
    std = None if any(of_tile is None for of_tile in stds) else np.concatenate([s for s in stds if s is not None])
    is_above = scores > values_of(boxes.class_ids, selection.threshold, selection.class_thresholds)
    order = best_first(boxes.boxes_xyxy, scores, boxes.class_ids)
    order = order[np.argsort(~is_above[order], kind="stable")]
    merge = _Merge(boxes, scores, std, seam_std, is_above, order, boxes.matches(selection.nms_agnostic))
    merged = merge.detections()
    merged = merged[best_first(merged.boxes_xyxy, merged.scores, merged.class_ids)]
    if selection.nms is None:
        return merged
    is_above = merged.scores > values_of(merged.class_ids, selection.threshold, selection.class_thresholds)
    return limited(merged, is_above, replace(selection, max_detections=max(1, len(merged))))


@dataclass(frozen=True, slots=True)
class _Merge:
    """One merge.

    is_above  [N] whether the score is above the threshold of its class; the others are weak
    order     indices of the boxes, the best first
    matches   indices of the boxes that are the same object, by index
    """

    boxes: TileBoxes
    scores: npt.NDArray[np.float32]
    std: Floats | None
    seam_std: float
    is_above: npt.NDArray[np.bool_]
    order: Ints
    matches: dict[int, list[int]]

    def detections(self) -> Detections:
        rank = np.empty(len(self.order), np.int64)
        rank[self.order] = np.arange(len(self.order))
        is_cut = self.boxes.has_cut_edge
        is_taken = np.zeros(len(self.order), np.bool_)
        kept: list[int] = []
        edges: list[Ints] = []  # [4] of each kept box: the boxes whose left, top, right and bottom it has
        for best in self.order.tolist():
            if is_taken[best]:
                continue
            same = [other for other in self.matches.get(best, ()) if not is_taken[other]]
            is_taken[[best, *same]] = True
            # A weak box is dropped with the object, but changes nothing of a box above the threshold.
            same = [other for other in same if self.is_above[other] or not self.is_above[best]]
            for other in (one for one in (best, *same) if not is_cut[one]):  # pieces of it that only it resembles
                is_taken[[piece for piece in self.matches.get(other, ()) if is_cut[piece]]] = True
            whole = [
                other for other in same if not is_cut[other] and self.scores[other] >= _TRUSTED * self.scores[best]
            ]
            kept.append(best)
            if not is_cut[best] or not same:
                edges.append(np.full(4, best))
            elif whole:
                chosen = min(whole, key=rank.__getitem__)
                is_taken[self.matches[chosen]] = True
                edges.append(np.full(4, chosen))
            else:
                edges.append(self._outermost([best, *self._pieces(same, is_cut, is_taken)]))
        return self._with_edges(np.array(kept, np.int64), np.array(edges, np.int64).reshape(-1, 4))

    def _pieces(self, same: list[int], is_cut: npt.NDArray[np.bool_], is_taken: npt.NDArray[np.bool_]) -> list[int]:
        """The pieces of an object that is larger than the overlap, from tile to tile; marks them as taken."""
        pieces = [other for other in same if is_cut[other]]
        for piece in pieces:  # grows
            for other in self.matches[piece]:
                if is_cut[other] and not is_taken[other]:
                    is_taken[other] = True
                    if self.is_above[other] or not self.is_above[piece]:
                        pieces.append(other)
        return pieces

    def _outermost(self, pieces: list[int]) -> Ints:
        """The piece that reaches farthest, for each side."""
        reach = self.boxes.boxes_xyxy[pieces] * _TOWARDS
        outermost: Ints = np.array(pieces)[reach.argmax(0)]
        return outermost

    def _with_edges(self, kept: Ints, edges: Ints) -> Detections:
        sides = np.arange(4)
        std = None
        if self.std is not None:
            std = self.std[edges, sides]
            std = np.where(self.boxes.is_cut[edges, sides], np.maximum(std, self.seam_std), std)
        boxes = self.boxes.boxes_xyxy[edges, sides]
        return Detections(boxes, self.scores[kept], self.boxes.class_ids[kept], box_std=std)
