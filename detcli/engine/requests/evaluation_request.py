"""What an evaluation is asked for, what it reports, and what it returns."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from detcli.argument_checks import check_choice, check_fraction, check_int, check_path
from detcli.engine.observer import Observer
from detcli.engine.requests.record_fields import optional_path
from detcli.engine.requests.run_request import ComputeSettings, DetectionSettings, ModelSettings
from detcli.errors import UsageError
from detcli.io.outputs import IfExists, is_stream

if TYPE_CHECKING:
    from detcli.datasets.dataset import DatasetSummary
    from detcli.evaluation.comparison.comparison_report import ComparisonReport
    from detcli.evaluation.panoptic.panoptic_report import PanopticReport
    from detcli.evaluation.report import EvaluationReport

MAX_WORST = 10_000
MIN_SAMPLES, MAX_SAMPLES = 40, 100_000  # of fewer, none is in a tail of 2.5%
DEFAULT_SAMPLES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRequest:
    """What is evaluated, and what is written; a wrong type is a TypeError, a wrong value a UsageError.

    results         file or folder that `detect` wrote, or COCO results of another program; None: evaluate a model
    against         a second file or folder of results on the same ground truth, which is compared with `results`
    results_format  their format; None: by its suffix
    ground_truth    COCO annotations that results are evaluated against
    data            dataset that a model is evaluated on
    model           the model for `data`; None: the default one
    images          folder that file names of `ground_truth` or `data` start from; None: found next to the annotations
    iou_type        bbox: boxes; segm: instance masks; panoptic: panoptic quality
    detection       of the model; a threshold of None is 0, or the usual one of panoptic segments
    output          JSON file of the report
    save_plots      folder of pr_curves.png, confusion.png, calibration.png and errors.png
    save_worst      folder of the images with the most mistakes, annotated
    worst           how many of them
    score           detections above it count in the confusion matrix and as mistakes; None: the threshold that `detect`
                    keeps (`mistake_score.py`)
    bootstrap       samples of the images from which confidence intervals of AP are computed, at least 40; 0: none
    set_threshold   model folder into which the score threshold with the highest F1 is written
    if_exists       error, overwrite or skip
    """

    results: Path | None = None
    against: Path | None = None
    results_format: str | None = None
    ground_truth: Path | None = None
    data: str | None = None
    model: ModelSettings | None = None
    images: Path | None = None
    iou_type: Literal["bbox", "segm", "panoptic"] = "bbox"
    detection: DetectionSettings = field(default_factory=DetectionSettings)
    compute: ComputeSettings = field(default_factory=ComputeSettings)
    output: Path | None = None
    save_plots: Path | None = None
    save_worst: Path | None = None
    worst: int = 20
    score: float | None = None
    bootstrap: int = DEFAULT_SAMPLES
    set_threshold: str | None = None
    if_exists: IfExists = "error"

    def __post_init__(self) -> None:
        for name in ("results", "against", "ground_truth", "images", "output", "save_plots", "save_worst"):
            object.__setattr__(self, name, optional_path(name, getattr(self, name)))
        if self.data is not None:
            object.__setattr__(self, "data", str(check_path("data", self.data)))
        if self.set_threshold is not None:
            object.__setattr__(self, "set_threshold", str(check_path("set_threshold", self.set_threshold)))
        check_choice("iou_type", self.iou_type, ("bbox", "segm", "panoptic"))
        check_choice("if_exists", self.if_exists, ("error", "overwrite", "skip"))
        check_int("worst", self.worst, at_least=1, at_most=MAX_WORST)
        check_int("bootstrap", self.bootstrap, at_least=0, at_most=MAX_SAMPLES)
        if 0 < self.bootstrap < MIN_SAMPLES:
            raise UsageError(
                f"`bootstrap` must be at least {MIN_SAMPLES} for an interval of 95%, or 0 for none, not {self.bootstrap}"
            )
        if self.score is not None:
            object.__setattr__(self, "score", check_fraction("score", self.score))
        self._check_subject()
        self.compute.check_one_device("write results with them, and evaluate these")
        self._check_panoptic()
        self._check_comparison()
        if self.set_threshold is not None and self.iou_type != "bbox":
            raise UsageError(f"`set_threshold` is for boxes, not for `iou_type={self.iou_type}`")
        if self.output is not None and not is_stream(self.output) and self.output.suffix.lower() != ".json":
            raise UsageError(f"the report is JSON: '{self.output}' must end in .json")

    @property
    def box_iou_type(self) -> Literal["bbox", "segm"]:
        """What overlaps are measured on where AP is computed: boxes or masks."""
        return "segm" if self.iou_type == "segm" else "bbox"

    @property
    def model_settings(self) -> ModelSettings:
        """The model to evaluate."""
        return self.model or ModelSettings()

    def _check_subject(self) -> None:
        """Results with ground truth, or a model with data; never both."""
        if self.results is None and self.data is None:
            raise UsageError("nothing to evaluate: give `results` with `ground_truth`, or `model` with `data`")
        if self.results is None:
            for name in ("ground_truth", "results_format"):
                if getattr(self, name) is not None:
                    raise UsageError(
                        f"`{name}` is for stored results, and no `results` are given; a model is evaluated on `data`"
                    )
            return
        for name in ("data", "model"):
            if getattr(self, name) is not None:
                raise UsageError(
                    f"`{name}` is for evaluating a model, but the results '{self.results}' are given: one at a time"
                )
        if self.ground_truth is None and self.against is not None:
            raise UsageError(
                f"missing `ground_truth`: annotations that '{self.results}' and '{self.against}' are compared on; if "
                f"'{self.against}' are the annotations, give it as `ground_truth`"
            )
        if self.ground_truth is None:
            raise UsageError(f"missing `ground_truth`: ground-truth annotations for '{self.results}'")

    def _check_panoptic(self) -> None:
        for name in ("save_plots", "save_worst", "results_format"):
            if self.iou_type == "panoptic" and getattr(self, name) is not None:
                raise UsageError(f"`{name}` is for AP; it cannot be combined with `iou_type=panoptic`")
        if self.iou_type == "panoptic" and self.detection.nms not in (None, "off"):
            raise UsageError("`nms` is for boxes and instances; it cannot be combined with `iou_type=panoptic`")

    def _check_comparison(self) -> None:
        if self.against is None:
            return
        if self.results is None:
            raise UsageError("`against` needs `results` to compare with")
        if self.iou_type == "panoptic":
            raise UsageError("two results are compared by AP, which `iou_type=panoptic` does not have")
        if self.save_plots is not None:
            raise UsageError(
                "`save_plots` is for one evaluation; two results are compared by `output` and `save_worst`"
            )
        if self.set_threshold is not None:
            raise UsageError(
                "`set_threshold` is for one evaluation, and two results are compared: evaluate one of them"
            )


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """The metrics of an evaluation and what was written.

    report   with everything that the JSON file has
    outputs  files and folders that were written
    seconds  duration
    """

    report: "EvaluationReport | PanopticReport | ComparisonReport"
    outputs: tuple[Path, ...]
    seconds: float

    @property
    def metrics(self) -> dict[str, float | None]:
        """COCO's twelve metrics, or panoptic quality, by name; None if there is no ground truth for one.

        Of two results, the differences: second minus first.
        """
        return self.report.metrics_by_name

    @property
    def failed(self) -> int:
        """Number of images that could not be processed."""
        return self.report.failed_images

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return self.report.to_dict()

    def to_json(self) -> bytes:
        """The report as the bytes of the JSON file."""
        from detcli.evaluation.report import to_json

        return to_json(self.to_dict())

    def __repr__(self) -> str:
        shown = ", ".join(f"{name} {'-' if value is None else f'{value:.3f}'}" for name, value in self.metrics.items())
        return f"EvaluationResult({shown}; {self.failed} failed)"


class EvaluationObserver(Observer):
    """Gets the events of an evaluation: those of a run, and these."""

    def on_dataset(self, part: str, report: "DatasetSummary") -> None:
        """The dataset that a model is evaluated on was opened and checked."""

    def on_image_folder(self, folder: str) -> None:
        """The images of the ground truth are read from this folder."""

    def on_segment_folder(self, file: str, folder: str) -> None:
        """The PNGs of a COCO panoptic file are read from this folder."""

    def on_evaluation_start(self, images: int) -> None:
        """A model is evaluated on so many images next; `on_result` follows for each, then `on_end`."""

    def on_worst_images(self, folder: Path, drawn: int, missing: int) -> None:
        """The worst images were drawn; so many of them were not available."""

    def on_threshold_set(self, folder: Path, threshold: float, classes: int) -> None:
        """The threshold of a model folder was written, and those of so many classes."""

    def on_changed_images(self, folder: Path, drawn: int, missing: int) -> None:
        """The images with other numbers of mistakes in two results were drawn; so many of them were not available."""
