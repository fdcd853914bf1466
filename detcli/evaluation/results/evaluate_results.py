"""Evaluates stored results against annotations."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from detcli.evaluation.analysis.evaluation_details import evaluation_details
from detcli.evaluation.box_matching import IOU, match_boxes
from detcli.evaluation.coco_ground_truth import CocoGroundTruth, read_ground_truth
from detcli.evaluation.coco_library import IouType
from detcli.evaluation.coco_metrics import Metrics, evaluate_coco
from detcli.evaluation.confusion_matrix import count_confusion
from detcli.evaluation.report import EvaluationReport
from detcli.evaluation.results.format_checks import check_formats
from detcli.evaluation.results.ground_truth_data import coco_file, open_ground_truth
from detcli.evaluation.results.image_lookup import ImageLookup
from detcli.evaluation.results.result_matching import match_results
from detcli.evaluation.results.result_suppression import suppress_results
from detcli.evaluation.worst_images import worst_images
from detcli.io.results import format_of_results, read_results
from detcli.structures.class_labels import plain_name
from detcli.structures.frame import Pixels
from detcli.structures.run_info import now


@dataclass(frozen=True, slots=True)
class EvaluatedResults:
    """Results with their ground truth and metrics, of a file or of a model.

    results     COCO results, as `evaluate_coco` took them
    read_image  pixels of an image by image id; None if they are not available
    settings    what was evaluated and how: option -> value, for the report
    failed      file and reason of images that could not be processed
    notes       sentences for the user
    listed_images  ids of all images that were processed; None: unknown
    """

    ground_truth: CocoGroundTruth
    results: Sequence[Mapping[str, Any]]
    metrics: Metrics
    read_image: Callable[[int], Pixels | None]
    settings: Mapping[str, object]
    failed: Sequence[Mapping[str, str]]
    notes: Sequence[str]
    listed_images: frozenset[int] | None = None


def find_ground_truth(
    annotations: Path, *, iou_type: IouType, images: Path | None
) -> tuple[CocoGroundTruth, ImageLookup]:
    """Read annotations, and find the folder of their images.

    annotations  COCO annotations, or any dataset, of which the validation part counts
    images       the folder that file names start from; None: one of the usual places next to the annotations

    Raises UsageError and DataError.
    """
    masks, path = iou_type == "segm", coco_file(annotations)
    if path is not None:
        ground_truth = read_ground_truth(path, masks=masks)
        return ground_truth, ImageLookup(path, ground_truth, images)
    dataset, folder = open_ground_truth(annotations, images=images, masks=masks)
    ground_truth = CocoGroundTruth(dataset.report.name, dataset.annotations(), dataset.report.issues)
    return ground_truth, ImageLookup(annotations, ground_truth, folder)


def evaluate_results(
    results: Path,
    ground_truth: CocoGroundTruth,
    images: ImageLookup,
    *,
    format_name: str | None,
    iou_type: IouType,
    nms: float | None = None,
    nms_agnostic: bool = False,
) -> EvaluatedResults:
    """Read results, match them with the ground truth, and evaluate them.

    format_name        of the results; None: by suffix
    nms, nms_agnostic  remove results whose box overlaps a better one first, see `suppress_results`

    Raises UsageError if something is missing, DataError and InputError if it cannot be evaluated.
    """
    format_name = format_name or format_of_results(results)
    stored = read_results(results, format_name=format_name, sizes=ground_truth.sizes())
    matched = match_results(stored, ground_truth, str(results), masks=iou_type == "segm")
    format_notes = (
        check_formats(matched.results, ground_truth, str(results), format_name=format_name, ids_alone=matched.by_id)
        if iou_type == "bbox"
        else []
    )
    evaluated = matched.results if nms is None else suppress_results(matched.results, nms, across_classes=nms_agnostic)
    return EvaluatedResults(
        ground_truth=ground_truth,
        results=evaluated,
        metrics=evaluate_coco(ground_truth.annotations, evaluated, iou_type=iou_type),
        read_image=images.read,
        settings={"results": str(results), "format": format_name, "gt": ground_truth.name}
        | ({} if nms is None else {"nms": nms, "nms_agnostic": nms_agnostic}),
        failed=(),
        notes=(*ground_truth.notes, *matched.notes, *format_notes),
        listed_images=matched.listed,
    )


def scores_by_id(class_scores: Mapping[str, float], categories: Mapping[int, str]) -> dict[int, float]:
    """Scores of classes by category id; names are compared as those of results and ground truth are."""
    known = {plain_name(name): value for name, value in class_scores.items()}
    return {
        category_id: known[plain_name(name)] for category_id, name in categories.items() if plain_name(name) in known
    }


def box_report(
    evaluated: EvaluatedResults,
    *,
    score: float,
    worst: int,
    samples: int,
    score_source: str = "",
    class_scores: Mapping[str, float] = MappingProxyType({}),
) -> EvaluationReport:
    """The report of evaluated results.

    score         detections above it count in the confusion matrix and as mistakes
    worst         how many images with the most mistakes are listed
    samples       of the bootstrap; 0: no confidence intervals
    score_source  why it is this score, for the user; empty if it was given
    class_scores  by name, of classes that have another score
    """
    annotations, categories = evaluated.ground_truth.annotations, evaluated.ground_truth.categories
    by_id = scores_by_id(class_scores, categories)
    matches = list(match_boxes(annotations, evaluated.results, score=score, class_scores=by_id))
    return EvaluationReport(
        metrics=evaluated.metrics,
        confusion=count_confusion(matches, categories),
        score=score,
        iou=IOU,
        worst=worst_images(matches, worst),
        file_names={image["id"]: image["file_name"] for image in annotations["images"]},
        settings=evaluated.settings,
        created=now(),
        failed=evaluated.failed,
        notes=evaluated.notes,
        score_source=score_source,
        class_scores={categories[category_id]: value for category_id, value in by_id.items()},
        details=evaluation_details(
            annotations, evaluated.results, evaluated.metrics, score=score, samples=samples, class_scores=by_id
        ),
    )
