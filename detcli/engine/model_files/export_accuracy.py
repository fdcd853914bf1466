"""AP of a checkpoint and of its exported file on a dataset."""

from pathlib import Path
from typing import TYPE_CHECKING

from detcli.engine.requests.evaluation_request import EvaluationObserver, EvaluationRequest
from detcli.engine.requests.export_request import ExportObserver
from detcli.engine.requests.run_settings import DetectionSettings, ModelSettings

if TYPE_CHECKING:
    from detcli.inference.detector import Detector
    from detcli.runtimes.exported.exported_facts import ExportAccuracy


def check_data(data: str) -> None:
    """Open a dataset, to find what is wrong with it before the work. Raises DataError and InputError."""
    from detcli.datasets.dataset import open_dataset

    open_dataset(data, part="val")


def compare_accuracy(
    checkpoint: "Detector", exported: "Detector", data: str, observer: ExportObserver
) -> "ExportAccuracy":
    """Evaluate both on a dataset. Raises what `evaluate` raises."""
    from detcli.runtimes.exported.exported_facts import ExportAccuracy

    observer.on_step(f"evaluating the checkpoint on {data}")
    before, images = _average_precision(checkpoint, data, _Warnings(observer))
    observer.on_step(f"evaluating the exported file on {data}")
    after, _ = _average_precision(exported, data, EvaluationObserver())
    return ExportAccuracy(data=Path(data).name or data, images=images, checkpoint=before, exported=after)


def _average_precision(detector: "Detector", data: str, observer: EvaluationObserver) -> tuple[float | None, int]:
    """AP and the number of images."""
    from detcli.engine.evaluate import evaluate
    from detcli.evaluation.report import EvaluationReport

    request = EvaluationRequest(
        data=data, model=ModelSettings(model=detector), detection=DetectionSettings(threshold=0.0)
    )
    result = evaluate(request, observer=observer)
    if result is None or not isinstance(result.report, EvaluationReport):  # only a stop or `panoptic` leads here
        raise RuntimeError("the evaluation has no report of boxes")
    return result.metrics["AP"], result.report.metrics.images


class _Warnings(EvaluationObserver):
    """Passes on warnings about the dataset."""

    def __init__(self, observer: ExportObserver) -> None:
        self._observer = observer

    def on_warning(self, message: str) -> None:
        """Pass it on."""
        self._observer.on_warning(message)
