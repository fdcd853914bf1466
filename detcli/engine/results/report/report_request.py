"""What is asked for of a report."""

from dataclasses import dataclass
from pathlib import Path

from detcli.argument_checks import check_choice, check_fraction, check_int, check_path, check_texts
from detcli.engine.requests.record_fields import store
from detcli.engine.results.results_request import StoredInput
from detcli.errors import UsageError
from detcli.io.outputs import IfExists

DEFAULT_THUMBNAIL = 320
MIN_THUMBNAIL, MAX_THUMBNAIL = 32, 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRequest:
    """Stored results that are shown in a gallery.

    input      the results; with ground truth, they are evaluated
    output     folder of the report
    score      with ground truth: detections above it are shown, and count as mistakes; None: the threshold of the results
    thumbnail  longer side of the images of the report in pixels
    if_exists  error, overwrite or skip
    workers    threads that read images; None: one per processor
    protected  further files that the caller reads: never an output
    """

    input: StoredInput
    output: Path
    score: float | None = None
    thumbnail: int = DEFAULT_THUMBNAIL
    if_exists: IfExists = "error"
    workers: int | None = None
    protected: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        store(self, output=check_path("output", self.output), protected=check_texts("protected", self.protected))
        check_int("thumbnail", self.thumbnail, at_least=MIN_THUMBNAIL, at_most=MAX_THUMBNAIL)
        check_choice("if_exists", self.if_exists, ("error", "overwrite", "skip"))
        if self.workers is not None:
            check_int("workers", self.workers, at_least=1)
        if self.score is not None:
            store(self, score=check_fraction("score", self.score))
            if self.input.ground_truth is None:
                raise UsageError(
                    "`score` is for an evaluation: it needs `ground_truth`; 'detcli filter' removes detections from results"
                )

    @property
    def reads(self) -> tuple[str, ...]:
        """Every file and folder that is read."""
        return (*self.input.reads, *self.protected)
