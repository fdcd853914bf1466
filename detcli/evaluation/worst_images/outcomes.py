"""What became of each box, with its style: colors that everyone distinguishes, and dashes that need no color."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detcli.evaluation.box_matching import IGNORED, BoxMatches
from detcli.visualization import okabe_ito
from detcli.visualization.colors import Color

_GRAY: Color = (170, 170, 170)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A kind of box.

    dashes  lengths of lines and gaps in line widths; empty: a continuous line
    """

    name: str
    color: Color
    dashes: tuple[float, ...]


MATCHED = Outcome("matched", okabe_ito.GREEN, ())
MISSED = Outcome("missed (false negative)", okabe_ito.SKY_BLUE, (4, 2))
FALSE_POSITIVE = Outcome("false positive", okabe_ito.VERMILION, (1.2, 1.2))
MISCLASSIFIED = Outcome("wrong class", okabe_ito.YELLOW, (5, 1.5, 1.2, 1.5))
CROWD = Outcome("ignored (crowd)", _GRAY, (1, 4))
OUTCOMES = (MATCHED, MISSED, FALSE_POSITIVE, MISCLASSIFIED, CROWD)


@dataclass(frozen=True, slots=True)
class OutcomeBox:
    """A box [4] in pixels of the image, and its label: texts from the preferred to the shortest one."""

    box: npt.NDArray[np.float64]
    outcome: Outcome
    texts: tuple[str, ...]


def ground_truth_boxes(image: BoxMatches, categories: Mapping[int, str]) -> list[OutcomeBox]:
    """The ground truth of an image, mistakes first."""
    predicted = {
        int(index): int(category_id)
        for index, category_id in zip(image.ground_truth_index, image.category_ids, strict=True)
        if index >= 0
    }
    boxes: list[OutcomeBox] = []
    rows = zip(image.ground_truth_boxes, image.ground_truth_category_ids.tolist(), strict=True)
    for index, (box, category_id) in enumerate(rows):
        name = categories[category_id]
        if index not in predicted:
            boxes.append(OutcomeBox(box, MISSED, (f"missed {name}", name)))
        elif predicted[index] != category_id:
            text = f"{name}, detected as {categories[predicted[index]]}"
            boxes.append(OutcomeBox(box, MISCLASSIFIED, (text, name)))
        else:
            boxes.append(OutcomeBox(box, MATCHED, (name,)))
    boxes += [OutcomeBox(box, CROWD, ("crowd",)) for box in image.crowd_boxes]
    return _mistakes_first(boxes)


def predicted_boxes(image: BoxMatches, categories: Mapping[int, str]) -> list[OutcomeBox]:
    """The detections of an image, mistakes first, then by score."""
    return _mistakes_first(list(_predictions(image, categories)))


def _predictions(image: BoxMatches, categories: Mapping[int, str]) -> Iterator[OutcomeBox]:
    expected_ids, overlaps = image.ground_truth_category_ids.tolist(), image.overlaps.tolist()
    rows = zip(
        image.boxes,
        image.category_ids.tolist(),
        image.scores.tolist(),
        image.ground_truth_index.tolist(),
        overlaps,
        strict=True,
    )
    for box, category_id, score, index, overlap in rows:
        name = categories[category_id]
        short = (f"{name} {score:.2f}", name)
        if index >= 0 and expected_ids[index] == category_id:
            yield OutcomeBox(box, MATCHED, (f"{name} {score:.2f} IoU {overlap:.2f}", *short))
        elif index >= 0:
            is_really = f"is {categories[expected_ids[index]]}"
            texts = (f"{name} {score:.2f}, {is_really}, IoU {overlap:.2f}", f"{name}, {is_really}")
            yield OutcomeBox(box, MISCLASSIFIED, (*texts, *short))
        elif index == IGNORED:
            yield OutcomeBox(box, CROWD, short)
        else:
            yield OutcomeBox(box, FALSE_POSITIVE, (f"false {name} {score:.2f}", *short))


def _mistakes_first(boxes: Sequence[OutcomeBox]) -> list[OutcomeBox]:
    return sorted(boxes, key=lambda each: each.outcome in (MATCHED, CROWD))


def count_outcomes(image: BoxMatches) -> dict[str, int]:
    """The number of boxes of each outcome in words, mistakes first."""
    false_positives = int(image.false_positives.sum())
    return {
        "missed": int(image.false_negatives.sum()),
        "false positive" if false_positives == 1 else "false positives": false_positives,
        "with a wrong class": int(image.misclassified.sum()),
        "matched": int(image.true_positives.sum()),
        "ignored in a crowd": int((image.ground_truth_index == IGNORED).sum()),
    }
