"""A detector evaluated during training: each process looks at its share of the images, the first one reckons."""

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
    """COCO's figures by name, and what the user should know of them."""

    metrics: Mapping[str, float | None]
    notes: tuple[str, ...]

    @property
    def ap(self) -> float:
        """The figure that counts."""
        return self.metrics["AP"] or 0.0


def judged(
    detector: Detector,
    data: Dataset,
    *,
    epoch: int,
    processes: Processes,
    workers: int,
    stop: StopSignal,
    tell: Callable[[Event], None],
    iou_type: IouType = "bbox",
) -> ValidationResult | None:
    """Evaluate; None where `stop` came first, which only a single process heeds here.

    iou_type  "segm": the masks of instances, which detector and data give

    Raises DataError where no image can be read, and DivergedError where the network's answers are not finite.
    """
    share = range(len(data) * processes.rank // processes.size, len(data) * (processes.rank + 1) // processes.size)
    tell(ValidationStarted(epoch, len(share)))
    alone = processes.size == 1
    predictions = predict_dataset(
        detector,
        data,
        indices=share,
        workers=workers,
        on_result=lambda _, __: tell(Validated()),
        stop=stop if alone else None,
    )
    if alone and stop.is_set():
        return None
    everyone = processes.to_first(predictions)
    metrics: Mapping[str, float | None] = {}
    if processes.first:
        unreadable = [one for part in everyone for one in part.failed]
        _check_finite(unreadable, epoch)
        if len(unreadable) == len(data):
            first = unreadable[0]
            raise DataError(f"none of the images to evaluate on can be read; '{first.origin.file}': {first.message}")
        results = (result for part in everyone for result in part.results)
        metrics = evaluate_predictions(ground_truth_annotations(data, iou_type), results, iou_type=iou_type).by_name
    notes = predictions.notes
    if any(part.failed for part in everyone):
        count = sum(len(part.failed) for part in everyone)
        notes += (f"{count} of the {len(data)} images to judge on cannot be read: what is true of them is missed",)
    return ValidationResult(processes.from_first(metrics), notes)


def _check_finite(unreadable: Sequence[FailedFrame], epoch: int) -> None:
    """Raise DivergedError where it is not an image that is to blame: in fp32 a sound network answers to each."""
    answers = [one for one in unreadable if one.code == "device"]
    if answers:
        count = "1 image" if len(answers) == 1 else f"{len(answers):,} images"
        raise DivergedError(
            f"training diverged in epoch {epoch + 1}: evaluated on {count}, the first '{answers[0].origin.file}', the "
            "network's answer holds numbers that are not finite"
        )
