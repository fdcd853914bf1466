"""The checked arguments of `load_detector` that do not say which model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

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
    uncertainty: bool = False
    pad: bool = False
    deterministic: bool = False
    compile: bool = False
    optimize: bool = True
    on_preparation: Callable[[str], None] | None = field(default=None, compare=False)

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
