"""Which model a run uses, what it keeps, how it computes and where results go."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detcli.argument_checks import (
    OTHER_CLASSES,
    Nms,
    Thresholds,
    check_choice,
    check_classes,
    check_flag,
    check_int,
    check_nms,
    check_path,
    check_path_text,
    check_size,
    check_texts,
    check_thresholds,
    check_type,
)
from detcli.checkpoints.model_files import VARIANTS, Variant
from detcli.engine.requests.record_fields import check_optional_int, optional_path, store
from detcli.errors import UsageError
from detcli.image_selection import ImageSelection
from detcli.inference.images.tiling.tile_settings import TileSettings, tile_settings
from detcli.inference.load_settings import RUNTIME_NAMES, check_agnostic
from detcli.io.outputs import IfExists
from detcli.io.results.formats import Rows
from detcli.runtimes.device_list import device_text, is_several
from detcli.visualization.drawing_style import DrawingStyle

if TYPE_CHECKING:
    from detcli.inference.detector import Detector

MAX_WORKERS, MAX_BATCH_SIZE, MAX_DETECTIONS = 256, 4096, 100_000
MAX_QUERIES, MAX_DECODER_LAYERS = 100_000, 64  # of any config.json that is read
DEFAULT_MAX_DETECTIONS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """Which model.

    model      a name of the catalog, a Hub repository, a folder or a file; or a detector that is loaded already
    variant    of the network of a .pth file: dfine or deim; None: as the file tells
    revision   commit, branch or tag of the Hub repository
    offline    use local files only
    cache_dir  where downloaded models are stored; None: as HF_HOME sets it
    """

    model: "str | Detector" = "dfine-s"
    variant: Variant | None = None
    revision: str | None = None
    offline: bool = False
    cache_dir: Path | None = None

    def __post_init__(self) -> None:
        store(self, model=_checked_model(self.model), cache_dir=optional_path("cache_dir", self.cache_dir))
        if self.revision is not None:
            check_type("revision", self.revision, str, "a str")
        if self.variant is not None:
            check_choice("variant", self.variant, VARIANTS)
        check_flag("offline", self.offline)

    @property
    def name(self) -> str | None:
        """The name to load; None for a detector that is loaded already."""
        return self.model if isinstance(self.model, str) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionSettings:
    """Which detections are kept.

    threshold         scores must be above it; None: the model's own, else 0.4. A mapping of class names or indices is
                      stored in `class_thresholds`, and its value of "*", for all other classes, here
    max_detections    most detections per image; None: 300, or those of a detector that is loaded already
    classes           names or class indices to keep; None: all
    image_size        input size of the network: height and width, or one number for both; None: the model's own
    tile              images that are larger are cut into tiles of this side in pixels; None: never
    tile_overlap      least overlap of two tiles, as a share of the side; None: 0.2
    tile_and_full     detect in the whole image as well
    nms               intersection over union above which boxes are duplicates; "off"; None: the model's own, else off
    nms_agnostic      boxes of different classes may be duplicates, too
    class_thresholds  of classes that have another threshold, by name or index
    uncertainty       detections also have the standard deviation of each edge; for D-FINE models
    """

    threshold: float | None = None
    max_detections: int | None = None
    classes: tuple[str, ...] | None = None
    image_size: tuple[int, int] | None = None
    tile: int | None = None
    tile_overlap: float | None = None
    tile_and_full: bool = False
    nms: Nms | None = None
    nms_agnostic: bool = False
    class_thresholds: tuple[tuple[str, float], ...] = ()
    uncertainty: bool = False

    def __post_init__(self) -> None:
        check_flag("uncertainty", self.uncertainty)
        usual, of_classes = check_thresholds("threshold", self.threshold)
        store(self, threshold=usual, class_thresholds=of_classes or self.class_thresholds)
        store(self, nms=check_nms("nms", self.nms))
        check_flag("nms_agnostic", self.nms_agnostic)
        if self.nms == "off":
            check_agnostic(None, self.nms_agnostic)
        if self.max_detections is not None:
            check_int("max_detections", self.max_detections, at_least=1, at_most=MAX_DETECTIONS)
        if self.classes is not None:
            store(self, classes=tuple(check_classes(self.classes)))
        if self.image_size is not None:
            store(self, image_size=check_size("image_size", self.image_size))

        tile_settings(self.tile, self.tile_overlap, self.tile_and_full)

    @property
    def tiles(self) -> TileSettings | None:
        """Into which tiles large images are cut; None: they are not."""
        return tile_settings(self.tile, self.tile_overlap, self.tile_and_full)

    @property
    def thresholds(self) -> Thresholds | None:
        """The thresholds as `load_detector` takes them."""
        if not self.class_thresholds:
            return self.threshold
        thresholds: dict[str | int, float] = dict(self.class_thresholds)
        return thresholds if self.threshold is None else thresholds | {OTHER_CLASSES: self.threshold}


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeSettings:
    """How the network is run.

    device         auto, cpu, cuda, cuda:N or mps; or several, which may be given as a sequence too: "cuda:0,cuda:1",
                   "cuda:all", or "cpu:N" for N processes on the CPU
    runtime        auto, torch, openvino or onnx
    batch_size     most images per batch; None: chosen by the device and the image size
    queries        fewer queries, for speed; None: those of the model
    decoder_layers  fewer decoder layers, for speed; None: those of the model
    pad            images of different sizes share a batch, padded: faster on a GPU, results change a little
    precision      auto, fp32, tf32, bf16 or fp16
    compile        compile the network: slow start, faster long run
    optimize       fold normalization layers and drop what inference does not need
    deterministic  the same bytes from every run on this machine
    workers        threads that read images; None: one per processor
    """

    device: str = "auto"
    runtime: str = "auto"
    batch_size: int | None = None
    queries: int | None = None
    decoder_layers: int | None = None
    pad: bool = False
    precision: str = "auto"
    compile: bool = False
    optimize: bool = True
    deterministic: bool = False
    workers: int | None = None

    def __post_init__(self) -> None:
        store(self, device=device_text(self.device))
        check_choice("runtime", self.runtime, RUNTIME_NAMES)
        check_optional_int(self, "batch_size", at_least=1, at_most=MAX_BATCH_SIZE)
        check_choice("precision", self.precision, ("auto", "fp32", "tf32", "bf16", "fp16"))
        for name in ("pad", "compile", "optimize", "deterministic"):
            check_flag(name, getattr(self, name))
        check_optional_int(self, "workers", at_least=1, at_most=MAX_WORKERS)
        check_optional_int(self, "queries", at_least=1, at_most=MAX_QUERIES)
        check_optional_int(self, "decoder_layers", at_least=1, at_most=MAX_DECODER_LAYERS)

    def check_one_device(self, instead: str) -> None:
        """Raise UsageError where several devices are named; `instead` says what to do, as the end of a sentence."""
        if is_several(self.device):
            raise UsageError(f"`device={self.device}`: several devices are for `detect` and `segment`; {instead}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSettings:
    """Where results go.

    outputs       files and folders; the suffix decides the format. "-" is standard output
    format        format of the one output; None: by its suffix
    header        JSON Lines: model, version and arguments in a first line
    csv_safe      CSV: keep spreadsheets from running cells as formulas
    no_scores     YOLO: a dataset of boxes without scores, with data.yaml, lists and images; VOC: no scores
    rows          Parquet: one row for each of the "images" or "boxes"
    select        only these images in the results; None: all
    ground_truth  COCO annotations whose image and category ids are used
    resume        continue the interrupted run that wrote the outputs
    if_exists     error, overwrite or skip
    save_images   folder of annotated images
    save_crops    folder of crops
    save_masks    folder of label maps
    counts        table of counts: .csv or .jsonl
    events        table of crossings and visits, of videos with tracks: .csv or .jsonl
    drawing       how boxes and masks are drawn
    protected     further files that the caller reads: never an output
    """

    outputs: tuple[str, ...] = ()
    format: str | None = None
    header: bool = False
    csv_safe: bool = False
    no_scores: bool = False
    rows: Rows = "images"
    select: ImageSelection | None = None
    ground_truth: Path | None = None
    resume: bool = False
    if_exists: IfExists = "error"
    save_images: Path | None = None
    save_crops: Path | None = None
    save_masks: Path | None = None
    counts: Path | None = None
    events: Path | None = None
    drawing: DrawingStyle = field(default_factory=DrawingStyle)
    protected: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for output in check_texts("outputs", self.outputs):
            check_path_text("outputs", output)
        store(self, outputs=check_texts("outputs", self.outputs), protected=check_texts("protected", self.protected))
        for name in ("ground_truth", "save_images", "save_crops", "save_masks", "counts", "events"):
            store(self, **{name: optional_path(name, getattr(self, name))})
        if self.format is not None:
            check_type("format", self.format, str, "a str")
        for name in ("header", "csv_safe", "no_scores", "resume"):
            check_flag(name, getattr(self, name))
        check_choice("rows", self.rows, ("images", "boxes"))
        if self.select is not None:
            store(self, select=ImageSelection.of(self.select))
        check_choice("if_exists", self.if_exists, ("error", "overwrite", "skip"))

    @property
    def reads(self) -> tuple[str, ...]:
        """Files besides the sources that the run reads."""
        read = (self.ground_truth, self.drawing.font)
        return (*(str(path) for path in read if path is not None), *self.protected)


def _checked_model(model: Any) -> "str | Detector":
    if isinstance(model, str | os.PathLike):
        return model if isinstance(model, str) else str(check_path("model", model))
    if model is not None:
        from detcli.inference.detector import Detector

        if isinstance(model, Detector):
            return model
    raise TypeError(f"`model` must be a name, a path or a detector, not {type(model).__name__}")
