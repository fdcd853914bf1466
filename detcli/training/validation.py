"""Evaluates a detector during training: each process takes its share of the images, the first one computes metrics."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from detcli.datasets.dataset import Dataset
from detcli.errors import DataError, DivergedError
from detcli.evaluation.coco_metrics import IouType
from detcli.evaluation.evaluate_model import evaluate_predictions, ground_truth_annotations, predict_dataset
from detcli.inference.detector import Detector
from detcli.structures.frame import FailedFrame
from detcli.structures.stop_signal import StopSignal
from detcli.training.optimization.distributed import Processes
from detcli.training.training_events import Event, Validated, ValidationStarted


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """COCO metrics by name, and notes for the user."""

    metrics: Mapping[str, float | None]
    notes: tuple[str, ...]

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
    """Evaluate; None if `stop` came first, which only a single process checks here.

    iou_type  "segm": instance masks, which detector and data must give

    Raises DataError if no image can be read, and DivergedError if the network's outputs are not finite.
    """
    share = range(len(data) * processes.rank // processes.size, len(data) * (processes.rank + 1) // processes.size)
    notify(ValidationStarted(epoch, len(share)))
    alone = processes.size == 1
    predictions = predict_dataset(
        detector,
        data,
        indices=share,
        workers=workers,
        on_result=lambda _, __: notify(Validated()),
        stop=stop if alone else None,
    )
    if alone and stop.is_set():
        return None
    shares = processes.to_first(predictions)
    metrics: Mapping[str, float | None] = {}
    if processes.is_first:
        failed = [image for share in shares for image in share.failed]
        _check_finite(failed, epoch)
        if len(failed) == len(data):
            first = failed[0]
            raise DataError(f"none of the validation images can be read; '{first.origin.file}': {first.message}")
        results = (result for each in shares for result in each.results)
        metrics = evaluate_predictions(ground_truth_annotations(data, iou_type), results, iou_type=iou_type).by_name
    notes = predictions.notes
    if any(each.failed for each in shares):
        count = sum(len(each.failed) for each in shares)
        notes += (
            f"{count} of the {len(data)} validation images cannot be read: their ground truth counts as false negatives",
        )
    return ValidationResult(processes.from_first(metrics), notes)


def _check_finite(failed: Sequence[FailedFrame], epoch: int) -> None:
    """Raise DivergedError if the network failed on an image: in fp32 a valid network has finite outputs for each."""
    failures = [image for image in failed if image.code == "device"]
    if failures:
        count = "1 image" if len(failures) == 1 else f"{len(failures):,} images"
        raise DivergedError(
            f"training diverged in epoch {epoch + 1}: evaluated on {count}, the first '{failures[0].origin.file}', the "
            "network's output has NaN or infinity"
        )
