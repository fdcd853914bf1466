"""What `detcli eval` shows on the screen while it runs."""

from pathlib import Path

from detcli.cli.detect.run_view import RunView
from detcli.cli.framework.console import Console
from detcli.cli.framework.progress import RunProgressBar
from detcli.cli.framework.signals import stopping
from detcli.cli.framework.text import counted
from detcli.datasets.dataset import DatasetSummary
from detcli.engine.requests.evaluation_request import EvaluationObserver, EvaluationRequest
from detcli.structures.detections import Detections
from detcli.structures.frame import FailedFrame, Frame


class EvaluationView(RunView, EvaluationObserver):
    """Prints the events of an evaluation; use as a context manager around it."""

    def __init__(self, console: Console, request: EvaluationRequest) -> None:
        subject = f"data {request.data}" if request.data is not None else f"results {request.results}"
        super().__init__(console, model=request.model_settings.name, first=f"reading {subject}")
        self._progress: RunProgressBar | None = None

    def on_dataset(self, part: str, report: DatasetSummary) -> None:
        """Say which files were taken."""
        if report.files:
            self.console.say(
                f"{part}: {report.files}", annotations=report.annotations, image_folders=list(report.image_folders)
            )

    def on_image_folder(self, folder: str) -> None:
        """Say where the images were found."""
        self.console.say(f"gt: images in '{folder}'", image_folder=folder)

    def on_segment_folder(self, file: str, folder: str) -> None:
        """Say where the PNGs were found."""
        self.console.say(f"'{file}': PNGs of segments in '{folder}'", file=file, segment_folder=folder)

    def on_evaluation_start(self, images: int) -> None:
        """Show the progress; from here on, a signal ends the evaluation after the current batch."""
        self.console.clear_status()
        self.stack.enter_context(stopping(self.console, self.stop))
        self._progress = self.stack.enter_context(RunProgressBar(self.console, count=lambda: images))

    def on_result(self, frame: Frame | FailedFrame, detections: Detections | FailedFrame) -> None:
        """Count the image, and name it if it failed."""
        failed = isinstance(detections, FailedFrame)
        if self._progress is not None:
            self._progress.advance(failed=failed)
        if isinstance(detections, FailedFrame):
            self.console.failure(frame.origin.file, detections.code, detections.message)

    def on_end(self) -> None:
        """Take the progress line off the screen; the metrics take a while too."""
        super().on_end()
        self.console.status("computing metrics")

    def on_worst_images(self, folder: Path, drawn: int, missing: int) -> None:
        """Say what was drawn."""
        self.console.say(f"{counted(drawn, 'image')} drawn in '{folder}', ground truth next to predictions")
        if missing:
            self.console.warning(f"{counted(missing, 'image')} of the worst not available")

    def on_threshold_set(self, folder: Path, threshold: float, classes: int) -> None:
        """Say which threshold the model has from now on."""
        own = f", and {counted(classes, 'class', 'classes')} with a threshold of their own" if classes else ""
        self.console.say(
            f"'{folder}' now keeps scores above {threshold:g}{own}", folder=str(folder), threshold=threshold
        )

    def on_changed_images(self, folder: Path, drawn: int, missing: int) -> None:
        """Say what was drawn."""
        self.console.say(f"{counted(drawn, 'image')} drawn in '{folder}', the first result next to the second")
        if missing:
            self.console.warning(f"{counted(missing, 'image')} of the changed not available")
