"""What the commands for datasets are asked for, and what they report while they work."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from detcli.argument_checks import check_choice, check_path, check_positive, check_size, check_texts
from detcli.datasets.formats.dataset_layout import ALL_PART_NAMES
from detcli.engine.observer import Observer
from detcli.engine.requests.record_fields import optional_path
from detcli.errors import UsageError
from detcli.inspection.box_table import InputSizing

if TYPE_CHECKING:
    from detcli.datasets.dataset import DatasetSummary, Part

Decode = Literal["none", "small", "full"]
DEFAULT_SIZE = (640, 640)  # of most models


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRequest:
    """The data of a command; a wrong type is a TypeError, a wrong value a UsageError.

    data        dataset as `train` takes it: COCO annotations, a folder of any format, or "shapes"
    val         other datasets for validation; empty: the validation part of `data`, if it has one
    images      folder that file names of `data` start from; None: found next to the annotations
    val_images  the same for `val`
    part        "train", "val" or "test": only this part of `data`; None: all that it has
    workers     threads that read images; None: one per processor
    """

    data: str
    val: tuple[str, ...] = ()
    images: Path | None = None
    val_images: Path | None = None
    part: "Part | None" = None
    workers: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", str(check_path("data", self.data)))
        val = () if self.val is None else check_texts("val", self.val)
        object.__setattr__(self, "val", val)
        for name in ("images", "val_images"):
            object.__setattr__(self, name, optional_path(name, getattr(self, name)))
        if self.part is not None:
            check_choice("part", self.part, tuple(ALL_PART_NAMES))
        if self.workers is not None:
            check_positive("workers", self.workers)
        if self.part is not None and self.val:
            raise UsageError("`part` is for the parts of one dataset; it cannot be combined with `val`")
        if self.val_images is not None and not self.val:
            raise UsageError("`val_images` is for `val`, which is missing; the folder of all images is `images`")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """What `detcli data check` is asked for.

    data        the data
    image_size  input size of the network, height and width, at which boxes must not be too small; None: that of the model
    model       that gives the input size and keeps the aspect ratio or not; None: images are stretched, to 640 x 640
    decode      how images are read: "small", a JPEG at a fraction of its size; "full", as training does; "none": only their
                files are compared
    """

    data: DataRequest
    image_size: tuple[int, int] | None = None
    model: str | None = None
    decode: Decode = "small"

    def __post_init__(self) -> None:
        if self.image_size is not None:
            object.__setattr__(self, "image_size", check_size("image_size", self.image_size))
        if self.model is not None:
            object.__setattr__(self, "model", str(check_path("model", self.model)))
        check_choice("decode", self.decode, get_args(Decode))


def requested_sizing(model: str | None, image_size: tuple[int, int] | None) -> InputSizing:
    """How images are resized for a model, or stretched to a size without one. Raises errors of the model, and UsageError.

    model       that gives the input size and keeps the aspect ratio or not; it is downloaded if it is missing
    image_size  height and width instead of those of the model, or of 640 x 640
    """
    if model is None:
        return InputSizing.stretched(image_size or DEFAULT_SIZE)
    from detcli.engine.model_files.input_sizing import input_sizing  # imports the networks

    return input_sizing(model, image_size)


class DataObserver(Observer):
    """Gets the events of a command for datasets: those of a run, and these."""

    def on_dataset(self, part: str, report: "DatasetSummary") -> None:
        """A dataset is open and checked; the part is "train", "val", "test" or "data"."""

    def on_progress(self, action: str, done: int, total: int) -> None:
        """So many of the images are done; may be called in any thread. `action` says what is done, as "reading images"."""
