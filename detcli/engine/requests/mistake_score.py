"""The score above which an evaluation counts detections as mistakes: the threshold that `detect` keeps by default."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from detcli.checkpoints import catalog
from detcli.checkpoints.score_threshold import StoredThreshold, threshold_of_folder

if TYPE_CHECKING:
    from detcli.engine.requests.evaluation_request import EvaluationRequest
    from detcli.inference.detector import Detector

_KEEPS_ALL = 0.05  # a threshold up to this one keeps every score for AP; it is not one that detections are shown at


@dataclass(frozen=True, slots=True)
class MistakeScore:
    """Detections with a score above it count in the confusion matrix and as mistakes.

    source   why it is this one, for the user; empty for a score of the request
    classes  by name, of classes that have another score
    """

    value: float
    source: str
    classes: Mapping[str, float] = field(default_factory=dict)


def score_of_model(request: "EvaluationRequest", detector: "Detector") -> MistakeScore:
    """The score of the request, else the threshold of the request or of a loaded detector, else that of the model.

    detector  as it is evaluated, with a threshold that keeps every score
    """
    from detcli.inference.detector import Detector

    loaded = request.model_settings.model
    used = loaded.threshold if isinstance(loaded, Detector) else None
    given = request.detection.threshold
    entry = detector.files.entry
    stored = detector.model.stored_threshold
    return _choose(
        request,
        ((given, "the threshold of this run"), (used, "the threshold of the detector")),
        detector.class_thresholds,
        _default(request, entry, stored, "the threshold of the model"),
    )


def score_of_results(request: "EvaluationRequest", path: Path, format_name: str) -> MistakeScore:
    """The score of the request, else the threshold that the results were made with, else that of their model."""
    from detcli.io.results.provenance import read_provenance

    provenance = read_provenance(path, format_name)
    entry = None if provenance.model is None else catalog.find(provenance.model)
    stored = None if provenance.model is None or entry is not None else threshold_of_folder(Path(provenance.model))
    return _choose(
        request,
        ((provenance.threshold, "the threshold of the results"),),
        provenance.class_thresholds,
        _default(request, entry, stored, "the threshold of their model"),
    )


def _choose(
    request: "EvaluationRequest",
    used: tuple[tuple[float | None, str], ...],
    used_of_classes: Mapping[str, float],
    default: MistakeScore,
) -> MistakeScore:
    """The score of the request, else the first threshold in use, else the default; of classes, too."""
    if request.score is not None:
        return MistakeScore(request.score, "")
    classes = {name: value for name, value in used_of_classes.items() if value > _KEEPS_ALL}
    for value, source in used:
        if value is not None and value > _KEEPS_ALL:
            return MistakeScore(value, source, classes)
    return replace(default, classes={**default.classes, **classes})


def _default(
    request: "EvaluationRequest", entry: catalog.CatalogEntry | None, stored: StoredThreshold | None, source: str
) -> MistakeScore:
    """What `detect` or `segment` keeps without a threshold."""
    from detcli.inference.load_settings import DEFAULT_THRESHOLD
    from detcli.inference.segmentation.segmentation_settings import SegmentationSettings

    if request.iou_type == "segm":
        return MistakeScore(SegmentationSettings("instance").score_threshold, "the default of segment")
    if stored is not None:
        return MistakeScore(stored.value, source, stored.classes)
    if entry is None:
        return MistakeScore(DEFAULT_THRESHOLD, "the default of detect")
    return MistakeScore(float(entry.threshold), source)
