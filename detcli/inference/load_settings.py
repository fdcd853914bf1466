"""The checked arguments of `load_detector` that do not say which model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from detcli.argument_checks import Nms
from detcli.errors import UsageError
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings, check_nms_task
from detcli.structures.class_labels import ClassLabels, ClassValues

if TYPE_CHECKING:
    from detcli.inference.postprocessing.selection import Selection

DEFAULT_THRESHOLD = 0.4  # of models that have none of their own
RUNTIME_NAMES = ("auto", "torch", "openvino", "onnx")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSettings:
    """How a model is loaded; `load_detector` says what each field means."""

    threshold: float | None = None
    class_thresholds: Sequence[tuple[str, float]] = ()
    nms: Nms | None = None
    nms_agnostic: bool = False
    classes: Sequence[str] = ()
    max_detections: int = 300
    image_size: tuple[int, int] | None = None
    segmentation: SegmentationSettings | None = None
    device: str = "auto"
    precision: str = "auto"
    runtime: str = "auto"
    batch_size: int | None = None
    queries: int | None = None
    decoder_layers: int | None = None
    uncertainty: bool = False
    pad: bool = False
    deterministic: bool = False
    compile: bool = False
    optimize: bool = True
    on_preparation: Callable[[str], None] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.segmentation is not None and self.nms not in (None, "off"):
            check_nms_task(self.segmentation.task)

    def selection(
        self,
        labels: ClassLabels,
        scores: Literal["sigmoid", "softmax"],
        *,
        threshold: float,
        nms: float | None,
        class_thresholds: Mapping[str, float] | None = None,
    ) -> "Selection":
        """Which predictions of a model are kept.

        threshold, nms    of the model, where the settings have none
        class_thresholds  of the model by class name, where the settings have no threshold; unknown classes are ignored

        Raises UnknownClassError, and UsageError for a class with two thresholds and for `nms_agnostic` without `nms`.
        """
        from detcli.inference.postprocessing.selection import Selection  # the names above are read without numpy

        return Selection(
            threshold if self.threshold is None else self.threshold,
            self.max_detections,
            labels.find(self.classes) if self.classes else None,
            scores,
            class_thresholds=self._class_thresholds(labels, class_thresholds or {}),
            nms=self._nms(nms),
            nms_agnostic=self.nms_agnostic,
        )

    def segments(self, selection: "Selection", labels: ClassLabels) -> SegmentationSettings | None:
        """The settings of segmentation with threshold, classes and NMS of the call, and the stuff classes of the model."""
        given = self.segmentation
        if given is None:
            return None
        return replace(
            given,
            threshold=self.threshold if given.threshold is None else given.threshold,
            class_ids=selection.class_ids,
            class_thresholds=selection.class_thresholds,
            stuff=labels.stuff,
            nms=self._nms(given.nms),
            nms_agnostic=self.nms_agnostic or given.nms_agnostic,
        )

    def _class_thresholds(self, labels: ClassLabels, usual: Mapping[str, float]) -> ClassValues:
        """The thresholds of the settings, and of boxes those of the model if no other one replaces them all."""
        given = labels.find_values("threshold", self.class_thresholds)
        if self.threshold is not None or self.segmentation is not None:
            return given
        own = {index: usual[name] for index, name in enumerate(labels.names) if name in usual}
        return tuple(sorted((own | dict(given)).items()))

    def _nms(self, usual: float | None) -> float | None:
        nms = usual if self.nms is None else None if self.nms == "off" else float(self.nms)
        check_agnostic(nms, self.nms_agnostic)
        return nms

    @property
    def openvino_precision(self) -> str:
        """The precision that OpenVINO gets."""
        return "fp32" if self.precision == "auto" else self.precision

    @property
    def torch_only(self) -> str | None:
        """A setting that only torch has for checkpoints, as `name=value`; None: all of them are plain."""
        flags = {"pad": self.pad, "deterministic": self.deterministic, "compile": self.compile}
        named = [f"{name}=True" for name, is_set in flags.items() if is_set]
        if not self.optimize:
            named.append("optimize=False")
        if self.segmentation is not None:
            named.append(f"segmentation={self.segmentation.task}")
        if self.device not in ("auto", "cpu"):
            named.append(f"device={self.device}")
        if self.precision not in ("auto", "fp32", "bf16"):
            named.append(f"precision={self.precision}")
        return named[0] if named else None


def check_agnostic(nms: float | None, nms_agnostic: bool) -> None:
    """Raise UsageError for `nms_agnostic` without `nms`."""
    if nms_agnostic and nms is None:
        raise UsageError("`nms_agnostic` needs `nms`, such as `nms=0.7`: no box is removed without it")
