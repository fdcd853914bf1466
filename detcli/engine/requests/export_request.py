"""What an export is asked for, what it reports, and what it returns."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from detcli.argument_checks import check_choice, check_flag, check_int, check_path, check_size
from detcli.engine.observer import Observer
from detcli.engine.requests.record_fields import check_optional_int, optional_path, store
from detcli.engine.requests.run_settings import MAX_BATCH_SIZE, MAX_DETECTIONS, ModelSettings
from detcli.errors import UsageError
from detcli.io.outputs import IfExists

if TYPE_CHECKING:
    from detcli.exporting.parity import ParityResult
    from detcli.runtimes.exported.exported_facts import ExportedFacts

FORMATS = ("onnx", "openvino")
PRECISIONS = ("fp32", "fp16", "int8")
DEFAULT_CALIBRATION_IMAGES, MIN_CALIBRATION_IMAGES, MAX_CALIBRATION_IMAGES = 300, 10, 10_000
SUFFIXES = {"onnx": ".onnx", "openvino": ".xml"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What is exported, and where to; a wrong type is a TypeError, a wrong value a UsageError.

    model           a name of the catalog, a Hub repository, a folder or a file with a checkpoint
    output          folder of the file, which has the name of the model; or the file, with its suffix
    format          onnx or openvino; None: by the suffix of `output`, else onnx
    batch           the only number of images that the file takes; None: any
    image_size      input size; None: as the checkpoint says
    precision       of the stored weights, fp32 or fp16; or int8: backbone and encoder compute in int8
    calibrate       folder, file or glob of images like those that the model will see; int8 needs it, and nothing else has it
    calibration_images  most images of it that are used
    outputs         raw: logits and boxes of all queries; boxes: boxes, scores and classes, sorted by score
    max_detections  of `outputs=boxes`, for each image
    masks           export the mask head too; for models that segment
    uncertainty     also export the standard deviation of each edge; for D-FINE models
    queries, decoder_layers  use fewer of them; None: all
    images          folder, file or glob of images for the check of the file; None: those of `calibrate`, or the bundled ones
    data            dataset on which checkpoint and file are evaluated; None: they are not
    if_exists       error, overwrite or skip
    """

    model: ModelSettings = field(default_factory=ModelSettings)
    output: Path
    format: Literal["onnx", "openvino"] | None = None
    batch: int | None = 1
    image_size: tuple[int, int] | None = None
    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    calibrate: Path | None = None
    calibration_images: int = DEFAULT_CALIBRATION_IMAGES
    outputs: Literal["raw", "boxes"] = "raw"
    max_detections: int = 300
    masks: bool = False
    uncertainty: bool = False
    queries: int | None = None
    decoder_layers: int | None = None
    images: Path | None = None
    data: str | None = None
    if_exists: IfExists = "error"

    def __post_init__(self) -> None:
        if self.model.name is None:
            raise UsageError("`model` is a detector that is loaded already: give the name of its checkpoint")
        store(self, output=check_path("output", self.output))
        for name in ("images", "calibrate"):
            store(self, **{name: optional_path(name, getattr(self, name))})
        if self.data is not None:
            store(self, data=str(check_path("data", self.data)))
        suffix = self.output.suffix.lower()
        by_suffix = next((name for name, known in SUFFIXES.items() if known == suffix), None)
        if self.format is None:
            store(self, format=by_suffix or "onnx")
        check_choice("format", self.format, FORMATS)
        if by_suffix not in (None, self.format):
            raise UsageError(
                f"`output`: '{self.output}' has the suffix of {by_suffix}, but `format={self.format}` is given"
            )
        check_choice("precision", self.precision, PRECISIONS)
        self._check_calibration()
        check_choice("outputs", self.outputs, ("raw", "boxes"))
        check_choice("if_exists", self.if_exists, ("error", "overwrite", "skip"))
        check_flag("masks", self.masks)
        check_flag("uncertainty", self.uncertainty)
        check_optional_int(self, "batch", at_least=1, at_most=MAX_BATCH_SIZE)
        check_int("max_detections", self.max_detections, at_least=1, at_most=MAX_DETECTIONS)
        for name in ("queries", "decoder_layers"):
            check_optional_int(self, name, at_least=1)
        if self.image_size is not None:
            store(self, image_size=check_size("image_size", self.image_size))
        if self.masks and self.outputs == "boxes":
            raise UsageError("`masks` needs `outputs=raw`: a file with `outputs=boxes` has no masks")
        if self.uncertainty and self.outputs == "boxes":
            raise UsageError(
                "`uncertainty` needs `outputs=raw`: a file with `outputs=boxes` has boxes, scores and classes"
            )

    def _check_calibration(self) -> None:
        check_int(
            "calibration_images",
            self.calibration_images,
            at_least=MIN_CALIBRATION_IMAGES,
            at_most=MAX_CALIBRATION_IMAGES,
        )
        if self.precision == "int8" and self.calibrate is None:
            raise UsageError(
                "`precision=int8` needs `calibrate`: a folder of images like those that the model will see"
            )
        if self.precision != "int8" and self.calibrate is not None:
            raise UsageError(f"`calibrate` is for `precision=int8`, not for {self.precision}")

    @property
    def path(self) -> Path:
        """The file that is written, .onnx or .xml."""
        suffix = SUFFIXES[self.format or "onnx"]
        if self.output.suffix.lower() == suffix:
            return self.output
        return self.output / (model_stem(self.model.name or "model") + suffix)

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files that are written, in the order in which they get their names."""
        return (self.path.with_suffix(".bin"), self.path) if self.format == "openvino" else (self.path,)


def model_stem(model: str) -> str:
    """The name of a model without folders, owner and suffix."""
    path = Path(model.rstrip("/\\") or ".")
    name = path.stem if path.is_file() else path.name
    return (name or path.resolve().name or "model").replace("\\", "_")


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What was exported.

    path    the file to load, .onnx or .xml
    paths   all files
    facts   the metadata in the file
    parity  the largest differences to the checkpoint, one record for each runtime that was compared; AP before and after,
            if it was asked for, is `facts.accuracy`
    """

    path: Path
    paths: tuple[Path, ...]
    facts: "ExportedFacts"
    parity: "tuple[ParityResult, ...]"


class ExportObserver(Observer):
    """Gets the events of an export; each method does nothing here."""

    def on_step(self, step: str) -> None:
        """What is done next, in a few words."""

    def on_written(self, path: Path) -> None:
        """The file is written under a temporary name; it is checked next, and then gets its final name."""
