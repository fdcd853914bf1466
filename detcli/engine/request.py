"""What a run is asked for, as checked records: of images, and of videos.

A wrong type is a TypeError, a wrong value a UsageError (a ValueError); both name the argument. Sequences and paths may
be given in any usual form: they are stored as tuples and `Path`.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from detcli.argument_checks import (
    check_choice,
    check_classes,
    check_flag,
    check_fraction,
    check_int,
    check_number,
    check_path,
    check_size,
    check_texts,
    check_type,
)
from detcli.errors import UsageError
from detcli.inference.segmentation.segmentation_settings import SegmentationSettings
from detcli.io.outputs import IfExists
from detcli.pipeline.failure_policy import FailurePolicy
from detcli.visualization.drawing_style import DrawingStyle

if TYPE_CHECKING:
    from detcli.inference.detector import Detector

__all__ = [
    "ComputeSettings",
    "DetectionSettings",
    "DrawingStyle",
    "FailurePolicy",
    "ImageInputSettings",
    "ImageRequest",
    "ModelSettings",
    "OutputSettings",
    "RunRequest",
    "SegmentationSettings",
    "VideoInputSettings",
    "VideoRequest",
]

MAX_WORKERS, MAX_BATCH_SIZE, MAX_DETECTIONS = 256, 4096, 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInputSettings:
    """Which images.

    sources         files, folders, globs, http(s) addresses; "-" is standard input
    files_from      file with a list of paths, "-" for standard input; None: no list
    null_separated  the list is separated by NUL bytes, not by line ends
    recursive       search the folders inside a folder too
    extensions      suffixes that are taken from folders; None: those of every image format
    exclude         glob patterns of names or paths that are left out
    limit           only the first so many images
    max_pixels      larger images are not read; None: 250 million
    """

    sources: tuple[str, ...] = ()
    files_from: str | None = None
    null_separated: bool = False
    recursive: bool = True
    extensions: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    limit: int | None = None
    max_pixels: int | None = None

    def __post_init__(self) -> None:
        _store(
            self,
            sources=check_texts("sources", self.sources),
            files_from=None if self.files_from is None else str(check_path("files_from", self.files_from)),
            extensions=_optional_texts("extensions", self.extensions),
            exclude=check_texts("exclude", self.exclude, described="a pattern"),
        )
        for name in ("null_separated", "recursive"):
            check_flag(name, getattr(self, name))
        for name in ("limit", "max_pixels"):
            _check_optional_int(self, name, at_least=1)
        if not self.sources and self.files_from is None:
            raise UsageError(
                "nothing to process: `sources` must name an image, a folder, a glob, an address or '-', or `files_from` "
                "a list of them"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoInputSettings:
    """Which frames of which videos.

    sources      files, folders and globs of files, cameras (cam0), addresses; "-" is standard input
    stride       every Nth frame
    fps          at most so many frames per second of the source's own time
    start        seconds that are skipped at the beginning
    duration     seconds of the source's own time; None: to its end
    max_frames   at most so many frames
    live         drop frames that wait too long; None: only for cameras and streams
    camera_size  (height, width) requested from a camera
    camera_rate  frames per second requested from a camera
    reconnect    reconnect to a stream or camera that was lost
    max_pixels   larger frames are not decoded; None: 250 million
    """

    sources: tuple[str, ...] = ()
    stride: int = 1
    fps: float | None = None
    start: float = 0.0
    duration: float | None = None
    max_frames: int | None = None
    live: bool | None = None
    camera_size: tuple[int, int] | None = None
    camera_rate: float | None = None
    reconnect: bool = True
    max_pixels: int | None = None

    def __post_init__(self) -> None:
        _store(self, sources=check_texts("sources", self.sources))
        check_int("stride", self.stride, at_least=1)
        _store(self, start=check_number("start", self.start, at_least=0))
        for name in ("fps", "duration", "camera_rate"):
            if getattr(self, name) is not None:
                _store(self, **{name: check_number(name, getattr(self, name), above=0)})
        for name in ("max_frames", "max_pixels"):
            _check_optional_int(self, name, at_least=1)
        if self.live is not None:
            check_flag("live", self.live)
        if self.camera_size is not None:
            _store(self, camera_size=check_size("camera_size", self.camera_size))
        check_flag("reconnect", self.reconnect)
        if not self.sources:
            raise UsageError("nothing to process: `sources` must name a video, a camera (cam0), an address or '-'")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """Which model.

    model      a name of the catalog, a Hub repository, a folder or a file; or a detector that is loaded already
    revision   commit, branch or tag of the Hub repository
    offline    use local files only
    cache_dir  where downloaded models are stored; None: as HF_HOME sets it
    """

    model: "str | Detector" = "dfine-s"
    revision: str | None = None
    offline: bool = False
    cache_dir: Path | None = None

    def __post_init__(self) -> None:
        _store(self, model=_checked_model(self.model), cache_dir=_optional_path("cache_dir", self.cache_dir))
        if self.revision is not None:
            check_type("revision", self.revision, str, "a str")
        check_flag("offline", self.offline)

    @property
    def name(self) -> str | None:
        """The name to load; None for a detector that is loaded already."""
        return self.model if isinstance(self.model, str) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionSettings:
    """Which detections are kept.

    threshold       scores must be above it; None: the model's own, else 0.4
    max_detections  most detections per image
    classes         names or class indices to keep; None: all
    image_size      input size of the network: height and width, or one number for both; None: the model's own
    """

    threshold: float | None = None
    max_detections: int = 300
    classes: tuple[str, ...] | None = None
    image_size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.threshold is not None:
            _store(self, threshold=check_fraction("threshold", self.threshold))
        check_int("max_detections", self.max_detections, at_least=1, at_most=MAX_DETECTIONS)
        if self.classes is not None:
            _store(self, classes=tuple(check_classes(self.classes)))
        if self.image_size is not None:
            _store(self, image_size=check_size("image_size", self.image_size))


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeSettings:
    """How the network is run.

    device         auto, cpu, cuda, cuda:N or mps
    batch_size     most images per batch; None: chosen by the device and the image size
    pad            images of different sizes share a batch, padded: faster on a GPU, results change a little
    precision      auto, fp32, bf16 or fp16
    compile        compile the network: slow start, faster long run
    optimize       fold normalization layers and drop what inference does not need
    deterministic  the same bytes from every run on this machine
    workers        threads that read images; None: one per processor
    """

    device: str = "auto"
    batch_size: int | None = None
    pad: bool = False
    precision: str = "auto"
    compile: bool = False
    optimize: bool = True
    deterministic: bool = False
    workers: int | None = None

    def __post_init__(self) -> None:
        check_type("device", self.device, str, "a str")
        _check_optional_int(self, "batch_size", at_least=1, at_most=MAX_BATCH_SIZE)
        check_choice("precision", self.precision, ("auto", "fp32", "bf16", "fp16"))
        for name in ("pad", "compile", "optimize", "deterministic"):
            check_flag(name, getattr(self, name))
        _check_optional_int(self, "workers", at_least=1, at_most=MAX_WORKERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSettings:
    """Where results go.

    outputs       files and folders; the suffix decides the format. "-" is standard output
    format        format of the one output; None: by its suffix
    header        JSON Lines: model, version and arguments in a first line
    csv_safe      CSV: keep spreadsheets from running cells as formulas
    ground_truth  COCO annotations whose image and category ids are used
    resume        continue the interrupted run that wrote the outputs
    if_exists     error, overwrite or skip
    save_images   folder of annotated images
    save_crops    folder of crops
    save_masks    folder of label maps
    drawing       how boxes and masks are drawn
    protected     further files that the caller reads: never an output
    """

    outputs: tuple[str, ...] = ()
    format: str | None = None
    header: bool = False
    csv_safe: bool = False
    ground_truth: Path | None = None
    resume: bool = False
    if_exists: IfExists = "error"
    save_images: Path | None = None
    save_crops: Path | None = None
    save_masks: Path | None = None
    drawing: DrawingStyle = field(default_factory=DrawingStyle)
    protected: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _store(self, outputs=check_texts("outputs", self.outputs), protected=check_texts("protected", self.protected))
        for name in ("ground_truth", "save_images", "save_crops", "save_masks"):
            _store(self, **{name: _optional_path(name, getattr(self, name))})
        if self.format is not None:
            check_type("format", self.format, str, "a str")
        for name in ("header", "csv_safe", "resume"):
            check_flag(name, getattr(self, name))
        check_choice("if_exists", self.if_exists, ("error", "overwrite", "skip"))

    @property
    def reads(self) -> tuple[str, ...]:
        """Files besides the sources that the run reads."""
        read = (self.ground_truth, self.drawing.font)
        return (*(str(path) for path in read if path is not None), *self.protected)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What a run of every kind is asked for.

    segmentation  which segments are made; None: boxes. `DetectionSettings` decides about classes and their number
    """

    model: ModelSettings = field(default_factory=ModelSettings)
    detection: DetectionSettings = field(default_factory=DetectionSettings)
    compute: ComputeSettings = field(default_factory=ComputeSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    failures: FailurePolicy = field(default_factory=FailurePolicy)
    segmentation: SegmentationSettings | None = None

    @property
    def task(self) -> Literal["panoptic", "instance", "semantic"] | None:
        """The segmentation task; None: boxes."""
        return None if self.segmentation is None else self.segmentation.task

    @property
    def tracks(self) -> bool:
        """Whether detections get track ids."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest(RunRequest):
    """A run over images."""

    input: ImageInputSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRequest(RunRequest):
    """A run over videos, cameras and streams.

    track       detections get track ids: the same number for the same object in every frame
    save_video  annotated video; a folder, or a name with {name} in it, for several sources
    show        show the frames in a window
    """

    input: VideoInputSettings
    track: bool = False
    save_video: Path | None = None
    show: bool = False

    def __post_init__(self) -> None:
        check_flag("track", self.track)
        check_flag("show", self.show)
        _store(self, save_video=_optional_path("save_video", self.save_video))
        if self.segmentation is not None:
            raise UsageError("segmentation of videos is not supported")

    @property
    def tracks(self) -> bool:
        """Whether detections get track ids."""
        return self.track


def _checked_model(model: Any) -> "str | Detector":
    if isinstance(model, str | Path):
        return str(check_path("model", model)) if isinstance(model, Path) else model
    if model is not None:
        from detcli.inference.detector import Detector

        if isinstance(model, Detector):
            return model
    raise TypeError(f"`model` must be a name, a path or a detector, not {type(model).__name__}")


def _optional_path(name: str, value: Any) -> Path | None:
    return None if value is None else check_path(name, value)


def _optional_texts(name: str, value: Any) -> tuple[str, ...] | None:
    return None if value is None else check_texts(name, value, described="a suffix")


def _check_optional_int(record: Any, name: str, *, at_least: int, at_most: int | None = None) -> None:
    value = getattr(record, name)
    if value is not None:
        check_int(name, value, at_least=at_least, at_most=at_most)


def _store(record: Any, **values: object) -> None:
    """Set fields of a frozen record while it is made."""
    for name, value in values.items():
        object.__setattr__(record, name, value)
