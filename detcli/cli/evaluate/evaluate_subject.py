"""What `detcli eval` evaluates, brought to one form: stored results against annotations."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from detcli.cli.evaluate.evaluate_options import EvaluateRequest
from detcli.errors import UsageError
from detcli.evaluation.coco_ground_truth import CocoGroundTruth, read_coco_ground_truth
from detcli.evaluation.coco_metrics import Metrics, judge
from detcli.evaluation.image_lookup import ImageLookup
from detcli.evaluation.result_matching import match
from detcli.io.results import format_of_results, read_results
from detcli.structures.frame import Pixels


@dataclass(frozen=True, slots=True)
class EvaluationInput:
    """What was evaluated.

    results     as `judge` took them
    read        pixels of an image by image id, or None where they are not at hand
    settings    option -> value, for the report
    unreadable  file and reason of images that could not be looked at
    notes       sentences for the user
    """

    ground_truth: CocoGroundTruth
    results: Sequence[Mapping[str, Any]]
    metrics: Metrics
    read: Callable[[int], Pixels | None]
    settings: Mapping[str, object]
    unreadable: Sequence[Mapping[str, str]]
    notes: Sequence[str]


def judge_results(wish: EvaluateRequest) -> EvaluationInput:
    """Read results and annotations, bring them together, and evaluate.

    Raises UsageError for what is not there, DataError and InputError for what cannot be evaluated.
    """
    if wish.results is None or wish.gt is None or wish.iou_type == "panoptic":
        raise ValueError("results and annotations are needed, of boxes or instances")
    format_name = wish.results_format or format_of_results(wish.results)
    masks = wish.iou_type == "segm"
    ground_truth = read_coco_ground_truth(wish.gt, masks=masks)
    images = ImageLookup(wish.gt, ground_truth, wish.images)
    if wish.save_worst is not None and not images.are_there:
        raise UsageError(f"--save-worst: the images of '{wish.gt}' are not next to it: name their folder with --images")
    name = str(wish.results)
    matched = match(
        read_results(wish.results, format_name=format_name, sizes=ground_truth.sizes()), ground_truth, name, masks=masks
    )
    return EvaluationInput(
        ground_truth=ground_truth,
        results=matched.results,
        metrics=judge(ground_truth.annotations, matched.results, iou_type=wish.iou_type),
        read=images.read,
        settings={"results": name, "format": format_name, "gt": str(wish.gt), "score": wish.score},
        unreadable=(),
        notes=(*ground_truth.notes, *matched.notes),
    )
