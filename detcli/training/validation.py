"""Evaluates a detector during training: each process takes its share of the images, the first one computes metrics."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from detcli.checkpoints.score_threshold import StoredThreshold
from detcli.datasets.dataset import Dataset
from detcli.errors import DataError, DivergedError
from detcli.evaluation.analysis.best_thresholds import score_thresholds
from detcli.evaluation.analysis.class_matches import match_classes
from detcli.evaluation.analysis.stored_threshold import stored_threshold
from detcli.evaluation.coco_library import IouType, Json
from detcli.evaluation.coco_metrics import Metrics
from detcli.evaluation.evaluate_model import evaluate_predictions, ground_truth_annotations, predict_dataset
from detcli.inference.detector import Detector
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame
from detcli.structures.stop_signal import StopSignal
from detcli.training.logs.validation_images import shown_indices
from detcli.training.optimization.distributed import Processes
from detcli.training.training_events import Event, Validated, ValidationLossStarted, ValidationStarted
from detcli.training.validation_loss import ValidationLoss, mean_losses


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """The result of a validation.

    metrics    COCO's by name
    notes      for the user
    losses     by name, as in training
    threshold  with the highest F1, for the model folder, in the first process; None if nothing matches, and for masks
    class_ap   by class name, in the first process; None without ground truth
    shown      index of an image -> its detections, of a few images of this process, the same in each epoch
    """

    metrics: Mapping[str, float | None]
    notes: tuple[str, ...]
    losses: Mapping[str, float] = field(default_factory=dict)
    threshold: StoredThreshold | None = None
    class_ap: Mapping[str, float | None] = field(default_factory=dict)
    shown: Mapping[int, Detections] = field(default_factory=dict)

    @property
    def ap(self) -> float:
        """The metric that models are chosen by."""
        return self.metrics["AP"] or 0.0


def validate(
    detector: Detector,
    data: Dataset,
    *,
    epoch: int,
    processes: Processes,
    workers: int,
    stop: StopSignal,
    notify: Callable[[Event], None],
    iou_type: IouType = "bbox",
) -> ValidationResult | None:
    """Evaluate; None, in all processes, if `stop` came first in any.

    iou_type  "segm": instance masks, which detector and data must give

    Raises DataError if no image can be read, and DivergedError if the network's outputs are not finite.
    """
    share = share_of(len(data), processes)
    notify(ValidationStarted(epoch, len(share)))
    shown: dict[int, Detections] = dict.fromkeys(sorted(shown_indices(share)), Detections.empty())

    def on_result(frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        notify(Validated())
        if frame.origin.index in shown and isinstance(detections, Detections):
            shown[frame.origin.index] = detections

    predictions = predict_dataset(
        detector,
        data,
        indices=share,
        workers=workers,
        on_result=on_result,
        stop=stop,
    )
    if processes.any_stopped(stop):
        return None
    shares = processes.to_first(predictions)
    metrics: Mapping[str, float | None] = {}
    threshold: StoredThreshold | None = None
    class_ap: dict[str, float | None] = {}
    if processes.is_first:
        failed = [image for share in shares for image in share.failed]
        _check_finite(failed, epoch)
        if len(failed) == len(data):
            first = failed[0]
            raise DataError(f"none of the validation images can be read; '{first.origin.file}': {first.message}")
        results = [result for each in shares for result in each.results]
        annotations = ground_truth_annotations(data, iou_type)
        evaluated = evaluate_predictions(annotations, results, iou_type=iou_type)
        metrics = evaluated.by_name
        class_ap = {entry.name: entry.ap for entry in evaluated.classes}
        if iou_type == "bbox":
            threshold = _best_threshold(annotations, results, evaluated, data.report.name)
    notes = predictions.notes
    if any(each.failed for each in shares):
        count = sum(len(each.failed) for each in shares)
        notes += (
            f"{count} of the {len(data)} validation images cannot be read: their ground truth counts as false negatives",
        )
    return ValidationResult(processes.from_first(metrics), notes, threshold=threshold, class_ap=class_ap, shown=shown)


def _best_threshold(annotations: Json, results: Sequence[Json], metrics: Metrics, data: str) -> StoredThreshold | None:
    """The threshold with the highest F1 for the model folder; None if nothing matches."""
    known = {image["id"] for image in annotations["images"]}
    matches = match_classes(annotations, [result for result in results if result["image_id"] in known])
    return stored_threshold(score_thresholds(matches, score=0.0), metrics.classes, Path(data).name or data)


def validation_losses(
    loss: ValidationLoss,
    state: Mapping[str, Tensor],
    images: int,
    *,
    epoch: int,
    batch: int,
    processes: Processes,
    workers: int,
    stop: StopSignal,
    notify: Callable[[Event], None],
) -> dict[str, float] | None:
    """The losses of the averaged weights on the validation images, in the first process; None as for `validate`.

    state  the average of the weights
    batch  images of a pass through the network
    """
    share = share_of(images, processes)
    notify(ValidationLossStarted(epoch, len(share)))
    sums = loss.compute(
        state,
        share,
        batch=batch,
        workers=workers,
        on_images=lambda count: _notify_each(notify, count),
        stop=stop,
    )
    if processes.any_stopped(stop) or sums is None:
        return None
    return mean_losses(processes.to_first(sums))


def _notify_each(notify: Callable[[Event], None], count: int) -> None:
    for _ in range(count):
        notify(Validated())


def share_of(images: int, processes: Processes) -> range:
    """The images that this process evaluates."""
    return range(images * processes.rank // processes.size, images * (processes.rank + 1) // processes.size)


def _check_finite(failed: Sequence[FailedFrame], epoch: int) -> None:
    """Raise DivergedError if the network failed on an image: in fp32 a valid network has finite outputs for each."""
    failures = [image for image in failed if image.code == "device"]
    if failures:
        count = "1 image" if len(failures) == 1 else f"{len(failures):,} images"
        raise DivergedError(
            f"training diverged in epoch {epoch + 1}: evaluated on {count}, the first '{failures[0].origin.file}', the "
            "network's output has NaN or infinity"
        )
