"""The checked arguments of `load_detector` that do not say which model."""

from collections.abc import Sequence
from dataclasses import dataclass

from detcli.inference.segmentation.segmentation_settings import SegmentationSettings

DEFAULT_THRESHOLD = 0.4  # of models that have none of their own
RUNTIME_NAMES = ("auto", "torch", "openvino", "onnx")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSettings:
    """How a model is loaded; `load_detector` says what each field means."""

    threshold: float | None = None
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
    pad: bool = False
    deterministic: bool = False
    compile: bool = False
    optimize: bool = True
