"""The type of each error: of detections that are not true positives, and of ground truth that is missed.

Every detection that is not a true positive has one type, tested in this order:

localization    its overlap with ground truth of its class is from 0.1 to 0.5
classification  its overlap with ground truth of another class is at least 0.5
duplicate       its overlap with ground truth of its class is at least 0.5, which a detection with a higher score matches
background      its overlap with any ground truth is at most 0.1
both            none of these: overlap and class are wrong

Ground truth that no detection matches, and that no detection would match with a better box or class, is missed.
Source: Bolya et al. 2020, TIDE.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from detcli.evaluation.analysis.overlaps import pair_overlaps
from detcli.evaluation.coco_library import IouType

Json = Mapping[str, Any]
Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

IOU, BACKGROUND_IOU = 0.5, 0.1
MAX_DETECTIONS = 100  # of an image
ERROR_TYPES = ("classification", "localization", "both", "duplicate", "background", "missed")
_CLASSIFICATION, _LOCALIZATION, _BOTH, _DUPLICATE, _BACKGROUND = range(5)
TRUE_POSITIVE = -1
REMOVED = -1  # instead of the class of a corrected detection


@dataclass(frozen=True, slots=True)
class ClassifiedDetections:
    """The detections of all images with their types.

    category   int64 [N] index of the class
    scores     float64 [N]
    kind       int64 [N] index into ERROR_TYPES; -1: true positive
    ignored    bool [N] in a crowd, so that it does not count for AP
    corrected  int64 [N] index of the class of the true positive that the corrected detection is; -1: it is removed
    truth      int64 [C] number of ground-truth objects of each class
    misses     int64 [C, 3] of them not matched: those that a detection of a better class, or a better box, would match,
               and the missed ones
    """

    category: Ints
    scores: Array
    kind: Ints
    ignored: Mask
    corrected: Ints
    truth: Ints
    misses: Ints

    def count(self, kind: str) -> int:
        """Number of errors of a type, as the authors of TIDE count them: detections in a crowd too."""
        if kind == "missed":
            return int(self.misses[:, 2].sum())
        return int((self.kind == ERROR_TYPES.index(kind)).sum())

    def without_crowds(self) -> "ClassifiedDetections":
        """The same without the detections in a crowd."""
        kept = ~self.ignored
        return ClassifiedDetections(
            self.category[kept],
            self.scores[kept],
            self.kind[kept],
            self.ignored[kept],
            self.corrected[kept],
            self.truth,
            self.misses,
        )


def classify_detections(
    annotations: Json, results: Sequence[Json], *, iou_type: IouType = "bbox"
) -> ClassifiedDetections:
    """The type of each detection, image by image; 100 detections of an image count."""
    ids = sorted(category["id"] for category in annotations["categories"])
    index = {category_id: position for position, category_id in enumerate(ids)}
    truth_of, found = defaultdict(list), defaultdict(list)
    for entry in annotations["annotations"]:
        truth_of[entry["image_id"]].append(entry)
    for entry in results:
        found[entry["image_id"]].append(entry)
    counts, misses = np.zeros(len(ids), np.int64), np.zeros((len(ids), 3), np.int64)
    parts = []
    for image in annotations["images"]:
        detections = sorted(found[image["id"]], key=lambda entry: -entry["score"])[:MAX_DETECTIONS]
        single = [entry for entry in truth_of[image["id"]] if not entry.get("iscrowd", 0)]
        crowds = [entry for entry in truth_of[image["id"]] if entry.get("iscrowd", 0)]
        size_hw = (image.get("height"), image.get("width"))
        overlaps = [
            pair_overlaps(detections, entries, np.full(len(entries), crowd), iou_type=iou_type, size_hw=size_hw)
            for entries, crowd in ((single, False), (crowds, True))
        ]
        classes = [
            np.array([index[entry["category_id"]] for entry in entries], np.int64)
            for entries in (detections, single, crowds)
        ]
        rows, causes = _classify_image(overlaps, classes)
        scores = np.array([entry["score"] for entry in detections], np.float64)
        parts.append((classes[0], scores, *rows))
        np.add.at(counts, classes[1], 1)
        np.add.at(misses, (classes[1][causes >= 0], causes[causes >= 0]), 1)
    kinds: tuple[Any, ...] = (np.int64, np.float64, np.int64, np.bool_, np.int64)
    category, all_scores, kind, ignored, corrected = (
        np.concatenate([part[column] for part in parts]) if parts else np.zeros(0, dtype)
        for column, dtype in enumerate(kinds)
    )
    return ClassifiedDetections(category, all_scores, kind, ignored, corrected, counts, misses)


def _classify_image(overlaps: Sequence[Array], classes: Sequence[Ints]) -> tuple[tuple[Ints, Mask, Ints], Ints]:
    """Type, whether it is ignored, and corrected class of each detection, and the cause of each miss.

    overlaps  with ground truth [M, G], and with crowds [M, D]
    classes   of the detections [M], the ground truth [G] and the crowds [D]

    A cause is 0 (classification), 1 (localization), 2 (missed), or -1 for ground truth that is matched, [G].
    """
    overlap, in_crowd = overlaps
    own, expected, crowd_classes = classes
    same = own[:, None] == expected
    same_overlap, other_overlap = overlap * same, overlap * ~same
    matched, used = _match(same_overlap)
    ignored = ~matched & ((in_crowd > IOU) & (own[:, None] == crowd_classes)).any(axis=1)
    best_same, best_other = same_overlap.max(axis=1, initial=0.0), other_overlap.max(axis=1, initial=0.0)
    duplicates = (same_overlap * used).max(axis=1, initial=0.0) >= IOU
    kind = np.select(
        [
            matched,
            (best_same >= BACKGROUND_IOU) & (best_same <= IOU),
            best_other >= IOU,
            duplicates,
            overlap.max(axis=1, initial=0.0) <= BACKGROUND_IOU,
        ],
        [TRUE_POSITIVE, _LOCALIZATION, _CLASSIFICATION, _DUPLICATE, _BACKGROUND],
        _BOTH,
    ).astype(np.int64)
    corrected, causes = np.full(len(own), REMOVED, np.int64), np.where(used, -1, 2).astype(np.int64)
    for row in np.flatnonzero((kind == _LOCALIZATION) | (kind == _CLASSIFICATION)).tolist():
        is_class = kind[row] == _CLASSIFICATION
        target = int((other_overlap if is_class else same_overlap)[row].argmax())
        if causes[target] == 2:  # of several detections, the one with the highest score is corrected
            causes[target] = 0 if is_class else 1
            corrected[row] = expected[target]
    return (kind, ignored, corrected), causes


def _match(same_overlap: Array) -> tuple[Mask, Mask]:
    """Which detections match [M], and which ground truth is matched [G]."""
    matched, used = np.zeros(len(same_overlap), np.bool_), np.zeros(same_overlap.shape[1], np.bool_)
    for row in np.flatnonzero(same_overlap.max(axis=1, initial=0.0) >= IOU).tolist():
        values = np.where(used, 0.0, same_overlap[row])
        best = int(values.argmax())
        if values[best] >= IOU:
            matched[row] = used[best] = True
    return matched, used
