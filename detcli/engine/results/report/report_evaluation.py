"""Evaluates the results of a report, and says what each of their boxes is: matched, a false positive, or missed."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from detcli.engine.evaluate.subjects import find_ground_truth_of, subject_of_results
from detcli.engine.observer import Observer
from detcli.engine.requests.evaluation_request import EvaluationObserver, EvaluationRequest
from detcli.engine.results.open_results import OpenResults
from detcli.engine.results.report.report_request import ReportRequest
from detcli.evaluation.box_matching import IGNORED, IOU, BoxMatches, match_boxes
from detcli.evaluation.coco_metrics import IOUS
from detcli.evaluation.results.category_index import CategoryIndex
from detcli.evaluation.results.image_index import ImageIndex
from detcli.evaluation.worst_images import outcomes
from detcli.io.coco.coco_reader import posix_name
from detcli.io.remote.store_path import as_path
from detcli.sinks.gallery.gallery_image import GalleryClassMetrics, GalleryMetrics, GalleryOutcome
from detcli.structures.class_labels import plain_name
from detcli.structures.detections import Detections
from detcli.structures.frame import Frame, Origin
from detcli.structures.json_records import Result

_MAX_CURVES = 1000  # of classes, which take 101 numbers each
MATCHED, MISSED, FALSE_POSITIVE, MISCLASSIFIED, NOT_EVALUATED = range(5)
_OUTCOMES = (
    (outcomes.MATCHED, "matched", False),
    (outcomes.MISSED, "missed", True),
    (outcomes.FALSE_POSITIVE, "false positive", True),
    (outcomes.MISCLASSIFIED, "wrong class", True),
    (outcomes.CROWD, "not evaluated", False),
)
OUTCOMES = tuple(GalleryOutcome(name, each.color, each.dashes, mistake) for each, name, mistake in _OUTCOMES)


@dataclass(slots=True)
class ImageOutcomes:
    """The boxes of an image that are shown, and what became of each.

    rows      of its detections above the score
    outcomes  of each row
    expected  the class of the ground truth where it is another one, else -1
    missed_boxes, missed_classes  ground truth that was not detected: left, top, right, bottom; class
    size_hw   of the image in the annotations; None: unknown
    """

    rows: list[int] = field(default_factory=list)
    outcomes: list[int] = field(default_factory=list)
    expected: list[int] = field(default_factory=list)
    missed_boxes: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 4)))
    missed_classes: list[int] = field(default_factory=list)
    size_hw: tuple[int, int] | None = None

    def add(self, row: int, outcome: int, expected: int = -1) -> None:
        """Add a detection."""
        self.rows.append(row)
        self.outcomes.append(outcome)
        self.expected.append(expected)


class ReportEvaluation:
    """Metrics of the results, the outcome of each box, and the images of the ground truth that the results lack.

    score, score_source  detections above it are shown and count; why it is this one, empty if it was given
    class_names          those of the results, then those that only the ground truth has
    images               folder of the images next to the annotations, if there is one
    missing              images of the ground truth that the results do not have, as results without detections

    Raises UsageError, DataError or InputError as `eval` does.
    """

    def __init__(self, request: ReportRequest, opened: OpenResults, observer: Observer) -> None:
        path = as_path(request.input.results[0])
        asked = EvaluationRequest(
            results=path,
            results_format=request.input.results_format,
            ground_truth=request.input.ground_truth,
            images=request.input.images,
            score=request.score,
        )
        found = find_ground_truth_of(asked, EvaluationObserver(), Path(str(asked.ground_truth)), [path])
        evaluated, score = subject_of_results(asked, path, found)
        for note in evaluated.notes:
            observer.on_warning(note)
        self.score, self.score_source = score.value, score.source
        self.notes = tuple(evaluated.notes)
        self.images = None if found[1].folder is None else Path(found[1].folder)
        self.class_names = list(opened.labels.names)
        self.missing: list[Result] = []
        self._ground_truth, self._opened, self._metrics = found[0], opened, evaluated.metrics
        self._categories = found[0].categories
        sizes = {image["id"]: (image["height"], image["width"]) for image in found[0].images}
        self._sizes = {image_id: size for image_id, size in sizes.items() if all(size)}
        self._classes: dict[int, int] = {}  # by category id
        named = reversed(list(enumerate(self.class_names)))
        self._by_name = {plain_name(name): index for index, name in named}  # the first of equal names
        self._images: dict[int, ImageOutcomes] = {}  # by index of the results
        self._counts = dict.fromkeys((outcome.name for outcome in OUTCOMES[:NOT_EVALUATED]), 0)
        ranked, indices = self._ranked_rows(str(path))
        self._add_missing(indices)
        for matches in match_boxes(self._ground_truth.annotations, evaluated.results, score=self.score):
            self._add(matches, ranked.get(matches.image_id, []), indices[matches.image_id])

    def of_image(self, index: int) -> ImageOutcomes:
        """What became of the boxes of an image."""
        return self._images.get(index) or ImageOutcomes()

    def metrics(self) -> GalleryMetrics:
        """The metrics as a gallery shows them."""
        by_name, counts = self._metrics.by_name, self._counts
        right, missed, false, wrong = counts.values()
        evaluated = [each for each in self._metrics.classes if each.ap is not None]
        curves: dict[str, list[float]] = {}
        if evaluated:
            means = np.mean([each.precision for each in evaluated], axis=0)  # [10, 101]
            named = {"IoU 0.50": means[0], "IoU 0.75": means[int(np.abs(IOUS - 0.75).argmin())]}
            curves = {
                name: curve.tolist() for name, curve in (named | {"IoU 0.50 to 0.95": means.mean(axis=0)}).items()
            }
        with_curve = sorted(evaluated, key=lambda each: -each.ground_truth)[:_MAX_CURVES]
        drawn = {each.category_id for each in with_curve}
        shown = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR100")
        return GalleryMetrics(
            metrics={name: by_name[name] for name in shown}
            | {"precision": _share(right, false + wrong), "recall": _share(right, missed + wrong)},
            counts=counts,
            curves=curves,
            classes=[
                GalleryClassMetrics(
                    each.name,
                    each.ground_truth,
                    each.detections,
                    each.ap,
                    each.ap50,
                    each.precision[0].tolist() if each.category_id in drawn else (),
                )
                for each in self._metrics.classes
                if each.ground_truth or each.detections
            ],
        )

    def facts(self) -> dict[str, str]:
        """How it was evaluated."""
        source = f" ({self.score_source})" if self.score_source else ""
        return {
            "ground truth": self._ground_truth.name,
            "detections": f"score above {self.score:g}{source}",
            "matched from": f"IoU {IOU:g}",
        }

    def _ranked_rows(self, name: str) -> tuple[dict[int, list[tuple[float, int, int]]], dict[int, int]]:
        """Score, index and row of the detections above the score by image id; and the index of each image."""
        images, categories = ImageIndex(self._ground_truth, name), CategoryIndex(self._ground_truth, name)
        ranked: dict[int, list[tuple[float, int, int]]] = {}
        indices: dict[int, int] = {}
        for index, image in self._opened.runs[0].images():
            image_id = images.match(image)
            if image_id is not None:
                indices.setdefault(image_id, index)
            outcomes_here = self._images.setdefault(index, ImageOutcomes())
            for row, box in enumerate(image.boxes or ()):
                category = categories.match(box)
                if category is not None:
                    self._classes.setdefault(category, self._opened.classes.index(box))
                if box.score <= self.score:
                    continue
                if image_id is None or category is None:
                    outcomes_here.add(row, NOT_EVALUATED)
                else:
                    ranked.setdefault(image_id, []).append((box.score, index, row))
        return ranked, indices

    def _add_missing(self, indices: dict[int, int]) -> None:
        """Images that only the ground truth has follow those of the results."""
        following = max(self._images, default=-1) + 1
        for image in self._ground_truth.images:
            if image["id"] in indices:
                continue
            indices[image["id"]] = following
            name = posix_name(image["file_name"])
            size = self._sizes.get(image["id"], (0, 0))
            origin = Origin(following, name, name, name)
            self.missing.append((Frame(origin, size, pixels=None), Detections.empty(self._opened.labels)))
            following += 1

    def _add(self, matches: BoxMatches, rows: Iterable[tuple[float, int, int]], index: int) -> None:
        """Add the outcomes of an image of the ground truth."""
        expected_ids = matches.ground_truth_category_ids.tolist()
        ranked = sorted(rows, key=lambda row: -row[0])  # as `match_boxes` sorts them
        ids, found = matches.category_ids.tolist(), matches.ground_truth_index.tolist()
        for (_, at, row), category_id, truth in zip(ranked, ids, found, strict=True):
            image = self._images[at]
            if truth == IGNORED:
                image.add(row, NOT_EVALUATED)
            elif truth < 0:
                image.add(row, FALSE_POSITIVE)
            elif expected_ids[truth] == category_id:
                image.add(row, MATCHED)
            else:
                image.add(row, MISCLASSIFIED, self._class_of(expected_ids[truth]))
        missed = matches.false_negatives
        image = self._images.setdefault(index, ImageOutcomes())
        image.size_hw = self._sizes.get(matches.image_id)
        image.missed_boxes = matches.ground_truth_boxes[missed]
        image.missed_classes = [self._class_of(each) for each in matches.ground_truth_category_ids[missed].tolist()]
        parts = (matches.true_positives, missed, matches.false_positives, matches.misclassified)
        for name, mask in zip(self._counts, parts, strict=True):
            self._counts[name] += int(mask.sum())

    def _class_of(self, category_id: int) -> int:
        """The class of a category; one that the results lack follows theirs."""
        if category_id not in self._classes:
            name = self._categories[category_id]
            index = self._by_name.setdefault(plain_name(name), len(self.class_names))
            if index == len(self.class_names):
                self.class_names.append(name)
            self._classes[category_id] = index
        return self._classes[category_id]


def _share(right: int, other: int) -> float | None:
    return right / (right + other) if right + other else None
